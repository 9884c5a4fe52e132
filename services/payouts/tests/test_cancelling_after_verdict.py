"""A campaign cancelled after its goal was met: the plan stops, what is left goes back by shares."""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from payouts import wire
from payouts.commands import perform_queue
from payouts.domain.book import Cancellation, Outcome, Verdict
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.postings import pledge_collected
from payouts.domain.refund_request import Wanted
from payouts.domain.shares import Entitlement, freeze, share_of
from payouts.domain.stage import Stage, StageState
from payouts.handlers.pay_stages import PayStages
from payouts.handlers.posting import post
from payouts.handlers.refund_run import Progress, run_page
from payouts.handlers.unclaimed import unclaimed_ledgers
from payouts.handlers.verdict import CancellationHeard, VerdictHeard, take_verdicts
from payouts.handlers.work_kinds import REFUND, REFUND_RUN, STAGE
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.queues import MeasureQueues
from payouts.sweeps.refunds import ShareWhatCameBack
from servicekit.mongo import Database
from servicekit.work import Claim
from services.payouts.tests.builders import NOW, SHARES, a_book, divide
from services.payouts.tests.conftest import (
    CAMPAIGN,
    FEES,
    Payouts,
    memory_payouts,
    mongo_payouts,
)
from services.payouts.tests.fakes import ProcessDied
from services.payouts.tests.test_later_stages import approve, decide, pay, show, the
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_recover import (
    assert_the_ledger_goes_on,
    back_up,
    recover,
    restore,
    roll_forward,
)
from services.payouts.tests.test_staff_refunds import approved as approved_refund
from services.payouts.tests.test_staff_refunds import asked as asked_refund
from services.payouts.tests.test_staff_refunds import cancelled as taken_back
from sosst_contracts import funding
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.testing import sample

EXAMPLE = {1: 10_001, 2: 4_999, 3: 3_333}
TOTAL = sum(EXAMPLE.values())
AFTER_ONE = {"ch_1": 8_001, "ch_2": 3_999, "ch_3": 2_667}
AFTER_TWO = {"ch_1": 5_001, "ch_2": 2_500, "ch_3": 1_667}


async def met(payouts: Payouts) -> None:
    """The worked example's pledges, and the verdict about them."""
    for number, amount in EXAMPLE.items():
        await payouts.collect(number, amount=amount)
    await payouts.hear_verdict(Outcome.GOAL_MET, 3, amount=TOTAL // 3)
    await payouts.give_destination()


async def paid(payouts: Payouts, stages: int) -> None:
    await met(payouts)
    await pay(payouts)
    if stages == 2:
        await approved(payouts, 2, 5_499)
        await pay(payouts)
    assert (await the(payouts, stages)).state is StageState.PAID


async def approved(payouts: Payouts, number: int, amount: int) -> None:
    await show(payouts, number)
    await decide(payouts, number)
    await approve(payouts, number, amount)


async def states(payouts: Payouts) -> list[str]:
    return [stage.state.value for stage in await payouts.queries.stages(CAMPAIGN)]


async def held(payouts: Payouts, account: Account = Account.BACKER_FUNDS) -> int:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book.balances.get(account, 0)


@pytest.mark.row("S9")
@pytest.mark.parametrize(("stages", "shares"), [(1, AFTER_ONE), (2, AFTER_TWO)])
async def test_worked_example(payouts: Payouts, stages: int, shares: dict[str, int]) -> None:
    """After one stage 80.01, 39.99, 26.67; after two 50.01, 25.00, 16.67; no fee is taken."""
    await paid(payouts, stages)
    assert await payouts.hear_cancellation(3) == {}
    await payouts.work_off()
    assert payouts.provider.refunded == shares
    assert await states(payouts) == ["paid"] * stages + ["cancelled"] * (3 - stages)
    left = [await held(payouts, account) for account in Account]
    assert sum(map(abs, left)) == 2 * 90, "only the provider's fees, which the platform bears"
    refunds = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert {r.payment_reference: r.amount + r.unpaid for r in refunds} == {
        f"ch_{number}": amount for number, amount in EXAMPLE.items()
    }
    told = [one.model_dump() for one in await payouts.published("refund-succeeded")]
    assert [one["fully_refunded"] for one in told] == [False] * 3
    assert {one["cause"] for one in told} == {f"campaign-cancelled/{CAMPAIGN}"}
    cancelled = [one.model_dump() for one in await payouts.published("stage-cancelled")]
    planned = [(2, 5_499), (3, 9_168)][stages - 1 :]
    assert [(one["stage"], one["amount"]) for one in cancelled] == planned
    await payouts.assert_books_true()


async def test_before_anything_is_paid_everybody_gets_everything(payouts: Payouts) -> None:
    """Also where the first stage was approved already: row 19, and full is full."""
    await met(payouts)
    payouts.clock.advance(seconds=1)
    await payouts.turn()
    assert (await the(payouts, 1)).state is StageState.APPROVED
    await payouts.hear_cancellation(3)
    assert await held(payouts) == TOTAL and await held(payouts, Account.CREATOR_PAYABLE) == 0
    await payouts.work_off()
    await pay(payouts)
    assert payouts.provider.refunded == {f"ch_{n}": amount for n, amount in EXAMPLE.items()}
    assert await states(payouts) == ["cancelled"] * 3 and payouts.provider.transfers == {}
    told = [one.model_dump() for one in await payouts.published("refund-succeeded")]
    assert [one["fully_refunded"] for one in told] == [True] * 3
    assert (await payouts.work.backlog(STAGE)).items == 0, "nobody looks at them any more"


async def test_an_approved_last_stage_gives_its_fees_back(payouts: Payouts) -> None:
    """Row 14 is undone entry by entry: nothing is taken of what goes back."""
    await paid(payouts, 2)
    divided = TOTAL - 3_666 - 5_499
    await show(payouts, 3)
    await decide(payouts, 3)
    amount = (await the(payouts, 3)).payable
    assert amount < divided
    await approve(payouts, 3, amount)
    assert await held(payouts, Account.TAX_PAYABLE) > 0
    await payouts.hear_cancellation(3)
    assert await held(payouts) == divided and await held(payouts, Account.TAX_PAYABLE) == 0
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_TWO
    await payouts.assert_books_true()


@pytest.mark.parametrize("repeats", [1, 2])
async def test_the_same_again_is_the_same(payouts: Payouts, repeats: int) -> None:
    """In one batch or later; another cancellation, or one without a verdict, is refused."""
    ended = CancellationHeard(CAMPAIGN, "EUR", Cancellation(3, NOW))
    (refused,) = (await take(payouts, [ended])).values()
    assert refused.reason == "cancellation-without-verdict"
    await paid(payouts, 1)
    assert await take(payouts, [ended] * repeats) == {}
    await payouts.work_off()
    assert await take(payouts, [ended]) == {}
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_ONE
    other = replace(ended, cancellation=Cancellation(4, NOW))
    (refused,) = (await take(payouts, [other])).values()
    assert refused.reason == "second-cancellation"


async def take(
    payouts: Payouts, heard: Sequence[VerdictHeard | CancellationHeard]
) -> dict[int, Refused]:
    return await payouts.units.run(lambda unit: take_verdicts(unit, heard, payouts.clock.now()))


@pytest.mark.parametrize("together", [True, False])
async def test_what_is_read_before_its_pledges_waits_for_them(
    payouts: Payouts, together: bool
) -> None:
    """As of N: verdict and cancellation alone divide nothing, and no stage of it ever begins."""
    verdict = VerdictHeard(
        CAMPAIGN, "EUR", Verdict(Outcome.GOAL_MET, TOTAL, 3, 3, SHARES, NOW), FEES
    )
    ended = CancellationHeard(CAMPAIGN, "EUR", Cancellation(3, NOW))
    for batch in [[verdict, ended]] if together else [[verdict], [ended]]:
        assert await take(payouts, batch) == {}
    await payouts.give_destination()
    for number, amount in EXAMPLE.items():
        await pay(payouts, turns=2)
        assert payouts.provider.refunded == {}
        await payouts.collect(number, amount=amount)
    await pay(payouts)
    assert payouts.provider.refunded == {f"ch_{n}": amount for n, amount in EXAMPLE.items()}
    assert await states(payouts) == ["cancelled"] * 3 and payouts.provider.transfers == {}
    await payouts.assert_books_true()


@pytest.mark.trap(19)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_payment_after_the_end_goes_back_in_full(payouts: Payouts, when: str) -> None:
    """One that was late before it has a share like all others; one behind it is not about it."""
    await paid(payouts, 1)
    await payouts.collect(4, amount=1_000, counted=False)
    await payouts.hear_cancellation(4)
    if when == "after":
        await payouts.work_off()
    await payouts.collect(5, amount=700, counted=False)
    await payouts.work_off()
    returned = payouts.provider.refunded
    assert returned["ch_5"] == 700
    assert sum(returned.values()) == TOTAL - 3_666 + 1_000 + 700
    entitled = [Entitlement(f"pledge-{n}", a) for n, a in {**EXAMPLE, 4: 1_000}.items()]
    shares = [share.amount for share in divide(TOTAL - 3_666 + 1_000, entitled)]
    assert [returned[f"ch_{number}"] for number in range(1, 5)] == shares
    await payouts.assert_books_true()


@pytest.mark.trap(19)
@pytest.mark.parametrize("heard", ["before the end", "after the end"])
async def test_a_payment_behind_the_end_goes_back_in_full_whenever_it_is_read(
    payouts: Payouts, heard: str
) -> None:
    """Two topics have no order between them: by its sequence it is not about the cancellation."""
    await paid(payouts, 1)
    steps = [
        lambda: payouts.collect(4, amount=700, counted=False),
        lambda: payouts.hear_cancellation(3),
    ]
    for step in steps if heard.startswith("before") else reversed(steps):
        await step()
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_ONE | {"ch_4": 700}
    refunds = await payouts.queries.refunds(CAMPAIGN, "", 10)
    causes = {refund.pledge_id: refund.cause for refund in refunds}
    assert causes["pledge-4"] == "late-pledge/pledge-4"
    told = [one.model_dump() for one in await payouts.published("refund-succeeded")]
    assert [one["pledge_id"] for one in told if one["fully_refunded"]] == ["pledge-4"]
    await payouts.assert_books_true()


@pytest.mark.trap(2)
async def test_payments_behind_the_end_are_asked_for_in_pages_and_wait_for_nothing(
    payouts: Payouts,
) -> None:
    """While a transfer is on its way nothing is divided; whose payment came later has it back."""
    await met(payouts)
    await payouts.collect(*range(4, 12), amount=700, counted=False)
    gate = await stuck_in_its_call(payouts)
    await payouts.hear_cancellation(4)
    (claim,) = await payouts.claim(REFUND_RUN)
    assert (
        await run_page(payouts.units, claim, payouts.rewards_read, payouts.clock.now(), 3)
        is Progress.GOES_ON
    )
    assert len(await payouts.queries.refunds(CAMPAIGN, "", 20)) == 3
    payouts = payouts.crashed()
    while (
        await run_page(payouts.units, claim, payouts.rewards_read, payouts.clock.now(), 3)
        is Progress.GOES_ON
    ):
        pass
    for claimed in await payouts.claim(REFUND):
        await payouts.refunds(claimed)
    late = {f"ch_{number}": 700 for number in range(5, 12)}
    assert payouts.provider.refunded == late
    await gate()
    await payouts.work_off()
    entitled = [Entitlement(f"ch_{n}", a) for n, a in {**EXAMPLE, 4: 700}.items()]
    shares = {one.pledge_id: one.amount for one in divide(TOTAL - 3_666 + 700, entitled)}
    assert payouts.provider.refunded == shares | late
    await payouts.assert_books_true()


async def test_what_stages_took_of_payments_behind_the_end_comes_first(payouts: Payouts) -> None:
    """All was paid before the end was heard: what comes back is theirs before it is divided."""
    await paid(payouts, 2)
    await payouts.collect(4, amount=700, counted=False)
    await approved_and_paid_last(payouts)
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert payouts.provider.refunded == {}
    share = ShareWhatCameBack(payouts.units, payouts.queries)
    for back, whole in ((500, {"ch_4": 500}), (1_000, {"ch_4": 700})):
        await come_back(payouts, back)
        await share(payouts.clock.now())
        await payouts.work_off()
        assert payouts.provider.refunded["ch_4"] == whole["ch_4"]
    assert sum(payouts.provider.refunded.values()) == 1_500
    assert await held(payouts) == 0
    told = [one.model_dump() for one in await payouts.published("refund-succeeded")]
    assert [one["pledge_id"] for one in told if one["fully_refunded"]] == ["pledge-4"]


async def approved_and_paid_last(payouts: Payouts) -> None:
    await show(payouts, 3)
    await decide(payouts, 3)
    await approve(payouts, 3, (await the(payouts, 3)).payable)
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.PAID


async def test_a_transfer_on_its_way_is_waited_for(payouts: Payouts) -> None:
    """A sender in its call: nothing is divided until its answer is there; then by what it is."""
    await met(payouts)
    gate = await stuck_in_its_call(payouts)
    await payouts.hear_cancellation(3)
    await payouts.turn_run_only()
    assert await states(payouts) == ["submitted", "cancelled", "cancelled"]
    assert await payouts.queries.refunds(CAMPAIGN, "", 10) == []
    await gate()
    await payouts.work_off()
    await pay(payouts)
    assert await states(payouts) == ["paid", "cancelled", "cancelled"]
    assert payouts.provider.refunded == AFTER_ONE
    await payouts.assert_books_true()


async def stuck_in_its_call(payouts: Payouts) -> Callable[[], Awaitable[None]]:
    """Bring the first stage into the call of its transfer; return what lets it go on."""
    await payouts.turn()
    payouts.clock.advance(seconds=90)
    gate = payouts.provider.hold("create_transfer")
    (claim,) = await payouts.claim(STAGE)
    stuck = asyncio.create_task(payouts.stages(claim))
    await gate.arrived.wait()

    async def go_on() -> None:
        gate.open.set()
        await stuck

    return go_on


@pytest.mark.trap(21)
@pytest.mark.parametrize("fault", ["decline", "crash_before", "crash_after", "timeout_after"])
async def test_every_end_of_a_transfer_on_its_way(payouts: Payouts, fault: str) -> None:
    """Refused or never made: its money is the backers'; made: the creator's. Never asked again."""
    await met(payouts)
    payouts.provider.faults["create_transfer"] = [fault]
    go_on = await stuck_in_its_call(payouts)
    await payouts.hear_cancellation(3)
    try:
        await go_on()
    except ProcessDied:
        payouts = payouts.crashed()
    await pay(payouts, turns=40)
    made = fault in ("crash_after", "timeout_after")
    assert len(payouts.provider.transfers) == int(made)
    whole = {f"ch_{number}": amount for number, amount in EXAMPLE.items()}
    assert payouts.provider.refunded == (AFTER_ONE if made else whole)
    assert (await the(payouts, 1)).state is (StageState.PAID if made else StageState.CANCELLED)
    asked = [call for call in payouts.provider.calls if call[0] == "create_transfer"]
    assert len(asked) == 1, "what may have been made is looked up, not sent once more"
    await payouts.assert_books_true()


@pytest.mark.parametrize("refusals", [1, 3])
async def test_a_payout_refused_on_the_creator_s_account_goes_on(
    payouts: Payouts, refusals: int
) -> None:
    """The money has left the backers: no second transfer, and the run does not wait for it."""
    await met(payouts)
    payouts.provider.faults["create_payout"] = ["decline"] * refusals
    while (await the(payouts, 1)).failures < refusals:
        await pay(payouts, turns=1)
    assert (await the(payouts, 1)).state is StageState.FAILED
    await payouts.hear_cancellation(3)
    await payouts.turn_run_only()
    assert len(await payouts.queries.refunds(CAMPAIGN, "", 10)) == 3
    await pay(payouts)
    assert payouts.provider.refunded == AFTER_ONE
    stage = await the(payouts, 1)
    assert stage.state is (StageState.PAID if refusals == 1 else StageState.FAILED)
    assert len(payouts.provider.transfers) == 1
    await payouts.assert_books_true()


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_both_commit_orders_of_cancelling_and_approving(
    database: Database, cancel_first: bool
) -> None:
    """An approval that comes first falls; one that comes second is refused; the money is one's."""
    hearing, deciding = mongo_payouts(database), mongo_payouts(database)
    deciding.provider = hearing.provider
    await paid(hearing, 1)
    deciding.clock.advance(seconds=(hearing.clock.now() - deciding.clock.now()).total_seconds())
    await show(hearing, 2)
    await decide(hearing, 2)
    steps: list[Callable[[], Awaitable[object]]] = [
        partial(hearing.hear_cancellation, 3),
        partial(approve, deciding, 2, 5_499),
    ]
    for step in steps if cancel_first else steps[::-1]:
        refused = cancel_first and step is steps[1]
        with pytest.raises(Refused, match="nothing more is paid out") if refused else nullcontext():
            await step()
    await hearing.work_off()
    assert await states(hearing) == ["paid", "cancelled", "cancelled"]
    assert hearing.provider.refunded == AFTER_ONE
    assert len(await hearing.published("stage-approved")) == (1 if cancel_first else 2)
    await hearing.assert_books_true()


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_both_commit_orders_of_cancelling_and_sending(
    cancel_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before or just behind the note of its call: what is not noted is not sent."""
    payouts = memory_payouts()
    await met(payouts)
    await payouts.turn()
    payouts.clock.advance(seconds=90)
    leave = PayStages._leave

    async def interrupted(self: PayStages, claim: Claim, stage: Stage) -> Stage:
        noting = stage.attempt.state is AttemptState.INTENDED
        if noting and cancel_first:
            await payouts.hear_cancellation(3)
        saved = await leave(self, claim, stage)
        if noting and not cancel_first:
            await payouts.hear_cancellation(3)
        return saved

    monkeypatch.setattr(PayStages, "_leave", interrupted)
    await pay(payouts)
    assert (await payouts.queries.book(CAMPAIGN) or a_book()).cancellation is not None
    assert len(payouts.provider.transfers) == int(not cancel_first)
    whole = {f"ch_{number}": amount for number, amount in EXAMPLE.items()}
    assert payouts.provider.refunded == (whole if cancel_first else AFTER_ONE)
    await payouts.assert_books_true()


@pytest.mark.trap(2)
@settings(max_examples=200)
@given(
    amounts=st.lists(st.integers(1, 900_000_000), min_size=1, max_size=12),
    left=st.integers(0, 10_000),
)
def test_page_by_page_is_what_all_at_once_is(amounts: list[int], left: int) -> None:
    """Each share follows from what was frozen and its own entitlement, to the unit."""
    entitled = [Entitlement(f"pledge-{n}", amount) for n, amount in enumerate(amounts)]
    distributable = sum(amounts) * left // 10_000
    division = freeze(distributable, entitled[::-1])
    assert tuple(share_of(division, one) for one in entitled) == divide(distributable, entitled)


@pytest.mark.trap(2)
@settings(max_examples=30)
@given(
    amounts=st.lists(st.integers(1, 5_000), min_size=1, max_size=8),
    page_size=st.sampled_from([1, 2, 500]),
    crashes=st.booleans(),
)
def test_a_run_in_pages_pays_the_shares(amounts: list[int], page_size: int, crashes: bool) -> None:
    """Pages of one, of two, of all; a process that dies between them changes nobody's share."""

    async def story() -> None:
        payouts = memory_payouts()
        whole = await met_with(payouts, amounts)
        await pay(payouts)
        gone = (await the(payouts, 1)).payable
        await payouts.hear_cancellation(len(amounts))
        while (await payouts.work.backlog(REFUND_RUN)).items:
            for claim in await payouts.claim(REFUND_RUN):
                now = payouts.clock.now()
                while (
                    await run_page(payouts.units, claim, payouts.rewards_read, now, page_size)
                    is Progress.GOES_ON
                ):
                    payouts = payouts.crashed() if crashes else payouts
            payouts.clock.advance(seconds=60)
        entitled = [Entitlement(f"ch_{n}", a) for n, a in enumerate(amounts, 1)]
        shares = {s.pledge_id: s.amount for s in divide(whole - gone, entitled) if s.amount}
        refunds = await payouts.queries.refunds(CAMPAIGN, "", 10)
        assert {r.payment_reference: r.amount for r in refunds} == shares
        await payouts.assert_books_true()

    asyncio.run(story())


async def met_with(payouts: Payouts, amounts: Sequence[int]) -> int:
    for number, amount in enumerate(amounts, 1):
        await payouts.collect(number, amount=amount)
    whole, count = sum(amounts), len(amounts)
    verdict = Verdict(Outcome.GOAL_MET, whole, count, count, SHARES, NOW)
    await take(payouts, [VerdictHeard(CAMPAIGN, "EUR", verdict, FEES)])
    await payouts.give_destination()
    return whole


async def test_what_comes_back_behind_the_run_is_divided_again(payouts: Payouts) -> None:
    """By what each pledge still lacks, once; money that nobody has a claim to stays."""
    await paid(payouts, 1)
    await payouts.hear_cancellation(3)
    share = ShareWhatCameBack(payouts.units, payouts.queries)
    await share(payouts.clock.now())
    await payouts.work_off()
    await share(payouts.clock.now())
    assert payouts.provider.refunded == AFTER_ONE
    for back, more in ((1_000, 0), (5_000, 2_334)):
        await come_back(payouts, back)
        for _ in range(2):
            await share(payouts.clock.now())
            await payouts.work_off()
        assert await held(payouts) == more
    assert payouts.provider.refunded == {f"ch_{n}": amount for n, amount in EXAMPLE.items()}
    refunds = await payouts.queries.refunds(CAMPAIGN, "", 20)
    base = f"campaign-cancelled/{CAMPAIGN}"
    assert {refund.cause for refund in refunds} == {base, f"{base}/2", f"{base}/3"}
    told = [one.model_dump() for one in await payouts.published("refund-succeeded")]
    full = [one["pledge_id"] for one in told if one["fully_refunded"]]
    assert sorted(full) == ["pledge-1", "pledge-2", "pledge-3"], "told with the last of its refunds"


async def come_back(payouts: Payouts, amount: int) -> None:
    """Money that was never counted here lies in the book: as much as the test wants."""
    payouts.provider.cash += amount

    async def work(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        posting = pledge_collected(amount, 0, f"txn-back-{amount}")
        await unit.books.save([await post(unit, book, [posting], payouts.clock.now())])

    await payouts.units.run(work)


@pytest.mark.trap(23)
@pytest.mark.parametrize("keys_live", [True, False])
@pytest.mark.parametrize("backup_at", ["pledges", "verdict", "paid", "cancelled", "page"])
@pytest.mark.parametrize("unpublished", [0, 1])
async def test_a_restored_payouts_pays_nobody_twice(
    backup_at: str, keys_live: bool, unpublished: int
) -> None:
    """From whichever place the backup is, the shares are what they were, each once."""
    payouts = memory_payouts()
    backup = back_up(payouts)
    steps: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("pledges", partial(collected, payouts)),
        ("verdict", partial(payouts.hear_verdict, Outcome.GOAL_MET, 3, TOTAL // 3)),
        ("verdict", payouts.give_destination),
        ("paid", partial(pay, payouts)),
        ("cancelled", partial(payouts.hear_cancellation, 3)),
        ("page", partial(one_page, payouts)),
        ("done", partial(pay, payouts)),
    ]
    for name, step in steps:
        await step()
        if name == backup_at:
            backup = back_up(payouts)
    assert payouts.provider.refunded == AFTER_ONE
    ledger = await ledger_of(payouts)
    ledger = ledger[: len(ledger) - unpublished]
    cash = payouts.provider.cash
    payouts.clock.advance(seconds=1 if keys_live else 25 * 3_600)
    again = restore(payouts, backup)
    await roll_forward(again, ledger)
    names = [name for name, _ in steps]
    if names.index(backup_at) < names.index("verdict"):
        await again.hear_verdict(Outcome.GOAL_MET, 3, TOTAL // 3)
    if names.index(backup_at) < names.index("cancelled"):
        await again.hear_cancellation(3)
    again.provider.cash = cash
    assert [line for line in await recover(again) if "a person" in line] == []
    await again.work_off(hours=6)
    await pay(again)
    assert again.provider.refunded == AFTER_ONE
    assert [m.type for m in again.provider.movements] == ["transfer"] + ["refund"] * 3
    assert await states(again) == ["paid", "cancelled", "cancelled"]
    book = await again.queries.book(CAMPAIGN)
    assert book is not None and (book.unclaimed, book.ahead) == (0, {})
    await again.assert_books_true()
    await assert_the_ledger_goes_on(again, ledger)


async def collected(payouts: Payouts) -> None:
    for number, amount in EXAMPLE.items():
        await payouts.collect(number, amount=amount)


async def one_page(payouts: Payouts) -> None:
    """The first two refunds are created, and sent."""
    (claim,) = await payouts.claim(REFUND_RUN)
    for _ in range(2):
        assert (
            await run_page(payouts.units, claim, payouts.rewards_read, payouts.clock.now(), 2)
            is Progress.GOES_ON
        )
    for claimed in await payouts.claim(REFUND):
        await payouts.refunds(claimed)


def test_the_fact_says_what_to_do() -> None:
    """Behind a verdict it is no verdict: what is left goes back by shares as of its N."""
    read = decode(Draft(sample(funding.CampaignCancelled), NOW).seal(2))
    assert isinstance(read, Decoded)
    event = read.event
    assert isinstance(event, funding.CampaignCancelled) and event.after_verdict
    heard = wire.verdict_from(read)
    assert isinstance(heard, CancellationHeard)
    assert heard.cancellation == Cancellation(event.pledges_sequence, event.cancelled_at)


@pytest.mark.trap(1)
async def test_a_staff_refund_before_the_end_is_out_of_the_shares(payouts: Payouts) -> None:
    """Its answer is waited for, it is taken back no more, and its pledge shares by the rest."""
    await paid(payouts, 1)
    part = Wanted("part", "pledge-1", 2_000, "a broken lamp")
    refund = await approved_refund(payouts, await asked_refund(payouts, part))
    payouts.provider.faults["create_refund"] = ["timeout_after"]
    for claim in await payouts.claim(REFUND):
        await payouts.refunds(claim)
    await payouts.hear_cancellation(3)
    await payouts.turn_run_only()
    assert len(await payouts.queries.refunds(CAMPAIGN, "", 10)) == 1
    with pytest.raises(Refused, match="is the backer's by now"):
        await taken_back(payouts, refund)
    await payouts.work_off()
    left = [Entitlement(f"ch_{n}", a - 2_000 * (n == 1)) for n, a in EXAMPLE.items()]
    shares = {share.pledge_id: share.amount for share in divide(TOTAL - 3_666 - 2_000, left)}
    assert payouts.provider.refunded == shares | {"ch_1": shares["ch_1"] + 2_000}
    assert await held(payouts) == 0
    await payouts.assert_books_true()


async def test_no_further_run_begins_while_the_ledger_knows_more(
    payouts: Payouts, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refund may have been made: nobody is paid on a guess, and a person is told to look."""
    await paid(payouts, 1)
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    await come_back(payouts, 1_000)

    async def forget(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        await unit.books.save([replace(book, unclaimed=1)])

    assert await unclaimed_ledgers(payouts.queries, "", 10) == []
    await payouts.units.run(forget)
    await ShareWhatCameBack(payouts.units, payouts.queries)(payouts.clock.now())
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_ONE
    [waiting] = await unclaimed_ledgers(payouts.queries, "", 10)
    assert (waiting.campaign_id, waiting.postings, waiting.undivided) == (CAMPAIGN, 1, 1_000)
    assert await unclaimed_ledgers(payouts.queries, CAMPAIGN, 10) == []
    await MeasureQueues(payouts.queries)(payouts.clock.now())
    assert REGISTRY.get_sample_value("sosst_payouts_unclaimed_ledgers") == 1
    asked, now = Namespace(name="unclaimed-ledger"), payouts.clock.now()
    await perform_queue(asked, payouts.queries, payouts.adjust, now, timedelta(0))
    line, last = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{CAMPAIGN} 1 postings, 1000 EUR are not divided")
    assert last == "1 campaigns wait in unclaimed-ledger"


async def test_how_far_the_runs_are_is_measured(payouts: Payouts) -> None:
    """What is not created, and what is not sent; the pace of the last look says how long."""

    def measured() -> list[float | None]:
        return [
            REGISTRY.get_sample_value(f"sosst_payouts_run_{name}")
            for name in ("remaining", "eta_seconds")
        ]

    measure = MeasureQueues(payouts.queries)
    await paid(payouts, 1)
    await measure(payouts.clock.now())
    assert measured() == [0, 0]
    await payouts.hear_cancellation(3)
    await measure(payouts.clock.now())
    assert measured() == [3, inf], "nothing has moved"
    await one_page(payouts)
    payouts.clock.advance(seconds=10)
    await measure(payouts.clock.now())
    assert measured() == [1, 5], "two in ten seconds, one to go"
    await pay(payouts)
    await measure(payouts.clock.now())
    assert measured() == [0, 0]
