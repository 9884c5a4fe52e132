"""Each invariant of a book has an offender, a write that no rule made; it is found and named."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payouts.domain.block import Block
from payouts.domain.book import Outcome
from payouts.domain.dispute import DisputeState, hear
from payouts.domain.integrity import (
    REFUND_ACCOUNTS,
    STAGE_ACCOUNTS,
    Invariant,
    Kept,
    PledgeSums,
    of_book,
    of_kept,
)
from payouts.domain.ledger import Account
from payouts.domain.pledge_money import charge_back, lose_to_bank
from payouts.domain.postings import dispute_lost, dispute_opened
from payouts.domain.refund import RefundState, request
from payouts.domain.stage import StageState
from payouts.handlers.check_books import COMPARED_AGAIN, check_changed, check_round
from payouts.handlers.posting import post
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.books import CheckAllBooks, CheckBooks
from servicekit import metrics
from servicekit.mongo import Database
from services.payouts.tests.builders import a_book, a_verdict, seen_dispute
from services.payouts.tests.conftest import CAMPAIGN, Payouts, mongo_payouts

DAY = timedelta(days=1)
Spoil = Callable[[PayoutsUnit], Awaitable[None]]


async def a_life(payouts: Payouts) -> None:
    """Three pledges, one of them withdrawn and returned; a stage is paid."""
    await payouts.collect(1, 2, 3)
    await payouts.withdraw(3, 4)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, sequence=4)
    await payouts.give_destination()
    await payouts.live(600)


async def sweep(payouts: Payouts) -> Mapping[str, int]:
    """Check what changed; return how many books violate what, as the metric says it."""
    await CheckBooks(payouts.queries, payouts.checks)(payouts.clock.now())
    labels = [invariant.value for invariant in Invariant]
    values = {one: int(metrics.INVARIANT_VIOLATIONS.labels(one)._value.get()) for one in labels}
    return {one: value for one, value in values.items() if value}


async def changed(payouts: Payouts) -> list[str]:
    return [book.campaign_id for book in await payouts.checks.changed("", 10)]


async def the_book(payouts: Payouts) -> Any:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book


async def a_chargeback(payouts: Payouts) -> None:
    """One is open, and after another one that was lost the creator owes the platform."""
    await a_life(payouts)
    payouts.provider.dispute("ch_1", 5_000)
    for _ in range(3):
        await payouts.turn()
        payouts.clock.advance(seconds=30)

    async def lend(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        lost = dispute_lost("dp_lost", 700, 0, 0, 700)
        open_ = dispute_opened(700, 0, 0, "txn_dp_lost")
        now = payouts.clock.now()
        await unit.books.save([await post(unit, book, [open_, lost], now)])
        gone = hear(seen_dispute(dispute_id="dp_lost", amount=700), now)
        gone = replace(gone, campaign_id=CAMPAIGN, state=DisputeState.LOST, owed=700)
        await unit.disputes.save(gone)
        money = (await unit.pledges.load(["pledge-2"]))["pledge-2"]
        await unit.pledges.save([lose_to_bank(charge_back(money, 700), 700)])

    await payouts.units.run(lend)


async def _touched(unit: PayoutsUnit) -> None:
    await unit.books.save(list((await unit.books.load([CAMPAIGN])).values()))


async def _another_reserve(unit: PayoutsUnit) -> None:
    dispute = await unit.disputes.load("dp_0")
    assert dispute is not None
    await unit.disputes.save(replace(dispute, reserved=dispute.reserved - 1))
    await _touched(unit)


async def _a_forgotten_dispute(unit: PayoutsUnit) -> None:
    """It is said to be won, and no posting gave the money back."""
    dispute = await unit.disputes.load("dp_0")
    assert dispute is not None
    await unit.disputes.save(replace(dispute, state=DisputeState.WON))
    await _touched(unit)


async def _a_smaller_debt(unit: PayoutsUnit) -> None:
    (debt,) = (await unit.receivables.load(CAMPAIGN)).values()
    await unit.receivables.save([replace(debt, settled=1)])
    await _touched(unit)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_another_reserve, {"I5", "I6"}),
        (_a_forgotten_dispute, {"I5"}),
        (_a_smaller_debt, {"I5"}),
    ],
)
async def test_a_dispute_and_a_debt_that_no_posting_made_are_found(
    payouts: Payouts, spoil: Spoil, named: set[str]
) -> None:
    """Disputes, pledges and debts against their accounts, each with its offender."""
    await a_chargeback(payouts)
    assert await sweep(payouts) == {}
    await payouts.units.run(spoil)
    payouts.clock.advance(seconds=COMPARED_AGAIN.total_seconds())
    assert (await sweep(payouts)).keys() == named


async def test_every_moment_of_a_life_is_right_and_is_looked_at_once(payouts: Payouts) -> None:
    """What was found right is not read again until it is saved again."""
    await a_life(payouts)
    assert await changed(payouts) == [CAMPAIGN]
    assert await sweep(payouts) == {}
    assert await changed(payouts) == []
    await payouts.collect(5, counted=False)
    assert await changed(payouts) == [CAMPAIGN]


async def test_what_is_proven_is_not_read_again(payouts: Payouts) -> None:
    """The second check of a book reads from its last proven block on."""
    await a_life(payouts)
    await sweep(payouts)
    before = await payouts.checks.mark(CAMPAIGN)
    await payouts.collect(5, counted=False)
    asked: list[int] = []
    blocks = payouts.queries.blocks

    async def noted(campaign_id: str, after: int, limit: int) -> list[Block]:
        asked.append(after)
        return await blocks(campaign_id, after, limit)

    payouts.queries.blocks = noted  # type: ignore[method-assign]
    assert await sweep(payouts) == {}
    assert before is not None and asked[0] == before.number - 1 > 0
    after = await payouts.checks.mark(CAMPAIGN)
    assert after is not None and after.number == before.number + 1


async def test_documents_are_added_up_again_after_a_while(payouts: Payouts) -> None:
    """A busy campaign is not summed with every block; until it was, it stays with the changed."""
    await a_life(payouts)
    await sweep(payouts)
    await payouts.collect(5, counted=False)
    await sweep(payouts)
    assert await changed(payouts) == [CAMPAIGN]
    payouts.clock.advance(seconds=COMPARED_AGAIN.total_seconds())
    await sweep(payouts)
    assert await changed(payouts) == []


async def test_a_book_that_waits_for_pledges_is_looked_at_again(payouts: Payouts) -> None:
    """The verdict came before the pledges: it waits, and is measured, until they are here."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    assert await sweep(payouts) == {} and await changed(payouts) == [CAMPAIGN]
    assert metrics.AS_OF_WAITING._value.get() == 1
    await payouts.collect(2)
    payouts.clock.advance(seconds=COMPARED_AGAIN.total_seconds())
    assert await sweep(payouts) == {} and await changed(payouts) == []
    assert metrics.AS_OF_WAITING._value.get() == 0


async def _cash_from_nowhere(unit: PayoutsUnit) -> None:
    book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
    more = {**book.balances, Account.PROVIDER_BALANCE: book.balances[Account.PROVIDER_BALANCE] + 1}
    await unit.books.save([replace(book, balances=more)])


async def _another_count(unit: PayoutsUnit) -> None:
    book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
    await unit.books.save([replace(book, counted=book.counted + 1)])


async def _another_refund(unit: PayoutsUnit) -> None:
    """A refund saved without its posting, and without its pledge's money."""
    book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
    money = (await unit.pledges.load(["pledge-1"]))["pledge-1"]
    await unit.refunds.save([request(money, "nobody's cause", book.verdict.reached_at).refund])
    await unit.books.save([book])


async def _a_pledge_given_away(unit: PayoutsUnit) -> None:
    """A pledge whose money is said to have been returned, without any posting."""
    money = (await unit.pledges.load(["pledge-1"]))["pledge-1"]
    await unit.pledges.save([replace(money, returnable=0, returned=money.amount)])
    await unit.books.save(list((await unit.books.load([CAMPAIGN])).values()))


async def _a_stage_unpaid(unit: PayoutsUnit) -> None:
    """A paid stage whose document went back: it would be paid a second time."""
    stage = (await unit.stages.load(CAMPAIGN))[0]
    await unit.stages.save([replace(stage, state=StageState.APPROVED)])
    await unit.books.save(list((await unit.books.load([CAMPAIGN])).values()))


async def _a_larger_stage(unit: PayoutsUnit) -> None:
    """A paid stage that says it was paid more than the book moved."""
    stage = (await unit.stages.load(CAMPAIGN))[0]
    await unit.stages.save([replace(stage, amount=stage.payable + 1)])
    await unit.books.save(list((await unit.books.load([CAMPAIGN])).values()))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_cash_from_nowhere, {"I2", "I4"}),
        (_another_count, {"verdict"}),
        (_another_refund, {"I5"}),
        (_a_pledge_given_away, {"I5", "I6"}),
        (_a_stage_unpaid, {"I5"}),
        (_a_larger_stage, {"I6"}),
    ],
)
async def test_a_buggy_write_is_found_and_named(
    payouts: Payouts, spoil: Spoil, named: set[str]
) -> None:
    """It is counted at every check until it is right again."""
    await a_life(payouts)
    assert await sweep(payouts) == {}
    await payouts.units.run(spoil)
    payouts.clock.advance(seconds=COMPARED_AGAIN.total_seconds())
    assert (await sweep(payouts)).keys() == named
    assert (await sweep(payouts)).keys() == named
    assert await changed(payouts) == [CAMPAIGN]


def test_an_account_on_its_wrong_side_is_named() -> None:
    """I1, and I2 with it; the database refuses such a book, this finds one that it let through."""
    book = replace(a_book(), balances={**a_book().balances, Account.CLAIMABLE: -5})
    named = {(one.invariant, one.detail) for one in of_book(book)}
    assert named == {
        (Invariant.SIDES, "claimable is 5 on the wrong side"),
        (Invariant.CASH_IS_HELD, "cash outside is 0, held for people is -5"),
    }
    assert of_book(a_book()) == []
    assert [
        one.invariant for one in of_book(replace(a_book(), pledges_sequence=3, verdict=a_verdict()))
    ] == [Invariant.VERDICT]


def test_pledges_that_disagree_with_refunds_are_named() -> None:
    """I5 holds between pledges and refunds too, where both differ from nothing in the book."""
    kept = Kept(a_book(), PledgeSums(amount=10, reserved=10), {}, 0, ())
    assert [one.invariant for one in of_kept(kept)] == [Invariant.CONTROL_ACCOUNTS]
    refunds = {RefundState.REQUESTED: 7, RefundState.CLAIMABLE: 3}
    balances = {**a_book().balances, Account.REFUNDS_IN_FLIGHT: 7, Account.CLAIMABLE: 3}
    assert of_kept(replace(kept, book=replace(a_book(), balances=balances), refunds=refunds)) == []


def test_every_state_says_where_its_money_is_booked() -> None:
    """The money of a state that is forgotten here would be nobody's."""
    assert REFUND_ACCOUNTS.keys() == set(RefundState)
    assert STAGE_ACCOUNTS.keys() == set(StageState)


async def _edit(database: Database, collection: str, query: Any, change: Any) -> None:
    await database.collection(collection).update_one(query, change)


async def test_a_day_s_round_finds_what_no_save_announced(database: Database) -> None:
    """A refund edited by hand is found within a day, joins the changed, and is counted there."""
    payouts = mongo_payouts(database)
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.work_off()
    await sweep(payouts)
    await check_round(payouts.queries, payouts.checks, 10, payouts.clock.now())
    await _edit(database, "refunds", {}, {"$set": {"amount": 1}})
    assert await sweep(payouts) == {}
    sweep_all = CheckAllBooks(payouts.queries, payouts.checks)
    payouts.clock.advance(seconds=23 * 3_600)
    await sweep_all(payouts.clock.now())
    assert await changed(payouts) == []
    payouts.clock.advance(seconds=3_600)
    await sweep_all(payouts.clock.now())
    assert await changed(payouts) == [CAMPAIGN]
    assert (await sweep(payouts)).keys() == {"I5"}


async def test_a_round_goes_on_where_a_process_ended(payouts: Payouts) -> None:
    """Pages are kept; the next day's round begins at the first book again."""
    await payouts.collect(1)
    now = payouts.clock.now()
    _, begun = await check_round(payouts.queries, payouts.checks, 1, now)
    assert (begun.after, begun.finished) == (CAMPAIGN, False)
    _, ended = await check_round(payouts.queries, payouts.checks, 1, now + timedelta(hours=1))
    assert (ended.begun_at, ended.finished) == (now, True)
    assert await check_round(payouts.queries, payouts.checks, 1, now + timedelta(hours=2)) == (
        [],
        ended,
    )
    _, again = await check_round(payouts.queries, payouts.checks, 1, now + DAY)
    assert (again.begun_at, again.after) == (now + DAY, CAMPAIGN)


async def _tampered(database: Database) -> None:
    change = {"$set": {"entries.0.entry.amount": 4_999}}
    await _edit(database, "blocks", {"number": 1}, change)


async def _removed(database: Database) -> None:
    await database.collection("blocks").delete_one({"number": 2})


@pytest.mark.parametrize("spoil", [_tampered, _removed])
async def test_a_block_behind_the_mark_is_found_by_the_round(
    database: Database, spoil: Callable[[Database], Awaitable[None]]
) -> None:
    """I4: the mark spares the reading, and does not excuse the block."""
    payouts = mongo_payouts(database)
    await a_life(payouts)
    await sweep(payouts)
    await spoil(database)
    assert await sweep(payouts) == {}
    found, _ = await check_round(payouts.queries, payouts.checks, 10, payouts.clock.now())
    assert {one.invariant for one in found} == {Invariant.CHAIN}
    assert (await sweep(payouts)).keys() == {"I4"}


async def test_a_tail_cut_with_its_book_is_found_by_the_mark(database: Database) -> None:
    """Database, book and chain agree with each other again, and still something was proven here."""
    payouts = mongo_payouts(database)
    await payouts.collect(1)
    one = await the_book(payouts)
    money = await database.collection("pledge_money").find_one({})
    await payouts.collect(2)
    await sweep(payouts)
    await database.collection("blocks").delete_one({"number": 2})
    await database.collection("pledge_money").delete_many({"_id": {"$ne": money["_id"]}})
    back = replace(one, version=2)
    await payouts.units.run(lambda unit: unit.books.save([back]))
    for _ in range(2):
        assert (await sweep(payouts)).keys() == {"I4"}


async def test_a_book_saved_while_it_is_checked_stays_changed(payouts: Payouts) -> None:
    """What the check read is not what is there now."""
    await payouts.collect(1)
    read = await the_book(payouts)
    await payouts.collect(2)
    await check_changed(payouts.queries, payouts.checks, read, payouts.clock.now())
    assert await changed(payouts) == [CAMPAIGN]
