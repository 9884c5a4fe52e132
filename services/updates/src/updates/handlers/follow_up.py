"""What moves what a campaign owes in words: its updates, its end, staff, backers and the clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from updates.domain.follow_up import (
    FollowUp,
    FollowUpFact,
    take_end,
    take_goal_met,
    take_last_stage,
    take_milestone,
    take_question,
    take_word,
    word_of,
)
from updates.domain.platform_notice import is_platforms
from updates.domain.problem import emergency_open
from updates.domain.update import Update
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class GoalMet:
    campaign_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """The goal was missed, or the campaign cancelled."""

    campaign_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MilestoneApproved:
    campaign_id: str
    stage: int
    at: datetime


@dataclass(frozen=True, slots=True)
class LastStagePaid:
    campaign_id: str


Turn = GoalMet | Ended | MilestoneApproved | LastStagePaid


async def take_turns(unit: UpdatesUnit, turns: Sequence[Turn]) -> None:
    """Take what other services decided about campaigns, in the given order."""
    known = await unit.follow_ups.load({turn.campaign_id for turn in turns})
    moved: dict[str, FollowUp] = {}
    facts: list[FollowUpFact] = []
    for turn in turns:
        name = turn.campaign_id
        before = moved.get(name) or known.get(name) or FollowUp(name)
        match turn:
            case GoalMet(at=at):
                moved[name], asked = take_goal_met(before, at)
                facts += asked
            case Ended(at=at):
                moved[name] = take_end(before, at)
            case MilestoneApproved(stage=stage, at=at):
                facts.append(take_milestone(before, stage, at))
            case LastStagePaid():
                moved[name] = take_last_stage(before)
    await unit.follow_ups.save(list(moved.values()))
    await unit.facts.add(facts)


async def follow_publication(unit: UpdatesUnit, update: Update) -> None:
    """Move what is owed by what was just published; raises `Refused` for unknown problems."""
    assert update.published_at is not None
    content = update.content
    if is_platforms(content.author_id):
        return
    word = word_of(
        update.update_id, content.parts, content.kind, content.resolves, update.published_at
    )
    moved, facts = take_word(await load_follow_up(unit, update.campaign_id), word)
    await unit.follow_ups.save([moved])
    await unit.facts.add(facts)


async def paused(unit: UpdatesUnit, campaign_id: str) -> bool:
    """Whether an emergency without a plan keeps back what was scheduled."""
    return emergency_open((await load_follow_up(unit, campaign_id)).problems)


async def ask(unit: UpdatesUnit, campaign_id: str, person_id: str) -> FollowUp:
    """Count a backer who asks what is going on, once per silence."""
    before = await load_follow_up(unit, campaign_id)
    moved = take_question(before)
    assert before.silence is not None
    if not await unit.askers.add(campaign_id, before.silence.steps.since, person_id):
        return before
    await unit.follow_ups.save([moved])
    return moved


async def load_follow_up(unit: UpdatesUnit, campaign_id: str) -> FollowUp:
    """Return what the campaign owes so far."""
    found = await unit.follow_ups.load([campaign_id])
    return found.get(campaign_id) or FollowUp(campaign_id)
