"""What updates reads: for its views, by groups that may be reset to zero, and to react.

A group that reacts is never reset; it is another one than the view's of the same topic (0006).
"""

from collections.abc import Sequence

from servicekit.clock import Clock
from servicekit.consume import Refusal, Subscription
from sosst_contracts.codec import Decoded
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms
from updates.handlers.claims import ClaimDesk, hear_money
from updates.handlers.erasures import forget_people
from updates.handlers.follow_up import take_turns
from updates.handlers.milestones import take_decisions
from updates.handlers.plans import hear_campaigns
from updates.handlers.pledges import project_pledges
from updates.handlers.project import project_facts
from updates.handlers.publish import PledgesPosition
from updates.ports.unit import UpdatesUnit
from updates.wire import heard
from updates.wire.claims import money_answers_from
from updates.wire.erasures import ERASURES_TOPIC, erasures_from
from updates.wire.follow_up import turn_from
from updates.wire.milestones import decisions_from
from updates.wire.plans import plan_heard
from updates.wire.pledges import pledges_from

PLEDGES = PledgesPosition(
    heard.PLEDGES_TOPIC,
    "updates-funding-pledges",
    heard.CAMPAIGNS_TOPIC,
    "updates-funding-campaigns",
)
VIEW_GROUPS = {
    heard.CAMPAIGNS_TOPIC: PLEDGES.campaigns_group,
    heard.PLEDGES_TOPIC: PLEDGES.group,
    heard.REFUNDS_TOPIC: "updates-payouts-refunds",
    heard.STAGES_TOPIC: "updates-payouts-stages",
    heard.DISPUTES_TOPIC: "updates-payouts-disputes",
}
# Plans are asked for at the verdict.
PLANS_GROUP = "updates-funding-campaigns-plans"
# Answers to what claims asked for.
CLAIM_MONEY_GROUP = "updates-payouts-refunds-claims"
# What an erased person said before is forgotten: read again from zero it is the same.
ERASURES_GROUP = "updates-notifier-erasures"


def subscriptions(
    clock: Clock, desk: ClaimDesk, terms: PlanTerms = USUAL_PLAN_TERMS
) -> list[Subscription[UpdatesUnit]]:
    """Return one subscription per topic for the views, and those that react."""

    async def claims(unit: UpdatesUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await hear_money(unit, desk, money_answers_from(facts), clock.now())
        return []

    async def plan(unit: UpdatesUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await hear_campaigns(unit, plan_heard(facts), terms)
        return []

    following = [
        Subscription(topic, f"{VIEW_GROUPS[topic]}-follow-up", sequenced=True, handle=_follow)
        for topic in (heard.CAMPAIGNS_TOPIC, heard.STAGES_TOPIC)
    ]
    answers = Subscription(heard.REFUNDS_TOPIC, CLAIM_MONEY_GROUP, sequenced=True, handle=claims)
    plans = Subscription(heard.CAMPAIGNS_TOPIC, PLANS_GROUP, sequenced=True, handle=plan)
    erasures = Subscription(ERASURES_TOPIC, ERASURES_GROUP, sequenced=True, handle=_forget)
    return [*view_subscriptions(), *following, answers, plans, erasures]


def view_subscriptions() -> list[Subscription[UpdatesUnit]]:
    """Return one per topic of the project view, which may be read from zero at any time."""
    return [
        Subscription(topic, group, sequenced=True, handle=_project)
        for topic, group in VIEW_GROUPS.items()
    ]


async def _project(unit: UpdatesUnit, facts: Sequence[Decoded]) -> list[Refusal]:
    await unit.view.pass_through()
    await project_facts(unit, [heard.heard_from(fact) for fact in facts])
    await project_pledges(unit, pledges_from(facts))
    return []


async def _follow(unit: UpdatesUnit, facts: Sequence[Decoded]) -> list[Refusal]:
    await take_decisions(unit, decisions_from(facts))
    await take_turns(unit, [turn for fact in facts if (turn := turn_from(fact)) is not None])
    return []


async def _forget(unit: UpdatesUnit, facts: Sequence[Decoded]) -> list[Refusal]:
    await forget_people(unit, erasures_from(facts))
    return []
