"""The page of a personal link: what it opens, and what can be chosen there."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

from notifier.domain.audience import Consent
from notifier.domain.errors import Refused
from notifier.domain.personal_link import OVER, REVOKED, UNKNOWN, PersonalLink
from notifier.handlers.personal_links import Opened
from notifier.http.asking_page import TEMPLATES
from notifier.ports.email import MailLinks
from servicekit.pages import Page, typeset

PATH = "/personal"
ENTRY = f"{PATH}/entry"
_WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "title": "Ce que vous souhaitez savoir de ce projet",
        "other_language": "English",
        "other_language_label": "Langue",
        "campaign": "Projet que vous soutenez",
        "chosen": "Votre choix",
        "ask": "S'il se termine, ou s'est terminé, sans atteindre son objectif, que voulez-vous "
        "savoir ensuite ?",
        Consent.NOTHING: "Rien de plus",
        Consent.RELAUNCH: "Une nouvelle campagne",
        Consent.KEEP_IN_TOUCH: "Toutes ses nouvelles",
        "entry": "Voir votre contribution, répondre, confirmer une réception, ouvrir une "
        "réclamation",
        "stays": "Ce lien est personnel : qui l'a peut répondre à votre place, ne le transmettez "
        "pas. Il vaut 90 jours et n'ouvre ni coordonnées bancaires ni adresse.",
        UNKNOWN: "Ce lien n'est pas valable. Prenez celui du dernier e-mail reçu.",
        OVER: "Ce lien a plus de 90 jours. Connectez-vous à la plateforme pour choisir.",
        REVOKED: "Ce lien a été révoqué. Connectez-vous à la plateforme pour choisir.",
    },
    "en": {
        "title": "What you want to hear of this project",
        "other_language": "Français",
        "other_language_label": "Language",
        "campaign": "Project that you back",
        "chosen": "Your choice",
        "ask": "If it ends, or has ended, without reaching its goal, what do you want to hear "
        "afterwards?",
        Consent.NOTHING: "Nothing more",
        Consent.RELAUNCH: "A new campaign",
        Consent.KEEP_IN_TOUCH: "All of its news",
        "entry": "See your pledge, answer, confirm that a reward arrived, open a claim",
        "stays": "This link is yours alone: whoever has it can answer for you, so do "
        "not pass it on. It holds for 90 days, and opens neither bank details nor an address.",
        UNKNOWN: "This link is not valid. Use the one in the last email that you received.",
        OVER: "This link is older than 90 days. Sign in to the platform to choose.",
        REVOKED: "This link was revoked. Sign in to the platform to choose.",
    },
}
WORDS = typeset(_WORDS)


def personal_page(link: str, language: str, opened: Opened, *, own_pages: bool) -> Page:
    """Show what the link opens, with a button for each choice and one to the own pages."""
    return _page(link, language, opened, "", 200, own_pages=own_pages)


async def page_of_link(
    links: MailLinks, link: str, language: str, answer: Callable[[PersonalLink], Awaitable[Page]]
) -> Page:
    """Answer whoever has this link, and say in a page why it opens nothing."""
    read = links.read_personal(link)
    if read is None:
        return refused_page(link, language, UNKNOWN)
    try:
        return await answer(read)
    except Refused as refusal:
        return refused_page(link, language, refusal.reason)


def refused_page(link: str, language: str, reason: str) -> Page:
    """Say why the link opens nothing; of what is not there nothing is said."""
    return _page(link, language, None, reason, 404 if reason == UNKNOWN else 410)


def _page(
    link: str,
    language: str,
    opened: Opened | None,
    reason: str,
    status: int,
    *,
    own_pages: bool = False,
) -> Page:
    words = WORDS[language]
    return TEMPLATES.page(
        "personal.html",
        language,
        words,
        lambda one: _address_of(link, one, ""),
        note=words[reason] if reason else "",
        status=status,
        opened=opened,
        entry=f"{ENTRY}?{urlencode({'link': link, 'lang': language})}" if own_pages else "",
        addresses={one: _address_of(link, language, one) for one in Consent},
    )


def _address_of(link: str, language: str, choice: str) -> str:
    asked = {"link": link, "lang": language, "choice": choice}
    return f"{PATH}?{urlencode({name: value for name, value in asked.items() if value})}"
