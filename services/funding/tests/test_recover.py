"""Campaigns, pledges and verdicts come back from funding's own facts, wherever the backup ended."""

from dataclasses import replace
from datetime import timedelta

import pytest

from funding import wire
from funding.domain.errors import Refused
from funding.domain.pledge import PaymentStatus
from funding.handlers.recover import Decided, Paid, RecoverFunding, roll_forward
from servicekit.own_topics import Unexplained
from services.funding.tests.conftest import NOW, Funding, memory_funding, payment
from sosst_contracts.codec import attribution

AFTER = NOW + timedelta(hours=2)
FACTS = 9


async def history(funding: Funding, until: int = FACTS) -> None:
    """Launch, six facts about pledges, the verdict, one late: stop after so many steps."""
    steps = [
        lambda: funding.launch(),
        lambda: funding.pay(payment(1)),
        lambda: funding.pay(payment(2, PaymentStatus.PENDING)),
        lambda: funding.pay(payment(2, PaymentStatus.FAILED)),
        lambda: funding.pay(payment(2)),
        lambda: funding.pay(payment(3, PaymentStatus.FAILED)),
        lambda: decide(funding),
        lambda: funding.pay(payment(4, at=AFTER)),
        lambda: funding.pay(payment(5, PaymentStatus.PENDING, at=AFTER)),
    ]
    for step in steps[:until]:
        await step()


async def decide(funding: Funding) -> None:
    funding.clock.advance(hours=2)
    await funding.settled()


async def told(funding: Funding) -> list[Unexplained]:
    """Return everything that was told, as reading the topics gives it."""
    rows = await funding.outbox.page(10_000)
    placed = [(row.record, *attribution(row.record)) for row in rows]
    return [Unexplained(record, key or "", at or 0, "") for record, key, at in placed]


@pytest.mark.trap(23)
@pytest.mark.parametrize("backup", range(FACTS + 1))
async def test_the_state_is_rolled_forward_by_its_own_facts(backup: int) -> None:
    """Behind a backup of every age stands what stood there before it was restored."""
    lived, restored = memory_funding(), memory_funding()
    await history(lived)
    await history(restored, backup)
    known = len(await told(restored))
    recovery = RecoverFunding(restored.units, wire.history_from)
    unexplained = (await told(lived))[known:]
    for _ in range(2):
        assert not [line for line in await recovery.roll_forward(unexplained) if "a person" in line]
    expected = await lived.queries.campaign("c1")
    found = await restored.queries.campaign("c1")
    assert expected is not None and found is not None
    assert (found.totals, found.state, found.verdict) == (
        expected.totals,
        expected.state,
        expected.verdict,
    )

    async def pledges(funding: Funding) -> object:
        return await funding.units.run(
            lambda unit: unit.pledges.load([f"p{number}" for number in range(1, 6)])
        )

    assert await pledges(restored) == await pledges(lived)
    assert len(await told(restored)) == known, "nothing is published again"


async def test_a_payment_that_is_read_again_says_nothing_new() -> None:
    """The inputs come a second time behind the roll, and make no fact."""
    lived, restored = memory_funding(), memory_funding()
    await history(lived)
    await RecoverFunding(restored.units, wire.history_from).roll_forward(await told(lived))
    await restored.pay(payment(1), payment(2), payment(4, at=AFTER))
    assert await told(restored) == []


async def test_a_verdict_that_the_pledges_contradict_is_left_to_a_person() -> None:
    """Nothing of that campaign is folded in."""
    lived, restored = memory_funding(), memory_funding()
    await history(lived)
    happened = wire.history_from(await told(lived))["c1"]
    less = [one for one in happened if not (isinstance(one, Paid) and one.sequence == 2)]
    with pytest.raises(Refused):
        await restored.units.run(lambda unit: roll_forward(unit, "c1", less))
    wrong = [
        Decided(replace(one.verdict, count=99)) if isinstance(one, Decided) else one
        for one in happened
    ]
    with pytest.raises(Refused):
        await restored.units.run(lambda unit: roll_forward(unit, "c1", wrong))
    assert await restored.queries.campaign("c1") is None
