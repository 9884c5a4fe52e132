"""Routes of hiding comments: moderators and staff hide, the writer appeals, another decides."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import FastAPI
from pydantic import Field

from servicekit.access import Guard, Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.comment import Comment
from updates.domain.hiding import Appeal, HidingReason, Ruling, Statement
from updates.domain.report import Thing
from updates.handlers.comment_hiding import appeal_comment, hide_comment, rule_on_comment
from updates.http.callers import Callers, unknown_update
from updates.http.comments import CommentView, comment_view
from updates.http.hiding import AppealBody, RulingBody
from updates.http.models import Body
from updates.http.paths import CampaignId, CommentId, UpdateId
from updates.http.report_models import Reason
from updates.ports.comments import CommentQueries
from updates.ports.unit import UpdatesUnit


class CommentHidingBody(Body):
    """Why it is hidden; the note is for its writer and staff."""

    reason: Reason
    note: Annotated[str, Field(max_length=1_000)] = ""


def add_comment_hiding_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    comments: CommentQueries,
    clock: Clock,
) -> None:
    """Add them."""
    path = "/campaigns/{campaign_id}/updates/{update_id}/comments/{comment_id}/hiding"

    async def wrote(caller: Principal, ids: Ids) -> bool:
        place = ids["campaign_id"], ids["update_id"], ids["comment_id"]
        comment = await comments.comment(*place)
        return comment is not None and comment.author_id == caller.subject

    writer = guard.allow(Owner("writer of the comment", None, wrote), unknown=_unknown_comment)
    moderator = guard.allow(Role.STAFF, callers.moderator, unknown=unknown_update)

    async def answer(
        caller: Principal, work: Callable[[UpdatesUnit], Awaitable[Comment]]
    ) -> CommentView:
        return comment_view(await units.run(work), caller)

    @api.put(path)
    async def put_hiding(
        caller: Annotated[Principal, moderator],
        campaign_id: CampaignId,
        update_id: UpdateId,
        comment_id: CommentId,
        body: CommentHidingBody,
    ) -> CommentView:
        """Hide a comment with a reason, on record; a marker stays, the first word holds."""
        place = Thing(campaign_id, update_id, comment_id)
        said = Statement(HidingReason(body.reason), body.note, caller.subject, clock.now())
        return await answer(caller, lambda unit: hide_comment(unit, place, said))

    @api.put(f"{path}/appeal")
    async def put_appeal(
        caller: Annotated[Principal, writer],
        campaign_id: CampaignId,
        update_id: UpdateId,
        comment_id: CommentId,
        body: AppealBody,
    ) -> CommentView:
        """Ask the platform to decide, as another person than who hid it; there is one appeal."""
        place = Thing(campaign_id, update_id, comment_id)
        made = Appeal(body.words, caller.subject, clock.now())
        return await answer(caller, lambda unit: appeal_comment(unit, place, made))

    @api.put(f"{path}/ruling")
    async def put_ruling(
        caller: Annotated[Principal, guard.allow(Role.STAFF)],
        campaign_id: CampaignId,
        update_id: UpdateId,
        comment_id: CommentId,
        body: RulingBody,
    ) -> CommentView:
        """Decide the appeal, as another person than who hid it (409 `same-person`)."""
        place = Thing(campaign_id, update_id, comment_id)
        ruling = Ruling(body.upheld, body.words, caller.subject, clock.now())
        return await answer(caller, lambda unit: rule_on_comment(unit, place, ruling))


def _unknown_comment() -> Problem:
    return Problem(404, "comment-unknown", "There is no such comment")
