"""Hiding an update, appealing against it, deciding: each on record, each once."""

from dataclasses import replace
from datetime import datetime

from servicekit.audit import AuditEntry
from updates.domain.errors import Refused
from updates.domain.hiding import Appeal, Ruling, Statement, appeal, hide, rule
from updates.domain.open_appeal import OpenAppeal
from updates.domain.report import Thing
from updates.domain.update import Update, UpdateHidden, UpdateRestored, UpdateState
from updates.handlers.publish import known_update, saved
from updates.handlers.reports import answer_by_hiding
from updates.ports.unit import UpdatesUnit


async def hide_update(
    unit: UpdatesUnit, campaign_id: str, update_id: str, statement: Statement
) -> Update:
    """Hide what is published, with a statement of reasons; hidden already is the same.

    Its reports are answered.
    """
    update = await _published(unit, campaign_id, update_id)
    hidden = replace(update, hidings=hide(update.hidings, statement))
    thing = Thing(campaign_id, update_id)
    await answer_by_hiding(unit, thing, statement.by, statement.at)
    if hidden == update:
        return update
    await unit.facts.add([UpdateHidden(hidden)])
    await _record(unit, hidden, "hide-update", statement.by, statement.at, statement.facts)
    return await saved(unit, hidden)


async def appeal_hiding(
    unit: UpdatesUnit, campaign_id: str, update_id: str, made: Appeal
) -> Update:
    """Ask for another person's word; it stays hidden meanwhile."""
    update = await _published(unit, campaign_id, update_id)
    appealed = replace(update, hidings=appeal(update.hidings, made))
    if appealed == update:
        return update
    hidden_by = appealed.hidings[-1].statement.by
    await unit.appeals.add(OpenAppeal(Thing(campaign_id, update_id), made.at, hidden_by))
    return await saved(unit, appealed)


async def rule_on_hiding(
    unit: UpdatesUnit, campaign_id: str, update_id: str, ruling: Ruling
) -> Update:
    """Decide an appeal; what is lifted is read again, and nobody is told of it twice."""
    update = await _published(unit, campaign_id, update_id)
    ruled = replace(update, hidings=rule(update.hidings, ruling))
    if ruled == update:
        return update
    await unit.appeals.remove(Thing(campaign_id, update_id))
    if not ruled.hidden:
        await unit.facts.add([UpdateRestored(ruled)])
    await _record(unit, ruled, "rule-on-hiding", ruling.by, ruling.at, ruling.words)
    return await saved(unit, ruled)


async def _published(unit: UpdatesUnit, campaign_id: str, update_id: str) -> Update:
    update = await known_update(unit, campaign_id, update_id)
    if update.state is not UpdateState.PUBLISHED:
        raise Refused("not-published", "what is not published is read by nobody")
    return update


async def _record(
    unit: UpdatesUnit, update: Update, command: str, by: str, at: datetime, why: str
) -> None:
    what = {"campaign": update.campaign_id, "update": update.update_id}
    outcome = update.hidings[-1].state.value
    await unit.plumbing.audit.add(AuditEntry(at, by, command, what, why, outcome))
