"""The application of updates: a module of routes for each subject, all of them added here."""

from fastapi import FastAPI

from servicekit.access import Guard, guarded_api
from servicekit.clock import Clock
from servicekit.link_tokens import LinkTokenVerifier
from servicekit.problems import answer_refusals
from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.tracking import TrackingTerms
from updates.handlers.claims import ClaimDesk
from updates.handlers.publish import PledgesPosition
from updates.handlers.questionnaires import QuestionnaireDesk
from updates.http.callers import Callers
from updates.http.claim_reading import add_claim_reading_routes
from updates.http.claims import add_claim_routes
from updates.http.comment_hiding import add_comment_hiding_routes
from updates.http.comments import add_comment_routes
from updates.http.deliveries import add_delivery_routes
from updates.http.delivery_lists import add_delivery_list_routes
from updates.http.digital import add_digital_routes
from updates.http.drafts import add_draft_routes
from updates.http.feeds import add_feed_routes
from updates.http.hiding import add_hiding_routes
from updates.http.media import MediaShelf, add_media_routes
from updates.http.milestones import add_milestone_routes
from updates.http.mine import add_mine_routes
from updates.http.plans import add_plan_routes
from updates.http.problems import add_problem_routes
from updates.http.projects import add_project_route
from updates.http.questionnaires import add_questionnaire_routes
from updates.http.refusals import problem_of
from updates.http.reports import add_report_routes
from updates.http.revisions import add_revision_routes
from updates.http.survey_results import add_result_routes
from updates.http.surveys import add_survey_routes
from updates.http.updates import add_update_routes
from updates.ports.claims import ClaimQueries
from updates.ports.comments import CommentQueries
from updates.ports.queries import Queries
from updates.ports.questionnaires import QuestionnaireQueries
from updates.ports.reports import ReportQueries
from updates.ports.surveys import SurveyQueries
from updates.ports.unit import UpdatesUnit


def build_api(
    guard: Guard,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    clock: Clock,
    pledges: PledgesPosition,
    claims: ClaimQueries,
    desk: ClaimDesk,
    surveys: SurveyQueries,
    comments: CommentQueries,
    reports: ReportQueries,
    questionnaires: QuestionnaireQueries,
    questions: QuestionnaireDesk,
    tracking: TrackingTerms = TrackingTerms(),  # noqa: B008 (frozen)
    media: MediaShelf | None = None,
    public_url: str = "",
    links: LinkTokenVerifier | None = None,
) -> FastAPI:
    """Return the application; without a place for files it takes none.

    Without `links` it knows nobody but callers with a token of the platform's issuer.
    """
    api = guarded_api("updates")
    answer_refusals(api, Refused, problem_of)
    callers = Callers(queries)
    add_update_routes(api, guard, callers, units, queries, clock, pledges)
    add_draft_routes(api, guard, callers, units, queries, clock)
    add_claim_routes(api, guard, callers, units, claims, clock, desk)
    add_claim_reading_routes(api, guard, callers, claims)
    add_problem_routes(api, guard, callers, units, clock)
    add_survey_routes(api, guard, callers, units, surveys, clock, pledges)
    add_result_routes(api, guard, callers, surveys)
    add_revision_routes(api, guard, callers, units, queries, clock, pledges)
    add_comment_routes(api, guard, callers, units, queries, comments, clock)
    add_comment_hiding_routes(api, guard, callers, units, comments, clock)
    add_report_routes(api, guard, callers, units, queries, reports, clock)
    add_feed_routes(api, guard, queries, public_url)
    add_hiding_routes(api, guard, callers, units, clock)
    if media is not None:
        add_media_routes(api, guard, callers, units, queries, media, clock)
    add_project_route(api, guard, callers, queries, clock)
    add_plan_routes(api, guard, callers, units, clock)
    add_questionnaire_routes(api, guard, callers, units, questionnaires, questions, clock)
    add_delivery_routes(api, guard, callers, units, clock, tracking)
    add_delivery_list_routes(api, guard, callers, units, clock, tracking)
    add_milestone_routes(api, guard, callers, units, clock, media)
    add_digital_routes(api, guard, callers, units, clock, tracking, media)
    if links is not None:
        about = (claims, surveys, desk, tracking)
        add_mine_routes(api, guard, units, *about, links, clock)
    return api
