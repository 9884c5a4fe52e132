"""Fees that two people give up: before the last stage less is taken, afterwards it comes back."""

import asyncio
from dataclasses import replace

import pytest

from payouts.domain.book import Book, Waiver
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.plan import StageKind
from payouts.domain.receivable import EndKind, Proposed
from payouts.domain.stage import StageState
from payouts.handlers.waivers import WaiveFees
from payouts.handlers.work_kinds import INVOICE
from services.payouts.tests.builders import LIMIT
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_disputes import LOST, decided, opened
from services.payouts.tests.test_later_stages import CREATOR, approve, first_paid, pay, the
from services.payouts.tests.test_receivables import end
from services.payouts.tests.test_staff_refunds import all_stages_paid, last_milestone_approved

NAME, WHY = "waiver-1", "we paid late"


async def said(
    payouts: Payouts, number: int, amount: int = 200, name: str = NAME, why: str = WHY
) -> Waiver:
    """One person says it, in a process of its own."""
    waive = WaiveFees(payouts.units, payouts.queries, payouts.stages.funds, payouts.clock)
    return await waive(CAMPAIGN, name, amount, why, f"staff-{number}")


async def refused(payouts: Payouts, number: int, **words: object) -> str:
    with pytest.raises(Refused) as found:
        await said(payouts, number, **words)  # type: ignore[arg-type]
    return found.value.reason


async def the_book(payouts: Payouts) -> Book:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book


async def test_before_the_last_stage_less_is_taken(payouts: Payouts) -> None:
    """F 5.00, P 3.50 and 20 % of both; 2.00 of F given up leaves 3.00, 3.50 and 1.30."""
    await last_milestone_approved(payouts)
    await said(payouts, 1)
    assert (await the_book(payouts)).waived == 0
    await said(payouts, 2)
    await approve(payouts, 3, 5_000 - 780, limit=LIMIT)
    await pay(payouts)
    book = await the_book(payouts)
    fees = (Account.PLATFORM_FEE_INCOME, Account.PROCESSING_FEE_INCOME, Account.TAX_PAYABLE)
    assert [book.balances[account] for account in fees] == [300, 350, 130]
    assert (await the(payouts, 3)).state is StageState.PAID
    await payouts.assert_books_true()


async def test_after_the_last_stage_it_comes_back_as_a_supplement(payouts: Payouts) -> None:
    """With its tax, out of the float; the creator gets it after an approval as any supplement."""
    await all_stages_paid(payouts)
    for number in (1, 2):
        await said(payouts, number)
    book = await the_book(payouts)
    assert book.balances[Account.PLATFORM_FEE_INCOME] == 300
    assert book.balances[Account.TAX_PAYABLE] == 130
    assert book.balances[Account.BACKER_FUNDS] == 240
    await payouts.assert_books_true()
    documents = [claim.item.payload for claim in await payouts.claim(INVOICE)]
    notes = [one for one in documents if one["document"] == "credit_note"]
    assert [(one["platform"], one["tax"]) for one in notes] == [(200, 40)]
    supplement = await the(payouts, 4)
    assert supplement.kind is StageKind.SUPPLEMENT
    await approve(payouts, 4, 240, revision=0, by="staff-3", limit=LIMIT)
    await pay(payouts)
    assert (await the(payouts, 4)).state is StageState.PAID
    await payouts.assert_books_true()


@pytest.mark.parametrize("falls", [False, True])
async def test_what_comes_back_while_a_supplement_is_approved_is_another_one(
    payouts: Payouts, falls: bool
) -> None:
    """Its amount is signed: the rest waits behind it, or goes with it where the approval falls."""
    await all_stages_paid(payouts)
    for number in (1, 2):
        await said(payouts, number)
    await approve(payouts, 4, 240, revision=0, by="staff-3", limit=LIMIT)
    for number in (1, 2):
        await said(payouts, number, 100, "waiver-2")
    assert [(await the(payouts, n)).state for n in (4, 5)] == [
        StageState.APPROVED,
        StageState.PLANNED,
    ]
    if falls:
        await payouts.give_destination("acct_2")
        await payouts.turn()
        await approve(payouts, 4, 360, revision=0, by="staff-3", version=2, limit=LIMIT)
    await pay(payouts, 8)
    if falls:
        assert (await the(payouts, 5)).state is StageState.NOTHING_TO_PAY
    else:
        await approve(payouts, 5, 120, revision=0, by="staff-3", limit=LIMIT)
        await pay(payouts, 8)
        assert (await the(payouts, 5)).state is StageState.PAID
    assert (await the(payouts, 4)).state is StageState.PAID
    assert (await the_book(payouts)).balances[Account.BACKER_FUNDS] == 0
    await payouts.assert_books_true()


async def test_two_people_say_it_and_each_only_once(payouts: Payouts) -> None:
    """One person is never both, whoever has an interest neither; a week later it begins anew."""
    await first_paid(payouts)
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: CREATOR}))
    await asyncio.gather(*(said(payouts, 1) for _ in range(3)))
    assert (await said(payouts, 1)).second_by is None
    assert await refused(payouts, 2, amount=201) == "waiver-known"
    waive = WaiveFees(payouts.units, payouts.queries, payouts.stages.funds, payouts.clock)
    for person, reason in ((CREATOR, "creator-approves"), ("backer-1", "backer-approves")):
        with pytest.raises(Refused) as found:
            await waive(CAMPAIGN, NAME, 200, WHY, person)
        assert found.value.reason == reason
    payouts.clock.advance(seconds=7 * 86_400)
    assert (await said(payouts, 2)).second_by is None
    assert (await said(payouts, 3)).second_by == "staff-3"
    assert (await said(payouts, 2)).second_by == "staff-3"
    assert await refused(payouts, 4) == "already-decided"
    assert (await the_book(payouts)).waived == 200


async def test_no_more_is_given_up_than_the_fee(payouts: Payouts) -> None:
    """Before and after; two at once do not pass it together."""
    await last_milestone_approved(payouts)
    assert await refused(payouts, 1, amount=501) == "above-fee"
    for name in ("one", "other"):
        await said(payouts, 1, 300, name)
    answers = await asyncio.gather(
        *(said(payouts, 2, 300, name) for name in ("one", "other")), return_exceptions=True
    )
    assert [a.reason for a in answers if isinstance(a, Refused)] == ["above-fee"]
    assert (await the_book(payouts)).waived == 300


async def test_a_fee_that_was_written_off_is_not_paid_out_by_a_waiver(payouts: Payouts) -> None:
    """The creator never paid it: giving it up once more would send them the platform's money."""
    await last_milestone_approved(payouts)
    await decided(payouts, await opened(payouts, 2, 4_000), LOST)
    await approve(payouts, 3, 0, limit=LIMIT)
    [debt] = await payouts.queries.receivables(CAMPAIGN)
    assert debt.open == 20
    await said(payouts, 1)
    written_off = Proposed(EndKind.WRITTEN_OFF, 20, "gone", "staff-1", payouts.clock.now())
    for name in ("staff-1", "staff-2"):
        await end(payouts, debt, replace(written_off, by=name))
    assert await refused(payouts, 2) == "fee-written-off"
    assert (await the_book(payouts)).balances[Account.BACKER_FUNDS] == 0
    await payouts.assert_books_true()


async def test_while_an_approval_may_still_fall_nothing_is_given_up() -> None:
    """What is undone in part could not be undone as a whole."""
    payouts = memory_payouts()
    await last_milestone_approved(payouts)
    await approve(payouts, 3, 5_000 - 1_020, limit=LIMIT)
    assert await refused(payouts, 1) == "last-stage-unsettled"


async def test_the_platform_gives_back_only_what_it_has_there() -> None:
    """R2: the float must cover what comes back; nothing is given up until it does."""
    payouts = memory_payouts()
    await all_stages_paid(payouts)
    await said(payouts, 1)
    cash, payouts.provider.cash = payouts.provider.cash, 100
    payouts.clock.advance(seconds=2)
    assert await refused(payouts, 2) == "top-up-needed"
    payouts.provider.cash = cash
    assert (await said(payouts, 2)).second_by == "staff-2"
