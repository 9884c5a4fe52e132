"""The staff's queue of appeals; each is decided where it was made, by another than who hid it."""

from datetime import datetime

from fastapi import FastAPI
from pydantic import BaseModel

from servicekit.access import Guard
from servicekit.auth import Role
from updates.domain.open_appeal import OpenAppeal
from updates.http.paths import Limit
from updates.http.thing_cursors import QueueCursor, thing_cursor, thing_place
from updates.ports.appeals import AppealQueries


class AppealView(BaseModel):
    """An update or comment that is hidden, and who may not decide whether it stays so."""

    campaign_id: str
    update_id: str
    comment_id: str | None
    appealed_at: datetime
    hidden_by: str


class AppealPage(BaseModel):
    items: list[AppealView]
    next_cursor: str | None


def add_appeal_route(api: FastAPI, guard: Guard, appeals: AppealQueries) -> None:
    """Add it."""

    @api.get("/queues/appeals", dependencies=[guard.allow(Role.STAFF)])
    async def read_appeals(cursor: QueueCursor = "", limit: Limit = 50) -> AppealPage:
        """List the appeals of all campaigns that nobody has decided, the oldest first."""
        found = await appeals.appeals_waiting(thing_place(cursor), limit)
        full = len(found) == limit
        last = thing_cursor(found[-1].appealed_at, found[-1].thing) if full else None
        return AppealPage(items=[_view(one) for one in found], next_cursor=last)


def _view(appeal: OpenAppeal) -> AppealView:
    thing = appeal.thing
    return AppealView(
        campaign_id=thing.campaign_id,
        update_id=thing.update_id,
        comment_id=thing.comment_id,
        appealed_at=appeal.appealed_at,
        hidden_by=appeal.hidden_by,
    )
