"""What goes in and out about claims over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from updates.domain.claim_turns import AMOUNT_MAX, TEXT_CHARACTERS_MAX
from updates.handlers.claims import BULK_MAX
from updates.http.models import Body, Identifier

Words = Annotated[str, Field(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
MaybeWords = Annotated[str, Field(max_length=TEXT_CHARACTERS_MAX)]


class ClaimBody(Body):
    """What a backer claims about a pledge's reward."""

    pledge_id: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Literal["quality", "missing", "wrong", "late", "other"]
    text: Words


class MessageBody(Body):
    text: Words


class SettlementBody(Body):
    """How the claim is to end; money in minor units of the pledge's currency."""

    outcome: Literal["replacement", "refund", "compensation", "refused"]
    amount: Annotated[int, Field(ge=0, le=AMOUNT_MAX)] = 0
    payer: Literal["campaign", "platform"] = "campaign"
    text: MaybeWords = ""


class AcceptanceBody(Body):
    """Which proposal is accepted: the number of its entry."""

    proposal: Annotated[int, Field(ge=1, le=10_000)]


class AskBody(Body):
    """Why staff are asked, in the backer's words, if any."""

    text: MaybeWords = ""


class AnswersBody(SettlementBody):
    """One proposal for many claims; `entry_id` is its natural key in each of them."""

    entry_id: Identifier
    claims: Annotated[list[Identifier], Field(min_length=1, max_length=BULK_MAX)]


class SettlementView(BaseModel):
    outcome: str
    amount: int
    payer: str


class EntryView(BaseModel):
    """One line of the thread; `settlement` where it says how the claim is to end."""

    number: int
    kind: str
    side: str
    by: str
    at: datetime
    text: str
    settlement: SettlementView | None


class ClaimView(BaseModel):
    """A claim; `due_at` is until when whoever has the turn is to answer.

    `on_table` is the number of the proposal that can be accepted.
    """

    campaign_id: str
    claim_id: str
    pledge_id: str
    backer_id: str
    reward_id: str | None
    batch: str | None
    currency: str
    reason: str
    state: str
    opened_at: datetime
    due_at: datetime | None
    on_table: int | None
    thread: list[EntryView]


class ClaimPage(BaseModel):
    items: list[ClaimView]
    next_cursor: str | None


class ClusterView(BaseModel):
    """Open claims that one answer may serve; `claims` names those that wait longest."""

    reward_id: str | None
    reason: str
    batch: str | None
    count: int
    longest_waiting: datetime | None
    claims: list[str]


class ClustersView(BaseModel):
    items: list[ClusterView]


class AnsweredView(BaseModel):
    """What became of one of many: the claim, or the reason why not."""

    claim_id: str
    claim: ClaimView | None
    refused: str | None


class AnswersView(BaseModel):
    items: list[AnsweredView]
