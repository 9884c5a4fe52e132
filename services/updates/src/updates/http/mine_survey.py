"""A survey's answers as a form sends them."""

import re

from updates.domain.errors import Refused
from updates.domain.survey import Question, QuestionKind, Survey, Value, Values
from updates.http.visits import Fields

_BALLOT = re.compile(r"[A-Za-z0-9_-]{43}")
_SCALE = re.compile(r"[0-9]{1,3}")


def field_of(question: Question) -> str:
    """Return the name of the form's field that answers a question."""
    return f"q.{question.question_id}"


def values_from_fields(survey: Survey, fields: Fields) -> Values:
    """Return what was answered; a question that was left empty has no answer."""
    given = {one.question_id: _value(one, fields) for one in survey.form.questions}
    return {name: value for name, value in given.items() if value not in ("", ())}


def ballot_from(survey: Survey, fields: Fields) -> str | None:
    """Return under what an anonymous answer is kept, None where answers are by name."""
    if survey.form.named:
        return None
    ballot = fields.one("ballot").strip()
    if not _BALLOT.fullmatch(ballot):
        raise Refused("ballot-missing", "an answer is changed with its ballot")
    return ballot


def _value(question: Question, fields: Fields) -> Value:
    match question.kind:
        case QuestionKind.SEVERAL:
            return tuple(fields.all(field_of(question)))
        case QuestionKind.SCALE if _SCALE.fullmatch(number := fields.one(field_of(question))):
            return int(number)
        case _:
            return fields.one(field_of(question))
