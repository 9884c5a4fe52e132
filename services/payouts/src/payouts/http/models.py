"""What goes in and out over HTTP: strict in, plain out, amounts in minor units."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._:-]+$")]


class DestinationBody(BaseModel):
    """A connected account at a provider."""

    model_config = ConfigDict(extra="forbid")

    provider: Identifier
    account: Identifier


class DestinationView(BaseModel):
    campaign_id: str
    provider: str
    account: str
    version: int
    state: str
    changed_at: datetime
    verified_at: datetime | None
    reason: str | None


class RefundFigures(BaseModel):
    count: int
    amount: int


class MoneyView(BaseModel):
    """A campaign's money as its book has it; `held` is not yet paid out or returned."""

    campaign_id: str
    currency: str
    as_of_pledges_sequence: int
    verdict: str | None
    cancelled_at: datetime | None
    held: int
    refunding: int
    refunded: int
    claimable: int
    paid: int
    balances: dict[str, int]
    refunds: dict[str, RefundFigures]
    blocks: int
    head: str
    state: str = Field(description="Of the book: `open`, `closing` (it is over), or `closed`.")


class RefundView(BaseModel):
    refund_id: str
    campaign_id: str
    kind: str
    payer: str
    beyond_pledge: bool = Field(
        description="More than the pledge can give back: claimable, never sent to its card."
    )
    pledge_id: str
    backer_id: str
    amount: int
    currency: str
    cause: str
    state: str
    reason: str | None
    attempts: int
    created_at: datetime
    advance_max: int
    advanced: int
    unpaid: int = Field(
        description="What a share leaves of the pledge: « restant dû par l'initiateur »."
    )
    wishes_other_way: bool = Field(
        description="Its backer wants to be asked, after sign-in, where the money is to go."
    )
    refundable_until: datetime | None = Field(
        description="Until when the provider returns its payment; null: without end."
    )


class TracedRefundView(RefundView):
    """One refund, with what it is traced by."""

    acquirer_reference: str | None = Field(
        description="By this the backer's bank finds a refund to a card that has not arrived. Shown"
        " to its backer and to staff; null to the creator, and until the provider knows it."
    )


class ClaimLinkView(BaseModel):
    """A backer's personal link; whoever has it sees this refund until it expires."""

    url: str
    number: int
    expires_at: datetime


class ActView(BaseModel):
    """What one person did, in that person's own words."""

    what: str
    by: str
    at: datetime
    reason: str


class OtherMeansView(BaseModel):
    """How somebody says that it was paid, for a second person to look at."""

    method: str
    proof: str
    note: str
    by: str
    at: datetime


class ActsView(BaseModel):
    refund_id: str
    acts: list[ActView]
    other_means: OtherMeansView | None


class RefundPage(BaseModel):
    items: list[RefundView]
    next_cursor: str | None


class MilestoneView(BaseModel):
    revision: int
    evidence: str
    state: str
    submitted_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


class ApprovalView(BaseModel):
    by: str
    second_by: str | None
    amount: int
    destination_version: int
    approved_at: datetime


class FeesView(BaseModel):
    """Fees of the last stage: `owed` is what the campaign's money did not cover."""

    platform: int
    processing: int
    tax: int
    owed: int


class LineView(BaseModel):
    name: str
    state: str
    why: str
    since: datetime | None
    who: str | None
    expected_by: datetime | None


class StageOutline(BaseModel):
    """A stage without its gate; `amount` of one that is due is what it was when it was saved."""

    stage: int
    kind: str
    state: str
    share_basis_points: int
    planned_amount: int
    amount: int | None
    set_off: int
    currency: str
    due_at: datetime | None
    paid_at: datetime | None
    attempts: int
    reason: str | None
    milestone: MilestoneView | None
    approval: ApprovalView | None
    fees: FeesView | None


class StageView(StageOutline):
    gate: list[LineView]


class DryStageView(BaseModel):
    stage: int
    amount: int


class DryDeadlineView(BaseModel):
    """What the deadline would do with the pledges counted by now: everything back, or stages."""

    outcome: str
    goal: int
    collected: int
    stages: list[DryStageView]
    fees: FeesView


class SimulatedShareView(BaseModel):
    """What one pledge would get; `gone_back` has gone back, or is on its way."""

    pledge_id: str
    backer_id: str
    pledged: int
    gone_back: int
    disputed: int
    gets: int
    unpaid: int = Field(
        description="What would stay: « restant dû par l'initiateur », not the platform's debt."
    )
    settled: bool = Field(
        description="Its reward is delivered or received and no claim about it is open: no share."
    )


class SimulationView(BaseModel):
    """A page of who would get what, with the totals of all pledges, in minor units.

    Pages of one state of the books have one `as_of_block`. `deadline` is there before the verdict.
    """

    campaign_id: str
    currency: str
    as_of_pledges_sequence: int
    as_of_block: int
    ended: str | None
    distributed: int
    entitled: int
    unpaid: int
    deadline: DryDeadlineView | None
    items: list[SimulatedShareView]
    next_cursor: str | None


class StagesView(BaseModel):
    campaign_id: str
    stages: list[StageView]


class BlockPage(BaseModel):
    """Blocks in the names under which they are hashed, each with its hash."""

    items: list[dict[str, object]]
    next_cursor: int | None


Reason = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]
Number = Annotated[int, Field(ge=0, le=2**31 - 1)]


class EvidenceBody(BaseModel):
    """SHA-256, in hexadecimal, of the evidence as it is shown to people."""

    model_config = ConfigDict(extra="forbid", strict=True)

    evidence: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class MilestoneBody(BaseModel):
    """A decision about one revision of the evidence; a rejection needs a reason."""

    model_config = ConfigDict(extra="forbid", strict=True)

    revision: Number
    decision: Literal["approve", "reject"]
    reason: Reason | None = None

    @model_validator(mode="after")
    def _reasons(self) -> Self:
        if (self.decision == "reject") != (self.reason is not None):
            raise ValueError("a rejection has a reason, an approval has none")
        return self


class ApprovalBody(BaseModel):
    """What is allowed, as it was shown: anything that is different now refuses it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    amount: Annotated[int, Field(ge=0, le=2**53 - 1)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    destination_version: Number
    milestone_revision: Number = 0


# The cause that is made of it must fit the contract.
RequestIdentifier = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")
]
MinorUnits = Annotated[int, Field(ge=1, le=900_000_000)]
AdvanceMax = Annotated[int, Field(ge=0, le=900_000_000)]


class RefundRequestBody(BaseModel):
    """What is to go back of a pledge, and why, for staff to read.

    `advance_max` is how much the platform may lend where the campaign holds too little.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    pledge_id: Identifier
    amount: MinorUnits
    reason: Reason
    advance_max: AdvanceMax = 0


class RefundApprovalBody(BaseModel):
    """What is allowed, as it was shown: anything that is different refuses it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    amount: MinorUnits
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    advance_max: AdvanceMax = 0


class TryAgainBody(BaseModel):
    """After which attempt: the number of attempts that the refund or stage showed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    after_attempt: Number


class OtherMeansBody(BaseModel):
    """How a refund was paid outside the provider; `proof` is the SHA-256 of what shows it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    method: Literal["bank_transfer", "cheque", "other"]
    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    note: Reason


class ApproveOne(RefundApprovalBody):
    """Which refund, and what is allowed, as it was shown."""

    campaign_id: Identifier
    refund_id: Identifier


class ApproveManyBody(BaseModel):
    """As many as there are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: Annotated[list[ApproveOne], Field(min_length=1)]


class RetryOne(TryAgainBody):
    """Which refund, and after which attempt."""

    campaign_id: Identifier
    refund_id: Identifier


class RetryManyBody(BaseModel):
    """As many as there are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: Annotated[list[RetryOne], Field(min_length=1)]


class ResultView(BaseModel):
    """What became of one item: its state now, or the problem that kept it from being done."""

    campaign_id: str
    refund_id: str
    status: int
    state: str | None
    problem: str | None
    detail: str


class ResultsView(BaseModel):
    """One result for each item, in the order of the items."""

    results: list[ResultView]


class WhyBody(BaseModel):
    """Why, in the words of who decides."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Reason


class HoldBody(BaseModel):
    """Why the stages of the campaign stand still."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Reason


class HoldView(BaseModel):
    """`about` is the update that is an emergency, `answered_by` what lets staff lift that one."""

    hold_id: str
    kind: str
    reason: str
    by: str
    since: datetime
    released_by: str | None
    released_at: datetime | None
    about: str | None
    answered_by: str | None


class HoldsView(BaseModel):
    campaign_id: str
    holds: list[HoldView]


class DisputeView(BaseModel):
    """A dispute; campaign and pledge are absent while nobody knows whose payment it is about."""

    dispute_id: str
    campaign_id: str | None
    pledge_id: str | None
    state: str
    amount: int
    currency: str
    fee: int
    reserved: int
    owed: int
    lost: int
    reason: str | None
    seen_at: datetime
    opened_at: datetime | None
    ended_at: datetime | None


class DisputePage(BaseModel):
    items: list[DisputeView]
    next_cursor: str | None


class EndingBody(BaseModel):
    """How much of a debt was paid, or is given up, and why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["settled", "written_off"]
    amount: Annotated[int, Field(ge=1, le=2**53 - 1)]
    reason: Reason


class EndingView(BaseModel):
    """`second_by` confirmed what `by` had said; without that it is not booked."""

    kind: str
    amount: int
    reason: str
    by: str
    second_by: str | None
    at: datetime


class ReceivableView(BaseModel):
    receivable_id: str
    campaign_id: str
    cause: str
    state: str
    amount: int
    settled: int
    written_off: int
    open: int
    currency: str
    arisen_at: datetime
    proposed: EndingView | None
    endings: list[EndingView]


class ReceivablesView(BaseModel):
    campaign_id: str
    open: int
    receivables: list[ReceivableView]


class WaitingRefund(BaseModel):
    refund: RefundView
    age_seconds: int


class WaitingStage(BaseModel):
    """A stage that was due so long ago; why it is not yet paid is among its campaign's stages."""

    campaign_id: str
    stage: StageOutline
    age_seconds: int


class WaitingReceivable(BaseModel):
    receivable: ReceivableView
    age_seconds: int


class QueuePage(BaseModel):
    """Of one queue all items are of one kind."""

    items: list[WaitingRefund | WaitingStage | WaitingReceivable]
    next_cursor: str | None


class ClaimMoneyBody(BaseModel):
    """What a claim ended in: a part of the pledge itself, or a compensation of the payer's."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pledge_id: Identifier
    kind: Literal["refund", "compensation"]
    amount: MinorUnits
    payer: Literal["campaign", "platform"] = "campaign"
    reason: Reason
