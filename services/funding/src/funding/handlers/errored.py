"""Errored pledges whose next step is due: a batch of them is one save."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from funding.domain.errored import take_step
from funding.domain.facts import Fact
from funding.domain.pledge import Pledge
from funding.ports import FundingUnit


async def step_errored(unit: FundingUnit, pledge_ids: Sequence[str], now: datetime) -> list[Pledge]:
    """Take the step that is due of each pledge; return those that were stepped.

    Their campaigns are saved too, as with every fact of the pledges' topic: what is raised and
    the verdict's N stay true together. Raises `Conflict` when a payment or another instance was
    faster: the next sweep looks again.
    """
    pledges = await unit.pledges.load(pledge_ids)
    campaigns = await unit.campaigns.load({one.payment.campaign_id for one in pledges.values()})
    moved: dict[str, Pledge] = {}
    touched: set[str] = set()
    facts: list[Fact] = []
    for pledge in (pledges[one] for one in pledge_ids if one in pledges):
        campaign = campaigns[pledge.payment.campaign_id]
        taken = take_step(campaign, pledge, now)
        if taken.facts:
            campaigns[campaign.campaign_id] = replace(campaign, totals=taken.totals)
            touched.add(campaign.campaign_id)
            moved[pledge.pledge_id] = taken.pledge
            facts.extend(taken.facts)
    await unit.pledges.save(list(moved.values()))
    await unit.campaigns.save([campaigns[one] for one in sorted(touched)])
    await unit.facts.add(facts)
    return list(moved.values())
