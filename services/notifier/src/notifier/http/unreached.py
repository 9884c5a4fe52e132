"""Routes of staff: whom a decisive message did not reach by mail, and what was done about it."""

from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import FastAPI, Path
from pydantic import BaseModel, ConfigDict, Field

from notifier.domain.unreached import Ended, HowEnded, Unreached
from notifier.handlers.unreached import end_unreached
from notifier.http.models import Why
from notifier.http.paths import Cursor, Limit
from notifier.ports.queries import Queries
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.cursors import cursor_of, place_of
from servicekit.units import UnitsOfWork


class EndBody(BaseModel):
    """What was done, a letter or a call, and whether it reached the person."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["reached", "not-reached"]
    what: Why


class EndView(BaseModel):
    """How it ended; `by` and `what` are empty for what ended by itself."""

    outcome: str
    at: datetime | None
    by: str
    what: str


class UnreachedView(BaseModel):
    """A person whom a decisive message did not reach by mail; they are named for staff alone."""

    notification_id: str
    person_id: str
    campaign_id: str
    cause: str
    caused_at: datetime
    reason: str = Field(description="Why the mail did not come, as a code.")
    since: datetime
    age_seconds: int = Field(description="How long it has waited, or did wait.")
    ended: EndView | None = Field(description="Null while it waits for somebody.")


class UnreachedPage(BaseModel):
    """Those that wait, the oldest first."""

    items: list[UnreachedView]
    next_cursor: str | None


def add_unreached_routes(
    api: FastAPI, guard: Guard, units: UnitsOfWork[NotifierUnit], queries: Queries, clock: Clock
) -> None:
    """Add them."""
    Caller = Annotated[Principal, guard.allow(Role.STAFF)]

    @api.get("/unreached", dependencies=[guard.allow(Role.STAFF)])
    async def list_unreached(cursor: Cursor = "", limit: Limit = 50) -> UnreachedPage:
        """List whom staff have to reach otherwise than by mail, the oldest first."""
        found = await queries.unreached(place_of(cursor), limit)
        now = clock.now()
        last = found[-1] if len(found) == limit else None
        return UnreachedPage(
            items=[_view(one, now) for one in found],
            next_cursor=cursor_of((last.since, last.notification_id)) if last else None,
        )

    @api.put("/unreached/{notification_id}/end")
    async def put_end(
        notification_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")],
        body: EndBody,
        caller: Caller,
    ) -> UnreachedView:
        """Say what was done about one, and whether it reached the person."""
        now = clock.now()
        ended = Ended(HowEnded(body.outcome), now, caller.subject, body.what)
        act = partial(end_unreached, notification_id=notification_id, ended=ended)
        return _view(await units.run(act), now)


def _view(unreached: Unreached, now: datetime) -> UnreachedView:
    ended = unreached.ended
    until = ended.at if ended is not None and ended.at is not None else now
    return UnreachedView(
        notification_id=unreached.notification_id,
        person_id=unreached.person_id,
        campaign_id=unreached.campaign_id,
        cause=unreached.cause,
        caused_at=unreached.caused_at,
        reason=unreached.reason,
        since=unreached.since,
        age_seconds=int((until - unreached.since).total_seconds()),
        ended=EndView(outcome=ended.how.value, at=ended.at, by=ended.by, what=ended.what)
        if ended is not None
        else None,
    )
