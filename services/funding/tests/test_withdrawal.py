"""Pledges taken back: out of the count until the verdict, out of nothing after it, and once."""

import asyncio
import random
from dataclasses import replace

import pytest

from funding.domain.campaign import Totals
from funding.domain.errors import Refused
from funding.domain.pledge import PaymentStatus, Pledge, PledgeState
from servicekit.errors import Conflict
from servicekit.mongo import Database
from services.funding.tests.conftest import (
    LAUNCH,
    Funding,
    memory_funding,
    mongo_funding,
    other_launch,
    payment,
)

SETTLED_SECONDS = 3_600 + 900
RETURNED = payment(1, PaymentStatus.WITHDRAWN)


def reason(answer: object) -> str | None:
    return answer.reason if isinstance(answer, Refused) else None


async def totals(funding: Funding) -> Totals:
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None
    return campaign.totals


async def test_a_backer_takes_a_pledge_back_once(funding: Funding) -> None:
    """It leaves every total; asked again, also much later, it is the same withdrawal."""
    await funding.launch()
    await funding.pay(payment(1), payment(2))
    first, again = await funding.withdraw(1, 1)
    assert isinstance(first, Pledge) and first == again and first.state is PledgeState.WITHDRAWN
    funding.clock.advance(days=30)
    assert await funding.withdraw(1) == [first]
    assert await totals(funding) == Totals(600, 600, 1)
    (event,) = await funding.published("pledge-withdrawn")
    told = event.model_dump()
    assert (told["withdrawn_by"], told["before_verdict"]) == ("backer", True)
    assert told["return_balance_transaction"] is None
    assert await funding.queries.pledge("c1", "p1") == first


async def test_what_is_taken_back_cannot_be_paid_again(funding: Funding) -> None:
    """The capture told again is the old one; a new pledge has a new id."""
    await funding.launch()
    await funding.pay(payment(1))
    await funding.withdraw(1)
    await funding.pay(payment(1), payment(1, PaymentStatus.PENDING))
    assert await totals(funding) == Totals()
    await funding.pay(replace(payment(3), backer_id="b1"))
    assert await totals(funding) == Totals(600, 600, 1)


async def test_the_right_ends_with_the_deadline(funding: Funding) -> None:
    """At the deadline's instant it is there, a second later it is gone, also while settling."""
    await funding.launch()
    await funding.pay(payment(1), payment(2))
    funding.clock.advance(seconds=3_600)
    assert isinstance((await funding.withdraw(1))[0], Pledge)
    funding.clock.advance(seconds=1)
    assert reason((await funding.withdraw(2))[0]) == "withdrawal-too-late"
    assert await totals(funding) == Totals(600, 600, 1)


async def test_only_collected_money_is_taken_back(funding: Funding) -> None:
    """Pending, errored and unknown pledges, and another campaign's, are each refused."""
    await funding.launch()
    await funding.launch(other_launch(campaign_id="c2"))
    await funding.pay(payment(1, PaymentStatus.PENDING), payment(2, PaymentStatus.FAILED))
    await funding.pay(payment(3, campaign_id="c2"))
    refused = [reason(one) for one in await funding.withdraw(1, 2, 3, 9)]
    assert refused == [*["pledge-not-collected"] * 2, *["pledge-unknown"] * 2]
    assert reason((await funding.withdraw(1, campaign_id="c9"))[0]) == "campaign-unknown"
    assert await funding.published("pledge-withdrawn") == []


async def test_the_provider_may_have_returned_it_already(funding: Funding) -> None:
    """The fact names the return's cash; told again, or after our own refund, it is nothing new."""
    await funding.launch()
    await funding.pay(payment(1), RETURNED, RETURNED, payment(2))
    await funding.withdraw(2)
    await funding.pay(payment(2, PaymentStatus.WITHDRAWN))
    by_provider, by_backer = await funding.published("pledge-withdrawn")
    assert by_provider.model_dump()["return_balance_transaction"] == "back1"
    assert by_backer.model_dump()["return_balance_transaction"] is None
    assert await totals(funding) == Totals()


async def test_a_return_that_overtakes_its_capture_waits_for_it(funding: Funding) -> None:
    """Refused, and right once the capture is there."""
    await funding.launch()
    early, _, late = await funding.pay(RETURNED, payment(1), RETURNED)
    assert reason(early) == "pledge-not-collected"
    assert isinstance(late, Pledge) and late.state is PledgeState.WITHDRAWN


async def test_a_return_of_another_amount_is_refused(funding: Funding) -> None:
    """It is another payment's, or a part: no fact of this kind says that."""
    await funding.launch()
    _, odd = await funding.pay(payment(1), payment(1, PaymentStatus.WITHDRAWN, amount=599))
    assert reason(odd) == "payment-conflict"


@pytest.mark.parametrize("withdraw_first", [True, False])
@pytest.mark.parametrize("by_provider", [True, False])
async def test_both_commit_orders_of_withdrawal_and_verdict(
    database: Database, withdraw_first: bool, by_provider: bool
) -> None:
    """The verdict is without it, or stands as it fell: refused to the backer, told of the rest."""
    taking, deciding = mongo_funding(database), mongo_funding(database)
    await taking.launch()
    await taking.pay(payment(1), payment(2))
    deciding.clock.advance(seconds=SETTLED_SECONDS)
    await deciding.settle()
    steps = [lambda: taking.pay(RETURNED) if by_provider else taking.withdraw(1), deciding.settle]
    for step in steps if withdraw_first else reversed(steps):
        await step()
    await assert_taken_back_or_counted(deciding)
    campaign = await deciding.queries.campaign("c1")
    assert campaign is not None and campaign.verdict is not None
    assert campaign.verdict.count == (1 if withdraw_first else 2)
    told = [one.model_dump() for one in await taking.published("pledge-withdrawn")]
    assert [one["before_verdict"] for one in told] == (
        [withdraw_first] if by_provider or withdraw_first else []
    )


@pytest.mark.parametrize("seed", range(4))
async def test_withdrawing_and_deciding_at_the_same_time(database: Database, seed: int) -> None:
    """Raced on real transactions: verdict, totals and pledges always agree."""
    taking, deciding = mongo_funding(database), mongo_funding(database)
    await taking.launch()
    await taking.pay(*(payment(number) for number in range(6)))
    deciding.clock.advance(seconds=SETTLED_SECONDS)
    await deciding.settle()
    chance = random.Random(seed)

    async def take(number: int, after: float, funding: Funding = taking) -> None:
        await asyncio.sleep(after)
        while True:
            try:
                await funding.withdraw(number)
                return
            except Conflict:
                continue

    async def decide(after: float, funding: Funding = deciding) -> None:
        await asyncio.sleep(after)
        while True:
            try:
                if (await funding.settled()).verdict is not None:
                    return
            except Conflict:
                pass  # A withdrawal was faster; the next sweep looks again.
            funding.clock.advance(seconds=1)

    tasks = [take(number, chance.random() * 0.02) for number in range(6)]
    await asyncio.gather(*tasks, decide(chance.random() * 0.02))
    await assert_taken_back_or_counted(deciding)


async def assert_taken_back_or_counted(funding: Funding) -> None:
    """The verdict counts exactly the pledges that were not taken back before it."""
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None and campaign.verdict is not None
    told = [one.model_dump() for one in await funding.published("pledge-withdrawn")]
    gone = {one["pledge_id"] for one in told if one["before_verdict"]}
    counted = [p for p in await funding.queries.pledges("c1", "", 100) if p.pledge_id not in gone]
    assert campaign.verdict.count == campaign.totals.count == len(counted)
    assert campaign.verdict.collected == campaign.totals.counted == 600 * len(counted)


async def test_a_late_pledge_that_the_provider_returns_leaves_what_is_late() -> None:
    """Also after the verdict, which was not about it."""
    funding = memory_funding()
    await funding.launch()
    funding.clock.advance(days=1)
    await funding.settled()
    await funding.pay(payment(1, at=funding.clock.now()))
    assert await totals(funding) == Totals(600, late=600)
    await funding.pay(RETURNED)
    assert await totals(funding) == Totals(600)
    assert LAUNCH.deadline < funding.clock.now()
