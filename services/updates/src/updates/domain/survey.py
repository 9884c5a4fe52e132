"""A survey of a campaign's backers, or a feedback form, which is one that stays open.

Whether the creator sees who answered what is said before anybody answers, and never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms
from updates.domain.update import Audience

QUESTIONS_MAX = 50
OPTIONS_MAX = 50
WORDS_MAX = 500
TEXT_CHARACTERS_MAX = 5_000
AHEAD_MAX = timedelta(days=366)
# Who was asked only just now needs no reminder.
UNREMINDED = timedelta(days=1)


class SurveyState(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


TRANSITIONS: dict[SurveyState, frozenset[SurveyState]] = {
    SurveyState.DRAFT: frozenset({SurveyState.OPEN}),
    SurveyState.OPEN: frozenset({SurveyState.CLOSED}),
    SurveyState.CLOSED: frozenset(),
}


class SurveyKind(StrEnum):
    SURVEY = "survey"
    FEEDBACK = "feedback"


class QuestionKind(StrEnum):
    """One of several options, any of them, a whole number, or words."""

    CHOICE = "choice"
    SEVERAL = "several"
    SCALE = "scale"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `options` of a choice, `low` and `high` of a scale."""

    question_id: str
    kind: QuestionKind
    words: str
    options: tuple[str, ...] = ()
    low: int = 1
    high: int = 5
    required: bool = True


@dataclass(frozen=True, slots=True)
class Form:
    """What is asked, and whether by name; a survey has an end, a feedback form has none."""

    kind: SurveyKind
    named: bool
    language: str
    title: str
    introduction: str
    questions: tuple[Question, ...]
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reminding:
    """How far the silent are reminded: the `number` of the reminder, and within it the place.

    `after` is the last backer who was looked at, `part` counts the lists that were told.
    """

    number: int = 0
    after: str = ""
    part: int = 0
    running: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """One survey; `version` is the compare-and-set guard of every save.

    `next_due` is when time moves it on next: a reminder, or its end.
    """

    campaign_id: str
    survey_id: str
    author_id: str
    form: Form
    state: SurveyState
    drafted_at: datetime
    audience: Audience | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    reminding: Reminding = Reminding()
    next_due: datetime | None = None
    version: int = 0

    @property
    def url(self) -> str:
        """Return where it can be answered, relative to the platform."""
        return f"/campaigns/{self.campaign_id}/surveys/{self.survey_id}"


@dataclass(frozen=True, slots=True)
class SurveyOpened:
    survey: Survey


@dataclass(frozen=True, slots=True)
class SurveyReminderDue:
    """These people have not answered; `number` and `part` say which list of which reminder."""

    survey: Survey
    number: int
    part: int
    backers: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class SurveyClosed:
    survey: Survey
    answers: int


SurveyFact = SurveyOpened | SurveyReminderDue | SurveyClosed
Value = str | int | tuple[str, ...]
Values = Mapping[str, Value]


def draft(
    known: Survey | None,
    campaign_id: str,
    survey_id: str,
    author_id: str,
    form: Form,
    now: datetime,
) -> Survey:
    """Write or rewrite what is asked; once it is open it is asked as it is."""
    _check_form(form)
    if known is None:
        state = SurveyState.DRAFT
        return Survey(campaign_id, survey_id, author_id, form, state, now)
    if known.form == form:
        return known
    if known.state is not SurveyState.DRAFT:
        raise Refused("already-opened", "a survey that was opened is not changed")
    return replace(known, form=form, author_id=author_id)


def open_survey(
    survey: Survey,
    audience: Audience,
    now: datetime,
    terms: SurveyTerms = USUAL_SURVEY_TERMS,
) -> Survey:
    """Ask everybody who backs the campaign as of now; raises `Refused` where its end is past."""
    end = survey.form.closes_at
    if end is not None and not now < end <= now + AHEAD_MAX:
        raise Refused("invalid-time", f"it must end ahead, and within {AHEAD_MAX.days} days")
    opened = replace(_moved(survey, SurveyState.OPEN), audience=audience, opened_at=now)
    return replace(opened, next_due=_next_due(opened, terms))


def close(survey: Survey, answers: int, now: datetime) -> tuple[Survey, SurveyClosed]:
    """Take no more answers."""
    closed = replace(_moved(survey, SurveyState.CLOSED), closed_at=now, next_due=None)
    return closed, SurveyClosed(closed, answers)


def is_over(survey: Survey, now: datetime) -> bool:
    """Whether it takes no answers: it was never opened, was closed, or its end is past."""
    end = survey.form.closes_at
    return survey.state is not SurveyState.OPEN or (end is not None and now >= end)


def begin_reminder(
    survey: Survey, now: datetime, terms: SurveyTerms = USUAL_SURVEY_TERMS
) -> Survey:
    """Begin the reminder that is due; after a long stop the latest one stands for all before."""
    if survey.reminding.running:
        return survey
    due = sum(1 for at in _reminders(survey, terms) if at <= now)
    if due <= survey.reminding.number:
        return replace(survey, next_due=_next_due(survey, terms))
    return replace(survey, reminding=Reminding(due, running=True))


def remind(
    survey: Survey,
    page: tuple[str, ...],
    silent: tuple[str, ...],
    last: bool,
    now: datetime,
    terms: SurveyTerms = USUAL_SURVEY_TERMS,
) -> tuple[Survey, SurveyReminderDue | None]:
    """Remind the silent of a page of the audience; with the `last` page the reminder is over."""
    known = survey.reminding
    part = known.part + bool(silent)
    moved = Reminding(known.number, page[-1] if page else known.after, part, running=not last)
    reminded = replace(survey, reminding=moved)
    reminded = replace(reminded, next_due=_next_due(reminded, terms) if last else now)
    told = SurveyReminderDue(reminded, known.number, part, silent, now) if silent else None
    return reminded, told


def check_answer(survey: Survey, values: Values, now: datetime) -> None:
    """Raise `Refused` unless these answer its questions while it is open."""
    if is_over(survey, now):
        raise Refused("survey-closed", "it takes no answers now")
    questions = {question.question_id: question for question in survey.form.questions}
    if unknown := sorted(values.keys() - questions):
        raise Refused("question-unknown", f"there is no question {unknown[0]}")
    for question in survey.form.questions:
        if question.question_id in values:
            _check_value(question, values[question.question_id])
        elif question.required:
            raise Refused("answer-missing", f"question {question.question_id} wants an answer")


def _check_value(question: Question, value: Value) -> None:
    match question.kind, value:
        case QuestionKind.CHOICE, str() if value in question.options:
            return
        case QuestionKind.SEVERAL, tuple() if set(value) <= set(question.options):
            if len(set(value)) == len(value) and (value or not question.required):
                return
        case QuestionKind.SCALE, int() if question.low <= value <= question.high:
            return
        case QuestionKind.TEXT, str() if 1 <= len(value.strip()) <= TEXT_CHARACTERS_MAX:
            return
    raise Refused("answer-invalid", f"this is no answer to question {question.question_id}")


def _moved(survey: Survey, state: SurveyState) -> Survey:
    if state not in TRANSITIONS[survey.state]:
        raise Refused("impossible-transition", f"a survey that is {survey.state} is not {state}")
    return replace(survey, state=state)


def _reminders(survey: Survey, terms: SurveyTerms) -> list[datetime]:
    assert survey.opened_at is not None
    end = survey.form.closes_at
    if end is None:
        return sorted(survey.opened_at + after for after in terms.after_opening)
    earliest = survey.opened_at + UNREMINDED
    return sorted(end - before for before in terms.before_end if end - before >= earliest)


def _next_due(survey: Survey, terms: SurveyTerms) -> datetime | None:
    end = survey.form.closes_at
    later = _reminders(survey, terms)[survey.reminding.number :]
    return min([at for at in (*later, end) if at is not None], default=None)


def _check_form(form: Form) -> None:
    if (form.kind is SurveyKind.SURVEY) != (form.closes_at is not None):
        raise Refused("invalid-form", "a survey says when it closes, a feedback form never does")
    if not form.title.strip() or len(form.introduction) > TEXT_CHARACTERS_MAX:
        raise Refused("invalid-form", "it has a title, and an introduction that is not too long")
    if not 1 <= len(form.questions) <= QUESTIONS_MAX:
        raise Refused("invalid-form", f"it asks 1 to {QUESTIONS_MAX} questions")
    if len({question.question_id for question in form.questions}) != len(form.questions):
        raise Refused("invalid-form", "two questions have the same id")
    for question in form.questions:
        _check_question(question)


def _check_question(question: Question) -> None:
    name = question.question_id
    if not 1 <= len(question.words.strip()) <= WORDS_MAX:
        raise Refused("invalid-form", f"question {name} has 1 to {WORDS_MAX} characters")
    chooses = question.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL)
    distinct = len(set(question.options)) == len(question.options)
    if chooses and not (2 <= len(question.options) <= OPTIONS_MAX and distinct):
        raise Refused("invalid-form", f"question {name} has 2 to {OPTIONS_MAX} different options")
    if not chooses and question.options:
        raise Refused("invalid-form", f"question {name} has options that nobody can choose")
    if question.kind is QuestionKind.SCALE and not 0 <= question.low < question.high <= 100:
        raise Refused("invalid-form", f"the scale of question {name} rises from 0 to at most 100")
