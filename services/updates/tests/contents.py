"""A complete update of each kind, as the domain has it and as a creator sends it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from updates.domain.kinds import (
    DelayNotice,
    DeliveryMode,
    DeliveryNotice,
    Emergency,
    FailureLetter,
    FailureReason,
    News,
    OccasionKind,
    Occurrence,
    Parts,
    PlanAdjustment,
    ProgressReport,
    RecoveryPlan,
    Section,
    Severity,
    ThankYou,
    UpdateKind,
)
from updates.domain.schedule_change import DateMove, ScheduleChange
from updates.domain.update import Content, UpdateText, Visibility

MOVE = DateMove("lamp", 1, "delivery", date(2026, 5, 1), date(2026, 6, 1), "Le bois manque.")
EVENT = Occurrence(
    datetime(2026, 4, 1, 18, tzinfo=UTC),
    datetime(2026, 4, 1, 20, tzinfo=UTC),
    "Europe/Paris",
    "12 rue des Lampes",
    "https://lamps.example/visit",
)
PARTS_OF: Mapping[UpdateKind, Parts] = {
    UpdateKind.PROGRESS_REPORT: ProgressReport(),
    UpdateKind.THANK_YOU: ThankYou(OccasionKind.MILESTONE, "prepared"),
    UpdateKind.DELAY_NOTICE: DelayNotice(ScheduleChange((MOVE,))),
    UpdateKind.EMERGENCY: Emergency(Severity.CRITICAL, date(2026, 2, 27)),
    UpdateKind.RECOVERY_PLAN: RecoveryPlan("fire", ScheduleChange()),
    UpdateKind.DELIVERY_NOTICE: DeliveryNotice(date(2026, 6, 1), DeliveryMode.POST, ("lamp",)),
    UpdateKind.FAILURE_LETTER: FailureLetter((FailureReason.MARKET_DEMAND,)),
    UpdateKind.PLAN_ADJUSTMENT: PlanAdjustment("survey-1"),
    UpdateKind.NEWS: News(EVENT),
}
_SECTIONS: Mapping[UpdateKind, tuple[Section, ...]] = {
    UpdateKind.PROGRESS_REPORT: (Section.CURRENT_WORK,),
    UpdateKind.DELAY_NOTICE: (Section.PROBLEM, Section.SOLUTION, Section.ACTION_PLAN),
    UpdateKind.EMERGENCY: (Section.PROBLEM, Section.NEXT_STEPS),
    UpdateKind.RECOVERY_PLAN: (Section.CAUSE, Section.STRATEGY_CHANGE),
    UpdateKind.DELIVERY_NOTICE: (Section.PROGRESS,),
    UpdateKind.FAILURE_LETTER: (Section.THANKS, Section.FUTURE_PLANS, Section.STAY_IN_TOUCH),
    UpdateKind.PLAN_ADJUSTMENT: (Section.BACKERS_SAID, Section.CHANGES),
}
_MOVED = {
    "reward_id": "lamp",
    "batch": 1,
    "step": "delivery",
    "old": "2026-05-01",
    "new": "2026-06-01",
    "reason": "Le bois manque.",
}
_EVENT_BODY = {
    "starts_at": "2026-04-01T18:00:00Z",
    "ends_at": "2026-04-01T20:00:00Z",
    "zone": "Europe/Paris",
    "place": "12 rue des Lampes",
    "link": "https://lamps.example/visit",
}
_BODIES: Mapping[UpdateKind, dict[str, Any]] = {
    UpdateKind.PROGRESS_REPORT: {},
    UpdateKind.THANK_YOU: {"occasion": "milestone", "subject": "prepared"},
    UpdateKind.DELAY_NOTICE: {"schedule": {"moves": [_MOVED]}},
    UpdateKind.EMERGENCY: {"severity": "critical", "happened_on": "2026-02-27"},
    UpdateKind.RECOVERY_PLAN: {"answers": "fire", "schedule": {"moves": []}},
    UpdateKind.DELIVERY_NOTICE: {
        "estimated_on": "2026-06-01",
        "mode": "post",
        "rewards": ["lamp"],
    },
    UpdateKind.FAILURE_LETTER: {"reasons": ["market_demand"]},
    UpdateKind.PLAN_ADJUSTMENT: {"survey_id": "survey-1"},
    UpdateKind.NEWS: {"event": _EVENT_BODY},
}


def sections_of(kind: UpdateKind) -> dict[Section, str]:
    return {section: f"{section} : oui." for section in _SECTIONS.get(kind, ())}


def content_of(
    kind: UpdateKind,
    parts: Parts | None = None,
    sections: Mapping[Section, str] | None = None,
    resolves: tuple[str, ...] = (),
) -> Content:
    """Return a complete content of the kind, with other parts or sections where they are given."""
    said = sections_of(kind) if sections is None else sections
    text = UpdateText("fr", f"Un {kind}", "Voici les détails.", said)
    return Content("creator-1", parts or PARTS_OF[kind], Visibility.PUBLIC, (text,), resolves)


def body_of(kind: UpdateKind) -> dict[str, Any]:
    """Return the same as a creator sends it."""
    text = {
        "language": "fr",
        "title": f"Un {kind}",
        "details": "Voici les détails.",
        "sections": {section.value: words for section, words in sections_of(kind).items()},
    }
    return {
        "kind": kind.value,
        "visibility": "public",
        "texts": [text],
        "parts": _BODIES[kind],
        "resolves": [],
    }
