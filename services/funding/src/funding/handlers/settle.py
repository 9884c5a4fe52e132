"""From deadline to verdict, a step at a time; whoever steps first has done it."""

from dataclasses import replace
from datetime import datetime

from funding.domain.campaign import Campaign, CampaignState
from funding.domain.facts import VerdictReached
from funding.domain.settling import (
    Evidence,
    SettlingLine,
    begin_settling,
    decide,
    pending_until,
    settling_lines,
    stand,
    wait,
)
from funding.ports import FundingUnit, Intake
from servicekit.errors import Conflict, DependencyAway
from servicekit.units import UnitsOfWork


async def settle(
    units: UnitsOfWork[FundingUnit], intake: Intake, campaign_id: str, now: datetime
) -> Campaign | None:
    """Take the step that is due for this campaign; return it as saved, None if nothing was due.

    Questions to Kafka are asked before the transaction; all that decides is read inside it.
    Raises `Conflict` when another instance, or a pledge, was faster: the next sweep looks again.
    """
    campaign = await _load(units, campaign_id)
    if campaign is None or campaign.next_due is None or campaign.next_due > now:
        return None
    if campaign.state is CampaignState.LIVE:
        return await _step(units, campaign, now, None, None)
    # The ends are read once, after the clock has passed deadline and settle time.
    ends = campaign.intake_ends if campaign.intake_ends is not None else await _ends(intake)
    committed = await _committed(intake)
    return await _step(units, campaign, now, ends, committed)


async def explain(
    units: UnitsOfWork[FundingUnit], intake: Intake, campaign_id: str, now: datetime
) -> list[SettlingLine]:
    """Return the settling lines as they are now, for people who wait for the verdict."""
    committed = await _committed(intake)

    async def work(unit: FundingUnit) -> list[SettlingLine]:
        campaign = (await unit.campaigns.load([campaign_id])).get(campaign_id)
        if campaign is None or campaign.is_over:
            return []
        return settling_lines(campaign, await _evidence(unit, campaign, committed), now)

    return await units.run(work)


async def _load(units: UnitsOfWork[FundingUnit], campaign_id: str) -> Campaign | None:
    async def work(unit: FundingUnit) -> Campaign | None:
        return (await unit.campaigns.load([campaign_id])).get(campaign_id)

    return await units.run(work)


async def _step(
    units: UnitsOfWork[FundingUnit],
    seen: Campaign,
    now: datetime,
    ends: dict[int, int] | None,
    committed: dict[int, int] | None,
) -> Campaign:
    async def work(unit: FundingUnit) -> Campaign:
        campaign = (await unit.campaigns.load([seen.campaign_id]))[seen.campaign_id]
        if campaign.version != seen.version:
            # What was asked outside was asked for another step than this campaign now needs.
            raise Conflict("the campaign was saved by somebody else")
        held = await unit.held.load(campaign.campaign_id)
        if held is not None and held.verdict is not None:
            # It stands on the topic: a second one, equal or not, is never told.
            stood = stand(campaign, held.verdict, now)
            await unit.campaigns.save([stood])
            return stood
        if campaign.state is CampaignState.LIVE:
            stepped = begin_settling(campaign, now)
        else:
            stepped = await _verdict_or_wait(
                unit, replace(campaign, intake_ends=ends), now, committed
            )
        await unit.campaigns.save([stepped])
        if stepped.verdict is not None:
            await unit.facts.add([VerdictReached(stepped)])
        return stepped

    return await units.run(work)


async def _verdict_or_wait(
    unit: FundingUnit, campaign: Campaign, now: datetime, committed: dict[int, int] | None
) -> Campaign:
    lines = settling_lines(campaign, await _evidence(unit, campaign, committed), now)
    if not all(line.met for line in lines):
        return wait(campaign, now)
    return decide(campaign, await unit.facts.pledges_sequence(campaign.campaign_id), now)


async def _evidence(
    unit: FundingUnit, campaign: Campaign, committed: dict[int, int] | None
) -> Evidence:
    held = await unit.held.load(campaign.campaign_id)
    pending = await unit.pledges.last_pending(campaign.campaign_id)
    return Evidence(
        pending_until=pending_until(campaign.launch.terms, pending),
        committed=committed,
        set_aside=await unit.plumbing.set_aside.count(campaign.campaign_id),
        held=held.why if held else None,
    )


async def _ends(intake: Intake) -> dict[int, int] | None:
    try:
        return await intake.ends()
    except DependencyAway:
        return None


async def _committed(intake: Intake) -> dict[int, int] | None:
    try:
        return dict(await intake.committed())
    except DependencyAway:
        return None
