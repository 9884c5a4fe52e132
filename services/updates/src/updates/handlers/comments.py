"""Writing comments and closing the discussion: each id once."""

from dataclasses import replace
from datetime import timedelta

from updates.domain.after_failure import AFTER_FAILURE
from updates.domain.comment import (
    PACE,
    Comment,
    CommentAdded,
    Writer,
    check_answers,
    check_may_comment,
    check_pace,
    check_text,
)
from updates.domain.errors import Refused
from updates.domain.update import Update, UpdateState
from updates.handlers.publish import known_update, saved
from updates.ports.unit import UpdatesUnit


async def write_comment(
    unit: UpdatesUnit, comment: Comment, after_failure: timedelta = AFTER_FAILURE
) -> Comment:
    """Keep a comment; the same again is the same, other words under its id are refused."""
    campaign_id, update_id = comment.campaign_id, comment.update_id
    known = await unit.comments.load(campaign_id, update_id, comment.comment_id)
    if known is not None:
        if _said(known) != _said(comment):
            raise Refused("comment-exists", "this id stands for another comment")
        return known
    check_text(comment)
    update = await known_update(unit, campaign_id, update_id)
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    if project is None:
        raise Refused("campaign-unknown", "there is no such campaign")
    now = comment.written_at
    keeps = await unit.asked.keeps_a_pledge(campaign_id, comment.author_id)
    writer = Writer(comment.by_team, keeps)
    check_may_comment(project, update, writer, now, after_failure)
    check_pace(await unit.comments.written_at(campaign_id, comment.author_id, PACE - 1), now)
    answered = None
    if comment.answers is not None:
        answered = await unit.comments.load(campaign_id, update_id, comment.answers)
    check_answers(comment, answered)
    await unit.comments.save(comment)
    fact = CommentAdded(comment, answered.author_id if answered else None)
    await unit.facts.add([fact])
    return replace(comment, version=1)


async def close_comments(
    unit: UpdatesUnit, campaign_id: str, update_id: str, *, closed: bool
) -> Update:
    """Close or open the discussion of a published update; what was written stays."""
    update = await known_update(unit, campaign_id, update_id)
    if update.state is not UpdateState.PUBLISHED:
        raise Refused("update-unknown", "there is no such update")
    if update.comments_closed == closed:
        return update
    return await saved(unit, replace(update, comments_closed=closed))


def _said(comment: Comment) -> tuple[str, str, str | None]:
    return comment.author_id, comment.text, comment.answers
