"""The times of delivery plans that a platform may set otherwise (`domain.md` 6)."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """`asked_before` are the days before a promised one on which its creator is asked about it.

    For so long (`freely`) after a day was promised it moves as its creator likes. So long
    (`missing_after`) after the plan was asked for, the page says that it is missing.
    """

    freely: timedelta = timedelta(minutes=30)
    missing_after: timedelta = timedelta(days=14)
    asked_before: tuple[int, ...] = (30, 7, 0)


USUAL_PLAN_TERMS = PlanTerms()
