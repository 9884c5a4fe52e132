"""From a personal link to the pages of the person's own pledge, which another service serves.

The button exchanges the link for a token of a few minutes. It travels in a form and never in an
address, so that no history, no log and no referrer has it; the other service knows our keys alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Response

from notifier.domain.personal_link import PersonalLink
from notifier.handlers.personal_links import open_link
from notifier.http.asking_page import TEMPLATES
from notifier.http.links import LinkText, PageLanguage
from notifier.http.mail import MailRoutes
from notifier.http.personal_page import ENTRY, PATH, page_of_link
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.descriptions import PAGES
from servicekit.link_tokens import LinkAct, LinkHolder, LinkTokenKeys
from servicekit.pages import Page, typeset
from servicekit.units import UnitsOfWork

AUDIENCE = "updates"
JWKS = "/.well-known/jwks.json"
_WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "title": "Votre contribution",
        "other_language": "English",
        "other_language_label": "Langue",
        "campaign": "Projet que vous soutenez",
        "button": "Continuer",
        "minutes": "Vous avez un quart d'heure ; reprenez ensuite le lien de l'e-mail.",
    },
    "en": {
        "title": "Your pledge",
        "other_language": "Français",
        "other_language_label": "Language",
        "campaign": "Project that you back",
        "button": "Continue",
        "minutes": "You have a quarter of an hour; then use the link in the email again.",
    },
}
WORDS = typeset(_WORDS)


@dataclass(frozen=True, slots=True)
class OwnPages:
    """Where the pages are, and what signs tokens for them."""

    url: str
    keys: LinkTokenKeys

    @property
    def origin(self) -> str:
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.url))

    def token(self, link: PersonalLink) -> str:
        """Return a token for all that a link may do; what needs a sign-in is no act of it."""
        holder = LinkHolder(link.person_id, link.campaign_id, frozenset(LinkAct))
        return self.keys.token(holder, AUDIENCE)


def add_own_page_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[NotifierUnit],
    mail: MailRoutes,
    pages: OwnPages,
    clock: Clock,
) -> None:
    """Add them."""
    by_link = [guard.proven_by("personal link")]

    @api.post(ENTRY, dependencies=by_link, response_class=Page, responses=PAGES)
    async def enter_own_pages(language: PageLanguage, link: LinkText = "") -> Response:
        """Exchange the link for a token, which the page's button takes to the own pages."""

        async def answer(read: PersonalLink) -> Page:
            opened = await units.run(lambda unit: open_link(unit, read, clock.now()))
            return TEMPLATES.page(
                "entry.html",
                language,
                WORDS[language],
                lambda one: f"{PATH}?{urlencode({'link': link, 'lang': one})}",
                form_target=pages.origin,
                campaign=opened.campaign,
                pages=pages.url,
                token=pages.token(read),
            )

        return await page_of_link(mail.links, link, language, answer)

    @api.get(JWKS, dependencies=[guard.anybody()])
    async def publish_link_keys() -> dict[str, Any]:
        """Publish the keys by which services verify such tokens (RFC 7517)."""
        return pages.keys.published()
