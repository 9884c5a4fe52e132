"""What goes in and out over HTTP: strict in, plain out, amounts in minor units."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from funding.domain import person_id
from funding.domain.team import MEMBERS_MAX
from servicekit.instants import Instant
from sosst_contracts.money import MAXIMUM_AMOUNT

Identifier = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
PersonId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=person_id.CHARACTERS_MAX,
        pattern=person_id.PATTERN,
        description="Whatever the issuer calls them: the subject of their tokens.",
        examples=["auth0|7"],
    ),
]
Amount = Annotated[StrictInt, Field(gt=0, le=MAXIMUM_AMOUNT)]
BasisPoints = Annotated[StrictInt, Field(ge=0, le=10_000)]
Seconds = Annotated[StrictInt, Field(ge=0, le=60 * 60 * 24 * 30)]


class Body(BaseModel):
    """A request: unknown members are refused, so that a typing error is not lost."""

    model_config = ConfigDict(extra="forbid")


class Money(Body):
    amount: Amount
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Goal(Body):
    """A goal may be far above the largest single pledge."""

    amount: Annotated[StrictInt, Field(gt=0, le=2**53 - 1)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class RewardBody(Body):
    reward_id: Identifier
    title: Annotated[str, Field(min_length=1, max_length=140)]


class RewardView(BaseModel):
    """A topic says of any reward what it likes; a body holds its id to the alphabet."""

    reward_id: str
    title: str


class TermsBody(Body):
    """Terms to be fixed at launch; what is left out is the standard of the platform."""

    stage_shares_basis_points: tuple[BasisPoints, BasisPoints, BasisPoints] | None = None
    platform_fee_basis_points: BasisPoints | None = None
    processing_fee_basis_points: BasisPoints | None = None
    processing_fee_fixed: Annotated[StrictInt, Field(ge=0, le=MAXIMUM_AMOUNT)] | None = None
    tax_basis_points: BasisPoints | None = None
    settle_seconds: Seconds | None = None
    pending_window_seconds: Seconds | None = None
    other_pending_window_seconds: Seconds | None = None
    errored_reminders_seconds: Annotated[list[Seconds], Field(max_length=20)] | None = None
    errored_last_try_seconds: Seconds | None = None
    errored_drop_seconds: Seconds | None = None
    dispute_reserve_basis_points: BasisPoints | None = None


class LaunchBody(Body):
    creator_id: PersonId
    title: Annotated[str, Field(min_length=1, max_length=140)]
    goal: Goal
    deadline: Instant
    zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    rewards: Annotated[list[RewardBody], Field(max_length=200)] = []
    terms: TermsBody = TermsBody()
    relaunch_of: Identifier | None = None
    smallest_pledge: Annotated[
        Amount | None,
        Field(
            description="The least that the checkout takes, minor units of the goal's currency: "
            "the launch is refused where its last stage cannot pay the fees of it. It is not kept."
        ),
    ] = None


class PaymentBody(Body):
    """A payment fact; provider and payment reference are its natural key."""

    status: Literal["pending", "captured", "failed", "withdrawn"]
    provider: Identifier
    payment_reference: Identifier
    pledge_id: Identifier
    backer_id: PersonId
    reward_id: Identifier | None = None
    money: Money
    occurred_at: Instant
    provider_fee: Annotated[StrictInt, Field(ge=0, le=MAXIMUM_AMOUNT)] | None = None
    balance_transaction: Identifier | None = None
    reason: Annotated[str, Field(max_length=200)] | None = None
    method: Literal["card", "wallet", "sepa_debit", "bank_transfer", "other"] | None = None


class ImportBody(Body):
    """A backer report; `columns` names the columns of fields where they differ from the format."""

    csv: Annotated[str, Field(min_length=1, max_length=8_000_000)]
    format: Literal["own", "kickstarter", "ulule", "indiegogo"] = "own"
    columns: dict[str, Annotated[str, Field(min_length=1, max_length=200)]] = {}
    with_errors: bool = False


class RowView(BaseModel):
    line: int
    pledge_id: str
    outcome: str
    reason: str | None
    detail: str | None


class ImportView(BaseModel):
    """What becomes, or would become, of each row; `contact_columns` are for notifier, unread."""

    written: bool
    new: int
    known: int
    refused: int
    rows: list[RowView]
    ignored_columns: list[str]
    contact_columns: list[str]


class Figures(BaseModel):
    """Minor units; the three figures are never mixed (`domain.md` 4)."""

    currency: str
    raised: int
    collected: int
    count: int
    late: int


class VerdictView(BaseModel):
    outcome: str
    collected: int
    count: int
    pledges_sequence: int
    late_by_seconds: int
    reached_at: datetime


class CancellationBody(Body):
    reason: Annotated[str, Field(min_length=1, max_length=1_000)]


class CancellationView(BaseModel):
    """Why the campaign ended without a verdict; who ended it is not for everybody."""

    reason: str
    collected: int
    count: int
    pledges_sequence: int
    cancelled_at: datetime


MemberRole = Literal["owner", "editor", "fulfilment", "moderator"]


class MemberBody(Body):
    """A person of the team; the owner is the creator and is not given."""

    person_id: PersonId
    roles: Annotated[list[MemberRole], Field(min_length=1, max_length=4)]


class TeamBody(Body):
    """Everybody who works on the campaign beside its owner."""

    members: Annotated[list[MemberBody], Field(max_length=MEMBERS_MAX)]


class MemberView(BaseModel):
    person_id: str
    roles: list[MemberRole]


class TeamView(BaseModel):
    campaign_id: str
    members: list[MemberView]
    changed_at: datetime | None


class LineView(BaseModel):
    line: str
    met: bool
    detail: str


class CampaignView(BaseModel):
    """`settling` is null for those who are not shown what the verdict waits for."""

    campaign_id: str
    creator_id: str
    title: str
    state: str
    goal: Goal
    deadline: datetime
    zone: str
    rewards: list[RewardView]
    terms: dict[str, int | list[int]]
    relaunch_of: str | None
    launched_at: datetime
    figures: Figures
    verdict: VerdictView | None
    cancellation: CancellationView | None
    settling: list[LineView] | None


class PledgeView(BaseModel):
    """`next_step_at` is when an errored pledge's next reminder, last try or drop falls due."""

    pledge_id: str
    campaign_id: str
    backer_id: str
    reward_id: str | None
    money: Money
    state: str
    standing: str | None
    provider: str
    payment_reference: str
    placed_at: datetime
    reason: str | None
    next_step_at: datetime | None
    withdrawn_at: datetime | None


class CampaignPage(BaseModel):
    items: list[CampaignView]
    next_cursor: str | None


class PledgePage(BaseModel):
    items: list[PledgeView]
    next_cursor: str | None
