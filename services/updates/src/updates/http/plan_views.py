"""From plans to what people see."""

from datetime import date, datetime

from updates.domain.delivery_plan import (
    DeliveryPlan,
    Line,
    Promise,
    PromiseMoved,
    overdue_days,
)
from updates.domain.plan_terms import PlanTerms
from updates.domain.reminders import today_in
from updates.http.plan_models import LineView, LogEntryView, PlanView, PromiseView
from updates.http.plan_words import MISSING, overdue


def plan_view(plan: DeliveryPlan, now: datetime, terms: PlanTerms) -> PlanView:
    """Show the plan as the page has it at this instant."""
    today = today_in(plan.zone, now)
    return PlanView(
        campaign_id=plan.campaign_id,
        zone=plan.zone,
        lines=[_line(line, plan, today) for line in plan.lines],
        missing_rewards=list(plan.missing),
        asked_at=plan.asked_at,
        ended=plan.ended,
        moves=plan.moves,
        notice=MISSING if plan.is_missing(now, terms) else None,
    )


def log_entry_view(entry: PromiseMoved) -> LogEntryView:
    return LogEntryView(
        number=entry.number,
        reward_id=entry.reward_id,
        batch=entry.batch,
        step=entry.step.value,
        old=entry.old,
        new=entry.new,
        days=(entry.new - entry.old).days,
        reason=entry.reason,
        update_id=entry.update_id,
        by=entry.by,
        at=entry.at,
    )


def _line(line: Line, plan: DeliveryPlan, today: date) -> LineView:
    return LineView(
        reward_id=line.reward_id,
        reward=plan.rewards.get(line.reward_id, line.reward_id),
        batch=line.batch,
        provision=line.provision.value,
        promises=[_promise(one, today, plan.ended) for one in line.promises],
        published_at=line.published_at,
    )


def _promise(promise: Promise, today: date, ended: bool) -> PromiseView:
    late = 0 if ended else overdue_days(promise, today)
    return PromiseView(
        step=promise.step.value,
        day=promise.day,
        first=promise.first,
        slip_days=promise.slip_days,
        state=promise.state.value,
        confirmed_at=promise.confirmed_at,
        overdue_days=late,
        notice=overdue(late) if late else None,
    )
