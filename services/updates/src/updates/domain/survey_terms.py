"""What of surveys a platform may set otherwise (`domain.md` 6)."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class SurveyTerms:
    """When those who have not answered are reminded, and how few answers are hidden.

    `before_end` counts back from a survey's end, `after_opening` is for a feedback form, which has
    none. With fewer anonymous answers than `fewest` who knows the backers could tell who said what.
    """

    before_end: tuple[timedelta, ...] = (timedelta(days=3), timedelta(days=1))
    after_opening: tuple[timedelta, ...] = (timedelta(days=7),)
    fewest: int = 5


USUAL_SURVEY_TERMS = SurveyTerms()
