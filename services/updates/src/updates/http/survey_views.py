"""Surveys between HTTP and the domain, and refusals as answers."""

from servicekit.problems import Problem
from updates.domain.survey import Form, Question, QuestionKind, Survey, SurveyKind, Value, Values
from updates.domain.survey_results import Answer, Tally
from updates.http.survey_models import (
    AnswerBody,
    AnswerView,
    QuestionBody,
    RowView,
    SurveyBody,
    SurveyView,
    TallyView,
)

TEXTS_SHOWN = 200


def unknown_survey() -> Problem:
    return Problem(404, "survey-unknown", "There is no such survey in this campaign")


def form_from(body: SurveyBody) -> Form:
    questions = tuple(
        Question(
            one.question_id,
            QuestionKind(one.kind),
            one.words,
            tuple(one.options),
            one.low,
            one.high,
            one.required,
        )
        for one in body.questions
    )
    kind = SurveyKind(body.kind)
    return Form(
        kind, body.named, body.language, body.title, body.introduction, questions, body.closes_at
    )


def form_body(form: Form) -> SurveyBody:
    return SurveyBody(
        kind=form.kind.value,
        named=form.named,
        language=form.language,
        title=form.title,
        introduction=form.introduction,
        questions=[_question_body(one) for one in form.questions],
        closes_at=form.closes_at,
    )


def values_from(body: AnswerBody) -> Values:
    values: dict[str, Value] = {}
    for question, value in body.values.items():
        values[question] = tuple(value) if isinstance(value, list) else value
    return values


def answer_view(answer: Answer) -> AnswerView:
    return AnswerView(
        values={
            question: list(value) if isinstance(value, tuple) else value
            for question, value in answer.values.items()
        }
    )


def survey_view(survey: Survey) -> SurveyView:
    form, audience = survey.form, survey.audience
    return SurveyView(
        named=form.named,
        campaign_id=survey.campaign_id,
        survey_id=survey.survey_id,
        kind=form.kind.value,
        language=form.language,
        title=form.title,
        introduction=form.introduction,
        questions=[_question_body(one) for one in form.questions],
        state=survey.state.value,
        closes_at=form.closes_at,
        opened_at=survey.opened_at,
        closed_at=survey.closed_at,
        audience_count=audience.count if audience else None,
        pledges_sequence=audience.pledges_sequence if audience else None,
        url=survey.url,
    )


def tally_view(tally: Tally) -> TallyView:
    return TallyView(
        question_id=tally.question.question_id,
        kind=tally.question.kind.value,
        words=tally.question.words,
        answers=tally.answers,
        hidden=tally.hidden,
        rows=[] if tally.hidden else [RowView(value=v, count=c) for v, c in tally.rows],
        mean=None if tally.hidden else tally.mean,
        texts=tally.words[:TEXTS_SHOWN],
    )


def _question_body(question: Question) -> QuestionBody:
    return QuestionBody(
        question_id=question.question_id,
        kind=question.kind.value,
        words=question.words,
        options=list(question.options),
        low=question.low,
        high=question.high,
        required=question.required,
    )
