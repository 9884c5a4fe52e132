"""One's own pledge as pages: what is shown, and the forms that act; every text is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from servicekit.pages import Page, PageTemplates
from sosst_contracts.money import exponent
from updates.domain.claim import MONEY, Claim, ClaimState, Entry
from updates.domain.claim_reason import Reason
from updates.domain.pledge import Pledge
from updates.domain.project import Verdict
from updates.domain.survey import Question, QuestionKind
from updates.domain.tracking import Tracking, TrackingState
from updates.handlers.own_pledge import AskedSurvey, OwnPledge
from updates.http.mine_survey import field_of
from updates.http.mine_words import WORDS, Words, said
from updates.http.page_names import PageNames
from updates.http.visits import Visit

PATH = "/mine"
_TEMPLATES = PageTemplates(Path(__file__).parent / "templates")
# Where its backer may call staff.
_CALLABLE = frozenset({ClaimState.OPENED, ClaimState.ANSWERED, ClaimState.PROPOSED})


@dataclass(frozen=True, slots=True)
class Shown:
    """The person's pledge and claims, and what became of an act: a key of the words."""

    own: OwnPledge
    claims: Sequence[Claim]
    note: str
    status: int


@dataclass(frozen=True, slots=True)
class Asking:
    """A survey that is asked, what became of an answer, and the ballot that it is kept under."""

    asked: AskedSurvey
    note: str = ""
    status: int = 200
    ballot: str = ""


def own_page(visit: Visit, shown: Shown, names: PageNames) -> Page:
    """Show all that the person's link opens."""
    words, own = WORDS[visit.language], shown.own
    claimable = [one for one in own.pledges if one.stands and own.verdict is Verdict.GOAL_MET]
    refused = shown.status >= 400
    return _TEMPLATES.page(
        "mine.html",
        visit.language,
        words,
        _address,
        note=_note(words, shown.note),
        status=shown.status,
        token=visit.token,
        campaign=own.title,
        verdict=said(words, "verdict", own.verdict.value if own.verdict else "none"),
        pledges=[_pledge(one, own, visit.language) for one in own.pledges],
        rewards=[_reward(one, own, words) for one in own.rewards],
        surveys=[
            (one.survey.survey_id, one.survey.form.title, one.answered) for one in own.surveys
        ],
        claims=[_claim(one, visit, names) for one in shown.claims],
        claimable=[_pledge(one, own, visit.language) for one in claimable],
        new_claim=names.name(visit.token, "claim", str(len(shown.claims))),
        reasons=[(reason.value, said(words, "reason", reason.value)) for reason in Reason],
        kept=visit.fields.one("text") if refused else "",
    )


def survey_page(visit: Visit, asking: Asking, names: PageNames) -> Page:
    """Ask a survey's questions, as filled in as they were sent."""
    words, survey = WORDS[visit.language], asking.asked.survey
    form = survey.form
    drawn = names.ballot(visit.token, survey.survey_id)
    return _TEMPLATES.page(
        "mine_survey.html",
        visit.language,
        words | {"title": form.title},
        _address,
        note=_note(words, asking.note),
        status=asking.status,
        token=visit.token,
        survey_id=survey.survey_id,
        introduction=form.introduction,
        asked_in=form.language,
        named=form.named,
        answered=asking.asked.answered,
        kept_ballot=asking.ballot,
        ballot=visit.fields.one("ballot") or ("" if asking.asked.answered else drawn),
        questions=[_question(one, visit) for one in form.questions],
    )


def closed_page(language: str, note: str, status: int, kept: str) -> Page:
    """Say that the token opens nothing (any more), and give back what was written."""
    words = WORDS[language]
    return _TEMPLATES.page(
        "mine_closed.html", language, words, _address, note=words[note], status=status, kept=kept
    )


def _address(_: str) -> str:
    return PATH


def _note(words: Words, note: str) -> str:
    """Return what became of the act; a refusal that has no words of its own has the common ones."""
    return words.get(f"note:{note}", words["note:refused"]) if note else ""


def _pledge(pledge: Pledge, own: OwnPledge, language: str) -> dict[str, str]:
    words, promise = WORDS[language], pledge.promise
    assert promise is not None, "a pledge without money is nobody's"
    standing = "withdrawn" if pledge.withdrawn else "returned" if pledge.emptied_by else "stands"
    return {
        "pledge_id": pledge.pledge_id,
        "amount": amount_text(promise.amount, promise.currency, language),
        "reward": _title(own, promise.reward_id, words),
        "standing": said(words, "standing", standing),
    }


def _reward(tracking: Tracking, own: OwnPledge, words: Words) -> dict[str, object]:
    return {
        "reward_id": tracking.reward_id,
        "title": _title(own, tracking.reward_id, words),
        "state": said(words, "state", tracking.state.value),
        "parcels": [(one.carrier, one.number) for one in tracking.parcels],
        "received": tracking.state is TrackingState.RECEIVED,
    }


def _claim(claim: Claim, visit: Visit, names: PageNames) -> dict[str, object]:
    words = WORDS[visit.language]
    proposal = claim.proposal if claim.state is ClaimState.PROPOSED else None
    return {
        "claim_id": claim.claim_id,
        "reason": said(words, "reason", claim.reason.value),
        "state": said(words, "claim", claim.state.value),
        "due": _day(claim.due_at, visit.language) if claim.due_at and claim.open else "",
        "entries": [_entry(one, claim, visit.language) for one in claim.entries],
        "open": claim.open,
        "callable": claim.state in _CALLABLE,
        "proposal": proposal.number if proposal else 0,
        "entry": names.name(visit.token, claim.claim_id, str(len(claim.entries))),
    }


def _entry(entry: Entry, claim: Claim, language: str) -> dict[str, str]:
    words, how = WORDS[language], entry.settlement
    settled = said(words, "outcome", how.outcome.value) if how else ""
    if how is not None and how.outcome in MONEY:
        settled += f" ({amount_text(how.amount, claim.subject.currency, language)})"
    return {
        "side": said(words, "side", entry.side.value),
        "kind": said(words, "entry", entry.kind.value),
        "at": _day(entry.at, language),
        "text": entry.text,
        "settled": settled,
    }


def _question(question: Question, visit: Visit) -> dict[str, object]:
    name = field_of(question)
    is_scale = question.kind is QuestionKind.SCALE
    numbers = [str(number) for number in range(question.low, question.high + 1)]
    return {
        "name": name,
        "kind": question.kind.value,
        "words": question.words,
        "options": numbers if is_scale else list(question.options),
        "required": question.required,
        "given": visit.fields.all(name),
    }


def _title(own: OwnPledge, reward_id: str | None, words: Words) -> str:
    return own.reward_titles.get(reward_id, reward_id) if reward_id else words["no_reward"]


def amount_text(amount: int, currency: str, language: str) -> str:
    """Return an amount of minor units as people write it; no line breaks within it."""
    text = f"{Decimal(amount).scaleb(-exponent(currency)):,}"
    if language == "fr":
        text = text.replace(",", "\u202f").replace(".", ",")
    return f"{text}\u00a0{currency}"


def _day(at: datetime, language: str) -> str:
    return at.strftime("%d/%m/%Y" if language == "fr" else "%Y-%m-%d")
