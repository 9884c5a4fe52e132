"""The routes of updates over a service's stores, asked as a caller asks them."""

from typing import Any

import httpx
from fastapi import FastAPI

from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import Caller
from servicekit.access import Guard
from servicekit.link_tokens import LinkTokenVerifier
from servicekit.problems import install_problems
from services.updates.tests.conftest import DESK, QUESTIONS, UpdatesService
from updates.adapters.share_link_signer import HmacShareLinkSigner
from updates.consumer import PLEDGES
from updates.domain.follow_up import FollowUpTerms
from updates.domain.tracking import TrackingTerms
from updates.handlers.questionnaires import QuestionnaireDesk
from updates.http import Parts, build_api
from updates.http.media import MediaShelf
from updates.http.share_links import ShareShelf

SIGNER = HmacShareLinkSigner(["a secret of tests, long enough"])


def api_of(
    service: UpdatesService,
    *,
    guard: Guard | None = None,
    questions: QuestionnaireDesk = QUESTIONS,
    media: MediaShelf | None = None,
    links: LinkTokenVerifier | None = None,
    **otherwise: Any,
) -> FastAPI:
    """Return all routes; without a place for files there are none for files.

    `otherwise` are parts by their names that are set otherwise than usual.
    """
    parts = Parts(
        guard=guard or unit_guard(),
        units=service.units,
        clock=service.clock,
        queries=service.queries,
        claims=service.claims,
        surveys=service.surveys,
        comments=service.comments,
        reports=service.reports,
        appeals=service.appeals,
        questionnaires=service.questionnaires,
        pledges=PLEDGES,
        claim_desk=DESK,
        questionnaire_desk=questions,
        tracking=TrackingTerms(),
        follow_up=FollowUpTerms(),
        media=media,
        shares=ShareShelf(service.share_links, SIGNER),
        links=links,
        **otherwise,
    )
    api = build_api(parts)
    install_problems(api)
    return api


def client_of(api: FastAPI, caller: Caller | None = None) -> httpx.AsyncClient:
    """Return a client of the routes, who is this caller wherever no other is named."""
    headers = {} if caller is None else bearer(caller)
    transport = httpx.ASGITransport(api)
    return httpx.AsyncClient(transport=transport, base_url="http://updates", headers=headers)
