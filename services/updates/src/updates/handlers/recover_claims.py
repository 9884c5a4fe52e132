"""Claims and surveys after a restored backup, brought on by their own facts, silently.

A claim's own facts do not say what its pledge was worth, and the inputs are read again behind
this: what was pledged after the backup is read from its topic.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from servicekit.units import UnitsOfWork
from updates.domain.claim import Claim, Subject
from updates.domain.pledge import Promise
from updates.domain.survey import Reminding, Survey, SurveyState, close, open_survey
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms
from updates.domain.update import Audience
from updates.ports.pledged import Pledged, PledgePlace
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class ClaimTold:
    """One fact of a claim; `bring` moves what is known, or makes it anew from its subject."""

    campaign_id: str
    claim_id: str
    pledge_id: str
    backer_id: str
    bring: Callable[[Claim | None, Subject | None], Claim | None]

    @property
    def pledge(self) -> PledgePlace:
        return self.campaign_id, self.pledge_id


@dataclass(frozen=True, slots=True)
class SurveyTold:
    """One fact of a survey: opened to an audience, a reminder's number, or closed."""

    campaign_id: str
    survey_id: str
    at: datetime
    opened: Audience | None = None
    reminder: int = 0
    closed: bool = False


async def claims_again(
    units: UnitsOfWork[UpdatesUnit], told: Sequence[ClaimTold], pledged: Pledged
) -> list[str]:
    """Bring each claim to where its facts have it; return a line for each."""
    by_claim: dict[tuple[str, str], list[ClaimTold]] = {}
    for one in told:
        by_claim.setdefault((one.campaign_id, one.claim_id), []).append(one)
    promises = await _promises(units, {one.pledge for one in told}, pledged)
    return [
        await units.run(partial(_claim_again, told=facts, promises=promises))
        for facts in by_claim.values()
    ]


async def _promises(
    units: UnitsOfWork[UpdatesUnit], places: Collection[PledgePlace], pledged: Pledged
) -> Mapping[PledgePlace, Promise]:
    """Return what these pledges were for; the topic is read only where the backup does not know."""
    known = await units.run(lambda unit: unit.pledges.load(list(places)))
    found = {place: one.promise for place, one in known.items() if one.promise is not None}
    unknown = set(places) - found.keys()
    return found | dict(await pledged.promises(unknown)) if unknown else found


async def _claim_again(
    unit: UpdatesUnit, told: Sequence[ClaimTold], promises: Mapping[PledgePlace, Promise]
) -> str:
    first = told[0]
    name = f"claim {first.claim_id} of {first.campaign_id}"
    known = claim = await unit.claims.load(first.campaign_id, first.claim_id)
    subject = _subject(first, promises.get(first.pledge))
    for one in told:
        claim = one.bring(claim, subject)
    if claim is None:
        return f"{name}: its backer must open it again under another id; the pledge is not known"
    if claim != known:
        await unit.claims.save(claim)
    return f"{name}: {claim.state}; what was written in it since the backup is lost"


def _subject(told: ClaimTold, promise: Promise | None) -> Subject | None:
    if promise is None:
        return None
    return Subject(
        told.pledge_id,
        promise.backer_id,
        promise.reward_id,
        None,
        promise.amount,
        promise.currency,
    )


async def surveys_again(
    units: UnitsOfWork[UpdatesUnit],
    told: Sequence[SurveyTold],
    terms: SurveyTerms = USUAL_SURVEY_TERMS,
) -> list[str]:
    """Bring each survey to where its facts have it; return a line for each fact."""
    return [await units.run(partial(_survey_again, told=one, terms=terms)) for one in told]


async def _survey_again(unit: UpdatesUnit, told: SurveyTold, terms: SurveyTerms) -> str:
    name = f"survey {told.survey_id} of {told.campaign_id}"
    known = await unit.surveys.load(told.campaign_id, told.survey_id)
    if known is None:
        return f"{name}: its creator must write and open it again; nobody is told again"
    survey = _brought(known, told, terms)
    if survey != known:
        await unit.surveys.save(survey)
    return f"{name}: {survey.state}; answers given since the backup are lost"


def _brought(survey: Survey, told: SurveyTold, terms: SurveyTerms) -> Survey:
    if told.opened is not None and survey.state is SurveyState.DRAFT:
        return open_survey(survey, told.opened, told.at, terms)
    if told.closed and survey.state is SurveyState.OPEN:
        return close(survey, 0, told.at)[0]
    if told.reminder > survey.reminding.number and survey.state is SurveyState.OPEN:
        # Looked at by the sweep at once, which finds that this reminder was told.
        return replace(survey, reminding=Reminding(told.reminder), next_due=told.at)
    return survey
