"""What a seed decides: the load, and what breaks when. Pure: the same seed is the same plan.

Every part draws from a generator of its own, so that a fault kind that is added later changes
neither the campaigns nor what the other parts of an old seed do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

SERVICES = ("funding", "payouts", "updates", "notifier")
TOPICS = (
    "funding.campaigns",
    "funding.pledges",
    "payouts.refunds",
    "payouts.stages",
    "updates.posts",
)


class FaultKind(StrEnum):
    """What is done to a target; `breaking.py` says how."""

    KILLED = "killed"
    STOPPED = "stopped"
    RESTARTED = "restarted"
    DOUBLED = "doubled"
    DOUBLED_AND_KILLED = "doubled, the double killed"
    RESTORED = "restored from a backup"
    REPUBLISHED = "republished"
    CUT = "cut off"
    SLOWED = "slowed"
    RESET = "reset"
    STEPPED_DOWN = "stepped down"
    ISOLATED = "isolated"
    BELOW_MINIMUM = "below its minimum"


class Channel(StrEnum):
    """How the suite hears of a payment; the same fact twice is one fact."""

    TOPIC = "topic"
    HTTP = "http"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Fault:
    """The target is broken at `at_seconds` and whole again `seconds` later."""

    at_seconds: float
    kind: FaultKind
    target: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.at_seconds:6.1f} s  {self.target} {self.kind} for {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """The provider misbehaves on one operation for a time, with a probability per call."""

    at_seconds: float
    kind: str
    operation: str
    probability: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.at_seconds:6.1f} s  provider {self.kind} on {self.operation}"
            f" with {self.probability:.2f} for {self.seconds:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class PlannedCampaign:
    """One campaign of the load: who pledges how, and what its creator publishes.

    `late` pledges are told after the verdict. `declined` and `bounced` are the pledges whose first
    refund the provider refuses, or takes back after it had succeeded.
    """

    campaign_id: str
    launch_at_seconds: float
    open_seconds: float
    pledges: int
    late: int
    reachable: bool
    channel: Channel
    updates_at_seconds: tuple[float, ...]
    declined: tuple[int, ...]
    bounced: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that happens in one run, on `nodes` brokers and as many mongods."""

    seed: int
    seconds: float
    campaigns: tuple[PlannedCampaign, ...]
    provider_faults: tuple[ProviderFault, ...]
    faults: tuple[Fault, ...]
    nodes: int = 1

    def lines(self) -> Iterator[str]:
        """Return what breaks when, for people, in order of time."""
        broken: list[Fault | ProviderFault] = [*self.faults, *self.provider_faults]
        yield from map(str, sorted(broken, key=lambda fault: fault.at_seconds))


# Of work in payouts 6 s, in notifier 4 s (`QUICK_SETTINGS`): a stopped service sleeps through two
# leases, and past the 10 s after which the broker gives its partitions to somebody else.
ZOMBIE_SECONDS = 13.0
PAUSE_SECONDS = (1.6, 5.5)
# How long a target is left alone after it came back: a service starts in about three seconds.
RECOVERY_SECONDS = 6.0
# `recover` waits until nobody reads, and reads everything again.
RESTORED_RECOVERY_SECONDS = 45.0

Card = tuple[FaultKind, str]
Durations = dict[Card, tuple[float, float]]


def durations(nodes: int = 1) -> Durations:
    """Return every kind with every target it fits, and between how long it may last.

    `nodes` brokers and as many mongods: of three, one lost changes nothing, and a primary that
    nobody reaches takes writes that are rolled back.
    """
    brokers, mongods = names("kafka", nodes), names("mongodb", nodes)
    cards: Durations = {
        **{(FaultKind.KILLED, one): (0.0, 4.0) for one in (*brokers, *mongods, "sandbox")},
        **{(FaultKind.STOPPED, one): (2.0, 8.0) for one in (*brokers, *mongods, "sandbox")},
        **{(FaultKind.CUT, one): (2.0, 8.0) for one in (*brokers, *mongods)},
        **{(FaultKind.SLOWED, one): (4.0, 10.0) for one in (*brokers, *mongods)},
        **{(FaultKind.RESET, one): (1.0, 4.0) for one in (*brokers, *mongods)},
        **{(FaultKind.REPUBLISHED, topic): (0.0, 0.0) for topic in TOPICS},
        (FaultKind.STEPPED_DOWN, "mongodb"): (1.0, 5.0),
        (FaultKind.RESTORED, "payouts"): (6.0, 12.0),
    }
    for service in SERVICES:
        cards |= {
            (FaultKind.KILLED, service): (0.0, 3.0),
            (FaultKind.STOPPED, service): (ZOMBIE_SECONDS, ZOMBIE_SECONDS + 3),
            (FaultKind.RESTARTED, service): (0.0, 0.0),
            (FaultKind.DOUBLED, service): (8.0, 20.0),
            (FaultKind.DOUBLED_AND_KILLED, service): (6.0, 12.0),
        }
    if nodes > 1:
        cards[FaultKind.ISOLATED, "mongodb"] = (4.0, 10.0)
        cards[FaultKind.BELOW_MINIMUM, "kafka"] = (3.0, 8.0)
    return cards


def names(server: str, nodes: int) -> list[str]:
    """Return the names of a server's nodes, as the native stack calls them."""
    return [server] if nodes == 1 else [f"{server}-{node}" for node in range(1, nodes + 1)]


# Definite refusals are planned pledge by pledge: three in a row would rightly end a refund.
PROVIDER_KINDS = (
    "rate_limited",
    "timeout_after",
    "error_before",
    "error_after",
    "unavailable_before",
    "unavailable_after",
)
PROVIDER_OPERATIONS = (
    "refunds.create",
    "transfers.create",
    "payouts.create",
    "refunds.list",
    "transfers.list",
    "balance.retrieve",
    "balance_transactions.list",
)
WEBHOOK_KINDS = ("webhook_lost", "webhook_doubled", "webhook_early")


def plan_of(seed: int, seconds: float, nodes: int = 1) -> Plan:
    """Return the plan of a seed for a run of so many seconds on so many brokers and mongods."""

    def generator(part: str) -> Random:
        return Random(f"{part} of {seed} in {seconds:g}")

    return Plan(
        seed=seed,
        seconds=seconds,
        campaigns=tuple(_campaigns(generator("campaigns"), seed, seconds)),
        provider_faults=tuple(_provider_faults(generator("provider"), seconds)),
        faults=tuple(_faults(generator("faults"), seconds, durations(nodes))),
        nodes=nodes,
    )


def _campaigns(draw: Random, seed: int, seconds: float) -> Iterator[PlannedCampaign]:
    # The last verdicts fall while things still break.
    count = max(4, int(seconds / 8))
    for number in range(count):
        launch_at = seconds * 0.75 * number / count
        open_seconds = draw.uniform(5.0, 14.0)
        pledges = draw.randint(8, 40)
        late = draw.choice((0, 0, 2))
        reachable = number % 2 == 1
        chosen = draw.sample(range(pledges), 3)
        yield PlannedCampaign(
            campaign_id=f"chaos-{seed}-{number}",
            launch_at_seconds=launch_at,
            open_seconds=open_seconds,
            pledges=pledges,
            late=late,
            reachable=reachable,
            channel=draw.choice(tuple(Channel)),
            updates_at_seconds=_update_times(draw, launch_at, open_seconds) if reachable else (),
            declined=() if reachable else tuple(chosen[:2]),
            bounced=() if reachable else tuple(chosen[2:]),
        )


def _update_times(draw: Random, launch_at: float, open_seconds: float) -> tuple[float, ...]:
    """Return one time while people still pledge, and one after the verdict."""
    during = launch_at + draw.uniform(0.3, 0.9) * open_seconds
    return (during, launch_at + open_seconds + draw.uniform(2.0, 8.0))


def _provider_faults(draw: Random, seconds: float) -> Iterator[ProviderFault]:
    at = draw.uniform(0.0, 4.0)
    while at < seconds:
        lasting = draw.uniform(3.0, 10.0)
        if draw.random() < 0.25:
            kind, operation = draw.choice(WEBHOOK_KINDS), "*"
        else:
            kind, operation = draw.choice(PROVIDER_KINDS), draw.choice(PROVIDER_OPERATIONS)
        yield ProviderFault(at, kind, operation, draw.uniform(0.2, 0.7), lasting)
        at += draw.uniform(2.0, 9.0)


def _faults(draw: Random, seconds: float, cards: Durations) -> Iterator[Fault]:
    """Deal from a shuffled deck of all pairs of kind and target, so that none is forgotten.

    A target that is still broken is passed over and dealt as soon as it is free.
    """
    free_at: dict[str, float] = {}
    deck: list[Card] = []
    at = draw.uniform(1.0, 4.0)
    while at < seconds:
        if not deck:
            deck = list(cards)
            draw.shuffle(deck)
        card = _first_free(deck, free_at, at)
        if card is not None:
            deck.remove(card)
            kind, target = card
            fault = Fault(at, kind, target, draw.uniform(*cards[card]))
            free_at[_part(target)] = at + fault.seconds + _recovery(kind)
            yield fault
        at += draw.uniform(*PAUSE_SECONDS)


def _first_free(deck: Sequence[Card], free_at: dict[str, float], at: float) -> Card | None:
    return next((card for card in deck if free_at.get(_part(card[1]), 0.0) <= at), None)


def _recovery(kind: FaultKind) -> float:
    return RESTORED_RECOVERY_SECONDS if kind is FaultKind.RESTORED else RECOVERY_SECONDS


def _part(target: str) -> str:
    """Return what a target is part of: one broker of several is broken at a time."""
    return target.partition("-")[0]
