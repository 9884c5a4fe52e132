"""The page of a personal link: what is owed, why it did not arrive, and what can be chosen."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from payouts.domain.claim_link import wishes_other_way
from payouts.domain.refund import Refund, RefundKind, RefundState
from payouts.handlers.claim_links import OpenedClaim
from payouts.http.claim_words import WORDS, Words, said
from payouts.http.printing import Language, amount_text
from servicekit.pages import Page, PageTemplates

PATH = "/claims"
_TEMPLATES = PageTemplates(Path(__file__).parent / "templates")


@dataclass(frozen=True, slots=True)
class ClaimShown:
    """A refund in its backer's words."""

    amount: str
    campaign: str
    cause: str
    state: str
    reason: str
    reference: str
    attempts: int
    may_try_again: bool
    may_wish_other_way: bool
    wishes_other_way: bool


def address_of(link: str, language: str = "", note: str = "") -> str:
    """Return the page's address; the link stands in the query, which no log of ours keeps."""
    asked = {"link": link, "lang": language, "note": note}
    return f"{PATH}?{urlencode({name: value for name, value in asked.items() if value})}"


def claim_page(
    opened: OpenedClaim, link: str, language: str, note: str, now: datetime, status: int = 200
) -> Page:
    """Show the refund; `note` is a key of the words, empty for none."""
    words = WORDS[language]
    return _page(link, language, words.get(note, ""), _shown(opened, words, language, now), status)


def refused_page(link: str, language: str, reason: str, status: int) -> Page:
    """Show why the link opens nothing."""
    return _page(link, language, WORDS[language][reason], None, status)


def _page(link: str, language: str, note: str, claim: ClaimShown | None, status: int) -> Page:
    return _TEMPLATES.page(
        "claim.html",
        language,
        WORDS[language],
        lambda one: address_of(link, one),
        note=note,
        status=status,
        claim=claim,
    )


def _shown(opened: OpenedClaim, words: Words, language: str, now: datetime) -> ClaimShown:
    refund = opened.refund
    waits = refund.state is RefundState.CLAIMABLE and refund.other_means is None
    return ClaimShown(
        amount=amount_text(refund.amount, refund.currency, Language(language)),
        campaign=opened.title or refund.campaign_id,
        cause=_cause(refund, words),
        state=said(words, "state", refund.state.value),
        reason=said(words, "reason", refund.reason or "") if waits else "",
        reference=_reference(refund),
        attempts=len(refund.attempts),
        may_try_again=waits and refund.is_refundable(now) and not refund.beyond,
        may_wish_other_way=waits,
        wishes_other_way=wishes_other_way(refund),
    )


def _cause(refund: Refund, words: Words) -> str:
    if refund.kind is RefundKind.COMPENSATION:
        return words["cause:compensation"]
    return said(words, "cause", refund.cause.partition("/")[0])


def _reference(refund: Refund) -> str:
    """By which the backer's bank finds money that was returned."""
    if refund.state is not RefundState.SUCCEEDED:
        return ""
    return refund.attempt.provider_refund_id or ""
