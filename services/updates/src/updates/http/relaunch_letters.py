"""Routes of a relaunched campaign's letter, with what backers of the failed one said."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, Field

from servicekit.access import Guard
from servicekit.auth import Principal
from servicekit.clock import Clock
from servicekit.descriptions import files
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.project import Profile
from updates.domain.relaunch_letter import (
    CITED,
    LANGUAGES_MAX,
    PART_CHARACTERS_MAX,
    REVISIONS_MAX,
    SURVEYS_MAX,
    LetterText,
    RelaunchLetter,
    SurveySaid,
)
from updates.domain.survey import QuestionKind
from updates.domain.survey_terms import SurveyTerms
from updates.handlers.relaunch_letter import WriteRelaunchLetter
from updates.http.callers import Callers, unknown_campaign
from updates.http.charts import bars
from updates.http.editions import IfMatch, edition_of
from updates.http.models import Body, Identifier, Language
from updates.http.paths import CampaignId, QuestionId, SurveyId
from updates.http.project_views import DifferenceView, differences_view
from updates.http.survey_models import TallyView
from updates.http.survey_results import SVG_HEADERS
from updates.http.survey_views import tally_view
from updates.http.views import check_markdown
from updates.ports.queries import Queries
from updates.ports.surveys import SurveyQueries
from updates.ports.unit import UpdatesUnit
from updates.wire.markdown import html

Part = Annotated[str, Field(min_length=1, max_length=PART_CHARACTERS_MAX)]


class LetterTextBody(Body):
    """The letter in one language; each part is Markdown."""

    language: Language
    strategy: Part = Field(description="How it is tried this time.")
    schedule: Part = Field(description="When what is to happen.")
    promotion: Part = Field(description="How it is made known.")
    changes: Annotated[str, Field(max_length=PART_CHARACTERS_MAX)] = Field(
        "", description="What follows from what backers said; wanted where a survey is cited."
    )


class LetterBody(Body):
    """What the letter says from now on, whole."""

    texts: Annotated[list[LetterTextBody], Field(min_length=1, max_length=LANGUAGES_MAX)]
    surveys: Annotated[list[Identifier], Field(max_length=SURVEYS_MAX)] = Field(
        default_factory=list,
        description="Closed surveys of the campaign that is launched again, by their ids.",
    )


class ShownLetter(BaseModel):
    """A text as a page may show it: no script, no handler, no image in it."""

    language: str
    strategy_html: str
    schedule_html: str
    promotion_html: str
    changes_html: str


class SaidView(BaseModel):
    """What a survey came to: counts of its answers, of which nobody typed any."""

    survey_id: str
    language: str
    title: str
    closed_at: datetime
    asked: int
    answers: int
    questions: list[TallyView]


class LetterView(BaseModel):
    """The letter, the campaign that is launched again, and what is different."""

    campaign_id: str
    relaunch_of: str
    differences: list[DifferenceView]
    revision: int
    revisions: int
    written_at: datetime
    texts: list[LetterTextBody]
    shown: list[ShownLetter]
    cited: dict[str, str] = Field(description="How a page names what is cited, by language.")
    surveys: list[SaidView]


def add_relaunch_letter_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    surveys: SurveyQueries,
    clock: Clock,
    terms: SurveyTerms,
) -> None:
    """Add them."""
    write = WriteRelaunchLetter(units, surveys, terms)

    async def found(campaign_id: str) -> tuple[Profile, RelaunchLetter]:
        project = await queries.project(campaign_id)
        if project is None or project.profile is None:
            raise unknown_campaign()
        letter = await units.run(lambda unit: unit.letters.load(campaign_id))
        if letter is None:
            raise _unknown_letter()
        return project.profile, letter

    @api.put("/campaigns/{campaign_id}/relaunch-letter")
    async def put_letter(
        caller: Annotated[Principal, guard.allow(callers.editor, unknown=unknown_campaign)],
        campaign_id: CampaignId,
        body: LetterBody,
        response: Response,
        if_match: IfMatch = "",
    ) -> LetterView:
        """Say what is different this time; other words are the next revision, for all to see."""
        texts = tuple(LetterText(**dict(text)) for text in body.texts)
        for text in texts:
            check_markdown(*text.parts)
        edition = edition_of(if_match)
        cited, by = tuple(body.surveys), caller.subject
        await write(campaign_id, texts, cited, by, clock.now(), edition)
        profile, letter = await found(campaign_id)
        return _tagged(profile, letter, len(letter.revisions), response)

    @api.get("/campaigns/{campaign_id}/relaunch-letter", dependencies=[guard.anybody()])
    async def read_letter(
        campaign_id: CampaignId,
        response: Response,
        revision: Annotated[int | None, Query(ge=1, le=REVISIONS_MAX)] = None,
    ) -> LetterView:
        """Show the letter, as it is or as it was."""
        profile, letter = await found(campaign_id)
        number = revision or len(letter.revisions)
        if number > len(letter.revisions):
            raise _unknown_letter()
        return _tagged(profile, letter, number, response)

    @api.get(
        "/campaigns/{campaign_id}/relaunch-letter/surveys/{survey_id}"
        "/questions/{question_id}/chart.svg",
        dependencies=[guard.anybody()],
        response_class=Response,
        responses=files("image/svg+xml"),
    )
    async def read_chart(
        campaign_id: CampaignId, survey_id: SurveyId, question_id: QuestionId
    ) -> Response:
        """Draw what backers said to one question of a survey that the letter cites."""
        _, letter = await found(campaign_id)
        for said in _cited(letter, len(letter.revisions)):
            for tally in said.tallies:
                if (said.survey_id, tally.question.question_id) == (survey_id, question_id):
                    if tally.question.kind is QuestionKind.TEXT:
                        raise Problem(409, "no-chart", "Words are not drawn")
                    if tally.hidden:
                        raise Problem(409, "too-few-answers", "So few answers are not shown")
                    return Response(bars(tally), media_type="image/svg+xml", headers=SVG_HEADERS)
        raise Problem(404, "question-unknown", "The letter cites no such question")


def _unknown_letter() -> Problem:
    return Problem(404, "letter-unknown", "No such letter is written")


def _cited(letter: RelaunchLetter, number: int) -> list[SurveySaid]:
    """Return what the surveys came to that a revision cites, in its order."""
    said = {one.survey_id: one for one in letter.said}
    return [said[survey_id] for survey_id in letter.revisions[number - 1].surveys]


def _tagged(
    profile: Profile, letter: RelaunchLetter, number: int, response: Response
) -> LetterView:
    """Show a revision, and name the latest as the edition that is rewritten."""
    response.headers["ETag"] = f'"{len(letter.revisions)}"'
    revision = letter.revisions[number - 1]
    return LetterView(
        campaign_id=letter.campaign_id,
        relaunch_of=letter.relaunch_of,
        differences=differences_view(profile),
        revision=number,
        revisions=len(letter.revisions),
        written_at=revision.at,
        texts=[_text_body(text) for text in revision.texts],
        shown=[_shown(text) for text in revision.texts],
        cited=CITED,
        surveys=[_said_view(one) for one in _cited(letter, number)],
    )


def _text_body(text: LetterText) -> LetterTextBody:
    return LetterTextBody(
        language=text.language,
        strategy=text.strategy,
        schedule=text.schedule,
        promotion=text.promotion,
        changes=text.changes,
    )


def _shown(text: LetterText) -> ShownLetter:
    return ShownLetter(
        language=text.language,
        strategy_html=html(text.strategy),
        schedule_html=html(text.schedule),
        promotion_html=html(text.promotion),
        changes_html=html(text.changes),
    )


def _said_view(said: SurveySaid) -> SaidView:
    return SaidView(
        survey_id=said.survey_id,
        language=said.language,
        title=said.title,
        closed_at=said.closed_at,
        asked=said.asked,
        answers=said.answers,
        questions=[tally_view(one) for one in said.tallies],
    )
