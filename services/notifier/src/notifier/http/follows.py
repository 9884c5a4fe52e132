"""Routes of following a campaign: asked for, confirmed by a link, ended."""

import secrets
from datetime import datetime
from typing import TypeVar

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from notifier.domain.errors import Refused
from notifier.domain.follow import Follow
from notifier.handlers.follow import (
    Asking,
    ask_address,
    ask_person,
    confirm_follow,
    end_follow,
)
from notifier.handlers.titles import title_of
from notifier.http.callers import PERSON
from notifier.http.follow_page import DONE, FOLLOW, OVER, PATH
from notifier.http.mail import Language as PageLanguage
from notifier.http.mail import LinkText, MailRoutes, page_language
from notifier.http.paths import CampaignId, PersonId
from notifier.http.people import Address, Language, Zone
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.descriptions import PAGES
from servicekit.pages import Page
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

T = TypeVar("T")


class AskBody(BaseModel):
    """Where the campaign's public news are to be written, and in which language."""

    model_config = ConfigDict(extra="forbid")

    address: Address
    language: Language
    zone: Zone = "UTC"


class AskedView(BaseModel):
    """The same whether the address was known, is written to, or follows already."""

    status: str = Field("asked", description="Its reader is asked, if that may be.")


class FollowView(BaseModel):
    campaign_id: str
    state: str = Field(description="`asked` until the mail is answered, then `confirmed`.")
    asked_at: datetime
    confirmed_at: datetime | None


class FollowList(BaseModel):
    items: list[FollowView]


def add_follow_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[NotifierUnit],
    mail: MailRoutes,
    clock: Clock,
) -> None:
    """Add them."""
    own = [guard.allow(PERSON, unknown=_unknown_person)]

    @api.post(
        "/campaigns/{campaign_id}/followers",
        dependencies=[guard.anybody("its reader is asked by mail; paced by address", mail.guests)],
        status_code=202,
    )
    async def ask_to_follow(campaign_id: CampaignId, body: AskBody) -> AskedView:
        """Ask the reader of an address to confirm; the answer tells nothing of the address.

        Whoever asks too often from one place is told when to come again (429 with Retry-After).
        """
        drawn = f"follower-{secrets.token_hex(12)}"
        asked = Asking(campaign_id, body.address, body.language, body.zone, drawn)
        most = mail.follow_asks_per_hour
        await units.run(lambda unit: ask_address(unit, asked, clock.now(), most))
        return AskedView()

    @api.get(
        PATH, dependencies=[guard.proven_by("link of a mail")], response_class=Page, responses=PAGES
    )
    async def ask_confirming(
        request: Request, link: LinkText = "", lang: PageLanguage = ""
    ) -> Response:
        """Ask whether the project is followed; nothing changes by it."""
        language = page_language(request, lang)
        wish = mail.links.read_follow(link)
        if wish is None:
            return FOLLOW.say("", language, OVER, 404)
        campaign = await units.run(lambda unit: title_of(unit, wish.campaign_id))
        return FOLLOW.ask(link, language, campaign)

    @api.post(
        PATH, dependencies=[guard.proven_by("link of a mail")], response_class=Page, responses=PAGES
    )
    async def begin_following(
        request: Request, link: LinkText = "", lang: PageLanguage = ""
    ) -> Response:
        """Follow the project, by the page's button."""
        language = page_language(request, lang)
        wish = mail.links.read_follow(link)
        if wish is None:
            return FOLLOW.say("", language, OVER, 404)
        try:
            await units.run(lambda unit: confirm_follow(unit, wish, clock.now()))
        except Refused:
            return FOLLOW.say("", language, OVER, 409)
        return FOLLOW.say(link, language, DONE)

    @api.get("/people/{person_id}/follows", dependencies=own)
    async def read_follows(person_id: PersonId) -> FollowList:
        """Show what the person follows, or was asked about."""
        found = await units.run(lambda unit: unit.follows.of_person(person_id))
        return FollowList(items=[_view(one) for one in found])

    @api.put("/people/{person_id}/follows/{campaign_id}", dependencies=own)
    async def follow(person_id: PersonId, campaign_id: CampaignId) -> FollowView:
        """Follow a campaign; the person's address is asked to confirm it."""
        return _view(
            await units.run(lambda unit: ask_person(unit, campaign_id, person_id, clock.now()))
        )

    @api.delete("/people/{person_id}/follows/{campaign_id}", dependencies=own)
    async def unfollow(person_id: PersonId, campaign_id: CampaignId) -> FollowList:
        """Follow a campaign no more; what the person still follows is shown."""

        async def work(unit: NotifierUnit) -> list[Follow]:
            await end_follow(unit, campaign_id, person_id, clock.now())
            return await unit.follows.of_person(person_id)

        return FollowList(items=[_view(one) for one in await units.run(work)])


def _view(follow: Follow) -> FollowView:
    return FollowView(
        campaign_id=follow.campaign_id,
        state=follow.state.value,
        asked_at=follow.asked_at,
        confirmed_at=follow.confirmed_at,
    )


def _unknown_person() -> Problem:
    return Problem(404, "person-unknown", "There is no such person")
