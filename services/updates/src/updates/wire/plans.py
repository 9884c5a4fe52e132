"""Delivery plans as events, and the campaigns' facts that plans follow."""

from collections.abc import Sequence
from datetime import date

from servicekit.own_topics import Unexplained
from sosst_contracts import funding
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
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
    Provision,
    Step,
)
from updates.handlers.plans import Ended, GoalMet, Offered, PlanHeard
from updates.handlers.recover_plans import PlanTold


def plan_draft(fact: PlanFact) -> Draft:
    """Turn a fact about a plan into the event that says it, ready for the outbox."""
    match fact:
        case PlanAsked():
            return _asked(fact)
        case PlanPublished():
            return _published(fact)
        case PromiseMoved():
            return _moved(fact)
        case PromiseAnswered():
            return _answered(fact)
        case PromiseDue():
            return _due(fact)


def plan_heard(facts: Sequence[Decoded]) -> list[PlanHeard]:
    """Read what concerns plans out of the campaigns' topic."""
    return [heard for fact in facts if (heard := _heard(fact)) is not None]


def _heard(fact: Decoded) -> PlanHeard | None:
    match fact.event:
        case funding.CampaignLaunched() as event:
            rewards = {reward.reward_id: reward.title for reward in event.rewards}
            return Offered(event.campaign_id, event.zone, rewards)
        case funding.VerdictReached(verdict="goal_met") as event:
            return GoalMet(event.campaign_id, fact.envelope.time)
        case funding.VerdictReached(verdict="goal_missed") as event:
            return Ended(event.campaign_id)
        case funding.CampaignCancelled() as event:
            return Ended(event.campaign_id)
    return None


def _asked(fact: PlanAsked) -> Draft:
    at = fact.plan.asked_at
    assert at is not None
    event = events.PlanAsked(
        campaign_id=fact.plan.campaign_id,
        rewards_missing=len(fact.plan.missing),
        asked_at=at,
        missing_from=fact.missing_from,
    )
    return Draft(event=event, occurred_at=at)


def _published(fact: PlanPublished) -> Draft:
    line = fact.line
    event = events.PlanPublished(
        campaign_id=fact.campaign_id,
        reward_id=line.reward_id,
        batch=line.batch,
        provision=line.provision.value,
        steps=[
            events.PlannedStep(step=one.step.value, date=one.day.isoformat())
            for one in line.promises
        ],
        rewards_missing=fact.missing,
        published_by=line.published_by,
        published_at=line.published_at,
    )
    return Draft(event=event, occurred_at=line.published_at)


def _moved(fact: PromiseMoved) -> Draft:
    event = events.PromiseMoved(
        campaign_id=fact.campaign_id,
        reward_id=fact.reward_id,
        batch=fact.batch,
        step=fact.step.value,
        old=fact.old.isoformat(),
        new=fact.new.isoformat(),
        reason=fact.reason,
        update_id=fact.update_id,
        number=fact.number,
        moved_by=fact.by,
        moved_at=fact.at,
    )
    return Draft(event=event, occurred_at=fact.at)


def _answered(fact: PromiseAnswered) -> Draft:
    event = events.PromiseAnswered(
        campaign_id=fact.campaign_id,
        reward_id=fact.reward_id,
        batch=fact.batch,
        step=fact.step.value,
        answer=fact.answer.value,
        answered_by=fact.by,
        answered_at=fact.at,
    )
    return Draft(event=event, occurred_at=fact.at)


def _due(fact: PromiseDue) -> Draft:
    event = events.PromiseDue(
        campaign_id=fact.campaign_id,
        reward_id=fact.reward_id,
        batch=fact.batch,
        step=fact.step.value,
        date=fact.day.isoformat(),
        days_before=fact.days_before,
        due_at=fact.at,
    )
    return Draft(event=event, occurred_at=fact.at)


def plans_told_from(unexplained: Sequence[Unexplained]) -> list[PlanTold]:
    """Read our own facts back into what was promised; `plan_draft` the other way."""
    found = [decode(one.record) for one in unexplained]
    events_told = [one.event for one in found if isinstance(one, Decoded)]
    return [
        PlanTold(event.key, fact) for event in events_told if (fact := _fact(event)) is not None
    ]


def _fact(event: Event) -> PlanFact | None:
    match event:
        case events.PlanAsked():
            asked = DeliveryPlan(event.campaign_id, "UTC", asked_at=event.asked_at)
            return PlanAsked(asked, event.missing_from)
        case events.PlanPublished():
            return PlanPublished(event.campaign_id, _line(event), event.rewards_missing)
        case events.PromiseMoved():
            return PromiseMoved(
                event.campaign_id,
                event.number,
                event.reward_id,
                event.batch,
                Step(event.step),
                date.fromisoformat(event.old),
                date.fromisoformat(event.new),
                event.reason,
                event.update_id,
                event.moved_by,
                event.moved_at,
            )
        case events.PromiseAnswered():
            answer, at = Answer(event.answer), event.answered_at
            return PromiseAnswered(*_about(event), answer, event.answered_by, at)
        case events.PromiseDue():
            day = date.fromisoformat(event.date)
            return PromiseDue(*_about(event), day, event.days_before, event.due_at)
    return None


def _about(event: events.PromiseAnswered | events.PromiseDue) -> tuple[str, str, int, Step]:
    return event.campaign_id, event.reward_id, event.batch, Step(event.step)


def _line(event: events.PlanPublished) -> Line:
    days = [(Step(one.step), date.fromisoformat(one.date)) for one in event.steps]
    at = event.published_at
    promises = tuple(Promise(step, day, day, day, at) for step, day in days)
    provision = Provision(event.provision)
    return Line(event.reward_id, event.batch, provision, promises, event.published_by, at)
