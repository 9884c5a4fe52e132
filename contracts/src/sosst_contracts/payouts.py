"""Facts of payouts: refunds, the stages in which a creator is paid, and the ledger of both."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field, PlainSerializer, StringConstraints

from sosst_contracts.chain import ACCOUNTS, LARGEST_INTEGER
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
    Text,
    Total,
    Vocabulary,
)

RefundKind = Annotated[str, Vocabulary("refund", "compensation")]
PlannedKind = Annotated[str, Vocabulary("first", "second", "last")]
StageKind = Annotated[str, Vocabulary("first", "second", "last", "supplement")]
OtherMethod = Annotated[str, Vocabulary("bank_transfer", "cheque", "other")]
RefundMethod = Annotated[str, Vocabulary("original_payment")]
RunState = Annotated[
    str,
    Vocabulary(
        "succeeded",
        "claimable",
        "blocked",
        "paid_by_other_means",
        "cancelled",
        "refused",
    ),
]
Account = Annotated[str, Vocabulary(*sorted(ACCOUNTS))]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Cause = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
PlatformFee = Annotated[
    Total | None, Field(description="Platform fee taken with a last stage, minor units.")
]
ProcessingFee = Annotated[
    Total | None, Field(description="Processing fees taken with a last stage, minor units.")
]
FeesTax = Annotated[Total | None, Field(description="Tax on both fees, minor units.")]
FeesOwed = Annotated[
    Total | None,
    Field(description="Part of the three that the campaign's money did not cover."),
]
SetOff = Annotated[
    Total | None,
    Field(description="Part that pays the creator's debt instead of being sent, minor units."),
]
Number = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
EitherSide = Annotated[int, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]


def _to_the_millisecond(instant: datetime) -> str:
    """What is hashed has one form only."""
    return instant.isoformat(timespec="milliseconds")


HashedInstant = Annotated[Instant, PlainSerializer(_to_the_millisecond, when_used="json")]


class _Refund(Event):
    """What the refund facts share."""

    topic: ClassVar = "payouts.refunds"
    about_fields: ClassVar = ("refund_id", "pledge_id")

    campaign_id: Identifier = Field(description="Campaign that the money was for.")
    refund_id: Identifier = Field(description="Id of the refund, made of pledge and cause.")
    kind: RefundKind = Field(description="What is returned.")
    pledge_id: Identifier = Field(description="Pledge that is returned.")
    backer_id: Person = Field(description="Person who gets it.")
    amount: Amount = Field(description="Amount in minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amount.")
    cause: Identifier = Field(description="Why, such as verdict-reached/<campaign>.")


class RefundCreated(_Refund):
    """A refund is owed and will be tried."""

    name: ClassVar = "refund-created"
    version: ClassVar = "1.1"

    created_at: Instant = Field(description="When it became owed.")


class RefundSucceeded(_Refund):
    """The provider returned the money."""

    name: ClassVar = "refund-succeeded"
    version: ClassVar = "1.2"

    fully_refunded: bool = Field(description="Whether nothing of the pledge is left.")
    method: RefundMethod = Field(description="Way the money took.")
    succeeded_at: Instant = Field(description="When the provider confirmed it.")
    came_back: Count | None = Field(
        None,
        description="How often its money had come back before; absent where it never had.",
    )


class RefundFailed(_Refund):
    """An attempt failed, or a refund that had succeeded came back."""

    name: ClassVar = "refund-failed"
    version: ClassVar = "1.2"

    reason: Text = Field(description="The provider's reason code.")
    failed_at: Instant = Field(description="When it failed.")
    attempt: Count | None = Field(
        None, description="Number of the attempt, from 1: one that failed is not the next one's."
    )


class RefundClaimable(_Refund):
    """The original means of payment does not take the money; the backer may claim it."""

    name: ClassVar = "refund-claimable"
    version: ClassVar = "1.1"

    reason: Text = Field(description="The last attempt's reason code.")
    claimable_at: Instant = Field(description="When it became claimable.")


class RefundBlocked(_Refund):
    """The pledge is charged back: the refund waits for the end of the dispute."""

    name: ClassVar = "refund-blocked"
    version: ClassVar = "1.1"

    reason: Text = Field(description="Why, such as dispute.")
    blocked_at: Instant = Field(description="When it was taken back unsent.")


class RefundRefused(_Refund):
    """The refund will not be made; whoever asked for it need not wait."""

    name: ClassVar = "refund-refused"
    version: ClassVar = "1.1"

    reason: Text = Field(description="Why, such as satisfied_by_chargeback.")
    refused_at: Instant = Field(description="When that was certain.")


class RefundPaidOtherwise(_Refund):
    """The backer was paid outside the provider; two people have said so."""

    name: ClassVar = "refund-paid-otherwise"
    version: ClassVar = "1.1"

    fully_refunded: bool = Field(description="Whether nothing of the pledge is left.")
    method: OtherMethod = Field(description="Way the money took.")
    proof: Hash = Field(description="SHA-256 of what proves it.")
    paid_at: Instant = Field(description="When the second person said so.")


class ClaimableReminderDue(_Refund):
    """The backer is to be told again of money that waits to be claimed."""

    name: ClassVar = "claimable-reminder-due"
    version: ClassVar = "1.1"

    days: Count = Field(description="Days after it became claimable: 7, 30, 90 or 180.")
    claimable_at: Instant = Field(description="When it became claimable.")
    due_at: Instant = Field(description="When the reminder was due.")


class RunOutcome(Part):
    """How many refunds of a run came to one end, or wait for a person or a bank."""

    outcome: RunState = Field(description="Where they are.")
    count: Count = Field(description="How many refunds.")
    amount: Total = Field(description="Their sum, minor units.")


class RefundRunFinished(Event):
    """No refund of a run goes on by itself: each is final, or waits for a person or a bank.

    Told once for each cause, with the figures of that moment; a later pledge tells its own refund.
    """

    topic: ClassVar = "payouts.refunds"
    name: ClassVar = "refund-run-finished"
    about_fields: ClassVar = ("cause",)

    campaign_id: Identifier = Field(description="Campaign whose backers are refunded.")
    cause: Identifier = Field(description="Why, such as verdict-reached/<campaign>.")
    count: Count = Field(description="Refunds of the run.")
    amount: Total = Field(description="Their sum, minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amounts.")
    outcomes: list[RunOutcome] = Field(description="The refunds by where they are.")
    finished_at: Instant = Field(description="When the last of them came to rest.")


class PlannedStage(Part):
    """One stage of the plan."""

    stage: Count = Field(description="Number of the stage, from 1.")
    kind: PlannedKind = Field(description="Which of the stages it is.")
    share_basis_points: BasisPoints = Field(description="Its share of the base.")
    planned_amount: Total = Field(description="Share of the base before fees, minor units.")


class PlanScheduled(Event):
    """The stages of a campaign that met its goal are planned."""

    topic: ClassVar = "payouts.stages"
    name: ClassVar = "plan-scheduled"

    campaign_id: Identifier = Field(description="Campaign that met its goal.")
    currency: Currency = Field(description="ISO 4217 currency of all amounts.")
    base: Total = Field(description="The verdict's collected, frozen, minor units.")
    stages: list[PlannedStage] = Field(description="The stages in order.")
    scheduled_at: Instant = Field(description="When it was planned.")


class _Stage(Event):
    """What the stage facts share."""

    topic: ClassVar = "payouts.stages"
    about_fields: ClassVar = ("stage",)

    campaign_id: Identifier = Field(description="Campaign whose creator is paid.")
    stage: Count = Field(description="Number of the stage, from 1.")
    kind: StageKind = Field(description="Which of the stages it is.")
    amount: Total = Field(description="Amount of the stage, minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amount.")


class StageDue(_Stage):
    """The stage's milestone is reached."""

    name: ClassVar = "stage-due"
    version: ClassVar = "1.1"

    due_at: Instant = Field(description="When it became due.")


class StageApproved(_Stage):
    """The stage may be paid."""

    name: ClassVar = "stage-approved"
    version: ClassVar = "1.2"

    by: Identifier = Field(description="Who approved it; `verdict` for a first stage.")
    destination_version: Count = Field(description="Version of the destination it is for.")
    approved_at: Instant = Field(description="When it was approved.")
    second_by: Person | None = Field(
        None, description="The second person, where the amount needed two."
    )
    platform_fee: PlatformFee = None
    processing_fee: ProcessingFee = None
    tax: FeesTax = None
    fees_owed: FeesOwed = None


class StageHeld(_Stage):
    """A due or approved stage stands still; an approval that was given has fallen."""

    name: ClassVar = "stage-held"
    version: ClassVar = "1.1"

    reason: Text = Field(description="Why, in the words of whoever holds it.")
    held_at: Instant = Field(description="When it was held.")


class StageReleased(_Stage):
    """A held stage goes on; it needs an approval."""

    name: ClassVar = "stage-released"
    version: ClassVar = "1.1"

    released_at: Instant = Field(description="When the last hold was let go.")


class StageNothingToPay(_Stage):
    """A stage ended without a payment, because nothing is left for it."""

    name: ClassVar = "stage-nothing-to-pay"
    version: ClassVar = "1.2"

    ended_at: Instant = Field(description="When it ended.")
    set_off: SetOff = None
    platform_fee: PlatformFee = None
    processing_fee: ProcessingFee = None
    tax: FeesTax = None
    fees_owed: FeesOwed = None


class StageCancelled(_Stage):
    """The campaign was cancelled after its goal was met, and the stage is not paid."""

    name: ClassVar = "stage-cancelled"
    version: ClassVar = "1.1"

    cancelled_at: Instant = Field(description="When it was cancelled.")


class StageSubmitted(_Stage):
    """The provider was asked to pay."""

    name: ClassVar = "stage-submitted"
    version: ClassVar = "1.1"

    attempt: Count = Field(description="Number of the attempt, from 1.")
    destination_version: Count = Field(description="Version of the destination it goes to.")
    submitted_at: Instant = Field(description="When it was submitted.")
    set_off: SetOff = None


class StagePaid(_Stage):
    """The creator's bank has the money."""

    name: ClassVar = "stage-paid"
    version: ClassVar = "1.1"

    attempt: Count = Field(description="Number of the attempt, from 1.")
    paid_at: Instant = Field(description="When the bank confirmed it.")


class StageFailed(_Stage):
    """An attempt failed, or a stage that had been paid came back."""

    name: ClassVar = "stage-failed"
    version: ClassVar = "1.1"

    attempt: Count = Field(description="Number of the attempt, from 1.")
    reason: Text = Field(description="The provider's reason code.")
    failed_at: Instant = Field(description="When it failed.")


class _Dispute(Event):
    """What the dispute facts share."""

    topic: ClassVar = "payouts.disputes"
    about_fields: ClassVar = ("dispute_id", "pledge_id")

    campaign_id: Identifier = Field(description="Campaign that the money was for.")
    dispute_id: Identifier = Field(description="The provider's id of the dispute.")
    pledge_id: Identifier = Field(description="Pledge whose payment is charged back.")
    amount: Amount = Field(description="What the bank withdrew, minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amounts.")
    fee: Total = Field(description="The bank's fee, which the platform bears, minor units.")


class DisputeOpened(_Dispute):
    """A backer's bank withdrew the money of a pledge."""

    name: ClassVar = "dispute-opened"

    reserved: Total = Field(description="What the campaign's own money covers of it, minor units.")
    reason: Text = Field(description="The provider's reason code.")
    opened_at: Instant = Field(description="When it was booked.")


class DisputeWon(_Dispute):
    """The bank gave the money back; the fee stays."""

    name: ClassVar = "dispute-won"

    won_at: Instant = Field(description="When it was booked.")


class DisputeLost(_Dispute):
    """The backer keeps the money."""

    name: ClassVar = "dispute-lost"

    owed: Total = Field(description="What the creator owes the platform for it, minor units.")
    lost: Total = Field(description="What the platform bears of it; the campaign's money the rest.")
    lost_at: Instant = Field(description="When it was booked.")


class _Milestone(Event):
    """What every decision about a milestone says."""

    topic: ClassVar = "payouts.stages"
    about_fields: ClassVar = ("stage",)

    campaign_id: Identifier = Field(description="Campaign that it is about.")
    stage: Count = Field(description="Number of the stage that it releases, 2 or 3.")
    revision: Count = Field(description="Revision of the evidence, from 1.")
    evidence: Hash = Field(description="SHA-256 of the evidence as it was shown.")
    by: Person = Field(description="Who decided; never the creator.")


class MilestoneApproved(_Milestone):
    """The evidence is enough: the stage is due once those before it are over."""

    name: ClassVar = "milestone-approved"

    approved_at: Instant = Field(description="When it was approved.")


class MilestoneRejected(_Milestone):
    """The evidence is not enough; other evidence may follow."""

    name: ClassVar = "milestone-rejected"

    reason: Text = Field(description="Why, for the creator.")
    rejected_at: Instant = Field(description="When it was rejected.")


class HoldingLimitNear(Event):
    """Money of a campaign has been held nearly as long as its provider allows."""

    topic: ClassVar = "payouts.stages"
    name: ClassVar = "holding-limit-near"

    campaign_id: Identifier = Field(description="Campaign whose money it is.")
    provider: Identifier = Field(description="Provider whose limit it is.")
    amount: Total = Field(description="What is held of the campaign, minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amount.")
    held_since: Instant = Field(description="When the oldest of it came.")
    limit_at: Instant = Field(description="Until when the provider lets it lie.")
    near_at: Instant = Field(description="When four fifths of that time were over.")


class LedgerEntry(Part):
    """One amount that moves from the debited to the credited account."""

    number: Number = Field(description="Number of the entry in the book, gap-free from 1.")
    row: Number = Field(description="Row of the table of postings that it belongs to.")
    cause: Cause = Field(description="What is posted, unique in the book together with the line.")
    line: Number = Field(description="Place among the entries of its cause, from 1.")
    debit: Account = Field(description="Account that is debited.")
    credit: Account = Field(description="Account that is credited.")
    amount: Number = Field(description="Amount in minor units.")
    balance_transaction: Identifier | None = Field(
        None, description="The provider's id of the cash entry, absent where no cash moved."
    )


class LedgerBalances(Part):
    """Balances after the last entry, each on its account's own side, in minor units."""

    provider_balance: Total = Field(description="Cash at the provider, gross (debit).")
    creator_account: Total = Field(description="On the creator's account, unconfirmed (debit).")
    provider_costs: Total = Field(description="Fees of the provider (debit).")
    backer_funds: Total = Field(description="Held for backers (credit).")
    creator_payable: Total = Field(description="Approved for the creator (credit).")
    payouts_in_flight: Total = Field(description="On its way to the creator (credit).")
    refunds_in_flight: Total = Field(description="On its way back to backers (credit).")
    claimable: Total = Field(description="Waits to be claimed by backers (credit).")
    platform_current: EitherSide = Field(
        description="Current account with the platform (either; credit positive)."
    )
    disputed_at_scheme: Total | None = Field(
        None, description="Withdrawn by open chargebacks (debit); absent at zero, as all below."
    )
    disputes_reserved: Total | None = Field(
        None, description="Kept of the campaign's money for them (credit)."
    )
    creator_receivable: Total | None = Field(
        None, description="Owed by the creator: advanced, or fees unpaid (debit)."
    )
    compensation_costs: Total | None = Field(
        None, description="Compensation borne by the platform (debit)."
    )
    loss_costs: Total | None = Field(None, description="Losses borne by the platform (debit).")
    tax_payable: Total | None = Field(None, description="Tax on the fees (credit).")
    platform_fee_income: Total | None = Field(None, description="The platform's fee (credit).")
    processing_fee_income: Total | None = Field(
        None, description="Processing fees by the terms (credit)."
    )


class BlockSealed(Event):
    """Entries of a campaign's book were sealed into a block, chained to the block before.

    The hash is SHA-256 of the RFC 8785 JSON of this value without its hash.
    """

    topic: ClassVar = "payouts.ledger"
    name: ClassVar = "block-sealed"
    version: ClassVar = "1.1"

    campaign_id: Identifier = Field(description="Campaign whose book it is.")
    currency: Currency = Field(description="ISO 4217 currency of all amounts.")
    number: Number = Field(description="Number of the block, also its sequence.")
    previous_hash: Hash = Field(description="Hash of the block before, 64 zeros in block 1.")
    first_entry: Number = Field(description="Number of its first entry.")
    entries: list[LedgerEntry] = Field(
        min_length=1, max_length=500, description="Its entries in order."
    )
    balances: LedgerBalances = Field(description="Balances after its last entry.")
    sealed_at: HashedInstant = Field(description="When it was sealed, to the millisecond.")
    hash: Hash = Field(description="SHA-256 of the canonical JSON of everything else.")
