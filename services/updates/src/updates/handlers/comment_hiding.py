"""Hiding a comment, appealing against it, deciding: as of updates, each on record, each once."""

from dataclasses import replace
from datetime import datetime

from servicekit.audit import AuditEntry
from updates.domain.comment import Comment, CommentHidden, CommentRestored
from updates.domain.errors import Refused
from updates.domain.hiding import Appeal, Ruling, Statement, appeal, hide, rule
from updates.domain.open_appeal import OpenAppeal
from updates.domain.report import Thing
from updates.handlers.reports import answer_by_hiding
from updates.ports.unit import UpdatesUnit


async def hide_comment(unit: UpdatesUnit, place: Thing, statement: Statement) -> Comment:
    """Hide a comment with a statement of reasons; hidden already is the same.

    Its reports are answered, whoever hid it.
    """
    known = await _known(unit, place)
    hidden = replace(known, hidings=hide(known.hidings, statement))
    await answer_by_hiding(unit, place, statement.by, statement.at)
    if hidden == known:
        return known
    await unit.facts.add([CommentHidden(hidden)])
    await _record(unit, hidden, "hide-comment", statement.by, statement.at, statement.facts)
    return await _saved(unit, hidden)


async def appeal_comment(unit: UpdatesUnit, place: Thing, made: Appeal) -> Comment:
    """Ask for another person's word; it stays hidden meanwhile."""
    known = await _known(unit, place)
    appealed = replace(known, hidings=appeal(known.hidings, made))
    if appealed == known:
        return known
    hidden_by = appealed.hidings[-1].statement.by
    await unit.appeals.add(OpenAppeal(place, made.at, hidden_by))
    return await _saved(unit, appealed)


async def rule_on_comment(unit: UpdatesUnit, place: Thing, ruling: Ruling) -> Comment:
    """Decide an appeal; what is lifted is read again, and nobody is told of it twice."""
    known = await _known(unit, place)
    ruled = replace(known, hidings=rule(known.hidings, ruling))
    if ruled == known:
        return known
    await unit.appeals.remove(place)
    if not ruled.hidden:
        await unit.facts.add([CommentRestored(ruled)])
    await _record(unit, ruled, "rule-on-comment", ruling.by, ruling.at, ruling.words)
    return await _saved(unit, ruled)


async def _known(unit: UpdatesUnit, place: Thing) -> Comment:
    comment_id = place.comment_id or ""
    known = await unit.comments.load(place.campaign_id, place.update_id, comment_id)
    if known is None:
        raise Refused("comment-unknown", "there is no such comment")
    return known


async def _saved(unit: UpdatesUnit, comment: Comment) -> Comment:
    await unit.comments.save(comment)
    return replace(comment, version=comment.version + 1)


async def _record(
    unit: UpdatesUnit, comment: Comment, command: str, by: str, at: datetime, why: str
) -> None:
    what = {
        "campaign": comment.campaign_id,
        "update": comment.update_id,
        "comment": comment.comment_id,
    }
    outcome = comment.hidings[-1].state.value
    await unit.plumbing.audit.add(AuditEntry(at, by, command, what, why, outcome))
