"""Taking reports, dismissing them, answering them by hiding: each on record, each once."""

from dataclasses import replace
from datetime import datetime

from servicekit.audit import AuditEntry
from updates.domain.errors import Refused
from updates.domain.report import (
    PACE,
    Case,
    CaseState,
    Decision,
    Report,
    Thing,
    check_guests,
    check_pace,
    check_words,
    decide,
    take,
)
from updates.domain.update import UpdateState
from updates.handlers.publish import known_update
from updates.ports.unit import UpdatesUnit


async def report_thing(unit: UpdatesUnit, made: Report) -> tuple[Case, Report]:
    """Keep a report; the same again is the same, and one person reports one thing once."""
    case = await unit.reports.case(made.thing)
    known = await unit.reports.load(made.thing, made.reporter_id)
    if known is not None and case is not None:
        if (known.reason, known.words) != (made.reason, made.words):
            raise Refused("reported-already", "you have reported it")
        return case, known
    check_words(made)
    check_pace(await unit.reports.made_at(made.reporter_id, PACE - 1), made.at)
    check_guests(case, made)
    await _check_shown(unit, made.thing)
    case, taken = take(case, made)
    await unit.reports.add(taken)
    return await _saved(unit, case), taken


async def dismiss(unit: UpdatesUnit, thing: Thing, words: str, by: str, at: datetime) -> Case:
    """Let the thing stay and say why, on record; its reports are answered."""
    case = await unit.reports.case(thing)
    if case is None:
        raise Refused("report-unknown", "nobody has reported it")
    dismissed = decide(case, Decision(CaseState.DISMISSED, words, by, at))
    if dismissed == case:
        return case
    what = {"campaign": thing.campaign_id, "update": thing.update_id}
    if thing.comment_id is not None:
        what["comment"] = thing.comment_id
    entry = AuditEntry(at, by, "dismiss-reports", what, words, dismissed.state)
    await unit.plumbing.audit.add(entry)
    return await _saved(unit, dismissed)


async def answer_by_hiding(unit: UpdatesUnit, thing: Thing, by: str, at: datetime) -> None:
    """Answer the thing's reports, if it has any that wait: it is hidden."""
    case = await unit.reports.case(thing)
    if case is not None and case.state is CaseState.OPEN:
        await unit.reports.save(decide(case, Decision(CaseState.HIDDEN, "", by, at)))


async def _saved(unit: UpdatesUnit, case: Case) -> Case:
    await unit.reports.save(case)
    return replace(case, version=case.version + 1)


async def _check_shown(unit: UpdatesUnit, thing: Thing) -> None:
    """Raise `Refused` for what is not there, or not shown, to be reported."""
    update = await known_update(unit, thing.campaign_id, thing.update_id)
    if update.state is not UpdateState.PUBLISHED or update.hidden:
        raise Refused("update-unknown", "there is no such update")
    if thing.comment_id is None:
        return
    comment = await unit.comments.load(thing.campaign_id, thing.update_id, thing.comment_id)
    if comment is None or comment.hidden:
        raise Refused("comment-unknown", "there is no such comment")
