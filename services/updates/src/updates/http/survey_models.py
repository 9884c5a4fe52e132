"""What goes in and out about surveys over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr

from servicekit.instants import Instant
from updates.domain.survey import OPTIONS_MAX, QUESTIONS_MAX, TEXT_CHARACTERS_MAX, WORDS_MAX
from updates.http.models import Body, Identifier, Language, OwnSecret

Option = Annotated[str, Field(min_length=1, max_length=200)]
Line = Annotated[StrictStr, Field(max_length=TEXT_CHARACTERS_MAX)]
Value = StrictInt | Line | Annotated[list[Line], Field(max_length=OPTIONS_MAX)]


class QuestionBody(Body):
    """A question: `options` of a choice or several, `low` and `high` of a scale."""

    question_id: Identifier
    kind: Literal["choice", "several", "scale", "text"]
    words: Annotated[str, Field(min_length=1, max_length=WORDS_MAX)]
    options: Annotated[list[Option], Field(max_length=OPTIONS_MAX, default_factory=list)]
    low: Annotated[int, Field(ge=0, le=100)] = 1
    high: Annotated[int, Field(ge=0, le=100)] = 5
    required: bool = True


class SurveyBody(Body):
    """What is asked; anonymous unless it says otherwise. Only a survey closes by itself."""

    kind: Literal["survey", "feedback"] = "survey"
    named: bool = False
    language: Language
    title: Annotated[str, Field(min_length=1, max_length=140)]
    introduction: Annotated[str, Field(max_length=TEXT_CHARACTERS_MAX)] = ""
    questions: Annotated[list[QuestionBody], Field(min_length=1, max_length=QUESTIONS_MAX)]
    closes_at: Instant | None = None


class AnswerBody(Body):
    """One's answers by question; an anonymous survey wants a ballot, made by who answers.

    Keep the ballot: the answer can be changed with it alone, and nobody can find it again.
    """

    ballot: OwnSecret | None = None
    values: Annotated[dict[Identifier, Value], Field(max_length=QUESTIONS_MAX)]


class AnswerView(BaseModel):
    """What is kept of one's answer."""

    values: dict[str, int | str | list[str]]


class SurveyView(BaseModel):
    """A survey; whether it is by name is said first."""

    named: bool
    campaign_id: str
    survey_id: str
    kind: str
    language: str
    title: str
    introduction: str
    questions: list[QuestionBody]
    state: str
    closes_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    audience_count: int | None
    pledges_sequence: int | None
    url: str


class SurveyPage(BaseModel):
    items: list[SurveyView]
    next_cursor: str | None


class RowView(BaseModel):
    value: str
    count: int


class TallyView(BaseModel):
    """One question's answers; `hidden` while they are too few to be shown."""

    question_id: str
    kind: str
    words: str
    answers: int
    hidden: bool
    rows: list[RowView]
    mean: float | None
    texts: list[str]


class ResultsView(BaseModel):
    """What a survey's answers come to; a question's first texts, all of them are in the CSV."""

    named: bool
    answers: int
    questions: list[TallyView]
