"""A run of refunds ends once: when none of its refunds goes on by itself any more."""

import re
from typing import Any

import pytest

from payouts.domain.book import Outcome
from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.refund import RESTING, RefundState
from payouts.domain.refund_run_end import MOVING, causes_of_run
from payouts.handlers.end_runs import EndRuns
from payouts.handlers.work_kinds import REFUND, REFUND_RUN_END, refund_run_end_work
from payouts.ports.unit import PayoutsUnit
from servicekit.errors import LeaseLost
from servicekit.own_topics import Unexplained
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_recover import back_up, live, recovery_of, restore, roll_forward
from sosst_contracts.codec import Decoded, decode
from sosst_contracts.payouts import RefundRunFinished

MISSED = f"verdict-reached/{CAMPAIGN}"


async def ends(payouts: Payouts) -> list[dict[str, Any]]:
    return [event.model_dump() for event in await payouts.published("refund-run-finished")]


def figures(end: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {one["outcome"]: (one["count"], one["amount"]) for one in end["outcomes"]}


async def turns(payouts: Payouts, count: int = 8) -> None:
    for _ in range(count):
        await payouts.turn()
        payouts.clock.advance(seconds=20)


@pytest.mark.row("S13")
async def test_it_is_told_once_with_count_and_sum_by_outcome(payouts: Payouts) -> None:
    """One of three waits for its backer; nothing is told while a refund is on its way."""
    await payouts.collect(1, 2, 3)
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 3)
    await payouts.turn()
    assert await ends(payouts) == []
    await turns(payouts)
    (end,) = await ends(payouts)
    assert (end["cause"], end["count"], end["amount"]) == (MISSED, 3, 15_000)
    told = figures(end)
    assert sum(count for count, _ in told.values()) == 3
    states = [refund.state for refund in await payouts.queries.refunds(CAMPAIGN, "", 10)]
    assert told == {s.value: (states.count(s), 5_000 * states.count(s)) for s in set(states)}
    assert (await payouts.work.backlog(REFUND_RUN_END)).items == 0


async def test_a_run_of_nobody_ends_at_once(payouts: Payouts) -> None:
    """A missed goal without a pledge has nothing to give back, and says so."""
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 0)
    await turns(payouts, 2)
    (end,) = await ends(payouts)
    assert (end["count"], end["amount"], end["outcomes"]) == (0, 0, [])


@pytest.mark.parametrize("fault", ["funds", "rate_limited", "timeout_after"])
async def test_what_goes_on_by_itself_is_waited_for(fault: str) -> None:
    """A top-up, another try and a missing answer come: until then it is not over."""
    payouts = memory_payouts()
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    payouts.provider.faults["create_refund"] = [fault]
    if fault == "funds":
        payouts.provider.cash -= 1_000_000
    await payouts.turn()
    assert (await payouts.queries.refunds(CAMPAIGN, "", 1))[0].state in MOVING
    await turns(payouts, 1)
    assert await ends(payouts) == []
    payouts.provider.cash += 1_000_000
    payouts.refunds = payouts.crashed().refunds
    await payouts.work_off()
    await turns(payouts)
    (end,) = await ends(payouts)
    assert figures(end) == {"succeeded": (1, 5_000)}


@pytest.mark.trap(3)
async def test_a_bank_is_not_waited_for_and_what_comes_later_does_not_repeat_it(
    payouts: Payouts,
) -> None:
    """Blocked is in its queue; the bank's decision, a late pledge, a late failure add nothing."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()
    name = payouts.provider.dispute("ch_1", 5_000)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    await turns(payouts)
    (end,) = await ends(payouts)
    assert figures(end) == {"succeeded": (1, 5_000), "blocked": (1, 5_000)}
    payouts.provider.move_dispute(name, ProviderDisputeStatus.WON)
    payouts.clock.advance(seconds=3_600)
    await payouts.collect(3, counted=False)
    await turns(payouts)
    refunds = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert [refund.state for refund in refunds] == [RefundState.SUCCEEDED] * 3
    payouts.provider.fail_later(refunds[0])
    await turns(payouts)
    assert await ends(payouts) == [end]


async def test_two_instances_and_a_worker_that_woke_up_tell_it_once(payouts: Payouts) -> None:
    """Whoever is second finds it told, or may no longer save."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    for claim in await payouts.claim(REFUND):
        await payouts.refunds(claim)
    (first,) = await payouts.claim(REFUND_RUN_END)
    payouts.clock.advance(seconds=31)
    (second,) = await payouts.claim(REFUND_RUN_END)
    end = EndRuns(payouts.units, payouts.clock)
    await end(second)
    with pytest.raises(LeaseLost):
        await end(first)
    assert len(await ends(payouts)) == 1


async def test_an_end_that_was_offered_twice_is_told_once(payouts: Payouts) -> None:
    """The book knows which runs have ended, whatever work is there."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await turns(payouts)

    async def offer(unit: PayoutsUnit) -> None:
        again = refund_run_end_work(CAMPAIGN, MISSED, payouts.clock.now())
        await unit.plumbing.work.offer([again])

    await payouts.units.run(offer)
    await turns(payouts)
    assert len(await ends(payouts)) == 1
    assert (await payouts.work.backlog(REFUND_RUN_END)).items == 0


@pytest.mark.trap(23)
@pytest.mark.parametrize("published", [True, False])
async def test_a_restored_backup_tells_it_only_if_the_topic_does_not(published: bool) -> None:
    """What readers have heard they do not hear again; what never left is told after all."""
    payouts = memory_payouts()
    await payouts.collect(1)
    backup = back_up(payouts)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await live(payouts, 8)
    ledger, cash = await ledger_of(payouts), payouts.provider.cash
    own = [row.record for row in await payouts.outbox.page(10_000)]
    told = [one for one in own if _is_end(one)]
    assert len(told) == 1
    again = restore(payouts, backup)
    again.provider.cash = cash
    await roll_forward(again, ledger)
    if published:
        found = [Unexplained(record, CAMPAIGN, 9, "") for record in told]
        await recovery_of(again).roll_forward(found)
    await again.hear_verdict(Outcome.GOAL_MISSED, 1)
    await recovery_of(again).reconcile()
    await live(again, 8)
    assert len(await ends(again)) == (0 if published else 1)
    await again.assert_books_true()


def _is_end(record: Any) -> bool:
    read = decode(record)
    return isinstance(read, Decoded) and isinstance(read.event, RefundRunFinished)


def test_a_run_is_its_cause_and_what_follows_its_refunds() -> None:
    """The second run of a cancelled campaign is another one."""
    cause = f"campaign-cancelled/{CAMPAIGN}"
    theirs = re.compile(causes_of_run(cause))
    assert theirs.search(cause) and theirs.search(f"{cause}/after-dp_1")
    assert not theirs.search(f"{cause}/2") and not theirs.search(f"{cause}-2")
    assert set(RefundState) == MOVING | RESTING and not MOVING & RESTING


async def test_the_stores_tell_runs_apart(payouts: Payouts) -> None:
    """A cause is a word, not a pattern; figures are of one run only."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()

    async def asked(unit: PayoutsUnit) -> tuple[bool, bool, int]:
        ours = await unit.refunds.run_figures(CAMPAIGN, MISSED)
        return (
            await unit.refunds.run_moves(CAMPAIGN, MISSED),
            await unit.refunds.run_moves(CAMPAIGN, MISSED.replace("-", ".")),
            sum(count for count, _ in ours.values()),
        )

    assert await payouts.units.run(asked) == (True, False, 1)
