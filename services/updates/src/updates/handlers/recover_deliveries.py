"""Rewards on their way after a restored backup: where their topic has them, nobody told again."""

from collections.abc import Sequence
from functools import partial

from servicekit.units import UnitsOfWork
from updates.domain.tracking import Tracking, TrackingState, TrackingTerms, asked
from updates.domain.tracking_facts import DeliveryChanged, ReceiptAsked, TrackingFact
from updates.domain.tracking_recovery import moved_again, opened_again
from updates.ports.unit import UpdatesUnit


async def deliveries_again(
    units: UnitsOfWork[UpdatesUnit], told: Sequence[TrackingFact], terms: TrackingTerms
) -> list[str]:
    """Bring each reward to where the topic has it; return a line for each."""
    rewards = dict.fromkeys((one.campaign_id, one.reward_id) for one in told)
    return [
        await units.run(
            partial(
                _reward_again,
                facts=[one for one in told if (one.campaign_id, one.reward_id) == reward],
                terms=terms,
            )
        )
        for reward in rewards
    ]


async def _reward_again(
    unit: UpdatesUnit, facts: Sequence[TrackingFact], terms: TrackingTerms
) -> str:
    campaign_id, reward_id = facts[0].campaign_id, facts[0].reward_id
    people = {who for one in facts for who in _concerned(one)}
    known = await unit.trackings.load([(campaign_id, reward_id, who) for who in people])
    moved = {who: Tracking(campaign_id, reward_id, who) for who in people}
    moved |= {place[2]: one for place, one in known.items()}
    reward = before = (await unit.rewards.load(campaign_id, {reward_id})).get(reward_id)
    for fact in facts:
        match fact:
            case DeliveryChanged():
                for who, old in fact.before:
                    moved[who] = moved_again(moved[who], old, fact, terms)
                reward = opened_again(reward, fact)
            case ReceiptAsked():
                moved |= {who: asked(moved[who]) for who in fact.backers}
            case _:
                reward = opened_again(reward, fact)
    changed = [one for one in moved.values() if one not in known.values() and one.history]
    await unit.trackings.save(changed)
    if reward is not None and reward != before:
        await unit.rewards.save([reward])
    withheld = 0
    if changed and any(_was_opened(one) for one in facts):
        withheld = await unit.codes.withhold(campaign_id, reward_id)
    return (
        f"reward {reward_id} of {campaign_id}: {len(changed)} backers' brought back; "
        f"{withheld} codes are withheld, its team must add as many others"
    )


def _was_opened(fact: TrackingFact) -> bool:
    """Whether a backer opened something digital, and was given a code that nobody knows now."""
    if not isinstance(fact, DeliveryChanged) or fact.state is not TrackingState.DELIVERED:
        return False
    return fact.by in {who for who, _ in fact.before}


def _concerned(fact: TrackingFact) -> Sequence[str]:
    match fact:
        case DeliveryChanged():
            return [who for who, _ in fact.before]
        case ReceiptAsked():
            return fact.backers
    return ()
