"""Routes of comments: read, write, close."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, Field

from servicekit.access import Guard, Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.cursors import cursor_of, place_of
from servicekit.units import UnitsOfWork
from updates.domain.comment import CHARACTERS_MAX, Comment
from updates.handlers.comments import close_comments, write_comment
from updates.http.callers import INSIDERS, Callers, unknown_update
from updates.http.models import Body, HidingView, Identifier
from updates.http.paths import CampaignId, CommentId, Cursor, Limit, UpdateId
from updates.http.views import hiding_view
from updates.ports.comments import CommentQueries
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit


class CommentBody(Body):
    """Plain text: nothing in it is markup. `answers` is another comment's id."""

    text: Annotated[str, Field(min_length=1, max_length=CHARACTERS_MAX)]
    answers: Identifier | None = None


class DiscussionBody(Body):
    closed: bool


class DiscussionView(BaseModel):
    closed: bool


class CommentView(BaseModel):
    """A hidden one is a marker with its reason, an erased writer's one a marker: no words.

    Whoever wrote it, and staff, read it on with `hidings`: what was said of it.
    """

    comment_id: str
    author_id: str | None
    by_team: bool
    text: str | None
    answers: str | None
    written_at: datetime
    hidden_because: str | None
    erased: bool = Field(description="Whether its writer was erased.")
    hidings: list[HidingView]


class CommentPage(BaseModel):
    items: list[CommentView]
    next_cursor: str | None


def add_comment_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    comments: CommentQueries,
    clock: Clock,
    after_failure: timedelta,
) -> None:
    """Add them."""

    async def may_write(caller: Principal, ids: Ids) -> bool:
        campaign_id = ids["campaign_id"]
        if await callers.is_in_team(caller, campaign_id):
            return True
        return await callers.is_backer(caller, campaign_id)

    writer = Owner("backers and team of the campaign", None, may_write)
    moderator = guard.allow(Role.STAFF, callers.moderator, unknown=unknown_update)

    async def check_readable(caller: Principal | None, campaign_id: str, update_id: str) -> None:
        update = await queries.update(campaign_id, update_id)
        if update is None or not await callers.may_read(caller, update):
            raise unknown_update()

    @api.get("/campaigns/{campaign_id}/updates/{update_id}/comments")
    async def list_comments(
        caller: Annotated[Principal | None, guard.anybody(INSIDERS)],
        campaign_id: CampaignId,
        update_id: UpdateId,
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> CommentPage:
        """List comments and answers, newest first, to whoever may read the update."""
        await check_readable(caller, campaign_id, update_id)
        found = await comments.comments(campaign_id, update_id, place_of(cursor), limit)
        last = cursor_of((found[-1].written_at, found[-1].comment_id)) if found else None
        items = [comment_view(comment, caller) for comment in found]
        return CommentPage(items=items, next_cursor=last if len(found) == limit else None)

    @api.put("/campaigns/{campaign_id}/updates/{update_id}/comments/{comment_id}")
    async def put_comment(
        caller: Annotated[Principal, guard.allow(writer, unknown=unknown_update)],
        campaign_id: CampaignId,
        update_id: UpdateId,
        comment_id: CommentId,
        body: CommentBody,
    ) -> CommentView:
        """Write a comment, or an answer to one; the same again is the same."""
        await check_readable(caller, campaign_id, update_id)
        comment = Comment(
            campaign_id=campaign_id,
            update_id=update_id,
            comment_id=comment_id,
            author_id=caller.subject,
            by_team=await callers.is_in_team(caller, campaign_id),
            text=body.text,
            written_at=clock.now(),
            answers=body.answers,
        )
        written = await units.run(lambda unit: write_comment(unit, comment, after_failure))
        return comment_view(written, caller)

    @api.put("/campaigns/{campaign_id}/updates/{update_id}/discussion", dependencies=[moderator])
    async def put_discussion(
        campaign_id: CampaignId, update_id: UpdateId, body: DiscussionBody
    ) -> DiscussionView:
        """Close or open the discussion of an update; what was written stays."""
        update = await units.run(
            lambda unit: close_comments(unit, campaign_id, update_id, closed=body.closed)
        )
        return DiscussionView(closed=update.comments_closed)


def comment_view(comment: Comment, caller: Principal | None) -> CommentView:
    """Show it; what is hidden to its writer and staff alone."""
    its_own = caller is not None and caller.subject == comment.author_id
    of_staff = caller is not None and Role.STAFF in caller.roles
    shown = comment.readable or ((its_own or of_staff) and comment.erased_at is None)
    said = [hiding_view(one) for one in comment.hidings] if comment.hidden and shown else []
    return CommentView(
        comment_id=comment.comment_id,
        author_id=comment.author_id if shown else None,
        by_team=comment.by_team,
        text=comment.text if shown else None,
        answers=comment.answers,
        written_at=comment.written_at,
        hidden_because=comment.hidings[-1].statement.reason.value if comment.hidden else None,
        erased=comment.erased_at is not None,
        hidings=said,
    )
