"""The application of notifier: a module of routes for each subject, all of them added here."""

from fastapi import FastAPI

from notifier.domain.errors import Refused
from notifier.http.audience_languages import add_audience_language_routes
from notifier.http.follows import add_follow_routes
from notifier.http.inbox import add_inbox_routes
from notifier.http.mail import add_mail_routes
from notifier.http.notices import add_notice_routes
from notifier.http.own_pages import add_own_page_routes
from notifier.http.parts import Parts
from notifier.http.people import add_people_routes
from notifier.http.personal import add_personal_link_routes
from notifier.http.preferences import add_preference_routes
from notifier.http.proof import add_proof_routes
from notifier.http.refusals import problem_of
from notifier.http.replays import add_replay_routes
from notifier.http.unreached import add_unreached_routes
from notifier.http.webhooks import add_webhook_routes
from notifier.http.would_be_told import add_would_be_told_routes
from servicekit.access import guarded_api
from servicekit.problems import answer_refusals


def build_api(parts: Parts) -> FastAPI:
    """Return the application; without mail there are no routes of mail."""
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    mail, own_pages = parts.mail, parts.own_pages
    api = guarded_api("notifier")
    answer_refusals(api, Refused, problem_of)
    add_people_routes(api, guard, units, clock)
    add_preference_routes(api, guard, units)
    add_inbox_routes(api, guard, units, queries, clock)
    add_notice_routes(api, guard, queries)
    add_proof_routes(api, guard, queries, clock, mail)
    add_replay_routes(api, guard, units, queries, clock)
    add_unreached_routes(api, guard, units, queries, clock)
    add_would_be_told_routes(api, guard, queries, parts.would_be_told, clock)
    add_audience_language_routes(api, guard, queries, parts.would_be_told, clock)
    add_webhook_routes(api, guard, units, parts.webhooks, clock)
    if mail is not None:
        add_mail_routes(api, guard, units, mail, clock)
        add_follow_routes(api, guard, units, mail, clock)
        leads_on = own_pages is not None
        add_personal_link_routes(api, guard, units, mail, clock, own_pages=leads_on)
    if mail is not None and own_pages is not None:
        add_own_page_routes(api, guard, units, mail, own_pages, clock)
    return api
