"""What the creator of a relaunched campaign says to its public: strategy, schedule, promotion.

`domain.md` 4: a relaunch says what is adjusted, and may cite what a survey of the failed campaign
came to. Nobody types that: it is added up of the closed survey's answers, which change no more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from updates.domain.errors import Refused
from updates.domain.survey import Survey, SurveyState
from updates.domain.survey_results import Answer, Tally, public_tallies
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms

LANGUAGES_MAX = 6
PART_CHARACTERS_MAX = 5_000
SURVEYS_MAX = 5
REVISIONS_MAX = 20
# How a page names what is cited, beside what follows from it.
CITED = {
    "fr": "Ce que les soutiens ont dit, ce que nous changeons",
    "en": "What backers said, what we change",
}


@dataclass(frozen=True, slots=True)
class LetterText:
    """The letter in one language, each part in Markdown; `changes` is what follows from surveys."""

    language: str
    strategy: str
    schedule: str
    promotion: str
    changes: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.strategy, self.schedule, self.promotion, self.changes)


@dataclass(frozen=True, slots=True)
class LetterRevision:
    """What the letter says from `at` on; `surveys` are those of the old campaign that it cites."""

    texts: tuple[LetterText, ...]
    surveys: tuple[str, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SurveySaid:
    """What a closed survey came to, as everybody may see it: of `asked` people so many answered."""

    survey_id: str
    language: str
    title: str
    closed_at: datetime
    asked: int
    answers: int
    tallies: tuple[Tally, ...]


@dataclass(frozen=True, slots=True)
class RelaunchLetter:
    """The letter of one campaign, the latest revision last. `version` guards every save."""

    campaign_id: str
    relaunch_of: str
    revisions: tuple[LetterRevision, ...] = ()
    said: tuple[SurveySaid, ...] = ()
    version: int = 0


def write(
    letter: RelaunchLetter, revision: LetterRevision, said: Sequence[SurveySaid]
) -> RelaunchLetter:
    """Say it, or say it otherwise, which is the next revision; the same again is the same one.

    `said` is what the surveys that are cited for the first time came to.
    """
    _check(revision)
    if letter.revisions and _same(letter.revisions[-1], revision):
        return letter
    if len(letter.revisions) >= REVISIONS_MAX:
        raise Refused("too-many-revisions", f"a letter has at most {REVISIONS_MAX} revisions")
    known = {one.survey_id for one in letter.said}
    new = tuple(one for one in said if one.survey_id not in known)
    return replace(letter, revisions=(*letter.revisions, revision), said=(*letter.said, *new))


def said_by(
    survey: Survey, answers: Iterable[Answer], terms: SurveyTerms = USUAL_SURVEY_TERMS
) -> SurveySaid:
    """Add up what a survey came to; raises `Refused` unless it is closed and enough answered."""
    if survey.state is not SurveyState.CLOSED:
        raise Refused("survey-not-closed", f"{survey.survey_id} is {survey.state}: close it first")
    given = list(answers)
    if len(given) < terms.fewest:
        few = f"{survey.survey_id} has fewer than {terms.fewest} answers"
        raise Refused("too-few-answers", few)
    assert survey.closed_at is not None and survey.audience is not None
    return SurveySaid(
        survey_id=survey.survey_id,
        language=survey.form.language,
        title=survey.form.title,
        closed_at=survey.closed_at,
        asked=survey.audience.count,
        answers=len(given),
        tallies=tuple(public_tallies(survey, given, terms)),
    )


def _check(revision: LetterRevision) -> None:
    languages = [text.language for text in revision.texts]
    if not 1 <= len(languages) <= LANGUAGES_MAX:
        raise Refused("no-text", f"a letter is written in 1 to {LANGUAGES_MAX} languages")
    if len(set(languages)) != len(languages):
        raise Refused("duplicate-language", "two texts have the same language")
    cited = revision.surveys
    if len(cited) > SURVEYS_MAX or len(set(cited)) != len(cited):
        raise Refused("invalid-surveys", f"at most {SURVEYS_MAX} surveys, each once")
    for text in revision.texts:
        if any(len(part) > PART_CHARACTERS_MAX for part in text.parts):
            detail = f"a part has at most {PART_CHARACTERS_MAX} characters"
            raise Refused("invalid-part", detail)
        if not all(one.strip() for one in (text.strategy, text.schedule, text.promotion)):
            detail = f"{text.language}: strategy, schedule and promotion are said"
            raise Refused("missing-part", detail)
        if cited and not text.changes.strip():
            detail = f"{text.language}: who cites a survey says what changes"
            raise Refused("missing-part", detail)


def _same(known: LetterRevision, told: LetterRevision) -> bool:
    return (known.texts, known.surveys) == (told.texts, told.surveys)
