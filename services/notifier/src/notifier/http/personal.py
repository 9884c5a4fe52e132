"""Routes of personal links: they show, choose by their button, and are revoked."""

from typing import Annotated

from fastapi import FastAPI, Response
from pydantic import BaseModel

from notifier.domain.audience import Consent
from notifier.domain.personal_link import PersonalLink
from notifier.handlers.personal_links import choose_by_link, open_link, revoke_links
from notifier.http.callers import PERSON, unknown_person
from notifier.http.links import LinkText, PageLanguage
from notifier.http.mail import MailRoutes
from notifier.http.paths import CampaignId, PersonId
from notifier.http.personal_page import PATH, page_of_link, personal_page
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.descriptions import PAGES
from servicekit.pages import Page
from servicekit.units import UnitsOfWork


class RevokedView(BaseModel):
    """What was made until now opens nothing any more."""

    person_id: str
    campaign_id: str
    revoked: bool = True


def add_personal_link_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[NotifierUnit],
    mail: MailRoutes,
    clock: Clock,
    *,
    own_pages: bool,
) -> None:
    """Add them; with `own_pages` their page leads there."""
    own_or_staff = guard.allow(Role.STAFF, PERSON, unknown=unknown_person)
    by_link = [guard.proven_by("personal link")]

    @api.get(PATH, dependencies=by_link, response_class=Page, responses=PAGES)
    async def show_personal_page(language: PageLanguage, link: LinkText = "") -> Response:
        """Show what the link opens; nothing changes by it."""

        async def answer(read: PersonalLink) -> Page:
            opened = await units.run(lambda unit: open_link(unit, read, clock.now()))
            return personal_page(link, language, opened, own_pages=own_pages)

        return await page_of_link(mail.links, link, language, answer)

    @api.post(PATH, dependencies=by_link, response_class=Page, responses=PAGES)
    async def choose_on_personal_page(
        choice: Consent, language: PageLanguage, link: LinkText = ""
    ) -> Response:
        """Choose what to hear of the campaign, by the page's button."""

        async def answer(read: PersonalLink) -> Page:
            opened = await units.run(lambda unit: choose_by_link(unit, read, choice, clock.now()))
            return personal_page(link, language, opened, own_pages=own_pages)

        return await page_of_link(mail.links, link, language, answer)

    @api.delete("/people/{person_id}/personal-links/{campaign_id}")
    async def revoke_personal_links(
        caller: Annotated[Principal, own_or_staff], person_id: PersonId, campaign_id: CampaignId
    ) -> RevokedView:
        """Revoke every link of the person to the campaign that was made until now."""
        by, now = caller.subject, clock.now()
        await units.run(lambda unit: revoke_links(unit, person_id, campaign_id, by, now))
        return RevokedView(person_id=person_id, campaign_id=campaign_id)
