"""How long an errored pledge is waited for: reminders, a last automatic try, then the drop."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from funding.domain.terms import Terms


class StepKind(StrEnum):
    REMINDER = "reminder"
    LAST_TRY = "last_try"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that falls due, so long after the step before it, or after the failure."""

    kind: StepKind
    gap: timedelta


def steps_of(terms: Terms) -> tuple[Step, ...]:
    """Return the steps of an errored pledge, in order; the last one is always the drop."""
    kinds = [StepKind.REMINDER] * len(terms.errored_reminders_seconds)
    ends = (terms.errored_last_try_seconds, terms.errored_drop_seconds)
    times = (*terms.errored_reminders_seconds, *ends)
    befores = (0, *times)
    return tuple(
        Step(kind, timedelta(seconds=time - before))
        for kind, time, before in zip(
            (*kinds, StepKind.LAST_TRY, StepKind.DROP), times, befores, strict=False
        )
    )


def left_after(steps: tuple[Step, ...], taken: int) -> timedelta:
    """Return how long it still is until the drop, once so many steps are taken."""
    return sum((step.gap for step in steps[taken:]), timedelta())
