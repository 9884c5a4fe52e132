"""Delivery plans after a restored backup: as their topic has them, and nobody is asked again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from servicekit.units import UnitsOfWork
from updates.domain.delivery_plan import DeliveryPlan, PlanFact, PromiseMoved, due_next
from updates.domain.plan_recovery import told_again
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class PlanTold:
    """One fact of ours about a campaign's plan."""

    campaign_id: str
    fact: PlanFact


async def plans_again(
    units: UnitsOfWork[UpdatesUnit],
    told: Sequence[PlanTold],
    terms: PlanTerms = USUAL_PLAN_TERMS,
) -> list[str]:
    """Bring the plans to where the topic has them; return a line for each campaign."""
    campaigns = dict.fromkeys(one.campaign_id for one in told)
    return [
        await units.run(
            partial(
                _plan_again,
                campaign_id=name,
                facts=[one.fact for one in told if one.campaign_id == name],
                terms=terms,
            )
        )
        for name in campaigns
    ]


async def _plan_again(
    unit: UpdatesUnit, campaign_id: str, facts: Sequence[PlanFact], terms: PlanTerms
) -> str:
    # A plan whose launch is not in the backup gets its rewards when the launch is read again.
    known = await unit.plans.load(campaign_id) or DeliveryPlan(campaign_id, "UTC")
    plan = known
    for fact in facts:
        plan = told_again(plan, fact, terms)
    if plan == known:
        return f"plan of {campaign_id}: is there already"
    moves = [one for one in facts if isinstance(one, PromiseMoved) and one.number > known.moves]
    await unit.plans.save(due_next(plan, terms))
    await unit.plans.log(moves)
    return f"plan of {campaign_id}: {len(plan.lines)} batches, {len(moves)} moves brought back"
