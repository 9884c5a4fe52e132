"""Routes of a survey's results: as a table, as CSV, as charts; hidden while they are few."""

import csv
import io
from collections.abc import Iterator

from fastapi import FastAPI, Response

from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.descriptions import files
from servicekit.problems import Problem
from updates.domain.cells import inert
from updates.domain.survey import QuestionKind, Survey, Value
from updates.domain.survey_results import Answer, Tally, may_show_rows, tallies
from updates.domain.survey_terms import SurveyTerms
from updates.http.callers import Callers
from updates.http.charts import bars
from updates.http.paths import CampaignId, QuestionId, SurveyId
from updates.http.survey_models import ResultsView
from updates.http.survey_views import tally_view, unknown_survey
from updates.ports.surveys import SurveyQueries

SVG_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def add_result_routes(
    api: FastAPI, guard: Guard, callers: Callers, queries: SurveyQueries, terms: SurveyTerms
) -> None:
    """Add them."""
    readers = guard.allow(Role.STAFF, callers.editor, unknown=unknown_survey)

    async def answered(campaign_id: str, survey_id: str) -> tuple[Survey, list[Answer]]:
        survey = await queries.survey(campaign_id, survey_id)
        if survey is None or survey.opened_at is None:
            raise unknown_survey()
        return survey, [one async for one in queries.answers((campaign_id, survey_id))]

    @api.get("/campaigns/{campaign_id}/surveys/{survey_id}/results", dependencies=[readers])
    async def read_results(campaign_id: CampaignId, survey_id: SurveyId) -> ResultsView:
        """Show how many answered what; a few anonymous answers are not shown."""
        survey, answers = await answered(campaign_id, survey_id)
        return ResultsView(
            named=survey.form.named,
            answers=len(answers),
            questions=[tally_view(tally) for tally in tallies(survey, answers, terms)],
        )

    @api.get(
        "/campaigns/{campaign_id}/surveys/{survey_id}/results.csv",
        dependencies=[readers],
        response_class=Response,
        responses=files("text/csv"),
    )
    async def read_csv(campaign_id: CampaignId, survey_id: SurveyId) -> Response:
        """Return a row for each answer, in an order that says nothing; by name if it is named."""
        survey, answers = await answered(campaign_id, survey_id)
        if not may_show_rows(survey, len(answers), terms):
            raise Problem(409, "too-few-answers", "So few anonymous answers are not shown")
        headers = {"Content-Disposition": 'attachment; filename="answers.csv"'}
        text = "".join(_lines(survey, answers))
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    @api.get(
        "/campaigns/{campaign_id}/surveys/{survey_id}/questions/{question_id}/chart.svg",
        dependencies=[readers],
        response_class=Response,
        responses=files("image/svg+xml"),
    )
    async def read_chart(
        campaign_id: CampaignId, survey_id: SurveyId, question_id: QuestionId
    ) -> Response:
        """Draw one question's answers as bars; nothing in the picture is loaded from elsewhere."""
        survey, answers = await answered(campaign_id, survey_id)
        tally = _tally(tallies(survey, answers, terms), question_id)
        if tally.hidden:
            raise Problem(409, "too-few-answers", "So few anonymous answers are not shown")
        if tally.question.kind is QuestionKind.TEXT:
            raise Problem(409, "no-chart", "Words are not drawn")
        return Response(bars(tally), media_type="image/svg+xml", headers=SVG_HEADERS)


def _tally(found: list[Tally], question_id: str) -> Tally:
    for tally in found:
        if tally.question.question_id == question_id:
            return tally
    raise Problem(404, "question-unknown", "There is no such question in this survey")


def _lines(survey: Survey, answers: list[Answer]) -> Iterator[str]:
    names = ["person"] if survey.form.named else []
    questions = survey.form.questions
    yield _line([*names, *(question.words for question in questions)])
    for answer in answers:
        person = [answer.person or ""] if survey.form.named else []
        cells = [_cell(answer.values.get(question.question_id)) for question in questions]
        yield _line([*person, *cells])


def _cell(value: Value | None) -> str:
    if value is None:
        return ""
    return "; ".join(value) if isinstance(value, tuple) else str(value)


def _line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([inert(cell) for cell in cells])
    return line.getvalue()
