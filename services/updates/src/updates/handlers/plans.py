"""Delivery plans: published, moved, answered for; asked for at the verdict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from updates.domain import delivery_plan as plans
from updates.domain.delivery_plan import (
    Answer,
    DeliveryPlan,
    Move,
    PlanDecision,
    Provision,
    Step,
)
from updates.domain.errors import Refused
from updates.domain.kinds import schedule_of
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms
from updates.domain.schedule_change import DateMove
from updates.domain.update import Update
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class Offered:
    """A launch says which rewards there are, and whose day a promised day is."""

    campaign_id: str
    zone: str
    rewards: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GoalMet:
    campaign_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """The goal was missed, or the campaign was cancelled."""

    campaign_id: str


PlanHeard = Offered | GoalMet | Ended


async def hear_campaigns(
    unit: UpdatesUnit, heard: Sequence[PlanHeard], terms: PlanTerms = USUAL_PLAN_TERMS
) -> None:
    """Begin a plan with each launch, ask for it with the verdict, end it with the campaign."""
    for one in heard:
        known = await unit.plans.load(one.campaign_id)
        plan = known or DeliveryPlan(one.campaign_id, "UTC")
        await _save(unit, known, _heard(plan, one, terms), terms)


def _heard(plan: DeliveryPlan, heard: PlanHeard, terms: PlanTerms) -> PlanDecision:
    match heard:
        case Offered(zone=zone, rewards=rewards):
            return PlanDecision(replace(plan, zone=zone, rewards=rewards))
        case GoalMet(at=at):
            return plans.ask(plan, at, terms)
        case Ended():
            return PlanDecision(plans.end(plan))


async def publish_plan(
    unit: UpdatesUnit,
    campaign_id: str,
    reward_id: str,
    batch: int,
    provision: Provision,
    days: Mapping[Step, date],
    by: str,
    now: datetime,
    terms: PlanTerms = USUAL_PLAN_TERMS,
) -> DeliveryPlan:
    """Promise the days of a batch; the same again is the same."""
    return await _decide(
        unit,
        campaign_id,
        lambda plan: plans.promise(plan, reward_id, batch, provision, days, by, now),
        terms,
    )


async def move_promise(
    unit: UpdatesUnit,
    campaign_id: str,
    move: Move,
    by: str,
    now: datetime,
    terms: PlanTerms = USUAL_PLAN_TERMS,
) -> DeliveryPlan:
    """Move a day without an update, as far as that is allowed."""
    return await _decide(
        unit, campaign_id, lambda plan: plans.move_freely(plan, move, by, now, terms), terms
    )


async def move_with_update(
    unit: UpdatesUnit, update: Update, now: datetime, terms: PlanTerms = USUAL_PLAN_TERMS
) -> None:
    """Move the days that an update moves, in the transaction in which it is published."""
    change = schedule_of(update.content.parts)
    if change is None or change.unchanged:
        return
    moves = [_move_of(one) for one in change.moves]
    name, by = update.update_id, update.content.author_id
    await _decide(
        unit,
        update.campaign_id,
        lambda plan: plans.move_with_update(plan, moves, name, by, now, terms),
        terms,
    )


def _move_of(one: DateMove) -> Move:
    if one.step not in set(Step):
        raise Refused("step-unknown", f"there is no step {one.step}")
    step = Step(one.step)
    return Move(one.reward_id, one.batch, step, one.new, one.reason, old=one.old)


async def answer_promise(
    unit: UpdatesUnit,
    campaign_id: str,
    reward_id: str,
    batch: int,
    step: Step,
    answer: Answer,
    by: str,
    now: datetime,
    terms: PlanTerms = USUAL_PLAN_TERMS,
) -> DeliveryPlan:
    """Take the creator's word that a day stands, or that a step is done."""
    return await _decide(
        unit,
        campaign_id,
        lambda plan: plans.answer(plan, reward_id, batch, step, answer, by, now),
        terms,
    )


async def ask_about_due(
    unit: UpdatesUnit, campaign_id: str, now: datetime, terms: PlanTerms = USUAL_PLAN_TERMS
) -> int:
    """Ask about what is near in one plan; return how many questions that were.

    A question that the terms no longer know is asked by nobody, and the plan is due with its next.
    """
    known = await unit.plans.load(campaign_id)
    if known is None or known.ended:
        return 0
    decision = plans.ask_about_due(known, now, terms)
    await _save(unit, known, decision, terms)
    return len(decision.facts)


async def load_plan(unit: UpdatesUnit, campaign_id: str) -> DeliveryPlan:
    """Return the campaign's plan; raises `Refused` where there is no such campaign."""
    plan = await unit.plans.load(campaign_id)
    if plan is None:
        raise Refused("campaign-unknown", "there is no such campaign")
    return plan


async def _decide(
    unit: UpdatesUnit,
    campaign_id: str,
    decide: Callable[[DeliveryPlan], PlanDecision],
    terms: PlanTerms,
) -> DeliveryPlan:
    known = await load_plan(unit, campaign_id)
    return await _save(unit, known, decide(known), terms)


async def _save(
    unit: UpdatesUnit, known: DeliveryPlan | None, decision: PlanDecision, terms: PlanTerms
) -> DeliveryPlan:
    plan = plans.due_next(decision.plan, terms)
    if plan != known:
        await unit.plans.save(plan)
    if decision.moved:
        await unit.plans.log(decision.moved)
    if decision.facts:
        await unit.facts.add(decision.facts)
    return plan
