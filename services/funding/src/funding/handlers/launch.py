"""Launching a campaign, by HTTP or by topic: the same fact twice is one campaign."""

from collections.abc import Collection
from datetime import datetime

from funding.domain.campaign import Campaign, Launch, check_settled, launch_campaign
from funding.domain.errors import Refused
from funding.domain.facts import CampaignLaunched
from funding.domain.relaunch import Difference, check_relaunch, differences
from funding.ports import FundingUnit


async def launch(
    unit: FundingUnit, command: Launch, settlement: Collection[str], now: datetime
) -> tuple[Campaign, bool]:
    """Return the campaign and whether it is new; `settlement` are the currencies it may be in.

    The same launch again is already done; another one under the same id raises `Refused`.
    """
    known = (await unit.campaigns.load([command.campaign_id])).get(command.campaign_id)
    if known is not None:
        if known.launch != command:
            raise Refused("campaign-exists", "this id was launched with other content")
        return known, False
    changed = await _differences(unit, command)
    campaign = launch_campaign(command, now)
    check_settled(command, settlement)
    await unit.campaigns.add(campaign)
    await unit.facts.add([CampaignLaunched(campaign, changed)])
    return campaign, True


async def _differences(unit: FundingUnit, command: Launch) -> tuple[Difference, ...]:
    """Return what a relaunch changes; nobody's pledge is carried over."""
    if command.relaunch_of is None:
        return ()
    old = (await unit.campaigns.load([command.relaunch_of])).get(command.relaunch_of)
    check_relaunch(old, command)
    assert old is not None
    return differences(old.launch, command)
