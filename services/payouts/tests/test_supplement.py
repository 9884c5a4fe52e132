"""What is left behind the last stage is the creator's, whichever way it came back (row 22)."""

from dataclasses import replace

import pytest

from infra.servicekit.tests.costs import cost_of
from payouts.domain.acts import OtherMeans, PaymentMethod
from payouts.domain.book import Book, Cancellation
from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.errors import Refused
from payouts.domain.ledger import EMPTY, Account
from payouts.domain.plan import StageKind
from payouts.domain.refund import RefundState
from payouts.domain.stage import StageState
from payouts.handlers.claimable import deny_paid_otherwise, tell_paid_otherwise
from payouts.handlers.retries import try_stage_again
from payouts.handlers.wake import wake, wake_disputes
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.stages import PAGE, PlanSupplements
from servicekit.errors import Conflict
from servicekit.mongo import Database
from services.payouts.tests.builders import LIMIT, NOW, a_book
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts, mongo_payouts
from services.payouts.tests.test_disputes import (
    LOST,
    WON,
    assert_true,
    decided,
    held,
    opened,
    pay_stage,
    refunds_of,
    worked_example,
)
from services.payouts.tests.test_later_stages import approve, decide, pay, show, the
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_recover import (
    LONGER_THAN_KEYS_LIVE,
    assert_the_ledger_goes_on,
    back_up,
    recover,
    restore,
    roll_forward,
)
from services.payouts.tests.test_staff_refunds import (
    WANTED,
    approved,
    asked,
    cancelled,
    last_milestone_approved,
    staff,
)

DAY = 86_400


async def sweep(payouts: Payouts) -> None:
    """Look as every minute, and once more, that nothing is planned twice."""
    for _ in range(2):
        await PlanSupplements(payouts.units, payouts.queries)(payouts.clock.now())


async def supplements(payouts: Payouts) -> list[tuple[StageState, int | None]]:
    stages = await payouts.queries.stages(CAMPAIGN)
    return [(one.state, one.amount) for one in stages if one.kind is StageKind.SUPPLEMENT]


async def all_paid_beside_a_refund(payouts: Payouts, *faults: str) -> None:
    """Given 20.00 of a pledge of 50.00 that meet these faults, and three stages that are paid."""
    payouts.provider.faults["create_refund"] = list(faults)
    await last_milestone_approved(payouts)
    await approved(payouts, await asked(payouts))
    await approve(payouts, 3, 5_000 - 1_020 - 2_000, limit=LIMIT)
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.PAID


@pytest.mark.trap(3)
async def test_what_a_bank_gave_in_place_of_a_refund_is_the_creators(payouts: Payouts) -> None:
    """Of 50.00 the bank took 40.00; a refund of 20.00 on its way then came back: 10.00 are left."""
    await all_paid_beside_a_refund(payouts, "pending")
    await decided(payouts, await opened(payouts, 1, 4_000), LOST)
    [refund] = await refunds_of(payouts)
    assert refund.state is RefundState.PENDING
    payouts.provider.fail_later(refund)
    await payouts.units.run(lambda unit: wake(unit, [refund], [], payouts.clock.now()))
    await pay(payouts, 4)
    assert (await refunds_of(payouts))[0].state is RefundState.CANCELLED
    assert (await held(payouts), await supplements(payouts)) == (1_000, [])
    await sweep(payouts)
    assert await supplements(payouts) == [(StageState.DUE, 1_000)]
    assert len(await payouts.published("stage-due")) == 4
    await approve(payouts, 4, 1_000, revision=0)
    await pay(payouts)
    # The creator owes 30.00 of what the bank took: it is set off, and nothing has to be sent.
    assert await supplements(payouts) == [(StageState.NOTHING_TO_PAY, 1_000)]
    assert await held(payouts, Account.CREATOR_RECEIVABLE) == 2_000
    await assert_true(payouts)


async def test_what_is_denied_after_the_last_stage_is_the_creators(payouts: Payouts) -> None:
    """Somebody said that it was paid by cheque, a bank gave the backer most of it, and it was not.

    While that was said the refund stood still; denied, it ends with what the bank paid.
    """
    await all_paid_beside_a_refund(payouts, *["decline"] * 3)
    [refund] = await refunds_of(payouts)
    assert refund.state is RefundState.CLAIMABLE
    told = OtherMeans(PaymentMethod.CHEQUE, "a" * 64, "posted", "staff-1", payouts.clock.now())

    async def tell(unit: PayoutsUnit) -> None:
        await tell_paid_otherwise(
            unit, CAMPAIGN, refund.refund_id, told, staff(1), payouts.clock.now()
        )

    async def deny(unit: PayoutsUnit) -> None:
        await deny_paid_otherwise(
            unit, CAMPAIGN, refund.refund_id, "no cheque", staff(2), payouts.clock.now()
        )

    await payouts.units.run(tell)
    await decided(payouts, await opened(payouts, 1, 4_000), LOST)
    await payouts.units.run(deny)
    assert (await refunds_of(payouts))[0].state is RefundState.CANCELLED
    await sweep(payouts)
    assert await supplements(payouts) == [(StageState.DUE, 1_000)]
    await assert_true(payouts)


async def two_stages_paid(payouts: Payouts) -> None:
    """Play the worked example to its second stage; no chargeback holds the third one back."""
    payouts.stages = replace(payouts.stages, dispute_reserve_basis_points=10_000)
    await worked_example(payouts)
    await pay(payouts, 8)
    await pay_stage(payouts, 2, 5_499)


@pytest.mark.trap(7)
async def test_a_supplement_behind_a_late_bounce_is_due_once_that_is_paid_again(
    payouts: Payouts,
) -> None:
    """Nobody looks any more at the stages between: they were paid more than a week before."""
    await two_stages_paid(payouts)
    dispute = await opened(payouts, 3, 3_333)
    await pay_stage(payouts, 3, 7_630 - 3_333)
    await payouts.live(9 * DAY)
    first = await the(payouts, 1)
    payouts.provider.bounce(first)
    payouts.provider.faults["create_payout"] = ["decline"] * 2
    await payouts.units.run(lambda unit: wake(unit, [], [first], payouts.clock.now()))
    await pay(payouts)
    assert ((await the(payouts, 1)).state, (await the(payouts, 1)).failures) == (
        StageState.FAILED,
        3,
    )
    await decided(payouts, dispute, WON)
    await sweep(payouts)
    assert await supplements(payouts) == [(StageState.PLANNED, None)]
    now = payouts.clock.now()
    await payouts.units.run(lambda unit: try_stage_again(unit, CAMPAIGN, 1, 3, "staff-1", now))
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert await supplements(payouts) == [(StageState.DUE, 3_333)]
    await assert_true(payouts)


async def test_a_supplement_that_was_left_planned_is_made_due(payouts: Payouts) -> None:
    """A release before had made the next stage due only, and this one waited for ever."""
    await test_a_supplement_behind_a_late_bounce_is_due_once_that_is_paid_again(payouts)

    async def as_it_was(unit: PayoutsUnit) -> None:
        known = (await unit.stages.load(CAMPAIGN))[3]
        await unit.stages.save([replace(known, state=StageState.PLANNED, amount=None, due_at=None)])

    await payouts.units.run(as_it_was)
    await sweep(payouts)
    assert await supplements(payouts) == [(StageState.DUE, 3_333)]


async def test_a_later_stage_is_due_once_one_long_before_it_is_paid_again(
    payouts: Payouts,
) -> None:
    """The last one's evidence is approved while the first is back from its bank."""
    await two_stages_paid(payouts)
    await payouts.live(9 * DAY)
    first = await the(payouts, 1)
    payouts.provider.bounce(first)
    await payouts.units.run(lambda unit: wake(unit, [], [first], payouts.clock.now()))
    await payouts.turn()
    assert (await the(payouts, 1)).state is StageState.FAILED
    await show(payouts, 3)
    await decide(payouts, 3)
    assert (await the(payouts, 3)).state is StageState.PLANNED
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert (await the(payouts, 3)).state is StageState.DUE
    await assert_true(payouts)


async def test_what_is_kept_for_a_blocked_refund_is_left_where_it_is(payouts: Payouts) -> None:
    """The refund came back while its pledge was charged back: a bank says whose it is."""
    await all_paid_beside_a_refund(payouts, "pending")
    dispute = await opened(payouts, 1, 1_000)
    [refund] = await refunds_of(payouts)
    payouts.provider.fail_later(refund)
    await payouts.units.run(lambda unit: wake(unit, [refund], [], payouts.clock.now()))
    await pay(payouts, 4)
    assert (await refunds_of(payouts))[0].state is RefundState.BLOCKED
    await sweep(payouts)
    assert (await held(payouts), await supplements(payouts)) == (2_000, [])
    await decided(payouts, dispute, LOST)
    await sweep(payouts)
    assert await supplements(payouts) == []
    await assert_true(payouts)


async def whoever_ends_the_plan_reads_again(
    payouts: Payouts, before: Book | None, amount: int
) -> None:
    """A cancellation reads the stages and saves the book: it meets the supplement there."""
    assert before is not None and await supplements(payouts) == [(StageState.DUE, amount)]
    with pytest.raises(Conflict):
        await payouts.units.run(lambda unit: unit.books.save([before]))


async def test_a_cancellation_meets_the_supplement_of_a_refund_that_staff_took_back(
    payouts: Payouts,
) -> None:
    """It was blocked, so its money lay there already, and nothing is posted for it."""
    await all_paid_beside_a_refund(payouts, "pending")
    await opened(payouts, 1, 1_000)
    [refund] = await refunds_of(payouts)
    payouts.provider.fail_later(refund)
    await payouts.units.run(lambda unit: wake(unit, [refund], [], payouts.clock.now()))
    await pay(payouts, 4)
    before = await payouts.queries.book(CAMPAIGN)
    assert (await cancelled(payouts, refund)).state is RefundState.CANCELLED
    await whoever_ends_the_plan_reads_again(payouts, before, 2_000)
    await assert_true(payouts)


async def test_a_cancellation_meets_the_supplement_of_a_question_that_ended(
    payouts: Payouts,
) -> None:
    """A bank had asked, and takes nothing: nothing is posted, and what lay there is planned."""
    await all_paid_beside_a_refund(payouts, "pending")
    await decided(payouts, await opened(payouts, 1, 4_000), LOST)
    [refund] = await refunds_of(payouts)
    payouts.provider.fail_later(refund)
    await payouts.units.run(lambda unit: wake(unit, [refund], [], payouts.clock.now()))
    await pay(payouts, 4)
    question = payouts.provider.dispute("ch_1", 500, inquiry=True)
    await payouts.units.run(lambda unit: wake_disputes(unit, [question], payouts.clock.now()))
    await pay(payouts, 4)
    before = await payouts.queries.book(CAMPAIGN)
    assert await supplements(payouts) == []
    await decided(payouts, question, ProviderDisputeStatus.CLOSED)
    await whoever_ends_the_plan_reads_again(payouts, before, 1_000)
    await assert_true(payouts)


async def comes_back(payouts: Payouts, number: int) -> None:
    """The refund of this pledge did not arrive: what of it the bank has not paid is left."""
    [refund] = await refunds_of(payouts, number)
    payouts.provider.fail_later(refund)
    await payouts.units.run(lambda unit: wake(unit, [refund], [], payouts.clock.now()))
    await pay(payouts, 4)


@pytest.mark.trap(23)
@pytest.mark.parametrize("heard", ["the refund is on its way", "it came back", "it is planned"])
async def test_a_supplement_that_was_paid_after_the_backup_is_known_again(heard: str) -> None:
    """The ledger says that it was approved: it is planned, and people say again what they said."""
    payouts = memory_payouts()
    await all_paid_beside_a_refund(payouts, "pending")
    await decided(payouts, await opened(payouts, 1, 4_000), LOST)
    backups = {"the refund is on its way": back_up(payouts)}
    await comes_back(payouts, 1)
    backups["it came back"] = back_up(payouts)
    await sweep(payouts)
    backups["it is planned"] = back_up(payouts)
    await approve(payouts, 4, 1_000, revision=0)
    await pay(payouts)
    ledger = await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    payouts = restore(payouts, backups[heard])
    await roll_forward(payouts, ledger)
    await recover(payouts)
    await pay(payouts, 4)
    await sweep(payouts)
    assert await supplements(payouts) == [(StageState.DUE, 1_000)]
    await approve(payouts, 4, 1_000, revision=0)
    await pay(payouts)
    assert await supplements(payouts) == [(StageState.NOTHING_TO_PAY, 1_000)]
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and (book.unclaimed, book.ahead) == (0, {})
    await assert_the_ledger_goes_on(payouts, ledger)
    await assert_true(payouts)


@pytest.mark.trap(23)
async def test_two_supplements_that_were_paid_after_the_backup_are_two_again() -> None:
    """All that came back for both is there at once; each gets what the ledger has, and no more."""
    payouts = memory_payouts()
    payouts.provider.faults["create_refund"] = ["pending"] * 2
    await last_milestone_approved(payouts)
    await approved(payouts, await asked(payouts))
    other = replace(WANTED, request_id="request-2", pledge_id="pledge-2", amount=1_000)
    await approved(payouts, await asked(payouts, other))
    await approve(payouts, 3, 5_000 - 1_020 - 3_000, limit=LIMIT)
    await pay(payouts)
    await decided(payouts, await opened(payouts, 1, 4_000), LOST)
    await decided(payouts, await opened(payouts, 2, 4_500), LOST)
    backup = back_up(payouts)
    for number, amount in enumerate((1_000, 500), 1):
        await comes_back(payouts, number)
        await sweep(payouts)
        await approve(payouts, 3 + number, amount, revision=0)
        await pay(payouts)
    ledger = await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    await recover(payouts)
    await pay(payouts, 4)
    await sweep(payouts)
    assert await supplements(payouts) == [(StageState.DUE, 1_500)]
    with pytest.raises(Refused, match="the stage is 1000 EUR"):
        await approve(payouts, 4, 1_500, revision=0)
    for number, amount in ((4, 1_000), (5, 500)):
        # Whoever approves says what was shown.
        shown, _ = await payouts.stages.explain(CAMPAIGN, number)
        assert shown.amount == amount
        await approve(payouts, number, amount, revision=0)
        await pay(payouts)
        await sweep(payouts)
    over = StageState.NOTHING_TO_PAY
    assert await supplements(payouts) == [(over, 1_000), (over, 500)]
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and (book.unclaimed, book.ahead) == (0, {})
    await assert_the_ledger_goes_on(payouts, ledger)
    await assert_true(payouts)


@pytest.mark.long
async def test_the_look_for_what_is_left_reads_no_other_book(database: Database) -> None:
    """Of many books the index has those only that are paid and hold money; page by page."""
    payouts = mongo_payouts(database)
    books = []
    for number in range(3 * PAGE):
        paid, left = [(True, 0), (False, 5_000), (True, 5_000)][number % 3]
        balances = {**EMPTY, Account.BACKER_FUNDS: left}
        named = replace(a_book(), campaign_id=f"campaign-{number:04}", balances=balances)
        books.append(replace(named, last_approved=paid))
    await payouts.units.run(lambda unit: unit.books.save(books))
    found: list[str] = []

    async def read() -> None:
        found.extend(await payouts.queries.paid_with_money_left("", 10))

    cost = await cost_of(database, read, "books")
    assert found == [f"campaign-{number:04}" for number in range(2, 30, 3)]
    assert (cost.documents, cost.sorted, cost.scanned) == (10, False, False)
    behind = await payouts.queries.paid_with_money_left(found[-1], PAGE)
    assert behind[0] == "campaign-0032" and len(behind) == PAGE - 10


async def test_what_is_left_of_a_cancelled_campaign_is_not_looked_for(payouts: Payouts) -> None:
    """It is divided among the backers, not the creator's."""
    left = replace(a_book(), balances={**EMPTY, Account.BACKER_FUNDS: 5_000}, last_approved=True)
    over = replace(left, campaign_id="campaign-2", cancellation=Cancellation(1, NOW))
    await payouts.units.run(lambda unit: unit.books.save([left, over]))
    assert await payouts.queries.paid_with_money_left("", PAGE) == [CAMPAIGN]
