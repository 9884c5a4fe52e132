"""Routes of what differs between the provider and the books, and what people say of it."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from payouts.domain.reconciliation import Break, Saying, Verdict
from payouts.handlers.say_of_break import SayOfBreaks
from payouts.http.models import Identifier, Reason
from payouts.http.paths import Limit
from payouts.ports.reconciliation import Reconciliation
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.errors import Conflict
from servicekit.problems import Problem

BreakId = Annotated[Identifier, Path()]
Cursor = Annotated[str, Query(max_length=300, description="`next_cursor` of the page before.")]


class SayingBody(BaseModel):
    """What a break is: cash of a campaign, or the platform's own that is let be, and why."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["assign", "let_be"]
    reason: Reason
    campaign_id: Identifier | None = None

    @model_validator(mode="after")
    def _names_a_campaign(self) -> Self:
        if (self.verdict == "assign") != (self.campaign_id is not None):
            raise ValueError("assign names a campaign, let_be names none")
        return self


class SayingView(BaseModel):
    verdict: str
    reason: str
    by: str
    at: datetime
    campaign_id: str | None


class BreakView(BaseModel):
    """A difference; `amount` is the provider's less the books', in minor units."""

    break_id: str
    kind: str
    account: str = Field(description="Connected account; empty for the platform's own.")
    balance_transaction: str
    type: str
    amount: int
    currency: str
    detail: str
    campaign_id: str | None
    first_seen_at: datetime
    age_seconds: int
    gone_at: datetime | None
    gone_because: str | None
    proposed: SayingView | None
    confirmed: SayingView | None


class BreakPage(BaseModel):
    items: list[BreakView]
    next_cursor: str | None


def add_reconciliation_routes(
    api: FastAPI,
    guard: Guard,
    reconciliation: Reconciliation,
    say_of_break: SayOfBreaks,
    clock: Clock,
) -> None:
    """Add them."""
    by_staff = guard.allow(Role.STAFF)

    @api.get("/reconciliation/breaks", dependencies=[by_staff])
    async def list_breaks(
        cursor: Cursor = "",
        limit: Limit = 50,
        all: Annotated[bool, Query(description="Also those that are over.")] = False,
    ) -> BreakPage:
        """List what differs between the provider and the books, in order of id."""
        found = await reconciliation.breaks(cursor, limit, open_only=not all)
        now = clock.now()
        last = found[-1].break_id if len(found) == limit else None
        return BreakPage(items=[_break_view(one, now) for one in found], next_cursor=last)

    @api.post("/reconciliation/breaks/{break_id}/resolution")
    async def post_resolution(
        break_id: BreakId, body: SayingBody, caller: Annotated[Principal, by_staff]
    ) -> BreakView:
        """Say what a break is; it ends when a second person says the same.

        Neither may be the creator or a backer of the campaign whose cash it is: the one that is
        assigned, that the break names, or that the provider says it was for.
        Where it is a transfer of a stage that no book knows, and a part of it was taken back,
        `let_be` also lets the stage be paid by another one.
        """
        now = clock.now()
        verdict = Verdict(body.verdict)
        saying = Saying(verdict, body.reason, caller.subject, now, body.campaign_id)
        try:
            return _break_view(await say_of_break(break_id, saying), now)
        except Conflict:
            detail = "somebody else said something of this break at the same time"
            raise Problem(409, "said-meanwhile", "Read it again", detail) from None


def _break_view(found: Break, now: datetime) -> BreakView:
    return BreakView(
        break_id=found.break_id,
        kind=found.kind.value,
        account=found.account,
        balance_transaction=found.balance_transaction,
        type=found.type,
        amount=found.amount,
        currency=found.currency,
        detail=found.detail,
        campaign_id=found.campaign_id,
        first_seen_at=found.first_seen_at,
        age_seconds=int(((found.gone_at or now) - found.first_seen_at).total_seconds()),
        gone_at=found.gone_at,
        gone_because=found.gone_because,
        proposed=_saying_view(found.proposed),
        confirmed=_saying_view(found.confirmed),
    )


def _saying_view(saying: Saying | None) -> SayingView | None:
    if saying is None:
        return None
    return SayingView(
        verdict=saying.verdict.value,
        reason=saying.reason,
        by=saying.by,
        at=saying.at,
        campaign_id=saying.campaign_id,
    )
