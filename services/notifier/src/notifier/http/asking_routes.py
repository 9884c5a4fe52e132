"""The two routes of a page behind a link of a mail: it asks one question, and its button acts.

So it stands once what holds for each: whoever only looks changes nothing, and a link that is none
of ours opens nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from fastapi import FastAPI, Response

from notifier.domain.errors import Refused
from notifier.handlers.titles import title_of
from notifier.http.asking_page import DONE, INVALID, AskingPage
from notifier.http.links import LinkText, PageLanguage
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.descriptions import PAGES
from servicekit.pages import Page
from servicekit.units import UnitsOfWork


class _OfACampaign(Protocol):
    @property
    def campaign_id(self) -> str: ...


Wish = TypeVar("Wish", bound=_OfACampaign)


@dataclass(frozen=True, slots=True)
class Question(Generic[Wish]):
    """What a page asks, and what is done by its button, which is told of in the API's description.

    `read` returns what a link wishes, None for one that is none of ours; `act` does it, and raises
    `Refused` for what is over.
    """

    page: AskingPage
    read: Callable[[str], Wish | None]
    act: Callable[[NotifierUnit, Wish, datetime], Awaitable[object]]
    asks: str
    does: str


def add_asking_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[NotifierUnit],
    clock: Clock,
    question: Question[Wish],
) -> None:
    """Add them."""
    page, by_link = question.page, [guard.proven_by("link of a mail")]

    @api.get(
        page.path,
        dependencies=by_link,
        response_class=Page,
        responses=PAGES,
        description=question.asks,
    )
    async def ask(language: PageLanguage, link: LinkText = "") -> Response:
        wish = question.read(link)
        if wish is None:
            return page.say("", language, INVALID, 404)
        campaign = await units.run(lambda unit: title_of(unit, wish.campaign_id))
        return page.ask(link, language, campaign)

    @api.post(
        page.path,
        dependencies=by_link,
        response_class=Page,
        responses=PAGES,
        description=question.does,
    )
    async def act(language: PageLanguage, link: LinkText = "") -> Response:
        wish = question.read(link)
        if wish is None:
            return page.say("", language, INVALID, 404)
        try:
            await units.run(lambda unit: question.act(unit, wish, clock.now()))
        except Refused:
            return page.say("", language, INVALID, 409)
        return page.say(link, language, DONE)
