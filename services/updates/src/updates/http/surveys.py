"""Routes by which a survey is written, opened, answered and closed."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import FastAPI

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from updates.domain.feedback_template import feedback_form
from updates.domain.survey import Survey, SurveyState
from updates.domain.survey_terms import SurveyTerms
from updates.handlers.publish import PledgesPosition
from updates.handlers.surveys import answer_survey, close_survey, open_to_backers, write_survey
from updates.http.callers import Callers, unknown_campaign
from updates.http.paths import CampaignId, Cursor, Limit, SurveyId
from updates.http.survey_models import AnswerBody, AnswerView, SurveyBody, SurveyPage, SurveyView
from updates.http.survey_views import (
    answer_view,
    form_body,
    form_from,
    survey_view,
    unknown_survey,
    values_from,
)
from updates.ports.surveys import SurveyQueries
from updates.ports.unit import UpdatesUnit


def add_survey_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: SurveyQueries,
    clock: Clock,
    pledges: PledgesPosition,
    terms: SurveyTerms,
    after_failure: timedelta,
) -> None:
    """Add them."""
    editor = guard.allow(callers.editor, unknown=unknown_campaign)
    opener = guard.allow(callers.editor, unknown=unknown_survey)
    backer = guard.allow(callers.backer, unknown=unknown_survey)
    insiders = guard.allow(Role.STAFF, callers.backer, callers.editor, unknown=unknown_campaign)

    async def writes(caller: Principal, campaign_id: str) -> bool:
        ids = {"campaign_id": campaign_id}
        return Role.STAFF in caller.roles or await callers.editor.owns(caller, ids)

    async def shown(work: Callable[[UpdatesUnit], Awaitable[Survey]]) -> SurveyView:
        return survey_view(await units.run(work))

    @api.get("/survey-templates/feedback", dependencies=[guard.anybody()])
    async def read_template(language: Literal["fr", "en"] = "fr") -> SurveyBody:
        """Show a feedback form to begin with, as it can be put."""
        return form_body(feedback_form(language))

    @api.put("/campaigns/{campaign_id}/surveys/{survey_id}")
    async def put_survey(
        campaign_id: CampaignId,
        survey_id: SurveyId,
        body: SurveyBody,
        caller: Annotated[Principal, editor],
    ) -> SurveyView:
        """Write or rewrite what is asked; once it is open it is not changed (409)."""
        form, by, now = form_from(body), caller.subject, clock.now()
        return await shown(lambda unit: write_survey(unit, campaign_id, survey_id, by, form, now))

    @api.post("/campaigns/{campaign_id}/surveys/{survey_id}/opening", dependencies=[opener])
    async def post_opening(campaign_id: CampaignId, survey_id: SurveyId) -> SurveyView:
        """Ask every backer as of now; again is the same answer."""
        now = clock.now()
        return await shown(
            lambda unit: open_to_backers(unit, pledges, campaign_id, survey_id, now, terms)
        )

    @api.post("/campaigns/{campaign_id}/surveys/{survey_id}/closing", dependencies=[opener])
    async def post_closing(campaign_id: CampaignId, survey_id: SurveyId) -> SurveyView:
        """Take no more answers, before its time or where it has none."""
        now = clock.now()
        return await shown(lambda unit: close_survey(unit, campaign_id, survey_id, now))

    @api.get("/campaigns/{campaign_id}/surveys")
    async def list_surveys(
        campaign_id: CampaignId,
        caller: Annotated[Principal, insiders],
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> SurveyPage:
        """List surveys by their ids; drafts to who writes them, and to staff."""
        drafts = await writes(caller, campaign_id)
        found = await queries.surveys(campaign_id, cursor, limit, drafts=drafts)
        last = found[-1].survey_id if len(found) == limit else None
        return SurveyPage(items=[survey_view(survey) for survey in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/surveys/{survey_id}")
    async def read_survey(
        campaign_id: CampaignId, survey_id: SurveyId, caller: Annotated[Principal, insiders]
    ) -> SurveyView:
        """Show what is asked, and first of all whether by name."""
        survey = await queries.survey(campaign_id, survey_id)
        if survey is None:
            raise unknown_survey()
        if survey.state is SurveyState.DRAFT and not await writes(caller, campaign_id):
            raise unknown_survey()
        return survey_view(survey)

    @api.put("/campaigns/{campaign_id}/surveys/{survey_id}/answer")
    async def put_answer(
        campaign_id: CampaignId,
        survey_id: SurveyId,
        body: AnswerBody,
        caller: Annotated[Principal, backer],
    ) -> AnswerView:
        """Answer, or change one's answer until the end; of an anonymous one nobody knows whose."""
        values, now = values_from(body), clock.now()
        person, ballot = caller.subject, body.ballot
        answer = await units.run(
            lambda unit: answer_survey(
                unit, campaign_id, survey_id, person, ballot, values, now, after_failure
            )
        )
        return answer_view(answer)
