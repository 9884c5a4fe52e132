"""The application of funding: a module of routes for each subject, all of them added here."""

from fastapi import FastAPI

from funding.domain.errors import Refused
from funding.http.callers import Callers
from funding.http.campaigns import add_campaign_routes
from funding.http.parts import Parts
from funding.http.pledges import add_pledge_routes
from funding.http.refusals import problem_of
from funding.http.teams import add_team_routes
from servicekit.access import guarded_api
from servicekit.problems import answer_refusals


def build_api(parts: Parts) -> FastAPI:
    """Return the application."""
    api = guarded_api("funding")
    answer_refusals(api, Refused, problem_of)
    callers = Callers(parts.queries)
    add_campaign_routes(api, callers, parts)
    add_pledge_routes(api, callers, parts)
    add_team_routes(api, callers, parts)
    return api
