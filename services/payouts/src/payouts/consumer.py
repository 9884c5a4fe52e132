"""What payouts reads: verdicts, pledges, posts, claims, evidence, and where rewards are.

All react and are never reset, but for the two groups that follow rewards: they only keep a view.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

from payouts import wire
from payouts.domain.errors import Refused
from payouts.domain.refund_window import RefundWindows
from payouts.handlers.brakes import take_brakes
from payouts.handlers.claim_money import hear_claims
from payouts.handlers.milestones import hear_evidence
from payouts.handlers.pledges import take_pledges
from payouts.handlers.rewards import hear_claim_standings, hear_deliveries
from payouts.handlers.verdict import EndHeard, take_verdicts
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.consume import Refusal, Subscription
from sosst_contracts.codec import Decoded

CAMPAIGNS_GROUP = "payouts-funding-campaigns"
PLEDGES_GROUP = "payouts-funding-pledges"
POSTS_GROUP = "payouts-updates-posts"
CLAIMS_GROUP = "payouts-updates-claims"
PLANS_GROUP = "payouts-updates-plans"

# What must be read as far as it went at an approval before money leaves: an end, a withdrawal, an
# emergency, other evidence, with which an approval falls. A claim's money is another decision,
# which takes what is left.
INPUTS = (
    (wire.CAMPAIGNS_TOPIC, CAMPAIGNS_GROUP),
    (wire.PLEDGES_TOPIC, PLEDGES_GROUP),
    (wire.POSTS_TOPIC, POSTS_GROUP),
    (wire.PLANS_TOPIC, PLANS_GROUP),
)

# What must be read as far as it went before a cancellation decides who has no share.
REWARD_INPUTS = (
    (wire.DELIVERIES_TOPIC, wire.DELIVERIES_GROUP),
    (wire.CLAIMS_TOPIC, wire.CLAIM_STANDINGS_GROUP),
)


# Evidence that was heard before the stages are planned: their verdict, or its pledges, are on
# topics that are read at their own pace.
_HEALED_BY_ANOTHER_TOPIC = frozenset({"stage-unknown"})

Heard = TypeVar("Heard")


def subscriptions(clock: Clock, windows: RefundWindows) -> list[Subscription[PayoutsUnit]]:
    """Return one subscription per topic."""

    async def campaigns(unit: PayoutsUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await unit.creators.add(wire.creators_from(facts))
        await unit.launches.add(wire.launches_from(facts))
        heard: list[EndHeard]
        read, heard = _read(facts, wire.verdict_from)
        return _refusals(read, await take_verdicts(unit, heard, clock.now()))

    async def pledges(unit: PayoutsUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        read, heard = _read(facts, partial(wire.pledge_from, windows=windows))
        return _refusals(read, await take_pledges(unit, heard, clock.now()))

    async def posts(unit: PayoutsUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await take_brakes(unit, [b for fact in facts for b in wire.brakes_from(fact)], clock.now())
        return []

    async def claims(unit: PayoutsUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        read, heard = _read(facts, wire.claim_from)
        return _refusals(read, await hear_claims(unit, heard, clock.now()))

    async def plans(unit: PayoutsUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        read, heard = _read(facts, wire.evidence_from)
        refused = await hear_evidence(unit, heard, clock.now())
        return _refusals(read, refused, _HEALED_BY_ANOTHER_TOPIC)

    async def deliveries(unit: PayoutsUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await hear_deliveries(unit, [one for f in facts for one in wire.deliveries_from(f)])
        return []

    async def standings(unit: PayoutsUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        _, heard = _read(facts, wire.claim_standing_from)
        await hear_claim_standings(unit, heard)
        return []

    rewards, of_claims = REWARD_INPUTS
    return [
        Subscription(wire.CAMPAIGNS_TOPIC, CAMPAIGNS_GROUP, sequenced=True, handle=campaigns),
        Subscription(wire.PLEDGES_TOPIC, PLEDGES_GROUP, sequenced=True, handle=pledges),
        Subscription(wire.POSTS_TOPIC, POSTS_GROUP, sequenced=True, handle=posts),
        Subscription(wire.CLAIMS_TOPIC, CLAIMS_GROUP, sequenced=True, handle=claims),
        Subscription(wire.PLANS_TOPIC, PLANS_GROUP, sequenced=True, handle=plans),
        Subscription(*rewards, sequenced=True, handle=deliveries),
        Subscription(*of_claims, sequenced=True, handle=standings),
    ]


def _read(
    facts: Sequence[Decoded], reader: Callable[[Decoded], Heard | None]
) -> tuple[list[Decoded], list[Heard]]:
    """Return the facts that concern this service, and what they say, place by place."""
    told = [(fact, heard) for fact in facts if (heard := reader(fact)) is not None]
    return [fact for fact, _ in told], [heard for _, heard in told]


def _refusals(
    facts: Sequence[Decoded], refused: Mapping[int, Refused], healed: Collection[str] = ()
) -> list[Refusal]:
    return [
        Refusal(facts[place], error.reason, error.detail, error.reason in healed)
        for place, error in refused.items()
    ]
