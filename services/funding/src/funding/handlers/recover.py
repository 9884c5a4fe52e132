"""Funding after a restored backup: campaigns, pledges and verdicts come back from its own facts.

A verdict falls once. What the topics say after the backup is therefore folded in through the same
rules that made it, in its order, and nothing of it is published again. A campaign that cannot be
folded in is held: it decides nothing until a person has looked, and a verdict that was told stands.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from funding.domain.campaign import (
    Campaign,
    CampaignState,
    Cancellation,
    Launch,
    Verdict,
    launched,
)
from funding.domain.cancelling import stand_cancelled
from funding.domain.errored import drop, take_step
from funding.domain.errors import Refused
from funding.domain.held import Held
from funding.domain.pledge import (
    DropReason,
    Payment,
    Pledge,
    PledgeState,
    Standing,
    Taken,
    Withdrawal,
    take_payment,
    withdraw,
)
from funding.domain.settling import begin_settling, decide
from funding.domain.team import Team
from funding.ports import FundingUnit
from servicekit.clock import Clock
from servicekit.errors import DuplicateKey
from servicekit.own_topics import Unexplained
from servicekit.recovery import ServiceRecovery
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True)
class Launched:
    launch: Launch
    at: datetime


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment fact with its place in the pledges' topic; `standing` where it was collected."""

    sequence: int
    payment: Payment
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Stepped:
    """A reminder or the last try of an errored pledge, at its place in the pledges' topic."""

    sequence: int
    pledge_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Dropped:
    sequence: int
    pledge_id: str
    because: DropReason
    at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    sequence: int
    pledge_id: str
    withdrawal: Withdrawal


@dataclass(frozen=True, slots=True)
class Decided:
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Cancelled:
    cancellation: Cancellation


@dataclass(frozen=True, slots=True)
class TeamSet:
    team: Team


Pledged = Paid | Stepped | Dropped | Withdrawn
Happened = Launched | Pledged | Decided | Cancelled | TeamSet


@dataclass(frozen=True, slots=True)
class RecoverFunding(ServiceRecovery):
    """What `recover` does for funding; `read` turns records into what happened, by campaign."""

    units: UnitsOfWork[FundingUnit]
    read: Callable[[Sequence[Unexplained]], Mapping[str, Sequence[Happened]]]
    clock: Clock

    lost = (
        "refusals of commands, which changed nothing",
        "audit records after the backup",
    )

    async def roll_forward(self, unexplained: Sequence[Unexplained]) -> list[str]:
        """Fold what the topics say into each campaign, one transaction for each."""
        lines = []
        for campaign_id, happened in sorted(self.read(unexplained).items()):
            try:
                fold = partial(roll_forward, campaign_id=campaign_id, happened=happened)
                await self.units.run(fold)
                lines.append(f"{campaign_id}: {len(happened)} facts folded in")
            except (Refused, DuplicateKey) as refusal:
                held = await self._hold(campaign_id, happened, str(refusal))
                until = "its verdict stands as told" if held.verdict else "until `release`"
                lines.append(
                    f"a person must look at campaign {campaign_id}, held, {until}: {held.why}"
                )
        return lines

    async def _hold(self, campaign_id: str, happened: Sequence[Happened], why: str) -> Held:
        told = [one.verdict for one in happened if isinstance(one, Decided)]
        held = Held(campaign_id, why, self.clock.now(), told[0] if told else None)
        await self.units.run(lambda unit: unit.held.save(held))
        return held


async def roll_forward(
    unit: FundingUnit, campaign_id: str, happened: Sequence[Happened]
) -> Campaign:
    """Fold what happened into the campaign; the same again changes nothing.

    Raises `Refused` where our rules, over the facts, do not say what the topics say.
    """
    known = (await unit.campaigns.load([campaign_id])).get(campaign_id)
    pledges = await unit.pledges.load({_pledge_id(h) for h in happened if isinstance(h, Pledged)})
    fold = _Fold(known, dict(pledges))
    for one in in_order(happened):
        fold.take(one)
    await unit.held.remove(campaign_id)
    if fold.campaign is None:
        raise Refused("never-launched", f"the topics do not say how {campaign_id} was launched")
    await unit.pledges.save(list(fold.changed.values()))
    if known is None:
        await unit.campaigns.add(fold.campaign)
    elif fold.campaign != known:
        await unit.campaigns.save([fold.campaign])
    if fold.team is not None:
        known_team = await unit.teams.load(campaign_id)
        version = known_team.version if known_team else 0
        await unit.teams.save(replace(fold.team, version=version))
    return fold.campaign


def _pledge_id(one: Pledged) -> str:
    return one.payment.pledge_id if isinstance(one, Paid) else one.pledge_id


def in_order(happened: Iterable[Happened]) -> list[Happened]:
    """Return the facts of both topics as they happened: an end knew the pledges up to its N."""

    def place(one: Happened) -> tuple[int, int]:
        match one:
            case Launched() | TeamSet():
                return -1, 0
            case Decided(verdict):
                return verdict.pledges_sequence, 1
            case Cancelled(cancellation):
                return cancellation.pledges_sequence, 2
            case Paid(sequence) | Stepped(sequence) | Dropped(sequence) | Withdrawn(sequence):
                return sequence, 0

    return sorted(happened, key=place)


class _Fold:
    """The campaign and its pledges, moved on by each fact."""

    def __init__(self, campaign: Campaign | None, pledges: dict[str, Pledge]) -> None:
        self.campaign = campaign
        self.changed: dict[str, Pledge] = {}
        self._pledges = pledges
        self.team: Team | None = None

    def take(self, one: Happened) -> None:
        if isinstance(one, Launched):
            self.campaign = self.campaign or launched(one.launch, one.at)
            return
        if self.campaign is None:
            raise Refused("never-launched", "a fact stands before the campaign's launch")
        if isinstance(one, TeamSet):
            self.team = one.team
        elif isinstance(one, Decided):
            self.campaign = _decided(self.campaign, one.verdict)
        elif isinstance(one, Cancelled):
            self.campaign = _cancelled(self.campaign, one.cancellation)
        elif isinstance(one, Paid):
            self.campaign = self._paid(self.campaign, one)
        else:
            self.campaign = self._moved(self.campaign, one)

    def _paid(self, campaign: Campaign, paid: Paid) -> Campaign:
        known = self._pledges.get(paid.payment.pledge_id)
        taken = take_payment(campaign, known, paid.payment)
        if paid.standing not in (None, taken.pledge.standing):
            detail = f"pledge {taken.pledge.pledge_id} was {paid.standing} on the topic"
            raise Refused("other-standing", detail)
        return self._keep(campaign, known, taken)

    def _moved(self, campaign: Campaign, one: Stepped | Dropped | Withdrawn) -> Campaign:
        known = self._pledges.get(one.pledge_id)
        if known is None:
            raise Refused("never-placed", f"the topics do not say how {one.pledge_id} was placed")
        if isinstance(one, Withdrawn):
            return self._keep(campaign, known, withdraw(campaign, known, one.withdrawal))
        if known.state is not PledgeState.ERRORED:
            return campaign
        if isinstance(one, Stepped):
            return self._keep(campaign, known, take_step(campaign, known, one.at))
        return self._keep(campaign, known, drop(campaign, known, one.because, one.at))

    def _keep(self, campaign: Campaign, known: Pledge | None, taken: Taken) -> Campaign:
        pledge = taken.pledge
        if pledge != known:
            self._pledges[pledge.pledge_id] = self.changed[pledge.pledge_id] = pledge
        return replace(campaign, totals=taken.totals)


def _cancelled(campaign: Campaign, cancellation: Cancellation) -> Campaign:
    if campaign.cancellation is None:
        campaign = stand_cancelled(campaign, cancellation)
    figures = campaign.totals.counted, campaign.totals.count
    if campaign.cancellation != cancellation or figures != (
        cancellation.collected,
        cancellation.count,
    ):
        raise Refused("other-cancellation", f"the topics say {cancellation}, the pledges {figures}")
    return campaign


def _decided(campaign: Campaign, verdict: Verdict) -> Campaign:
    if campaign.verdict is None:
        if campaign.state is CampaignState.LIVE:
            campaign = begin_settling(campaign, verdict.reached_at)
        campaign = decide(campaign, verdict.pledges_sequence, verdict.reached_at)
        assert campaign.verdict is not None
        late_by = verdict.late_by_seconds
        campaign = replace(campaign, verdict=replace(campaign.verdict, late_by_seconds=late_by))
    if campaign.verdict != verdict:
        raise Refused("other-verdict", f"the topics say {verdict}, the pledges {campaign.verdict}")
    return campaign
