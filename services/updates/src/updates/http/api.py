"""The application of updates: a module of routes for each subject, all of them added here."""

from fastapi import FastAPI

from servicekit.access import guarded_api
from servicekit.problems import answer_refusals
from updates.domain.errors import Refused
from updates.http.appeals import add_appeal_route
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
from updates.http.follow_up_queue import add_follow_up_queue_route
from updates.http.hiding import add_hiding_routes
from updates.http.media import add_media_routes
from updates.http.milestones import add_milestone_routes
from updates.http.mine import add_mine_routes
from updates.http.parts import Parts
from updates.http.plans import add_plan_routes
from updates.http.problems import add_problem_routes
from updates.http.projects import add_project_route
from updates.http.questionnaires import add_questionnaire_routes
from updates.http.refusals import problem_of
from updates.http.relaunch_letters import add_relaunch_letter_routes
from updates.http.reports import add_report_routes
from updates.http.revisions import add_revision_routes
from updates.http.share_links import add_share_link_routes
from updates.http.survey_results import add_result_routes
from updates.http.surveys import add_survey_routes
from updates.http.updates import add_update_routes


def build_api(parts: Parts) -> FastAPI:
    """Return the application; without a place for files it takes none.

    Without `links` it knows nobody but callers with a token of the platform's issuer.
    """
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    pledges, tracking, media = parts.pledges, parts.tracking, parts.media
    publishing, surveying, after_failure = parts.publishing, parts.surveying, parts.after_failure
    api = guarded_api("updates")
    answer_refusals(api, Refused, problem_of)
    callers = Callers(queries)
    add_update_routes(api, guard, callers, units, queries, clock, pledges, publishing)
    add_draft_routes(api, guard, callers, units, queries, clock, publishing)
    add_claim_routes(api, guard, callers, units, parts.claims, clock, parts.claim_desk)
    add_claim_reading_routes(api, guard, callers, parts.claims)
    add_problem_routes(api, guard, callers, units, clock, pledges, parts.follow_up)
    add_follow_up_queue_route(api, guard, queries, parts.follow_up)
    surveys = parts.surveys
    asking = (pledges, surveying, after_failure)
    add_survey_routes(api, guard, callers, units, surveys, clock, *asking)
    add_result_routes(api, guard, callers, surveys, surveying)
    add_relaunch_letter_routes(api, guard, callers, units, queries, surveys, clock, surveying)
    add_revision_routes(api, guard, callers, units, queries, clock, pledges, parts.edit_window)
    add_comment_routes(api, guard, callers, units, queries, parts.comments, clock, after_failure)
    add_comment_hiding_routes(api, guard, callers, units, parts.comments, clock)
    add_report_routes(api, guard, callers, units, queries, parts.reports, clock, parts.guests)
    add_appeal_route(api, guard, parts.appeals)
    add_feed_routes(api, guard, queries, parts.public_url)
    add_hiding_routes(api, guard, callers, units, clock)
    if media is not None:
        add_media_routes(api, guard, callers, units, queries, media, clock)
    if parts.shares is not None:
        add_share_link_routes(api, guard, callers, units, queries, parts.shares, media, clock)
    add_project_route(api, guard, callers, queries, clock, parts.follow_up, publishing.plan)
    add_plan_routes(api, guard, callers, units, clock, publishing.plan)
    asked, desk = parts.questionnaires, parts.questionnaire_desk
    add_questionnaire_routes(api, guard, callers, units, asked, desk, clock)
    add_delivery_routes(api, guard, callers, units, clock, tracking)
    add_delivery_list_routes(api, guard, callers, units, clock, tracking)
    add_milestone_routes(api, guard, callers, units, clock, media)
    add_digital_routes(api, guard, callers, units, clock, tracking, media)
    if parts.links is not None:
        about = (parts.claims, surveys, parts.claim_desk, tracking)
        add_mine_routes(api, guard, units, *about, parts.links, clock, after_failure)
    return api
