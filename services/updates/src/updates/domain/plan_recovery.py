"""A delivery plan brought to where its topic has it, after a restored backup; twice is once."""

from collections.abc import Callable
from dataclasses import replace

from updates.domain.delivery_plan import (
    Answer,
    DeliveryPlan,
    Line,
    PlanAsked,
    PlanFact,
    PlanPublished,
    Promise,
    PromiseAnswered,
    PromiseDue,
    PromiseMoved,
    PromiseState,
    settle,
)
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms


def told_again(
    plan: DeliveryPlan, fact: PlanFact, terms: PlanTerms = USUAL_PLAN_TERMS
) -> DeliveryPlan:
    """Return the plan as it was after a fact that was told."""
    match fact:
        case PlanAsked():
            return replace(plan, asked_at=plan.asked_at or fact.plan.asked_at)
        case PlanPublished(line=line):
            return _with_line(plan, line)
        case PromiseMoved():
            return _moved(plan, fact)
        case PromiseAnswered():
            return _changed(plan, fact, lambda one: _answered(one, fact))
        case PromiseDue():
            return _changed(plan, fact, lambda one: _asked(one, fact, terms))


def _with_line(plan: DeliveryPlan, line: Line) -> DeliveryPlan:
    if any((one.reward_id, one.batch) == (line.reward_id, line.batch) for one in plan.lines):
        return plan
    lines = sorted((*plan.lines, line), key=lambda one: (one.reward_id, one.batch))
    return replace(plan, lines=tuple(lines))


def _moved(plan: DeliveryPlan, fact: PromiseMoved) -> DeliveryPlan:
    if fact.number <= plan.moves:
        return plan

    def moved(one: Promise) -> Promise:
        return replace(
            one,
            day=fact.new,
            held=fact.old,
            promised_at=fact.at,
            confirmed_at=None,
            asked=frozenset(),
        )

    return replace(_changed(plan, fact, moved), moves=fact.number)


def _answered(promise: Promise, fact: PromiseAnswered) -> Promise:
    if fact.answer is Answer.CONFIRMED:
        return replace(promise, confirmed_at=fact.at)
    return promise if promise.state is PromiseState.DONE else settle(promise)


def _asked(promise: Promise, fact: PromiseDue, terms: PlanTerms) -> Promise:
    if promise.day != fact.day:
        return promise
    behind = {days for days in terms.asked_before if days >= fact.days_before}
    return replace(promise, asked=promise.asked | behind, confirmed_at=None)


def _changed(
    plan: DeliveryPlan,
    fact: PromiseMoved | PromiseAnswered | PromiseDue,
    change: Callable[[Promise], Promise],
) -> DeliveryPlan:
    def line_of(line: Line) -> Line:
        if (line.reward_id, line.batch) != (fact.reward_id, fact.batch):
            return line
        promises = (change(one) if one.step is fact.step else one for one in line.promises)
        return replace(line, promises=tuple(promises))

    return replace(plan, lines=tuple(line_of(line) for line in plan.lines))
