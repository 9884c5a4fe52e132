"""What the platform had paid for a cancelled campaign is its own again, as two people say."""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from infra.servicekit.tests.costs import cost_of
from payouts.commands import perform_queue
from payouts.domain.adjustment import Residue
from payouts.domain.book import Adjustment, Cancellation, Outcome, RefundRun
from payouts.domain.book_state import BookState
from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.integrity import Invariant, Kept
from payouts.domain.ledger import EMPTY, Account
from payouts.domain.refund import RefundState
from payouts.domain.two_people import VALID
from payouts.handlers.adjustments import LOOKS_MAX, Adjust
from payouts.handlers.check_books import check_whole
from payouts.ports.integrity import BookChecks
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.refunds import ShareWhatCameBack, UnblockRefunds
from servicekit.mongo import Database
from servicekit.own_topics import Unexplained
from servicekit.problems import install_problems
from services.payouts.tests.builders import NOW, a_book
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts, mongo_payouts
from services.payouts.tests.test_cancelling_with_rewards import (
    OPENED,
    RESOLVED,
    claim_fact,
    delivery,
)
from services.payouts.tests.test_cancelling_with_rewards import told as rewards_told
from services.payouts.tests.test_claim_money import BY_PLATFORM, claim_given, reason_of
from services.payouts.tests.test_claim_money import told as creator_told
from services.payouts.tests.test_closing import all_zero, rest
from services.payouts.tests.test_disputes import LOST, WON, decided, opened, the_book
from services.payouts.tests.test_facts_set_aside import NEWS, read, spoilt
from services.payouts.tests.test_facts_set_aside import told as fact_told
from services.payouts.tests.test_fec import even, exported
from services.payouts.tests.test_http import api_of, problem
from services.payouts.tests.test_later_stages import CREATOR, first_paid
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_reconciliation import compared
from services.payouts.tests.test_recover import (
    REFUNDS,
    assert_the_ledger_goes_on,
    back_up,
    numbered,
    recover,
    recovery_of,
    restore,
    roll_forward,
)
from services.payouts.tests.test_staff_refunds import approved, balance, current

NAME, WHY, PAID = "adjustment-1", "it is ours", 1_000
STAFF = Caller("staff-1", ("staff",))
OTHER = Caller("staff-2", ("staff",))


async def met(payouts: Payouts) -> None:
    """Two pledges of a met goal, and nothing of it is paid."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await creator_told(payouts)


async def paid_by_the_platform(payouts: Payouts) -> None:
    """The platform gives a compensation by one of their payments."""
    await approved(payouts, await claim_given(payouts, BY_PLATFORM))
    await payouts.work_off()


async def cancelled(payouts: Payouts) -> None:
    await payouts.hear_cancellation(2)
    await payouts.work_off()


async def cancelled_after_it(payouts: Payouts) -> None:
    """Everybody has everything back, and the book holds as much as the platform gave."""
    await met(payouts)
    await paid_by_the_platform(payouts)
    await cancelled(payouts)


async def said(
    payouts: Payouts,
    number: int,
    amount: int = PAID,
    name: str = NAME,
    block: int | None = None,
    why: str = WHY,
    by: str = "",
) -> Adjustment:
    """One person says it, of the book as it is unless it is said which."""
    block = (await the_book(payouts)).head.block if block is None else block
    return await payouts.adjust(CAMPAIGN, name, amount, block, why, by or f"staff-{number}")


async def recouped(payouts: Payouts) -> int:
    """Return how much of the platform's compensations the campaign bears after all."""
    paid = await payouts.units.run(lambda unit: unit.refunds.of_platform(CAMPAIGN))
    return sum(one.recouped for one in paid)


async def refused(payouts: Payouts, number: int, **words: object) -> str:
    return await reason_of(said(payouts, number, **words))  # type: ignore[arg-type]


async def left(payouts: Payouts) -> Residue:
    residue, _ = await payouts.adjust.shown(CAMPAIGN)
    return residue


async def test_two_people_take_back_what_the_platform_paid_and_the_book_is_closed_to_zero(
    payouts: Payouts,
) -> None:
    """I7 of the one book that could not close: nothing is moved before the second word."""
    await cancelled_after_it(payouts)
    assert (await rest(payouts)).life.state is BookState.OPEN
    before = await payouts.stages.funds.read_to_lend("EUR")
    assert (await said(payouts, 1)).second_by is None
    assert await balance(payouts, Account.BACKER_FUNDS) == PAID
    assert (await said(payouts, 2)).second_by == "staff-2"
    after = await payouts.stages.funds.read_to_lend("EUR")
    assert before is not None and after is not None
    assert after.platform_float == before.platform_float + PAID
    for account in (Account.BACKER_FUNDS, Account.PROVIDER_BALANCE, Account.COMPENSATION_COSTS):
        assert await balance(payouts, account) == 0
    await payouts.assert_books_true()
    assert await compared(payouts) == ()
    closed = await rest(payouts)
    assert closed.life.state is BookState.CLOSED and all_zero(closed)
    await payouts.assert_books_true()
    even(await exported(payouts))


async def test_one_person_says_it_once_and_nobody_with_an_interest(payouts: Payouts) -> None:
    """Neither both roles, nor the creator, nor a backer; and what two have said is decided."""
    await cancelled_after_it(payouts)
    await asyncio.gather(*(said(payouts, 1) for _ in range(3)))
    assert (await said(payouts, 1)).second_by is None
    assert await refused(payouts, 2, amount=PAID - 1) == "adjustment-known"
    assert await refused(payouts, 2, why="another reason") == "adjustment-known"
    assert await refused(payouts, 0, by=CREATOR) == "creator-approves"
    assert await refused(payouts, 0, by="backer-1") == "backer-approves"
    assert await balance(payouts, Account.BACKER_FUNDS) == PAID
    block = (await the_book(payouts)).head.block
    given = await said(payouts, 2, block=block)
    assert (given.by, given.second_by) == ("staff-1", "staff-2")
    for number in (1, 2):
        assert await said(payouts, number, block=block) == given
    assert await refused(payouts, 3, block=block) == "already-decided"
    assert await refused(payouts, 3, name="again") == "above-recoverable"
    assert await balance(payouts, Account.BACKER_FUNDS) == 0


async def test_no_more_is_taken_back_than_was_paid(payouts: Payouts) -> None:
    """In parts as well, and nothing of a campaign that goes on."""
    await met(payouts)
    await paid_by_the_platform(payouts)
    assert await refused(payouts, 1) == "not-over"
    await cancelled(payouts)
    assert await refused(payouts, 1, amount=PAID + 1) == "above-recoverable"
    for number in (1, 2):
        await said(payouts, number, PAID - 300, "a part")
    assert await refused(payouts, 1, amount=301) == "above-recoverable"
    for number in (1, 2):
        await said(payouts, number, 300, "the rest")
    assert await recouped(payouts) == PAID
    assert (await left(payouts)).recoverable == 0
    await payouts.assert_books_true()


async def test_what_stages_took_with_it_is_not_taken_from_backers(payouts: Payouts) -> None:
    """After a paid stage all that is left is the backers', and the platform bears what it gave."""
    await first_paid(payouts)
    await creator_told(payouts)
    await paid_by_the_platform(payouts)
    await cancelled(payouts)
    assert sum(payouts.provider.refunded.values()) == 8_000 + PAID
    assert await balance(payouts, Account.COMPENSATION_COSTS) == PAID
    assert await refused(payouts, 1, amount=1) == "above-recoverable"


async def test_who_has_the_reward_can_still_be_refunded_and_that_is_left_alone(
    payouts: Payouts,
) -> None:
    """Decision 0047: it has no share, two of the staff may refund it; only the rest is taken."""
    await met(payouts)
    await paid_by_the_platform(payouts)
    await rewards_told(payouts, delivery("delivered", 1))
    await cancelled(payouts)
    found = await left(payouts)
    assert (found.held, found.reachable, found.recoverable) == (5_000, 4_000, PAID)
    assert await refused(payouts, 1, amount=PAID + 1) == "above-recoverable"
    for number in (1, 2):
        await said(payouts, number)
    assert await balance(payouts, Account.BACKER_FUNDS) == 4_000
    await payouts.assert_books_true()


async def claim_opened(payouts: Payouts) -> None:
    await rewards_told(payouts, claim_fact(OPENED, 1))


async def disputed(payouts: Payouts) -> None:
    await opened(payouts, 2)


async def came_back(payouts: Payouts) -> None:
    (refund,) = [
        one
        for one in await payouts.queries.refunds(CAMPAIGN, "", 10)
        if one.pledge_id == "pledge-2"
    ]
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    payouts.provider.fail_later(refund)
    await payouts.work_off()


async def set_aside(payouts: Payouts) -> None:
    await read(payouts, spoilt(fact_told(payouts, NEWS, 1), b"{"))


async def differs(payouts: Payouts) -> None:
    """The provider has less of a refund than the book says."""
    movement = next(one for one in payouts.provider.statement if one.type == "refund")
    place = payouts.provider.statement.index(movement)
    payouts.provider.statement[place] = replace(movement, amount=movement.amount - 7)
    assert len(await compared(payouts)) == 1


@pytest.mark.parametrize(
    ("hinder", "why"),
    [
        (claim_opened, "claims about rewards"),
        (disputed, "dispute"),
        (came_back, "claimable"),
        (set_aside, "set aside"),
        (differs, "differences"),
    ],
)
async def test_nothing_is_taken_while_anything_could_still_reach_it(
    payouts: Payouts, hinder: Callable[[Payouts], Awaitable[None]], why: str
) -> None:
    """A claim, a bank, a refund that came back, a fact that nobody read: between the two words."""
    await cancelled_after_it(payouts)
    await said(payouts, 1)
    await hinder(payouts)
    assert await refused(payouts, 2) == "not-over"
    assert any(why in line for line in (await left(payouts)).hindrances)
    assert await recouped(payouts) == 0
    await payouts.assert_books_true()


async def test_nothing_is_taken_before_all_shares_are_given() -> None:
    """While the run goes on, whatever lies there is promised."""
    payouts = memory_payouts()
    await met(payouts)
    await paid_by_the_platform(payouts)
    await payouts.hear_cancellation(2)
    assert await refused(payouts, 1, amount=1) == "not-over"
    assert await payouts.adjust.residues("", 10) == []
    await payouts.work_off()
    assert [one.recoverable for one in await payouts.adjust.residues("", 10)] == [PAID]


async def test_what_is_booked_between_the_two_words_lets_the_first_one_fall(
    payouts: Payouts,
) -> None:
    """Nobody has said anything of what is there now: the second one is the first again."""
    await cancelled_after_it(payouts)
    seen = (await the_book(payouts)).head.block
    await said(payouts, 1)
    await payouts.collect(3, counted=False)
    await payouts.work_off()
    assert payouts.provider.refunded["ch_3"] == 5_000
    assert await refused(payouts, 2, block=seen) == "book-changed"
    assert await refused(payouts, 1, block=seen) == "book-changed"
    assert (await said(payouts, 2)).second_by is None
    given = await said(payouts, 3)
    assert (given.by, given.second_by) == ("staff-2", "staff-3")
    assert await balance(payouts, Account.BACKER_FUNDS) == 0
    await payouts.assert_books_true()


async def test_a_word_that_nobody_confirmed_in_a_week_has_fallen(payouts: Payouts) -> None:
    """Whoever says it then is the first."""
    await cancelled_after_it(payouts)
    await said(payouts, 1)
    payouts.clock.advance(seconds=VALID.total_seconds())
    assert (await said(payouts, 2)).second_by is None
    assert (await said(payouts, 1)).second_by == "staff-1"


async def test_two_at_once_do_not_take_it_twice(payouts: Payouts) -> None:
    """Of one name, and of two: one second word counts, the others hear why theirs does not."""
    await cancelled_after_it(payouts)
    block = (await the_book(payouts)).head.block
    for name in ("one", "other"):
        await said(payouts, 1, name=name, block=block)
    seconds = [(number, name) for number in (2, 3, 4) for name in ("one", "other")]
    answers = await asyncio.gather(
        *(said(payouts, number, name=name, block=block) for number, name in seconds),
        return_exceptions=True,
    )
    given = [one for one in answers if isinstance(one, Adjustment) and one.second_by]
    assert len(given) == 1, answers
    reasons = {getattr(one, "reason", None) for one in answers if isinstance(one, Exception)}
    assert reasons <= {"already-decided", "book-changed", "above-recoverable"}
    assert await recouped(payouts) == PAID
    assert await balance(payouts, Account.BACKER_FUNDS) == 0
    await payouts.assert_books_true()


@dataclass
class Stale:
    """What was read before something happened, so many times."""

    checks: BookChecks
    meanwhile: Callable[[], Awaitable[object]]
    times: int

    async def kept(self, campaign_id: str) -> Kept | None:
        kept = await self.checks.kept(campaign_id)
        if self.times:
            self.times -= 1
            await self.meanwhile()
        return kept


@pytest.mark.parametrize("times", [1, LOOKS_MAX])
async def test_what_happens_while_it_is_looked_at_is_seen(payouts: Payouts, times: int) -> None:
    """The look is true for one version of the book; after some it is to be tried again."""
    await cancelled_after_it(payouts)
    await said(payouts, 1)
    block = (await the_book(payouts)).head.block
    numbers = iter(range(3, 30))

    async def late() -> None:
        await payouts.collect(next(numbers), counted=False)

    stale = Stale(payouts.checks, late, times)
    payouts.adjust = Adjust(payouts.units, payouts.queries, stale, payouts.clock)  # type: ignore[arg-type]
    assert await refused(payouts, 2, block=block) == ("not-over" if times == 1 else "try-again")
    assert await recouped(payouts) == 0


async def test_a_sum_that_nobody_posted_is_found(payouts: Payouts) -> None:
    """I6's offender: a document says that the campaign bears what the ledger says it does not."""
    await cancelled_after_it(payouts)
    for number in (1, 2):
        await said(payouts, number)

    async def spoil(unit: PayoutsUnit) -> None:
        (paid,) = await unit.refunds.of_platform(CAMPAIGN)
        await unit.refunds.save([replace(paid, recouped=PAID - 1)])

    await payouts.units.run(spoil)
    book = await the_book(payouts)
    found = await check_whole(payouts.queries, payouts.checks, book, payouts.clock.now())
    assert {one.invariant for one in found} == {Invariant.WHOLE}


async def came_back_charged_back(payouts: Payouts, amount: int) -> str:
    """The compensation's bank sends it back, and charges the pledge back; nothing can be sent."""
    (paid,) = await payouts.units.run(lambda unit: unit.refunds.of_platform(CAMPAIGN))
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    payouts.provider.fail_later(paid)
    await payouts.work_off()
    payouts.provider.faults.clear()
    name = await opened(payouts, 1, amount)
    assert (await current(payouts, paid)).state is RefundState.BLOCKED
    await payouts.assert_books_true()
    return name


async def all_is_done(payouts: Payouts) -> None:
    """The bank has decided: what waited for it is looked at again, and divided again."""
    await payouts.work_off()
    now = payouts.clock.now()
    await UnblockRefunds(payouts.units, payouts.queries, payouts.stages.funds)(now)
    await payouts.work_off()
    await ShareWhatCameBack(payouts.units, payouts.queries)(payouts.clock.now())
    await payouts.work_off()
    await payouts.assert_books_true()


@pytest.mark.parametrize("amount", [5_000, 500])
@pytest.mark.parametrize("end", [WON, LOST])
async def test_a_compensation_that_comes_back_later_is_the_campaigns(
    payouts: Payouts, end: ProviderDisputeStatus, amount: int
) -> None:
    """Who bears it has it again: no backer lacks it, and the platform has it only once."""
    await cancelled_after_it(payouts)
    for number in (1, 2):
        await said(payouts, number)
    name = await came_back_charged_back(payouts, amount)
    dispute = await payouts.queries.dispute(name)
    assert dispute is not None
    assert await balance(payouts, Account.BACKER_FUNDS) + dispute.reserved == PAID
    await decided(payouts, name, end)
    await all_is_done(payouts)
    money = (await payouts.units.run(lambda unit: unit.pledges.load(["pledge-1"])))["pledge-1"]
    assert money.returned + money.reserved - money.over == 5_000
    assert await balance(payouts, Account.CREATOR_RECEIVABLE) == 0
    found = await left(payouts)
    assert (found.reachable, found.recoverable) == (0, 0)


@pytest.mark.parametrize("life", [BookState.OPEN, BookState.CLOSED])
@pytest.mark.parametrize("backed_up", ["met", "paid", "cancelled", "said once"])
@pytest.mark.trap(23)
async def test_a_restored_database_takes_it_back_from_the_ledger(
    backed_up: str, life: BookState
) -> None:
    """Whenever it was backed up; nothing is taken twice, and the chain goes on."""
    payouts, backups = memory_payouts(), {}
    await met(payouts)
    backups["met"] = back_up(payouts)
    await paid_by_the_platform(payouts)
    backups["paid"] = back_up(payouts)
    await cancelled(payouts)
    backups["cancelled"] = back_up(payouts)
    await said(payouts, 1)
    backups["said once"] = back_up(payouts)
    await said(payouts, 2)
    if life is BookState.CLOSED:
        await rest(payouts)
    assert (await the_book(payouts)).life.state is life
    ledger, refunded = await ledger_of(payouts), dict(payouts.provider.refunded)
    told = [row.record for row in await payouts.outbox.page(10_000)]
    payouts = restore(payouts, backups[backed_up])
    await roll_forward(payouts, ledger)
    facts = [
        Unexplained(record, CAMPAIGN, at, "")
        for at, record in numbered(told)
        if record.topic == REFUNDS
    ]
    await recovery_of(payouts).roll_forward(facts)
    await payouts.hear_cancellation(2)
    for _ in range(2):
        lines = await recover(payouts)
        assert not [line for line in lines if "a person" in line or "wait to be" in line], lines
    await payouts.work_off()
    book = await the_book(payouts)
    assert (book.unclaimed, await recouped(payouts)) == (0, PAID)
    assert book.balances[Account.BACKER_FUNDS] == 0
    assert payouts.provider.refunded == refunded
    assert await refused(payouts, 3) == "adjustment-known"
    assert await refused(payouts, 3, name="again") == "above-recoverable"
    await assert_the_ledger_goes_on(payouts, ledger)
    await payouts.assert_books_true()
    closed = await rest(payouts)
    assert closed.life.state is BookState.CLOSED and all_zero(closed)


async def test_staff_find_the_book_and_take_it_back_by_the_api(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Listed with what hinders it, by route and command; who saw another book is told so."""
    payouts = memory_payouts()
    await cancelled_after_it(payouts)
    await rewards_told(payouts, claim_fact(OPENED, 1))
    api = api_of(payouts)
    install_problems(api)
    base, transport = f"/campaigns/{CAMPAIGN}/adjustments", httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        one, other = bearer(STAFF), bearer(OTHER)
        (listed,) = (await client.get("/ledger/residues", headers=one)).json()["items"]
        assert listed["hindrances"] == ["1 claims about rewards are open"]
        body = {"amount": listed["recoverable"], "block": listed["block"], "reason": WHY}
        answer = await client.put(f"{base}/{NAME}", json=body, headers=one)
        assert problem(answer) == (409, "not-over")
        await queue(payouts)
        line, last = capsys.readouterr().out.splitlines()
        assert line.startswith(f"{CAMPAIGN} holds 1000 EUR, 0 of it can be refunded")
        assert line.endswith("not yet: 1 claims about rewards are open")
        assert last == "1 campaigns wait in residues"
        await rewards_told(payouts, claim_fact(RESOLVED, 1))
        stale = body | {"block": body["block"] - 1}
        answer = await client.put(f"{base}/{NAME}", json=stale, headers=one)
        assert problem(answer) == (409, "book-changed")
        for name in (one, one):
            answer = await client.put(f"{base}/{NAME}", json=body, headers=name)
            assert (answer.status_code, answer.json()["second_by"]) == (200, None)
        (waiting,) = (await client.get(base, headers=other)).json()["adjustments"]
        assert (waiting["by"], waiting["amount"]) == (STAFF.subject, PAID)
        answer = await client.put(f"{base}/{NAME}", json=body, headers=other)
        assert answer.json()["second_by"] == OTHER.subject
        shown = (await client.get(base, headers=other)).json()
        assert (shown["residue"]["held"], len(shown["adjustments"])) == (0, 1)
        assert (await client.get("/ledger/residues", headers=one)).json()["items"] == []
        answer = await client.get("/campaigns/nowhere/adjustments", headers=one)
        assert problem(answer) == (404, "campaign-unknown")
    await queue(payouts)
    assert capsys.readouterr().out.splitlines() == ["0 campaigns wait in residues"]


async def queue(payouts: Payouts) -> None:
    asked, now = Namespace(name="residues"), payouts.clock.now()
    await perform_queue(asked, payouts.queries, payouts.adjust, now, timedelta(0))


@pytest.mark.long
async def test_the_look_for_what_is_left_reads_no_other_book(database: Database) -> None:
    """Of many cancelled campaigns the index has those only that were divided and hold money."""
    payouts = mongo_payouts(database)
    books = []
    for number in range(60):
        finished, left = [(True, 0), (False, 5_000), (True, 5_000)][number % 3]
        balances = {**EMPTY, Account.BACKER_FUNDS: left}
        named = replace(a_book(), campaign_id=f"campaign-{number:04}", balances=balances)
        run = RefundRun("campaign-cancelled", finished=finished)
        books.append(replace(named, run=run, cancellation=Cancellation(1, NOW)))
    await payouts.units.run(lambda unit: unit.books.save(books))
    found: list[str] = []

    async def read() -> None:
        found.extend(await payouts.queries.shared_with_money_left("", 10))

    cost = await cost_of(database, read, "books")
    assert found == [f"campaign-{n:04}" for n in range(2, 30, 3)]
    assert (cost.documents, cost.sorted, cost.scanned) == (10, False, False)
