"""Facts from the rest of the platform: approved campaigns and what payments did."""

from typing import Annotated, ClassVar

from pydantic import Field

from sosst_contracts.event import (
    Amount,
    BasisPoints,
    Currency,
    Event,
    Identifier,
    Instant,
    Part,
    Person,
    PersonalText,
    Seconds,
    StageShares,
    Text,
    Title,
    Total,
    Vocabulary,
)

PaymentMethod = Annotated[str, Vocabulary("card", "wallet", "sepa_debit", "bank_transfer", "other")]
GivenSeconds = Annotated[list[Seconds], Field(max_length=20)]


class Reward(Part):
    """Something promised to the backers who choose it."""

    reward_id: Identifier = Field(description="Id of the reward, unique in its campaign.")
    title: Title = Field(description="What the reward is called.")


class GivenTerms(Part):
    """Terms to be fixed at launch; what is left out is the standard of the platform."""

    stage_shares_basis_points: StageShares | None = Field(
        None, description="Shares of the three stages, sum 10000."
    )
    platform_fee_basis_points: BasisPoints | None = Field(None, description="Platform fee.")
    processing_fee_basis_points: BasisPoints | None = Field(None, description="Processing fee.")
    processing_fee_fixed: Amount | None = Field(
        None, description="Processing fee per pledge, minor units."
    )
    tax_basis_points: BasisPoints | None = Field(None, description="Tax on both fees.")
    settle_seconds: Seconds | None = Field(None, description="Minimum settle time.")
    pending_window_seconds: Seconds | None = Field(
        None, description="How long a pending card payment may hold up the verdict."
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


class CampaignApproved(Event):
    """The platform approved a campaign: it goes live with these terms."""

    topic: ClassVar = "platform.campaigns"
    name: ClassVar = "campaign-approved"
    version: ClassVar = "1.3"
    sequenced: ClassVar = False

    campaign_id: Identifier = Field(description="Id of the campaign.")
    creator_id: Person = Field(description="Person who owns it.")
    title: Title = Field(description="Title of the campaign.")
    currency: Currency = Field(description="The campaign's one currency, ISO 4217.")
    goal: Total = Field(description="Goal in minor units.")
    deadline: Instant = Field(description="Last instant at which a captured pledge counts.")
    zone: Identifier = Field(description="IANA zone in which the deadline is shown.")
    rewards: list[Reward] = Field(description="Rewards on offer.")
    terms: GivenTerms | None = Field(None, description="Terms that differ from the standard.")
    relaunch_of: Identifier | None = Field(
        None, description="Campaign that is launched again, absent for a new one."
    )


class _Payment(Event):
    """What the three payment facts share; provider and payment reference are the natural key."""

    topic: ClassVar = "platform.payments"
    about_fields: ClassVar = ("pledge_id",)
    sequenced: ClassVar = False

    campaign_id: Identifier = Field(description="Campaign that the money is for.")
    provider: Identifier = Field(description="Payment provider that holds the payment.")
    payment_reference: Identifier = Field(description="The provider's id of the payment.")
    pledge_id: Identifier = Field(description="Pledge that the payment is for.")
    backer_id: Person = Field(description="Person who pays.")
    reward_id: Identifier | None = Field(None, description="Reward chosen, absent if none.")
    amount: Amount = Field(description="Amount in minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amount.")
    occurred_at: Instant = Field(description="When the provider did it.")


class PaymentPending(_Payment):
    """A payment was begun and is not decided."""

    name: ClassVar = "payment-pending"
    version: ClassVar = "1.1"

    method: PaymentMethod | None = Field(
        None, description="How it is paid; decides how long it may be pending. Absent: a card."
    )


class PaymentCaptured(_Payment):
    """The provider took the money."""

    name: ClassVar = "payment-captured"
    version: ClassVar = "1.1"

    provider_fee: Amount = Field(description="What the provider kept, minor units.")
    balance_transaction: Identifier = Field(description="The provider's id of the cash entry.")
    method: PaymentMethod | None = Field(
        None,
        description="How it was paid; decides how long it can be returned the same way. Absent: as "
        "told while it was pending.",
    )


class PaymentFailed(_Payment):
    """The payment was refused."""

    name: ClassVar = "payment-failed"

    reason: Text = Field(description="The provider's reason code.")


class PaymentWithdrawn(_Payment):
    """The provider has already returned a captured payment; nothing is left to be sent."""

    name: ClassVar = "payment-withdrawn"

    balance_transaction: Identifier = Field(
        description="The provider's id of the cash entry of the return."
    )


class CancellationOrdered(Event):
    """The platform's staff ordered that a campaign ends without a verdict."""

    topic: ClassVar = "platform.campaigns"
    name: ClassVar = "cancellation-ordered"
    sequenced: ClassVar = False

    campaign_id: Identifier = Field(description="Id of the campaign.")
    by: Person = Field(description="Person who ordered it.")
    reason: Text = Field(description="Why, as it is told to its backers.")
    ordered_at: Instant = Field(description="When it was ordered.")


PersonRole = Annotated[str, Vocabulary("backer", "creator", "follower", "staff")]


class PersonDescribed(Event):
    """Who a person is and how they are reached; the latest says everything.

    A record without a value erases the person: whoever reads must forget what was said.
    """

    topic: ClassVar = "platform.people"
    name: ClassVar = "person-described"
    key_field: ClassVar = "person_id"
    sequenced: ClassVar = False
    compacted: ClassVar = True

    person_id: Person = Field(description="Id of the person, a pseudonym everywhere else.")
    address: PersonalText | None = Field(None, description="E-mail address, absent if unknown.")
    display_name: PersonalText | None = Field(None, description="How the person wants to be named.")
    language: Identifier = Field(description="BCP 47 tag of the language to write in.")
    zone: Identifier = Field(description="IANA zone that the person lives in.")
    roles: list[PersonRole] = Field(
        max_length=10, description="What the person is on the platform; staff are told of queues."
    )
    described_at: Instant = Field(
        description="When it became so; an earlier description never replaces a later one."
    )
