"""Who has which reward, as two topics tell it: a view that may be read again at any time."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payouts.consumer import REWARD_INPUTS, subscriptions
from payouts.domain.refund_window import RefundWindows
from payouts.domain.reward_standing import (
    ClaimStandingHeard,
    DeliveryHeard,
    RewardClaim,
    RewardDelivery,
    RewardsAsOf,
    Turn,
    followed,
    turned,
)
from payouts.wire import DELIVERIES_TOPIC
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from services.payouts.tests.builders import REWARD
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_brakes import hear
from services.payouts.tests.test_cancelling_with_rewards import (
    ANSWERED,
    ASKED,
    ESCALATED,
    OPENED,
    RESOLVED,
    claim_fact,
    delivery,
    told,
    view_of,
)
from sosst_contracts import updates
from sosst_contracts.codec import Draft
from sosst_contracts.event import Event
from sosst_contracts.testing import sample

PLACE = (CAMPAIGN, REWARD, "backer-1")
DELIVERIES = [
    delivery("shipped", 1, 2),
    delivery("delivered", 1),
    delivery("received", 1, 3),
    delivery("preparing", 1),
    sample(updates.ReceiptAsked, campaign_id=CAMPAIGN, reward_id=REWARD),
    delivery("delivered", 1, 2),
]
CLAIMS = [
    claim_fact(OPENED, 1),
    claim_fact(ANSWERED, 1),
    claim_fact(OPENED, 2, "claim|2"),
    claim_fact(ASKED, 1, "claim-1~2"),
    claim_fact(ESCALATED, 3, "claim-3"),
    claim_fact(RESOLVED, 1),
    claim_fact(ANSWERED, 1),
]


@pytest.mark.port
async def test_every_turn_is_kept_with_its_place(payouts: Payouts) -> None:
    """What is true as of a place stays so: each turn, and nothing that changes none."""
    await told(payouts, *DELIVERIES, *CLAIMS)
    heard = await payouts.units.run(lambda unit: unit.rewards.heard(CAMPAIGN))
    assert heard == RewardsAsOf(len(DELIVERIES), len(CLAIMS))
    places = {(CAMPAIGN, REWARD, f"backer-{number}") for number in range(1, 5)}
    known = await payouts.units.run(lambda unit: unit.rewards.deliveries(places))
    turns = {place[2]: one.turns for place, one in known.items()}
    assert turns == {
        "backer-1": (Turn(2, True), Turn(4, False), Turn(6, True)),
        "backer-2": (Turn(6, True),),
        "backer-3": (Turn(3, True),),
    }
    has = [known[PLACE].is_with_backer(RewardsAsOf(deliveries=n)) for n in range(7)]
    assert has == [False, False, True, True, False, False, True]
    pledges = [f"pledge-{number}" for number in range(1, 5)]
    claims = await payouts.units.run(lambda unit: unit.rewards.claims_about(pledges))
    assert sorted(claims, key=lambda one: one.claim_id) == [
        RewardClaim(CAMPAIGN, "claim-1", "pledge-1", 1, 6),
        RewardClaim(CAMPAIGN, "claim-3", "pledge-3", 5),
        RewardClaim(CAMPAIGN, "claim|2", "pledge-2", 3),
    ]
    (first,) = [one for one in claims if one.claim_id == "claim-1"]
    opened = [first.is_open(RewardsAsOf(claims=n)) for n in range(8)]
    assert opened == [False, True, True, True, True, True, False, False]


@pytest.mark.port
async def test_names_with_a_bar_in_them_are_told_apart(payouts: Payouts) -> None:
    """The ids of two places are never one, whatever is in the names."""
    places = [("a|b", "c", "d"), ("a", "b|c", "d"), ("a", "b", "c|d"), ("a%7Cb", "c", "d")]
    kept = [RewardDelivery(*place, turns=(Turn(n, True),)) for n, place in enumerate(places, 1)]
    await payouts.units.run(lambda unit: unit.rewards.save_deliveries(kept))
    found = await payouts.units.run(lambda unit: unit.rewards.deliveries(places))
    assert found == dict(zip(places, kept, strict=True))
    assert await payouts.units.run(lambda unit: unit.rewards.deliveries([])) == {}
    assert await payouts.units.run(lambda unit: unit.rewards.claims([])) == {}


async def test_a_whole_reward_is_delivered_in_one_batch(payouts: Payouts) -> None:
    """As many backers as facts can name, some of them in several facts: each in its own order."""
    facts = [
        delivery("delivered", *range(1_000)),
        delivery("delivered", *range(1_000, 1_500)),
        delivery("returned", *range(500, 1_200)),
    ]
    (one,) = [
        s for s in subscriptions(payouts.clock, RefundWindows()) if s.topic == DELIVERIES_TOPIC
    ]
    reader = BatchConsumer(one, payouts.units, payouts.clock, Pulse(DELIVERIES_TOPIC))
    records = [Draft(fact, payouts.clock.now()).seal(n) for n, fact in enumerate(facts, 1)]
    for _ in range(2):
        await reader.process([Incoming(record, 0, n) for n, record in enumerate(records)])
    places = [(CAMPAIGN, REWARD, f"backer-{number}") for number in range(1_500)]
    known = await payouts.units.run(lambda unit: unit.rewards.deliveries(places))
    as_of = RewardsAsOf(deliveries=3)
    have = {int(place[2][7:]) for place, one in known.items() if one.is_with_backer(as_of)}
    assert have == {*range(500), *range(1_200, 1_500)}


@settings(max_examples=60)
@given(data=st.data())
def test_what_comes_late_twice_and_out_of_order_gives_the_same_view(data: st.DataObject) -> None:
    """Both topics at their own pace, in any order, each fact as often as it likes."""
    facts: list[tuple[int, Event]] = [*enumerate(DELIVERIES, 1), *enumerate(CLAIMS, 1)]
    order = data.draw(st.permutations(facts * 2))

    async def story(told_in: Sequence[tuple[int, Event]]) -> object:
        payouts = memory_payouts()
        for sequence, fact in told_in:
            await hear(payouts, fact, first=sequence, topic=fact.topic)
        return view_of(payouts)

    assert asyncio.run(story(order)) == asyncio.run(story(facts))


@settings(max_examples=60)
@given(
    states=st.lists(st.booleans(), max_size=8),
    ended=st.lists(st.booleans(), min_size=1, max_size=5),
)
def test_reading_all_again_changes_nothing(states: list[bool], ended: list[bool]) -> None:
    """Also where the positions were set back and the view was kept."""
    delivery_facts = [DeliveryHeard(PLACE, n, state) for n, state in enumerate(states, 1)]
    first = RewardDelivery(*PLACE)
    for fact in delivery_facts:
        first = turned(first, fact)
    again = first
    for fact in delivery_facts:
        again = turned(again, fact)
    assert again == first
    for place, state in enumerate(states, 1):
        assert first.is_with_backer(RewardsAsOf(deliveries=place)) is state
    claim_facts = [ClaimStandingHeard(CAMPAIGN, "c", "p", n, e) for n, e in enumerate(ended, 1)]
    claim = None
    for one in claim_facts:
        claim = followed(claim, one)
    kept = claim
    for one in claim_facts:
        kept = followed(kept, one)
    assert kept == claim
    for place in range(1, len(ended) + 1):
        assert claim is not None
        assert claim.is_open(RewardsAsOf(claims=place)) is not any(ended[:place])


def test_rewards_are_followed_by_two_groups_of_their_own() -> None:
    """One reads what claims ask for and never again; another reads where they stand, from zero."""
    read = [
        (one.topic, one.group) for one in subscriptions(memory_payouts().clock, RefundWindows())
    ]
    assert len({group for _, group in read}) == len(read)
    assert set(REWARD_INPUTS) < set(read)
