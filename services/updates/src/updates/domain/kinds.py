"""The kinds of updates (`domain.md` 6): what each must say beyond title and details.

What people read is a *section*, written in every language of the update. What machines read (a
severity, dates, an event) is said once, as the *parts* of the kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.schedule_change import ScheduleChange


class UpdateKind(StrEnum):
    PROGRESS_REPORT = "progress_report"
    THANK_YOU = "thank_you"
    DELAY_NOTICE = "delay_notice"
    EMERGENCY = "emergency"
    RECOVERY_PLAN = "recovery_plan"
    DELIVERY_NOTICE = "delivery_notice"
    FAILURE_LETTER = "failure_letter"
    PLAN_ADJUSTMENT = "plan_adjustment"
    NEWS = "news"


class Section(StrEnum):
    """A named text; « Rapport d'avancement : Comme les étapes complètes du projet, … »."""

    STEP_COMPLETED = "step_completed"
    CURRENT_WORK = "current_work"
    DESIGN = "design"
    PRODUCTION = "production"
    OTHER = "other"
    OCCASION = "occasion"
    PROBLEM = "problem"
    SOLUTION = "solution"
    ACTION_PLAN = "action_plan"
    NEXT_STEPS = "next_steps"
    CAUSE = "cause"
    STRATEGY_CHANGE = "strategy_change"
    PROGRESS = "progress"
    REASONS = "reasons"
    THANKS = "thanks"
    FUTURE_PLANS = "future_plans"
    STAY_IN_TOUCH = "stay_in_touch"
    BACKERS_SAID = "backers_said"
    CHANGES = "changes"


SECTION_CHARACTERS_MAX = 10_000
PROMPT_DAYS_MAX = 3


@dataclass(frozen=True, slots=True)
class Sections:
    """What a kind's text must have, one of which it must have, and what it may have."""

    required: frozenset[Section] = frozenset()
    one_of: frozenset[Section] = frozenset()
    offered: frozenset[Section] = frozenset()

    @property
    def known(self) -> frozenset[Section]:
        return self.required | self.one_of | self.offered


SECTIONS: dict[UpdateKind, Sections] = {
    UpdateKind.PROGRESS_REPORT: Sections(
        offered=frozenset(
            {
                Section.STEP_COMPLETED,
                Section.CURRENT_WORK,
                Section.DESIGN,
                Section.PRODUCTION,
                Section.OTHER,
            }
        )
    ),
    UpdateKind.THANK_YOU: Sections(offered=frozenset({Section.OCCASION})),
    UpdateKind.DELAY_NOTICE: Sections(
        required=frozenset({Section.PROBLEM, Section.SOLUTION, Section.ACTION_PLAN})
    ),
    UpdateKind.EMERGENCY: Sections(required=frozenset({Section.PROBLEM, Section.NEXT_STEPS})),
    UpdateKind.RECOVERY_PLAN: Sections(
        required=frozenset({Section.CAUSE}),
        one_of=frozenset({Section.SOLUTION, Section.STRATEGY_CHANGE}),
    ),
    UpdateKind.DELIVERY_NOTICE: Sections(required=frozenset({Section.PROGRESS})),
    UpdateKind.FAILURE_LETTER: Sections(
        required=frozenset({Section.THANKS, Section.FUTURE_PLANS, Section.STAY_IN_TOUCH}),
        offered=frozenset({Section.REASONS}),
    ),
    UpdateKind.PLAN_ADJUSTMENT: Sections(
        required=frozenset({Section.CHANGES}), offered=frozenset({Section.BACKERS_SAID})
    ),
    UpdateKind.NEWS: Sections(),
}


class OccasionKind(StrEnum):
    MILESTONE = "milestone"
    PLAN_STEP = "plan_step"
    OTHER = "other"


class Severity(StrEnum):
    SERIOUS = "serious"
    CRITICAL = "critical"


class DeliveryMode(StrEnum):
    POST = "post"
    PICK_UP = "pick_up"
    DIGITAL = "digital"
    SERVICE = "service"


class FailureReason(StrEnum):
    MARKET_DEMAND = "market_demand"
    PRODUCT_DESIGN = "product_design"
    LACK_OF_PROMOTION = "lack_of_promotion"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """Nothing is required; sections are offered."""


@dataclass(frozen=True, slots=True)
class ThankYou:
    """A letter has an occasion: a milestone or step of the plan by its name, or free text."""

    occasion: OccasionKind
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class DelayNotice:
    """Dates move in the same step, or are said to be unchanged."""

    schedule: ScheduleChange


@dataclass(frozen=True, slots=True)
class Emergency:
    """How bad it is, and when it happened: said within three days it was said promptly."""

    severity: Severity
    happened_on: date

    def declared_promptly(self, at: datetime) -> bool:
        """Whether it was declared within three days: « signalé sans attendre »."""
        return (at.date() - self.happened_on).days <= PROMPT_DAYS_MAX


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """Answers an emergency; dates move in the same step, or are said to be unchanged."""

    answers: str
    schedule: ScheduleChange


@dataclass(frozen=True, slots=True)
class DeliveryNotice:
    estimated_on: date
    mode: DeliveryMode
    rewards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailureLetter:
    """Why the goal was missed; another reason than those named is written out."""

    reasons: tuple[FailureReason, ...]


@dataclass(frozen=True, slots=True)
class PlanAdjustment:
    """What follows from a survey: « ce que les soutiens ont dit, ce que nous changeons »."""

    survey_id: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that people may come to; at a place, by a link, or both. The zone is IANA's."""

    starts_at: datetime
    ends_at: datetime
    zone: str
    place: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class News:
    event: Occurrence | None = None


Parts = (
    ProgressReport
    | ThankYou
    | DelayNotice
    | Emergency
    | RecoveryPlan
    | DeliveryNotice
    | FailureLetter
    | PlanAdjustment
    | News
)

PARTS: dict[UpdateKind, type[Parts]] = {
    UpdateKind.PROGRESS_REPORT: ProgressReport,
    UpdateKind.THANK_YOU: ThankYou,
    UpdateKind.DELAY_NOTICE: DelayNotice,
    UpdateKind.EMERGENCY: Emergency,
    UpdateKind.RECOVERY_PLAN: RecoveryPlan,
    UpdateKind.DELIVERY_NOTICE: DeliveryNotice,
    UpdateKind.FAILURE_LETTER: FailureLetter,
    UpdateKind.PLAN_ADJUSTMENT: PlanAdjustment,
    UpdateKind.NEWS: News,
}
_KINDS = {parts: kind for kind, parts in PARTS.items()}


def kind_of(parts: Parts) -> UpdateKind:
    """Return the kind whose parts these are."""
    return _KINDS[type(parts)]


def schedule_of(parts: Parts) -> ScheduleChange | None:
    """Return what the update says of the plan's dates; None for a kind that says nothing."""
    return parts.schedule if isinstance(parts, DelayNotice | RecoveryPlan) else None


def check_sections(parts: Parts, language: str, sections: Mapping[Section, str]) -> None:
    """Refuse a language that lacks a section of the kind, or has one of another kind."""
    kind = kind_of(parts)
    rule = SECTIONS[kind]
    for section in sorted(rule.required | _needed(parts)):
        if section not in sections:
            raise Refused("missing-part", f"a {kind} says its {section}: missing in {language}")
    if rule.one_of and not rule.one_of & set(sections):
        choice = " or ".join(sorted(rule.one_of))
        raise Refused("missing-part", f"a {kind} says its {choice}: missing in {language}")
    for section, text in sections.items():
        if section not in rule.known:
            raise Refused("foreign-part", f"a {kind} has no {section}")
        if not 1 <= len(text.strip()) <= SECTION_CHARACTERS_MAX:
            length = f"1 to {SECTION_CHARACTERS_MAX} characters"
            raise Refused("invalid-part", f"the {section} has {length}, in {language}")


def _needed(parts: Parts) -> frozenset[Section]:
    """Return the sections that follow from what the parts say."""
    match parts:
        case ThankYou(occasion=OccasionKind.OTHER):
            return frozenset({Section.OCCASION})
        case FailureLetter(reasons=reasons) if FailureReason.OTHER in reasons:
            return frozenset({Section.REASONS})
        case _:
            return frozenset()


def check_parts(parts: Parts) -> None:
    """Refuse parts that are there and say nothing, or contradict themselves."""
    match parts:
        case ThankYou(occasion=OccasionKind.OTHER, subject=str()):
            raise Refused("invalid-part", "an occasion in free text names no milestone or step")
        case ThankYou(occasion=OccasionKind.MILESTONE | OccasionKind.PLAN_STEP, subject=None):
            raise Refused("missing-part", f"the occasion names its {parts.occasion}")
        case DeliveryNotice(rewards=()):
            raise Refused("missing-part", "a delivery notice names the rewards concerned")
        case FailureLetter(reasons=()):
            raise Refused("missing-part", "a failure letter gives at least one reason")
        case News(event=Occurrence() as event) if event.ends_at <= event.starts_at:
            raise Refused("invalid-part", "an event ends after it starts")
        case News(event=Occurrence(place=None, link=None)):
            raise Refused("missing-part", "an event has a place or a link")
        case DelayNotice(schedule=schedule) | RecoveryPlan(schedule=schedule):
            schedule.check()
        case _:
            pass
