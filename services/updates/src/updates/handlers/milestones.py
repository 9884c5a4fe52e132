"""Evidence of a milestone: submitted here, decided by payouts' staff, read back after a restore."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.milestone import (
    STAGES,
    EvidenceFile,
    EvidenceState,
    FundsLine,
    Milestone,
    MilestoneSubmitted,
    decide,
    submit,
    submitted_again,
)
from updates.domain.project import Verdict
from updates.handlers.media import attach_media, check_media_publishable
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class MilestoneDecided:
    """What payouts' staff said of the evidence with this hash."""

    campaign_id: str
    stage: int
    digest: str
    state: EvidenceState
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class CampaignMilestones:
    """A campaign's milestones by stage, and whether it has rewards that they are about.

    `rewards` is None while the reader of launches that plans stand on has not come to this one.
    """

    milestones: tuple[Milestone, ...]
    rewards: bool | None


async def milestones_of(unit: UpdatesUnit, campaign_id: str) -> CampaignMilestones:
    """Return those with evidence, of a met goal also those that still wait for theirs."""
    found = {one.stage: one for one in await unit.milestones.of_campaign(campaign_id)}
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    if project is not None and project.verdict is Verdict.GOAL_MET:
        found = {stage: Milestone(campaign_id, stage) for stage in STAGES} | found
    milestones = tuple(found[stage] for stage in sorted(found))
    return CampaignMilestones(milestones, await has_rewards(unit, campaign_id))


async def has_rewards(unit: UpdatesUnit, campaign_id: str) -> bool | None:
    """Return whether the campaign was launched with rewards, None where that is not known yet."""
    plan = await unit.plans.load(campaign_id)
    return None if plan is None else bool(plan.rewards)


async def submit_evidence(
    unit: UpdatesUnit,
    campaign_id: str,
    stage: int,
    text: str,
    funds: tuple[FundsLine, ...],
    by: str,
    now: datetime,
    attachments: Sequence[str] = (),
) -> Milestone:
    """Keep evidence as the next revision, and tell of it; the same again is the same revision."""
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    if project is None or project.profile is None:
        raise Refused("campaign-unknown", "there is no such campaign")
    if project.verdict is not Verdict.GOAL_MET:
        raise Refused("no-milestone", "milestones are of campaigns that met their goal")
    currency = project.profile.currency
    known = await unit.milestones.load(campaign_id, stage) or Milestone(campaign_id, stage)
    files = await _files(unit, campaign_id, attachments)
    submitted = submit(known, currency, text, funds, project.figures.paid, by, now, files)
    if submitted == known:
        return known
    # Nothing is taken from what showed it before: earlier revisions stay as they were decided.
    await attach_media(unit, campaign_id, f"milestones/{stage}", (), attachments, now)
    await check_media_publishable(unit, campaign_id, attachments)
    await unit.milestones.save(submitted)
    if len(submitted.revisions) > len(known.revisions):
        latest = submitted.revisions[-1]
        await unit.facts.add([MilestoneSubmitted(campaign_id, stage, latest, currency)])
    return submitted


async def _files(
    unit: UpdatesUnit, campaign_id: str, attachments: Sequence[str]
) -> tuple[EvidenceFile, ...]:
    found = await unit.media.load(campaign_id, attachments)
    digests = {name: one.stored.digest for name, one in found.items() if one.stored}
    if not digests.keys() >= set(attachments):
        raise Refused("media-unknown", "an attachment is not there")
    return tuple(EvidenceFile(one, digests[one]) for one in attachments)


async def take_decisions(unit: UpdatesUnit, decided: Sequence[MilestoneDecided]) -> None:
    """Show what was decided; what was submitted to payouts alone concerns nobody here."""
    for one in decided:
        known = await unit.milestones.load(one.campaign_id, one.stage)
        if known is None:
            continue
        moved = decide(known, one.digest, one.state, one.reason, one.at)
        if moved != known:
            await unit.milestones.save(moved)


async def milestones_again(
    units: UnitsOfWork[UpdatesUnit], told: Sequence[MilestoneSubmitted]
) -> list[str]:
    """Bring back which revisions there are; return a line for each that needs its words again."""
    return [await units.run(partial(_again, told=one)) for one in told]


async def _again(unit: UpdatesUnit, told: MilestoneSubmitted) -> str:
    name = f"evidence {told.evidence.revision} for stage {told.stage} of {told.campaign_id}"
    known = await unit.milestones.load(told.campaign_id, told.stage)
    before = known or Milestone(told.campaign_id, told.stage)
    again = submitted_again(before, told.evidence)
    if again == before:
        return f"{name}: is there already"
    await unit.milestones.save(again)
    return f"{name}: its creator must submit the same words again; nobody is told of it again"
