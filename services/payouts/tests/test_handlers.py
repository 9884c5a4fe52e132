"""Refunds and stages over fakes and MongoDB: whatever happens, each unit moves once."""

import asyncio
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from payouts.domain.book import Outcome
from payouts.domain.ledger import Account
from payouts.domain.plan import StageKind
from payouts.domain.refund import RefundState
from payouts.domain.refund_blocking import DISPUTE
from payouts.domain.refund_window import WINDOW_CLOSED
from payouts.domain.stage import StageState
from payouts.handlers.funds import AutomaticPayouts, FundsReader, RefuseAutomaticPayouts
from payouts.handlers.refund_run import Progress, run_page
from payouts.handlers.wake import CURSOR
from payouts.handlers.work_kinds import REFUND, REFUND_RUN, STAGE
from payouts.metrics import REFUND_REASONS, REFUND_TRANSITIONS, reason_label
from payouts.ports.provider import CashMovement, ProviderBalance
from payouts.sweeps.cash import PATIENCE
from payouts.sweeps.queues import MeasureQueues
from servicekit.errors import LeaseLost
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.fakes import MemoryProvider

FAULTS = ("timeout_after", "error_before", "error_after", "rate_limited", "decline")


async def states(payouts: Payouts) -> dict[str, int]:
    return {s: count for s, (count, _) in (await payouts.queries.refund_figures(CAMPAIGN)).items()}


async def assert_all_returned(payouts: Payouts, count: int, amount: int = 5_000) -> None:
    """By the provider's own book every pledge went back once, and our book says the same."""
    assert await states(payouts) == {"succeeded": count}
    assert payouts.provider.refunded == {f"ch_{n}": amount for n in range(1, count + 1)}
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.balances[Account.PROVIDER_BALANCE] == 0
    await payouts.assert_books_true()


@pytest.mark.row("S13")
@pytest.mark.trap(2)
async def test_a_missed_goal_returns_everything_in_pages(payouts: Payouts) -> None:
    """More pledges than a page holds: the cursor leaves none out."""
    await payouts.collect(*range(1, 9))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 8)
    await payouts.work_off()
    await assert_all_returned(payouts, 8)
    assert len(await payouts.published("refund-succeeded")) == 8


@pytest.mark.trap(19)
@pytest.mark.parametrize("before", [0, 2, 5])
async def test_pledges_before_and_after_the_verdict_are_each_refunded_once(
    payouts: Payouts, before: int
) -> None:
    """Whichever is heard first; a late payment after a missed goal goes back by itself."""
    await payouts.collect(*range(1, before + 1))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 5)
    await payouts.collect(*range(before + 1, 6))
    await payouts.work_off()
    await payouts.collect(6, counted=False)
    await payouts.work_off()
    await assert_all_returned(payouts, 6)
    assert len(await payouts.published("refund-created")) == 6


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_of_the_provider_ends_in_one_refund(payouts: Payouts, fault: str) -> None:
    """Lost answers, stored errors, refusals and throttling: resent, looked up, or tried again."""
    payouts.provider.faults["create_refund"] = [fault, fault]
    await payouts.collect(1, 2, 3)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 3)
    await payouts.work_off()
    await assert_all_returned(payouts, 3)


async def test_three_refusals_make_it_claimable(payouts: Payouts) -> None:
    """The money is owed and never income; nothing more is tried by itself."""
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    assert await states(payouts) == {"claimable": 1}
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.balances[Account.CLAIMABLE] == 5_000
    assert len(await payouts.published("refund-claimable")) == 1
    await payouts.assert_books_true()


async def test_what_became_of_refunds_is_counted_with_the_reason(payouts: Payouts) -> None:
    """A code that is in no list of ours is `other`: series stay few whatever a provider says."""
    before = transitions()
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    after = transitions()
    assert {key: after[key] - count for key, count in before.items() if after[key] != count} == {
        ("failed", "other"): 3,
        ("claimable", "other"): 1,
    }
    assert after.keys() == before.keys() == set(product(RefundState, REFUND_REASONS))


def test_a_reason_of_the_list_is_its_own_label() -> None:
    """And none at all is `none`."""
    assert reason_label(None) == "none"
    assert reason_label(WINDOW_CLOSED) == "window-closed"
    assert reason_label(DISPUTE) == "dispute"
    assert reason_label("a-code-of-tomorrow") == "other"


def transitions() -> dict[tuple[str, str], float]:
    (family,) = REFUND_TRANSITIONS.collect()
    return {
        (one.labels["to"], one.labels["reason"]): one.value
        for one in family.samples
        if one.name.endswith("_total")
    }


@pytest.mark.trap(21)
@pytest.mark.parametrize("looks", [1, 5], ids=["listed at once", "listed late"])
async def test_already_refunded_by_an_attempt_that_was_absent_is_never_claimable(
    payouts: Payouts, looks: int
) -> None:
    """It was made, its answer is an error for ever, and the provider's list came too late."""
    payouts.provider.faults["create_refund"] = ["error_after"]
    payouts.provider.list_lags = True
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    while len([call for call in payouts.provider.calls if call[0] == "create_refund"]) <= looks:
        await payouts.turn()
        payouts.clock.advance(seconds=30)
        assert not await payouts.published("refund-claimable")
    payouts.provider.list_lags = False
    await payouts.work_off()
    await assert_all_returned(payouts, 1)


@pytest.mark.trap(7)
@pytest.mark.trap(15)
async def test_a_refund_that_comes_back_is_found_without_a_webhook(payouts: Payouts) -> None:
    """The provider's balance transactions wake the read; it is paid again, once."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    (refund,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
    payouts.provider.fail_later(refund)
    await payouts.live(600)
    await assert_all_returned(payouts, 1)
    assert len(await payouts.published("refund-failed")) == 1
    told = [fact.model_dump()["came_back"] for fact in await payouts.published("refund-succeeded")]
    assert told == [None, 1]
    assert await payouts.queries.cursor(CURSOR) == payouts.provider.movements[-1].id


@pytest.mark.trap(15)
async def test_a_refund_that_comes_back_before_its_answer_is_known_is_found(
    payouts: Payouts,
) -> None:
    """The answer was lost and its replay is old: only the cash says that the money is back."""
    payouts.provider.faults["create_refund"] = ["timeout_after"]
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn()
    (refund,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert refund.state is RefundState.UNKNOWN
    payouts.provider.fail_later(refund)
    await payouts.live(600)
    await assert_all_returned(payouts, 1)
    assert len(await payouts.published("refund-failed")) == 1


async def test_cash_of_nobody_does_not_hold_the_rest_for_ever(payouts: Payouts) -> None:
    """A failed refund that is not ours is waited for, and then passed."""
    payouts.provider.movements.append(CashMovement("txn_odd", "refund_failure", "re_odd"))
    await payouts.turn()
    assert await payouts.queries.cursor(CURSOR) is None
    payouts.clock.advance(seconds=PATIENCE.total_seconds())
    await payouts.turn()
    assert await payouts.queries.cursor(CURSOR) == "txn_odd"


async def test_a_short_balance_makes_the_refund_wait_and_a_top_up_heals_it(
    payouts: Payouts,
) -> None:
    """Named as what is missing, and no try is used up."""
    payouts.provider.cash = 0
    await payouts.collect(1, 2)
    payouts.provider.cash = 1_000
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn()
    waiting = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert {(r.state, r.reason, r.failures) for r in waiting} == {
        (RefundState.AWAITING_FUNDS, "top-up-needed", 0)
    }
    payouts.provider.cash = 100_000
    payouts = payouts.crashed()
    payouts.clock.advance(seconds=30)
    await payouts.work_off()
    await assert_all_returned(payouts, 2)


@pytest.mark.trap(21)
async def test_an_abandoned_worker_that_wakes_sends_nothing_and_saves_nothing(
    payouts: Payouts,
) -> None:
    """It claimed, stood still through its lease, and somebody else did the work."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    (abandoned,) = await payouts.claim(REFUND)
    payouts.clock.advance(seconds=60)
    await payouts.work_off()
    calls = len(payouts.provider.calls)
    with pytest.raises(LeaseLost):
        await payouts.refunds(abandoned)
    assert len(payouts.provider.calls) == calls
    await assert_all_returned(payouts, 1)


@pytest.mark.trap(21)
async def test_a_worker_that_lost_its_lease_notes_nothing(payouts: Payouts) -> None:
    """Its claim was taken over while it stood still: it leaves no attempt behind."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    (abandoned,) = await payouts.claim(REFUND)
    payouts.clock.advance(seconds=60)
    assert len(await payouts.claim(REFUND)) == 1
    with pytest.raises(LeaseLost):
        await payouts.refunds(abandoned)
    (refund,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert (refund.state, refund.attempts) == (RefundState.REQUESTED, ())
    assert payouts.provider.calls == []


@pytest.mark.trap(21)
async def test_a_stage_whose_claim_was_taken_over_is_not_touched(payouts: Payouts) -> None:
    """Not even approved: every step proves in its transaction that the claim is still its own."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    (abandoned,) = await payouts.claim(STAGE)
    payouts.clock.advance(seconds=60)
    assert len(await payouts.claim(STAGE)) == 1
    with pytest.raises(LeaseLost):
        await payouts.stages(abandoned)
    assert (await payouts.queries.stages(CAMPAIGN))[0].state is StageState.DUE
    assert payouts.provider.calls == []


@pytest.mark.trap(21)
async def test_a_transfer_that_wakes_up_pays_no_second_time(payouts: Payouts) -> None:
    """Stuck in its call while another worker pays: the same key moves nothing, nothing is saved."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await payouts.turn()
    payouts.clock.advance(seconds=90)
    gate = payouts.provider.hold("create_transfer")
    (claim,) = await payouts.claim(STAGE)
    stuck = asyncio.create_task(payouts.stages(claim))
    await gate.arrived.wait()
    payouts.clock.advance(seconds=60)
    await pay(payouts)
    paid = (await payouts.queries.stages(CAMPAIGN))[0]
    gate.open.set()
    with pytest.raises(LeaseLost):
        await stuck
    assert paid.state is StageState.PAID and len(payouts.provider.transfers) == 1
    assert (await payouts.queries.stages(CAMPAIGN))[0] == paid
    await payouts.assert_books_true()


@pytest.mark.trap(2)
async def test_a_run_that_dies_between_two_pages_goes_on_at_its_cursor(payouts: Payouts) -> None:
    """No pledge is left out, none is asked for twice."""
    await payouts.collect(*range(1, 9))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 8)
    (claim,) = await payouts.claim(REFUND_RUN)
    step = await run_page(
        payouts.units, claim, payouts.rewards_read, payouts.clock.now(), page_size=3
    )
    assert step is Progress.GOES_ON
    payouts = payouts.crashed()
    assert len(await payouts.queries.refunds(CAMPAIGN, "", 10)) == 3
    payouts.clock.advance(seconds=60)
    await payouts.work_off()
    await assert_all_returned(payouts, 8)
    assert len(await payouts.published("refund-created")) == 8


async def test_a_refused_refund_is_tried_again_soon(payouts: Payouts) -> None:
    """However long it waited before, a failure that another try may heal pauses a second."""
    payouts.provider.faults["create_refund"] = ["rate_limited"] * 6 + ["decline"]
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    for _ in range(7):
        await payouts.turn()
        payouts.clock.advance(seconds=1)
    (refund,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert refund.state is RefundState.FAILED
    await payouts.turn()
    await assert_all_returned(payouts, 1)


@pytest.mark.trap(6)
async def test_one_impossible_refund_does_not_hold_up_its_group(payouts: Payouts) -> None:
    """A claim that was lost fails alone; its neighbours of the same group are saved."""
    await payouts.collect(1, 2, 3)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 3)
    await payouts.turn_run_only()
    claims = await payouts.claim(REFUND)
    await payouts.work.postpone(claims[0], payouts.clock.now())
    done = await asyncio.gather(*(payouts.refunds(c) for c in claims), return_exceptions=True)
    assert [isinstance(one, LeaseLost) for one in done] == [True, False, False]
    assert (await states(payouts))["succeeded"] == 2
    payouts.clock.advance(seconds=60)
    await payouts.work_off()
    await assert_all_returned(payouts, 3)


async def test_a_pledge_in_another_currency_is_refused(payouts: Payouts) -> None:
    """The book has one currency; what does not fit it is set aside, not converted."""
    from dataclasses import replace

    from payouts.handlers.pledges import PledgeHeard, take_pledges
    from services.payouts.tests.builders import a_pledge

    await payouts.collect(1)
    odd = PledgeHeard(CAMPAIGN, "JPY", 2, replace(a_pledge(2), currency="JPY"))
    refused = await payouts.units.run(lambda u: take_pledges(u, [odd], payouts.clock.now()))
    assert refused[0].reason == "wrong-currency"


@pytest.mark.row("S9")
async def test_a_met_goal_pays_the_first_stage_once(payouts: Payouts) -> None:
    """Planned when the view has reached N, approved by the verdict, sent in two legs."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 3)
    assert await payouts.queries.stages(CAMPAIGN) == []
    await payouts.collect(3)
    await payouts.give_destination()
    await pay(payouts)
    first, second, last = await payouts.queries.stages(CAMPAIGN)
    assert (first.state, first.amount) == (StageState.PAID, 3_000)
    assert [s.planned_amount for s in (first, second, last)] == [3_000, 4_500, 7_500]
    assert len(payouts.provider.transfers) == len(payouts.provider.payouts) == 1
    names = ("plan-scheduled", "stage-due", "stage-approved", "stage-submitted", "stage-paid")
    assert [len(await payouts.published(name)) for name in names] == [1] * 5
    await payouts.assert_books_true()


async def pay(payouts: Payouts, turns: int = 30) -> None:
    await payouts.live(turns * 30)


@pytest.mark.parametrize("operation", ["create_transfer", "create_payout"])
@pytest.mark.parametrize("fault", ["timeout_after", "error_before", "error_after", "rate_limited"])
async def test_a_fault_on_either_leg_pays_once(
    payouts: Payouts, operation: str, fault: str
) -> None:
    """A second transfer would pay twice: each leg is resent or looked up."""
    payouts.provider.faults[operation] = [fault]
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await pay(payouts, 40)
    first = (await payouts.queries.stages(CAMPAIGN))[0]
    assert first.state is StageState.PAID
    assert len(payouts.provider.transfers) == 1
    await payouts.assert_books_true()


@pytest.mark.parametrize("operation", ["create_transfer", "create_payout"])
async def test_a_refused_leg_is_tried_three_times_and_then_needs_a_person(
    payouts: Payouts, operation: str
) -> None:
    """One attempt a turn; the gate says who must act, and no second transfer leaves."""
    payouts.provider.faults[operation] = ["decline"] * 9
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await pay(payouts, 20)
    first = (await payouts.queries.stages(CAMPAIGN))[0]
    assert (first.state, first.failures, len(first.attempts)) == (StageState.FAILED, 3, 3)
    _, found = await payouts.stages.explain(CAMPAIGN, 1)
    lines = {line.name: line for line in found}
    assert lines["attempts"].who == "staff" and "refund_declined" in lines["attempts"].why
    assert len(payouts.provider.transfers) == (operation == "create_payout")
    await payouts.assert_books_true()


async def test_queues_are_seen_from_outside(payouts: Payouts) -> None:
    """A refund that waits for funds is counted where it waits, with its age and currency."""
    await payouts.collect(1)
    payouts.provider.cash = 0
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn()
    await MeasureQueues(payouts.queries)(payouts.clock.now())

    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"sosst_payouts_{name}", labels)

    (refund,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert refund.state is RefundState.AWAITING_FUNDS
    assert value("refunds", state="awaiting_funds") == 1
    assert value("refunds", state="succeeded") == 0
    oldest = value("refund_oldest_timestamp_seconds", state="awaiting_funds")
    assert oldest == refund.created_at.timestamp()
    assert value("awaiting_funds_items", currency="EUR") == 1
    payouts.provider.cash = 100_000
    payouts = payouts.crashed()
    payouts.clock.advance(seconds=30)
    await payouts.work_off()
    await MeasureQueues(payouts.queries)(payouts.clock.now())
    assert value("refunds", state="succeeded") == 1
    assert value("refund_oldest_timestamp_seconds", state="awaiting_funds") == 0
    assert value("stages", stage="first", state="due") == 0


async def test_stages_are_counted_by_kind_and_state(payouts: Payouts) -> None:
    """Three planned stages: the first is due, the others wait."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    found = await payouts.queries.stage_queues()
    counts = {(kind.value, state.value): queue.count for (kind, state), queue in found.items()}
    assert counts == {("first", "due"): 1, ("second", "planned"): 1, ("last", "planned"): 1}
    assert found[StageKind.FIRST, StageState.DUE].oldest is not None


async def test_a_contradicting_verdict_moves_no_money(payouts: Payouts) -> None:
    """Our own count differs: no plan, and somebody is paged by the counter."""
    before = contradictions()
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 3, sequence=2)
    await payouts.give_destination()
    await pay(payouts, 3)
    assert await payouts.queries.stages(CAMPAIGN) == [] and payouts.provider.transfers == {}
    assert contradictions() == before + 1


async def test_a_verdict_that_turns_out_to_contradict_is_counted(payouts: Payouts) -> None:
    """Heard before its pledges: the contradiction shows only when the view has reached N."""
    before = contradictions()
    await payouts.hear_verdict(Outcome.GOAL_MET, 3, sequence=2)
    await payouts.collect(1, 2)
    await payouts.collect(3, counted=False)
    assert await payouts.queries.stages(CAMPAIGN) == []
    assert contradictions() == before + 1


def contradictions() -> float:
    name = "sosst_payouts_verdict_contradictions_total"
    return REGISTRY.get_sample_value(name) or 0


async def test_an_unknown_verdict_moves_no_money(payouts: Payouts) -> None:
    """A word that this release does not know pays nobody and refunds nobody."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.UNKNOWN, 2)
    await payouts.work_off()
    assert await states(payouts) == {} and await payouts.queries.stages(CAMPAIGN) == []


async def test_a_second_verdict_is_refused(payouts: Payouts) -> None:
    """A verdict falls once; the same again changes nothing."""
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 0)
    assert await payouts.hear_verdict(Outcome.GOAL_MISSED, 0) == {}
    assert (await payouts.hear_verdict(Outcome.GOAL_MET, 0))[0].reason == "second-verdict"


@pytest.mark.trap(8)
async def test_a_destination_changed_after_the_approval_is_approved_anew(
    payouts: Payouts,
) -> None:
    """The money goes to the account that was verified and approved last, after cooling off."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination("acct_1")
    await payouts.turn()
    assert (await payouts.queries.stages(CAMPAIGN))[0].state is StageState.APPROVED
    await payouts.give_destination("acct_2")
    await pay(payouts)
    first = (await payouts.queries.stages(CAMPAIGN))[0]
    assert first.state is StageState.PAID and first.attempt.account == "acct_2"
    assert first.approvals == 2 and len(payouts.provider.transfers) == 1
    await payouts.assert_books_true()


async def test_the_gate_names_what_is_missing(payouts: Payouts) -> None:
    """Without a destination, and with one that the provider refuses, the creator must act."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.turn()

    async def destination_line() -> tuple[str, str | None]:
        _, found = await payouts.stages.explain(CAMPAIGN, 1)
        lines = {line.name: line for line in found}
        return lines["destination"].why, lines["destination"].who

    assert await destination_line() == ("no destination is given", "creator")
    payouts.provider.unusable_accounts["acct_1"] = "requirements.past_due"
    await payouts.give_destination()
    await pay(payouts, 3)
    assert "requirements.past_due" in (await destination_line())[0]
    assert payouts.provider.transfers == {}
    assert (await payouts.work.backlog(STAGE)).items == 1


@pytest.mark.parametrize(
    ("schedule", "refused"), [("manual", False), (None, False), ("daily", True)]
)
async def test_automatic_payouts_of_the_provider_refuse_the_start(
    schedule: str | None, refused: bool
) -> None:
    """They would sweep the backers' money; a provider that does not answer is no reason to stop."""
    payouts = memory_payouts()
    payouts.provider.schedule = schedule
    guard = RefuseAutomaticPayouts(payouts.provider)
    if refused:
        with pytest.raises(AutomaticPayouts, match="daily"):
            await guard()
    else:
        await guard()


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([*FAULTS, None]), max_size=12),
    st.permutations(["verdict", "first", "second", "late"]),
    st.lists(st.booleans(), max_size=10),
)
def test_any_faults_in_any_order_with_crashes_return_each_pledge_once(
    faults: Sequence[str | None], order: Sequence[str], crashes: Sequence[bool]
) -> None:
    """Facts in any order, faults in any order, processes lost between any two turns."""
    asyncio.run(assert_survives(faults, order, crashes))


async def assert_survives(
    faults: Sequence[str | None], order: Sequence[str], crashes: Sequence[bool]
) -> None:
    payouts = memory_payouts()
    # No more refusals than tries: then every refund must succeed in the end.
    wanted = [f for f in faults if f is not None]
    declines = [n for n, f in enumerate(wanted) if f == "decline"][2:]
    payouts.provider.faults["create_refund"] = [
        f for n, f in enumerate(wanted) if n not in declines
    ]
    for event in order:
        if event == "verdict":
            await payouts.hear_verdict(Outcome.GOAL_MISSED, 4)
        elif event == "late":
            await payouts.collect(5, counted=False)
        else:
            await payouts.collect(*((1, 2) if event == "first" else (3, 4)))
        await payouts.turn()
        await payouts.assert_books_true()
    for crash in crashes:
        if crash:
            await payouts.claim(REFUND, 2)  # Claimed by a process that dies with it.
            payouts = payouts.crashed()
        payouts.clock.advance(seconds=30)
        await payouts.turn()
        await payouts.assert_books_true()
    await payouts.work_off()
    await assert_all_returned(payouts, 5)


async def test_a_balance_is_read_once_for_all_who_ask_at_once(payouts: Payouts) -> None:
    """Also where no answer comes; whoever comes later has the answer of a moment ago."""
    asked = 0

    class Slow(MemoryProvider):
        async def balance(self, currency: str) -> ProviderBalance | None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0)
            return None if asked == 1 else ProviderBalance(5, 5)

    reader = FundsReader(Slow(payouts.clock), payouts.queries, payouts.reconciliation)
    assert await asyncio.gather(*(reader.read("EUR") for _ in range(16))) == [None] * 16
    found = await asyncio.gather(*(reader.read("EUR") for _ in range(16)))
    assert {one.available for one in found if one} == {5} and asked == 2
    assert await reader.read("EUR") == found[0] and asked == 2
