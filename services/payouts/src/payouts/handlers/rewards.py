"""Which rewards are with their backers is noted as it is heard, and asked when money is divided."""

from collections import defaultdict
from collections.abc import Sequence

from payouts.domain.entitlement import place_of, settled_pledges
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.reward_standing import (
    ClaimStandingHeard,
    DeliveryHeard,
    Place,
    RewardDelivery,
    RewardsAsOf,
    followed,
    turned,
)
from payouts.ports.unit import PayoutsUnit

# A fact names up to a thousand backers: so many are loaded and saved at once.
PAGE = 1_000


async def hear_deliveries(unit: PayoutsUnit, heard: Sequence[DeliveryHeard]) -> None:
    """Note who has which reward now, in the order in which it was told."""
    by_place: dict[Place, list[DeliveryHeard]] = defaultdict(list)
    for one in heard:
        by_place[one.place].append(one)
    places = list(by_place)
    for start in range(0, len(places), PAGE):
        page = places[start : start + PAGE]
        known = await unit.rewards.deliveries(page)
        moved = []
        for place in page:
            before = delivery = known.get(place) or RewardDelivery(*place)
            for one in by_place[place]:
                delivery = turned(delivery, one)
            if delivery != before:
                moved.append(delivery)
        await unit.rewards.save_deliveries(moved)


async def hear_claim_standings(unit: PayoutsUnit, heard: Sequence[ClaimStandingHeard]) -> None:
    """Note which claims there are, and which of them are over."""
    before = await unit.rewards.claims({(one.campaign_id, one.claim_id) for one in heard})
    known = dict(before)
    for one in heard:
        claim = one.campaign_id, one.claim_id
        known[claim] = followed(known.get(claim), one)
    await unit.rewards.save_claims([one for name, one in known.items() if one != before.get(name)])


async def settled_among(
    unit: PayoutsUnit, pledges: Sequence[PledgeMoney], as_of: RewardsAsOf | None
) -> frozenset[str]:
    """Return which of the pledges have their reward and no open claim, as of there.

    None where it is asked as of nowhere: a division of a release that did not know of rewards.
    """
    places = {place for money in pledges if (place := place_of(money)) is not None}
    if as_of is None or not as_of.deliveries or not places:
        return frozenset()
    deliveries = await unit.rewards.deliveries(places)
    having = [money for money in pledges if place_of(money) in deliveries]
    claims = await unit.rewards.claims_about([money.pledge_id for money in having])
    return settled_pledges(having, deliveries, claims, as_of)
