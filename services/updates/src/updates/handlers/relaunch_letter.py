"""The letter of a relaunched campaign: written by its editors, with what backers said before."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.relaunch_letter import (
    LetterRevision,
    LetterText,
    RelaunchLetter,
    SurveySaid,
    said_by,
    write,
)
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms
from updates.handlers.known_project import known_project
from updates.ports.surveys import SurveyQueries
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class WriteRelaunchLetter:
    """Writes letters; what closed surveys came to is read before the transaction begins.

    A closed survey takes no answers, so that nothing of it changes in between.
    """

    units: UnitsOfWork[UpdatesUnit]
    surveys: SurveyQueries
    terms: SurveyTerms = USUAL_SURVEY_TERMS

    async def __call__(
        self,
        campaign_id: str,
        texts: tuple[LetterText, ...],
        surveys: tuple[str, ...],
        by: str,
        now: datetime,
        edition: int | None = None,
    ) -> RelaunchLetter:
        """Keep it as the next revision; `edition` is the number of the one it stands behind."""
        known = await self.units.run(lambda unit: known_letter(unit, campaign_id))
        cited = set(surveys) - {one.survey_id for one in known.said}
        said = await self._said(known.relaunch_of, sorted(cited))
        revision = LetterRevision(texts, surveys, by, now)

        async def work(unit: UpdatesUnit) -> RelaunchLetter:
            letter = await known_letter(unit, campaign_id)
            if edition is not None and edition != len(letter.revisions):
                raise Refused("edition-stale", f"revision {len(letter.revisions)} is the latest")
            written = write(letter, revision, said)
            if written != letter:
                await unit.letters.save(written)
            return written

        return await self.units.run(work)

    async def _said(self, campaign_id: str, survey_ids: Collection[str]) -> list[SurveySaid]:
        said = []
        for survey_id in survey_ids:
            survey = await self.surveys.survey(campaign_id, survey_id)
            if survey is None:
                raise Refused("survey-unknown", f"{campaign_id} has no survey {survey_id}")
            answers = self.surveys.answers((campaign_id, survey_id))
            said.append(said_by(survey, [one async for one in answers], self.terms))
        return said


async def known_letter(unit: UpdatesUnit, campaign_id: str) -> RelaunchLetter:
    """Return the letter, one without a word where none is written; `Refused` for no relaunch."""
    profile = (await known_project(unit, campaign_id)).profile
    before = profile.relaunch_of if profile else None
    if before is None:
        raise Refused("no-relaunch", "this campaign launches no other one again")
    return await unit.letters.load(campaign_id) or RelaunchLetter(campaign_id, before)
