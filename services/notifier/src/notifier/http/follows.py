"""Routes of following a campaign: asked for, confirmed by a link, ended."""

import secrets
from datetime import datetime

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from notifier.domain.follow import Follow
from notifier.handlers.follow import (
    Asking,
    ask_address,
    ask_person,
    confirm_follow,
    end_follow,
)
from notifier.http.asking_routes import Question, add_asking_routes
from notifier.http.callers import PERSON, unknown_person
from notifier.http.follow_page import FOLLOW
from notifier.http.mail import MailRoutes
from notifier.http.paths import CampaignId, PersonId
from notifier.http.people import Address, Language, Zone
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


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
    own = [guard.allow(PERSON, unknown=unknown_person)]

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

    add_asking_routes(
        api,
        guard,
        units,
        clock,
        Question(
            FOLLOW,
            mail.links.read_follow,
            confirm_follow,
            asks="Ask whether the project is followed; nothing changes by it.",
            does="Follow the project, by the page's button.",
        ),
    )

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
