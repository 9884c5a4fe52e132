"""What goes in and out over HTTP: strict in, plain out, amounts in minor units."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
    held: int
    refunding: int
    refunded: int
    claimable: int
    paid: int
    balances: dict[str, int]
    refunds: dict[str, RefundFigures]
    blocks: int
    head: str


class RefundView(BaseModel):
    refund_id: str
    campaign_id: str
    pledge_id: str
    backer_id: str
    amount: int
    currency: str
    cause: str
    state: str
    reason: str | None
    attempts: int
    created_at: datetime


class RefundPage(BaseModel):
    items: list[RefundView]
    next_cursor: str | None


class LineView(BaseModel):
    name: str
    state: str
    why: str
    since: datetime | None
    who: str | None
    expected_by: datetime | None


class StageView(BaseModel):
    stage: int
    kind: str
    state: str
    share_basis_points: int
    planned_amount: int
    amount: int | None
    currency: str
    due_at: datetime | None
    paid_at: datetime | None
    attempts: int
    reason: str | None
    gate: list[LineView]


class StagesView(BaseModel):
    campaign_id: str
    stages: list[StageView]


class BlockPage(BaseModel):
    """Blocks in the names under which they are hashed, each with its hash."""

    items: list[dict[str, object]]
    next_cursor: int | None
