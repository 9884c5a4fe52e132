"""Facts of funding: campaigns, pledges, verdicts."""

from typing import Annotated, ClassVar

from pydantic import Field

from sosst_contracts.event import (
    Amount,
    BasisPoints,
    Count,
    Currency,
    Event,
    Identifier,
    Instant,
    Part,
    Person,
    Seconds,
    Sequence,
    StageShares,
    Text,
    Title,
    Total,
    Vocabulary,
)
from sosst_contracts.platform import GivenSeconds, PaymentMethod, Reward

__all__ = [
    "CampaignCancelled",
    "CampaignLaunched",
    "Difference",
    "FundingEvent",
    "PledgeCollected",
    "PledgeDropped",
    "PledgeErrored",
    "PledgeEvent",
    "PledgeLastTryDue",
    "PledgePlaced",
    "PledgeReminderDue",
    "PledgeWithdrawn",
    "Reward",
    "TeamChanged",
    "TeamMember",
    "Terms",
    "VerdictReached",
]


class Terms(Part):
    """Terms of a campaign, fixed at launch."""

    stage_shares_basis_points: StageShares = Field(
        description="Shares of the three stages, sum 10000."
    )
    platform_fee_basis_points: BasisPoints = Field(description="Platform fee.")
    processing_fee_basis_points: BasisPoints = Field(description="Processing fee.")
    processing_fee_fixed: Amount = Field(description="Processing fee per pledge, minor units.")
    tax_basis_points: BasisPoints = Field(description="Tax on both fees.")
    settle_seconds: Seconds = Field(description="Minimum settle time.")
    pending_window_seconds: Seconds = Field(
        description="How long a pending card payment may hold up the verdict."
    )
    other_pending_window_seconds: Seconds | None = Field(
        None, description="The same for any other payment method."
    )
    errored_reminders_seconds: GivenSeconds | None = Field(
        None, description="When the backer of an errored pledge is reminded, from its failure."
    )
    errored_last_try_seconds: Seconds | None = Field(
        None, description="When the payment is tried a last time by itself, from its failure."
    )
    errored_drop_seconds: Seconds | None = Field(
        None, description="When the pledge is given up, from its failure."
    )
    dispute_reserve_basis_points: BasisPoints | None = Field(
        None,
        description="Share of what is collected that may be charged back and undecided before "
        "stages wait.",
    )


class Difference(Part):
    """One thing that a relaunch says otherwise."""

    field: Text = Field(description="Such as goal, rewards/<reward> or terms/<term>.")
    old: Text | None = Field(None, description="What the old campaign said, absent if nothing.")
    new: Text | None = Field(None, description="What the new one says, absent if nothing.")


class CampaignLaunched(Event):
    """A campaign went live."""

    topic: ClassVar = "funding.campaigns"
    name: ClassVar = "campaign-launched"
    version: ClassVar = "1.3"

    campaign_id: Identifier = Field(description="Id of the campaign.")
    creator_id: Person = Field(description="Person who owns it.")
    title: Title = Field(description="Title of the campaign.")
    currency: Currency = Field(description="The campaign's one currency, ISO 4217.")
    goal: Total = Field(description="Goal in minor units.")
    deadline: Instant = Field(description="Last instant at which a captured pledge counts.")
    zone: Identifier = Field(description="IANA zone in which the deadline is shown.")
    rewards: list[Reward] = Field(description="Rewards on offer.")
    terms: Terms = Field(description="Terms, fixed from now on.")
    launched_at: Instant = Field(description="When it went live.")
    relaunch_of: Identifier | None = Field(
        None, description="Campaign that is launched again, absent for a new one."
    )
    differences: list[Difference] | None = Field(
        None, description="What it says otherwise than the old one, exactly where it relaunches."
    )


class VerdictReached(Event):
    """The deadline's verdict: decided once, as of a sequence of pledges, never recomputed."""

    topic: ClassVar = "funding.campaigns"
    name: ClassVar = "verdict-reached"
    version: ClassVar = "1.2"

    campaign_id: Identifier = Field(description="Id of the campaign.")
    creator_id: Person = Field(description="Person who owns it.")
    title: Title = Field(description="Title of the campaign.")
    verdict: Annotated[str, Vocabulary("goal_met", "goal_missed")] = Field(
        description="Whether collected reached the goal."
    )
    goal: Total = Field(description="Goal in minor units.")
    collected: Total = Field(description="Sum of the counted pledges, minor units.")
    currency: Currency = Field(description="ISO 4217 currency of goal and collected.")
    count: Count = Field(description="How many pledges were counted.")
    pledges_sequence: Sequence = Field(
        description="Last sequence of funding.pledges that the verdict knows (as of N)."
    )
    terms: Terms = Field(description="Terms of the campaign.")
    late_by_seconds: Seconds = Field(description="How long the decision was possible before.")
    reached_at: Instant = Field(description="When it was decided.")


class CampaignCancelled(Event):
    """A campaign ended by a decision; before a verdict every collected pledge goes back."""

    topic: ClassVar = "funding.campaigns"
    name: ClassVar = "campaign-cancelled"

    campaign_id: Identifier = Field(description="Id of the campaign.")
    creator_id: Person = Field(description="Person who owns it.")
    title: Title = Field(description="Title of the campaign.")
    by: Person = Field(description="Person who cancelled it.")
    reason: Text = Field(description="Why, as it is told to its backers.")
    after_verdict: bool = Field(description="Whether the goal had been met before.")
    collected: Total = Field(description="Sum of the counted pledges, minor units.")
    currency: Currency = Field(description="ISO 4217 currency of collected.")
    count: Count = Field(description="How many pledges were counted.")
    pledges_sequence: Sequence = Field(
        description="Last sequence of funding.pledges that the cancellation knows (as of N)."
    )
    cancelled_at: Instant = Field(description="When it was cancelled.")


class TeamMember(Part):
    """One person of a team, and what they may do on the campaign."""

    person_id: Person = Field(description="Person who works on the campaign.")
    roles: list[Annotated[str, Vocabulary("owner", "editor", "fulfilment", "moderator")]] = Field(
        min_length=1, description="What they may: owner money, team and all of the others'."
    )


class TeamChanged(Event):
    """Who works on a campaign from now on: everybody, the owner first."""

    topic: ClassVar = "funding.campaigns"
    name: ClassVar = "team-changed"

    campaign_id: Identifier = Field(description="Id of the campaign.")
    members: list[TeamMember] = Field(
        min_length=1, description="The whole team; who is not named is not in it any more."
    )
    changed_by: Person = Field(description="Person who changed it.")
    changed_at: Instant = Field(description="When it was changed.")


class _Pledge(Event):
    """What the pledge facts share. The sequence of this topic is the N of "as of N"."""

    topic: ClassVar = "funding.pledges"
    about_fields: ClassVar = ("pledge_id",)

    campaign_id: Identifier = Field(description="Campaign that the money is for.")
    pledge_id: Identifier = Field(description="Id of the pledge.")
    backer_id: Person = Field(description="Person who pledged.")
    reward_id: Identifier | None = Field(None, description="Reward chosen, absent if none.")
    amount: Amount = Field(description="Amount in minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amount.")
    provider: Identifier = Field(description="Payment provider that holds the payment.")
    payment_reference: Identifier = Field(description="The provider's id of the payment.")


class PledgePlaced(_Pledge):
    """A pledge became known."""

    name: ClassVar = "pledge-placed"
    version: ClassVar = "1.1"

    placed_at: Instant = Field(description="When the payment was begun.")
    method: PaymentMethod | None = Field(None, description="How it is paid, absent if not told.")


class PledgeCollected(_Pledge):
    """The money of a pledge was captured."""

    name: ClassVar = "pledge-collected"
    version: ClassVar = "1.1"

    provider_fee: Amount = Field(description="What the provider kept, minor units.")
    balance_transaction: Identifier = Field(description="The provider's id of the cash entry.")
    captured_at: Instant = Field(description="When the provider captured it.")
    standing: Annotated[str, Vocabulary("counted", "late")] = Field(
        description="Whether the verdict is about it, or it came after deadline or verdict."
    )
    method: PaymentMethod | None = Field(
        None,
        description="How it was paid; decides how long it can be returned the same way. Absent if "
        "nobody told.",
    )


class PledgeErrored(_Pledge):
    """The payment of a pledge was refused."""

    name: ClassVar = "pledge-errored"

    reason: Text = Field(description="The provider's reason code.")
    errored_at: Instant = Field(description="When it was refused.")


class PledgeReminderDue(_Pledge):
    """An errored pledge is still not paid: its backer is to be reminded."""

    name: ClassVar = "pledge-reminder-due"

    reminder: Annotated[int, Field(ge=1, le=20)] = Field(description="Which one, from 1.")
    drops_at: Instant = Field(description="When the pledge will be given up.")
    due_at: Instant = Field(description="When it fell due.")


class PledgeLastTryDue(_Pledge):
    """An errored pledge is still not paid: the checkout tries its payment a last time by itself."""

    name: ClassVar = "pledge-last-try-due"

    drops_at: Instant = Field(description="When the pledge will be given up.")
    due_at: Instant = Field(description="When it fell due.")


class PledgeDropped(_Pledge):
    """An errored pledge was given up; should its money come after all, it is collected again."""

    name: ClassVar = "pledge-dropped"

    because: Annotated[str, Vocabulary("never_paid", "campaign_over")] = Field(
        description="Its time was over, or its campaign can take no money any more."
    )
    before_verdict: bool = Field(
        description="No verdict had fallen: the public total loses the pledge too."
    )
    dropped_at: Instant = Field(description="When it was given up.")


class PledgeWithdrawn(_Pledge):
    """A collected pledge was taken back; its money goes, or has gone, back in full."""

    name: ClassVar = "pledge-withdrawn"

    withdrawn_by: Annotated[str, Vocabulary("backer", "provider")] = Field(
        description="By its backer, and payouts returns the money, or by the provider, which has."
    )
    standing: Annotated[str, Vocabulary("counted", "late")] = Field(
        description="What the pledge was when it was collected."
    )
    before_verdict: bool = Field(
        description="No verdict had fallen: it leaves count, collected and the public total."
    )
    return_balance_transaction: Identifier | None = Field(
        None, description="The provider's id of the return, exactly where the provider made it."
    )
    withdrawn_at: Instant = Field(description="When it was taken back.")


PledgeEvent = (
    PledgePlaced
    | PledgeCollected
    | PledgeErrored
    | PledgeReminderDue
    | PledgeLastTryDue
    | PledgeDropped
    | PledgeWithdrawn
)
FundingEvent = CampaignLaunched | VerdictReached | CampaignCancelled | TeamChanged | PledgeEvent
