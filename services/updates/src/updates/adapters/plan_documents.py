"""The shapes of plans' documents: days as in ISO 8601, which sort as they follow each other."""

from datetime import date
from typing import Any

from updates.adapters.document_ids import plain_id
from updates.domain.delivery_plan import (
    DeliveryPlan,
    Line,
    Promise,
    PromiseMoved,
    PromiseState,
    Provision,
    Step,
)

Document = dict[str, Any]


def plan_document(plan: DeliveryPlan) -> Document:
    return {
        "_id": plan.campaign_id,
        "version": plan.version,
        "zone": plan.zone,
        # A reward's id may hold a dot, which MongoDB reads as a path in a field's name.
        "rewards": [{"reward_id": one, "title": title} for one, title in plan.rewards.items()],
        "lines": [_line_document(line) for line in plan.lines],
        "asked_at": plan.asked_at,
        "ended": plan.ended,
        "moves": plan.moves,
        "next_due": plan.next_due,
    }


def plan_from(row: Document) -> DeliveryPlan:
    return DeliveryPlan(
        campaign_id=row["_id"],
        zone=row["zone"],
        rewards={one["reward_id"]: one["title"] for one in row["rewards"]},
        lines=tuple(_line_from(line) for line in row["lines"]),
        asked_at=row["asked_at"],
        ended=row["ended"],
        moves=row["moves"],
        next_due=row["next_due"],
        version=row["version"],
    )


def _line_document(line: Line) -> Document:
    return {
        "reward_id": line.reward_id,
        "batch": line.batch,
        "provision": line.provision.value,
        "promises": [_promise_document(one) for one in line.promises],
        "published_by": line.published_by,
        "published_at": line.published_at,
    }


def _line_from(row: Document) -> Line:
    return Line(
        reward_id=row["reward_id"],
        batch=row["batch"],
        provision=Provision(row["provision"]),
        promises=tuple(_promise_from(one) for one in row["promises"]),
        published_by=row["published_by"],
        published_at=row["published_at"],
    )


def _promise_document(promise: Promise) -> Document:
    return {
        "step": promise.step.value,
        "day": promise.day.isoformat(),
        "first": promise.first.isoformat(),
        "held": promise.held.isoformat(),
        "promised_at": promise.promised_at,
        "state": promise.state.value,
        "confirmed_at": promise.confirmed_at,
        "asked": sorted(promise.asked),
    }


def _promise_from(row: Document) -> Promise:
    return Promise(
        step=Step(row["step"]),
        day=date.fromisoformat(row["day"]),
        first=date.fromisoformat(row["first"]),
        held=date.fromisoformat(row["held"]),
        promised_at=row["promised_at"],
        state=PromiseState(row["state"]),
        confirmed_at=row["confirmed_at"],
        asked=frozenset(row["asked"]),
    )


def entry_document(entry: PromiseMoved) -> Document:
    return {
        "_id": plain_id(entry.campaign_id, str(entry.number)),
        "campaign_id": entry.campaign_id,
        "number": entry.number,
        "reward_id": entry.reward_id,
        "batch": entry.batch,
        "step": entry.step.value,
        "old": entry.old.isoformat(),
        "new": entry.new.isoformat(),
        "reason": entry.reason,
        "update_id": entry.update_id,
        "by": entry.by,
        "at": entry.at,
    }


def entry_from(row: Document) -> PromiseMoved:
    return PromiseMoved(
        campaign_id=row["campaign_id"],
        number=row["number"],
        reward_id=row["reward_id"],
        batch=row["batch"],
        step=Step(row["step"]),
        old=date.fromisoformat(row["old"]),
        new=date.fromisoformat(row["new"]),
        reason=row["reason"],
        update_id=row["update_id"],
        by=row["by"],
        at=row["at"],
    )
