"""Cancelling, by HTTP or by topic: the same cancellation twice is one."""

from funding.domain.campaign import Campaign
from funding.domain.cancelling import CancelCampaign, cancel
from funding.domain.errors import Refused
from funding.domain.facts import CampaignCancelled
from funding.ports import FundingUnit


async def cancel_campaign(unit: FundingUnit, command: CancelCampaign) -> Campaign:
    """End the campaign; the fact stands beside it in the same transaction.

    A verdict or a pledge that is saved at the same time comes before or after: each of them saves
    the campaign document too.
    """
    campaign = (await unit.campaigns.load([command.campaign_id])).get(command.campaign_id)
    if campaign is None:
        raise Refused("campaign-unknown", f"no campaign {command.campaign_id!r}")
    if await unit.held.load(command.campaign_id) is not None:
        raise Refused("campaign-held", "after a recovery a person must release this campaign first")
    sequence = await unit.facts.pledges_sequence(command.campaign_id)
    cancelled = cancel(campaign, command, sequence)
    if cancelled is not campaign:
        await unit.campaigns.save([cancelled])
        await unit.facts.add([CampaignCancelled(cancelled)])
    return cancelled
