"""A campaign from launch to verdict: its states, its totals, and how it is launched."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from funding.domain.errors import Refused
from funding.domain.instants import check_instant
from funding.domain.terms import Terms, check_terms
from sosst_contracts.money import UnknownCurrency, exponent

# Any integer reader of JSON can hold it (`events.md` rule 7).
LARGEST_GOAL = 2**53 - 1
# What the payment provider counts otherwise than ISO 4217 (docs.stripe.com/currencies): ISK and
# UGX in hundredths, MGA in whole ones. Our amounts would move a hundredth or the hundredfold there.
COUNTED_OTHERWISE = frozenset({"ISK", "UGX", "MGA"})
# Of three decimal digits it wants the last one to be 0, which a share of a pledge need not be.
DIGITS_MAX = 2


class CampaignState(StrEnum):
    LIVE = "live"
    SETTLING = "settling"
    GOAL_MET = "goal_met"
    GOAL_MISSED = "goal_missed"
    CANCELLED = "cancelled"


# `money.md` 7; after a met goal staff may cancel, there is no way back from a missed one.
TRANSITIONS: dict[CampaignState, frozenset[CampaignState]] = {
    CampaignState.LIVE: frozenset({CampaignState.SETTLING, CampaignState.CANCELLED}),
    CampaignState.SETTLING: frozenset(
        {CampaignState.GOAL_MET, CampaignState.GOAL_MISSED, CampaignState.CANCELLED}
    ),
    CampaignState.GOAL_MET: frozenset({CampaignState.CANCELLED}),
    CampaignState.GOAL_MISSED: frozenset(),
    CampaignState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Reward:
    """Something promised to backers who choose it."""

    reward_id: str
    title: str


@dataclass(frozen=True, slots=True)
class Launch:
    """What is known of a campaign when it starts; the same by HTTP and by topic.

    The goal is in minor units and may be far above the largest single pledge.
    """

    campaign_id: str
    creator_id: str
    title: str
    currency: str
    goal: int
    deadline: datetime
    zone: str
    rewards: tuple[Reward, ...]
    terms: Terms
    relaunch_of: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Money in minor units of the campaign's currency.

    `raised` is everything pledged or captured, in time or late; `counted` and `count` are the
    pledges that the verdict is about; `late` came after it or after the deadline.
    """

    raised: int = 0
    counted: int = 0
    count: int = 0
    late: int = 0

    # Field by field, three times for each payment: `replace` looks every field up by its name.
    def with_raised(self, amount: int) -> "Totals":
        return Totals(self.raised + amount, self.counted, self.count, self.late)

    def with_counted(self, amount: int) -> "Totals":
        return Totals(self.raised, self.counted + amount, self.count + 1, self.late)

    def with_late(self, amount: int) -> "Totals":
        return Totals(self.raised, self.counted, self.count, self.late + amount)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, taken once: as of `pledges_sequence`, `late_by_seconds` after it could be."""

    outcome: CampaignState
    collected: int
    count: int
    pledges_sequence: int
    late_by_seconds: int
    reached_at: datetime


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The end by a decision, taken once: who, why, and as of which pledges.

    After a met goal, `collected` and `count` are the verdict's: what came late is in neither.
    """

    by: str
    reason: str
    collected: int
    count: int
    pledges_sequence: int
    cancelled_at: datetime


@dataclass(frozen=True, slots=True)
class Campaign:
    """The campaign document; `version` is the compare-and-set guard of every save.

    `intake_ends` holds the end offset of each partition of the payments intake, read once after
    the clock had passed deadline and settle time. `blocked_at` is when a settling line was last
    seen missing; `next_due` is when the sweep has to look again, None when nothing is due.
    """

    launch: Launch
    launched_at: datetime
    state: CampaignState
    totals: Totals
    next_due: datetime | None
    intake_ends: dict[int, int] | None = None
    blocked_at: datetime | None = None
    verdict: Verdict | None = None
    cancellation: Cancellation | None = None
    version: int = 0

    @property
    def campaign_id(self) -> str:
        return self.launch.campaign_id

    @property
    def is_over(self) -> bool:
        """Whether verdict or cancellation has fallen: nothing is counted any more."""
        return self.verdict is not None or self.cancellation is not None

    @property
    def settles_at(self) -> datetime:
        """The earliest instant of a verdict: deadline plus the minimum settle time."""
        return self.launch.deadline + timedelta(seconds=self.launch.terms.settle_seconds)


def launch_campaign(launch: Launch, now: datetime) -> Campaign:
    """Start a campaign, or raise `Refused` with the rule it breaks."""
    _check(launch)
    return launched(launch, now)


def launched(launch: Launch, at: datetime) -> Campaign:
    """Return the campaign as its launch left it; what was told once no later rule judges."""
    return Campaign(
        launch=launch,
        launched_at=at,
        state=CampaignState.LIVE,
        totals=Totals(),
        next_due=launch.deadline,
    )


def _check(launch: Launch) -> None:
    if not 0 < launch.goal <= LARGEST_GOAL:
        raise Refused("invalid-goal", f"the goal must be above zero and at most {LARGEST_GOAL}")
    check_instant(launch.deadline)
    try:
        digits = exponent(launch.currency)
    except UnknownCurrency as error:
        raise Refused("unknown-currency", str(error)) from None
    if launch.currency in COUNTED_OTHERWISE or digits > DIGITS_MAX:
        detail = f"the payment provider does not count {launch.currency} as we do"
        raise Refused("currency-counted-otherwise", detail)
    try:
        ZoneInfo(launch.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("unknown-zone", f"{launch.zone!r} is not a time zone") from None
    reward_ids = [reward.reward_id for reward in launch.rewards]
    if len(set(reward_ids)) != len(reward_ids):
        raise Refused("duplicate-reward", "two rewards have the same id")
    check_terms(launch.terms)


def check_settled(launch: Launch, settlement: Collection[str]) -> None:
    """Raise `Refused` for a currency in which the provider's account keeps no balance.

    Its pledges would be charged and converted, and neither a refund nor a stage in the campaign's
    own currency would ever be covered (`money.md` 4).
    """
    if launch.currency not in settlement:
        kept = ", ".join(sorted(settlement))
        detail = f"the payment provider's account settles in {kept}, not in {launch.currency}"
        raise Refused("currency-not-settled", detail)


def move(campaign: Campaign, state: CampaignState) -> Campaign:
    """Return the campaign in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[campaign.state]:
        raise Refused("impossible-transition", f"{campaign.state} does not become {state}")
    return replace(campaign, state=state)
