"""What notifier reads. All groups react (people are told), so they are never reset."""

from collections.abc import Sequence

from notifier import wire
from notifier.handlers.hear import (
    take_campaign_wide,
    take_departures,
    take_for_one,
    take_memberships,
    take_withdrawals,
)
from notifier.handlers.plan import PledgesPosition
from notifier.ports import NotifierUnit
from servicekit.clock import Clock
from servicekit.consume import Refusal, Subscription
from sosst_contracts.codec import Decoded

PLEDGES = PledgesPosition(wire.PLEDGES_TOPIC, "notifier-funding-pledges")


def subscriptions(clock: Clock) -> list[Subscription[NotifierUnit]]:
    """Return one subscription per topic."""

    async def for_one(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        heard = [o for fact in facts if (o := wire.for_one_from(fact)) is not None]
        await take_for_one(unit, heard, clock.now())
        # Behind what arose: a reminder of the same batch may have lost its reason already.
        await take_withdrawals(unit, [w for fact in facts for w in wire.withdrawals_from(fact)])
        return []

    async def pledges(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        joined = [m for fact in facts if (m := wire.membership_from(fact)) is not None]
        await take_memberships(unit, joined)
        left = [d for fact in facts if (d := wire.departure_from(fact)) is not None]
        await take_departures(unit, left)
        return await for_one(unit, facts)

    async def campaign_wide(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        heard = [c for fact in facts if (c := wire.campaign_wide_from(fact)) is not None]
        await take_campaign_wide(unit, heard, clock.now())
        return []

    async def campaigns(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await unit.creators.add(wire.creators_from(facts))
        return await campaign_wide(unit, facts)

    handles = {
        (wire.PLEDGES_TOPIC, PLEDGES.group): pledges,
        (wire.CAMPAIGNS_TOPIC, "notifier-funding-campaigns"): campaigns,
        (wire.POSTS_TOPIC, "notifier-updates-posts"): campaign_wide,
        (wire.REFUNDS_TOPIC, "notifier-payouts-refunds"): for_one,
    }
    return [
        Subscription(topic, group, sequenced=True, handle=handle)
        for (topic, group), handle in handles.items()
    ]
