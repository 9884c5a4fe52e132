"""What a pledge can claim when what is left of a campaign is divided (`money.md` 4, cancellation).

The run of a cancellation, its disputes and the simulator all ask here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.reward_standing import Place, RewardClaim, RewardDelivery, RewardsAsOf
from payouts.domain.shares import Entitlement


def place_of(money: PledgeMoney) -> Place | None:
    """Return where its reward is delivered, None where none was chosen."""
    if money.reward_id is None:
        return None
    return money.campaign_id, money.reward_id, money.backer_id


def settled_pledges(
    pledges: Sequence[PledgeMoney],
    deliveries: Mapping[Place, RewardDelivery],
    claims: Iterable[RewardClaim],
    as_of: RewardsAsOf,
) -> frozenset[str]:
    """Return which have their reward, while no claim about them is open: they have no share."""
    claimed = {(one.campaign_id, one.pledge_id) for one in claims if one.is_open(as_of)}
    return frozenset(
        money.pledge_id
        for money in pledges
        if (place := place_of(money)) in deliveries
        and place is not None
        and deliveries[place].is_with_backer(as_of)
        and (money.campaign_id, money.pledge_id) not in claimed
    )


def entitlement_of(money: PledgeMoney, settled: Collection[str]) -> Entitlement:
    """Return what it can claim: nothing where it is settled, else all that it lacks."""
    return Entitlement(money.pledge_id, 0 if money.pledge_id in settled else money.lacking)
