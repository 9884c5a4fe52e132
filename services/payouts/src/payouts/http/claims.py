"""Personal links: issued over the API, opened as a page, which shows on GET and acts on POST."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from payouts.domain.errors import Refused
from payouts.handlers.claim_links import (
    issue_claim_link,
    open_claim,
    try_again_by_link,
    wish_other_way_by_link,
)
from payouts.http.claim_page import PATH, address_of, claim_page, refused_page
from payouts.http.claim_words import WORDS
from payouts.http.models import ClaimLinkView, Number
from payouts.http.paths import CampaignId, RefundId
from payouts.ports.claim_links import ClaimLinkKeys, LinkName
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.descriptions import PAGES
from servicekit.pages import SAFE, Page, language_of
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

LinkNumber = Annotated[Number, Path()]
LinkText = Annotated[str, Query(max_length=1_200)]
Language = Annotated[str, Query(max_length=2)]
Note = Annotated[str, Query(max_length=40)]
FORM_BYTES_MAX = 1_000
PROOF = "personal link"


def add_claim_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[PayoutsUnit],
    keys: ClaimLinkKeys,
    public_url: str,
    clock: Clock,
    backer: Owner,
) -> None:
    """Add them; a link is made when it is asked for and stands on no topic."""

    async def shown(name: LinkName, link: str, language: str, note: str, status: int = 200) -> Page:
        now = clock.now()
        try:
            opened = await units.run(lambda unit: open_claim(unit, name, now))
        except Refused as refusal:
            return _closed(link, language, refusal)
        return claim_page(opened, link, language, note, now, status)

    @api.put("/campaigns/{campaign_id}/refunds/{refund_id}/claim-links/{number}")
    async def put_claim_link(
        campaign_id: CampaignId,
        refund_id: RefundId,
        number: LinkNumber,
        caller: Annotated[Principal, guard.allow(Role.STAFF, backer, unknown=_unknown_refund)],
    ) -> ClaimLinkView:
        """Issue the next personal link of a claimable refund; the one before opens nothing then."""
        by, now = caller.subject, clock.now()
        refund = await units.run(
            lambda unit: issue_claim_link(unit, campaign_id, refund_id, number, by, now)
        )
        link = refund.claim_link
        assert link is not None
        text = keys.sign(LinkName(campaign_id, refund_id, link.number, link.issued_at))
        url = f"{public_url.rstrip('/')}{address_of(text)}"
        return ClaimLinkView(url=url, number=link.number, expires_at=link.expires_at)

    @api.get(PATH, dependencies=[guard.proven_by(PROOF)], response_class=Page, responses=PAGES)
    async def read_claim(
        request: Request, link: LinkText = "", lang: Language = "", note: Note = ""
    ) -> Response:
        """Show what is owed to whoever holds the link; nothing changes by it."""
        language = _language(request, lang)
        name = keys.read(link)
        if name is None:
            return refused_page(link, language, "link-unknown", 404)
        return await shown(name, link, language, note if note.startswith("note_") else "")

    @api.post(
        PATH,
        dependencies=[guard.proven_by(PROOF)],
        response_class=Page,
        responses=PAGES | {303: {"description": "Taken: the page is shown again."}},
    )
    async def post_claim(request: Request, link: LinkText = "", lang: Language = "") -> Response:
        """Take the backer's choice, then show the page again; the same choice again is one."""
        language = _language(request, lang)
        name = keys.read(link)
        if name is None:
            return refused_page(link, language, "link-unknown", 404)
        form = await _form(request)
        try:
            note = await _chosen(units, name, form, clock)
        except Refused as refusal:
            why = f"refused:{refusal.reason}"
            known = why if why in WORDS[language] else "refused"
            return await shown(name, link, language, known, 409)
        return RedirectResponse(address_of(link, language, note), 303, SAFE)


async def _chosen(
    units: UnitsOfWork[PayoutsUnit], name: LinkName, form: dict[str, str], clock: Clock
) -> str:
    now = clock.now()
    if form.get("wish") == "other":
        await units.run(lambda unit: wish_other_way_by_link(unit, name, now))
        return "note_other"
    if form.get("wish") == "again" and form.get("after_attempt", "").isdecimal():
        after = int(form["after_attempt"])
        await units.run(lambda unit: try_again_by_link(unit, name, after, now))
        return "note_again"
    raise Refused("choice-unknown", "the form was not sent by the page")


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise Problem(413, "too-large", "The body is too large")
    try:
        fields = parse_qs(body.decode("ascii", "replace"), max_num_fields=5)
    except ValueError:
        return {}  # More fields than the page has: it was not sent by it.
    return {name: values[0] for name, values in fields.items()}


def _closed(link: str, language: str, refusal: Refused) -> Page:
    """Say why a link that we signed opens nothing: 410, it did once."""
    known = refusal.reason in ("link-revoked", "link-expired")
    reason, status = (refusal.reason, 410) if known else ("link-unknown", 404)
    return refused_page(link, language, reason, status)


def _language(request: Request, asked: str) -> str:
    return language_of(asked, request.headers.get("accept-language", ""))


def _unknown_refund() -> Problem:
    return Problem(404, "refund-unknown", "There is no such refund in this campaign")
