"""The second and the last stage: evidence, people who decide, holds, fees out of the last one."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from payouts.domain.approval import Concerned
from payouts.domain.book import Outcome
from payouts.domain.errors import Refused
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.ledger import Account
from payouts.domain.stage import Stage, StageState
from payouts.handlers.approvals import Asked, approve_stage
from payouts.handlers.holds import place_hold, release_hold
from payouts.handlers.milestones import MilestoneDecision, decide_milestone, take_evidence
from payouts.ports.unit import PayoutsUnit
from services.payouts.tests.builders import LIMIT, NOW
from services.payouts.tests.conftest import CAMPAIGN, Payouts

CREATOR = "creator-1"
EVIDENCE = "a" * 64
OTHER_EVIDENCE = "b" * 64
Answer = TypeVar("Answer")


async def run(payouts: Payouts, work: Callable[[PayoutsUnit], Awaitable[Answer]]) -> Answer:
    return await payouts.units.run(work)


async def the(payouts: Payouts, number: int) -> Stage:
    return (await payouts.queries.stages(CAMPAIGN))[number - 1]


async def first_paid(payouts: Payouts, *, amount: int = 5_000) -> None:
    """Two pledges, goal met, first stage paid."""
    await payouts.collect(1, 2, amount=amount)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, amount=amount)
    await payouts.give_destination()
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID


async def pay(payouts: Payouts, turns: int = 20) -> None:
    await payouts.live(turns * 30)


async def show(payouts: Payouts, number: int, evidence: str = EVIDENCE) -> Stage:
    now = payouts.clock.now()
    return await run(
        payouts, lambda unit: take_evidence(unit, CAMPAIGN, number, evidence, CREATOR, now)
    )


async def decide(
    payouts: Payouts, number: int, by: str = "staff-1", why: str | None = None, revision: int = 1
) -> Stage:
    decision, now = MilestoneDecision(revision, by, why), payouts.clock.now()
    return await run(
        payouts,
        lambda unit: decide_milestone(unit, CAMPAIGN, number, decision, CREATOR, now),
    )


async def approve(
    payouts: Payouts,
    number: int,
    amount: int,
    by: str = "staff-2",
    *,
    version: int = 1,
    revision: int = 1,
    limit: int = LIMIT,
) -> Stage:
    asked = Asked(amount, "EUR", version, revision, by)
    concerned = Concerned(CREATOR, None, await payouts.queries.is_backer(CAMPAIGN, by))
    now = payouts.clock.now()
    return await run(
        payouts,
        lambda unit: approve_stage(unit, CAMPAIGN, number, asked, concerned, limit, now),
    )


async def second_due(payouts: Payouts) -> None:
    await first_paid(payouts)
    await show(payouts, 2)
    await decide(payouts, 2)
    assert (await the(payouts, 2)).state is StageState.DUE


@pytest.mark.row("S9")
async def test_three_stages_pay_everything_but_the_fees(payouts: Payouts) -> None:
    """20 / 30 / 50: each after its milestone and an approval; fees with tax out of the last."""
    await first_paid(payouts)
    for number, amount in ((2, 3_000), (3, 5_000 - 1_020)):
        await show(payouts, number)
        await decide(payouts, number)
        await approve(payouts, number, amount)
        await pay(payouts)
        assert (await the(payouts, number)).state is StageState.PAID
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    # F 5 % of 100.00; P 1.45 + 0.30 each; T 20 % of both.
    left = {account: n for account, n in book.balances.items() if n}
    assert left == {
        Account.PLATFORM_FEE_INCOME: 500,
        Account.PROCESSING_FEE_INCOME: 350,
        Account.TAX_PAYABLE: 170,
        Account.PROVIDER_COSTS: 60,
        Account.PLATFORM_CURRENT: 60 - 1_020,
    }
    approved = (await payouts.published("stage-approved"))[-1].model_dump()
    assert [approved[name] for name in ("platform_fee", "processing_fee", "tax")] == [500, 350, 170]
    assert sum(seen.attempt > 0 for seen in payouts.provider.transfers.values()) == 3
    await payouts.assert_books_true()


async def test_a_later_stage_waits_for_the_one_before(payouts: Payouts) -> None:
    """Both milestones are approved at once; the last stage is due when the second is paid."""
    await first_paid(payouts)
    for number in (3, 2):
        await show(payouts, number)
        await decide(payouts, number)
    assert (await the(payouts, 3)).state is StageState.PLANNED
    with pytest.raises(Refused):
        await approve(payouts, 3, 5_000)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.DUE
    assert len(await payouts.published("stage-due")) == 3


async def test_what_is_shown_is_what_can_be_approved_though_money_came_since(
    payouts: Payouts,
) -> None:
    """A late pledge joins a last stage that is due: it is shown with it, and approved as shown."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    await show(payouts, 3)
    due = await decide(payouts, 3)
    await payouts.collect(3, amount=2_500, counted=False)
    shown, _ = await payouts.stages.explain(CAMPAIGN, 3)
    # F and P of 25.00 are 1.25 and 1.03, and the tax of 20 % moves with them.
    assert (due.payable, shown.payable) == (3_980, 3_980 + 2_500 - 125 - 103 - 46)
    assert (await approve(payouts, 3, shown.payable)).state is StageState.APPROVED
    paid, _ = await payouts.stages.explain(CAMPAIGN, 2)
    assert paid.payable == 3_000, "what is over is shown as it was paid"


async def test_a_milestone_is_decided_once_by_somebody_else(payouts: Payouts) -> None:
    """The creator decides nothing; a rejection asks for other evidence; the same again is done."""
    await first_paid(payouts)
    with pytest.raises(Refused, match="current evidence"):
        await decide(payouts, 2)
    await show(payouts, 2)
    assert await show(payouts, 2) == await the(payouts, 2)
    with pytest.raises(Refused, match="evidence does not decide"):
        await decide(payouts, 2, by=CREATOR)
    for _ in range(2):
        await decide(payouts, 2, why="another product")
    with pytest.raises(Refused):
        await decide(payouts, 2, by="staff-2")
    assert (await show(payouts, 2, OTHER_EVIDENCE)).milestone == (await the(payouts, 2)).milestone
    for _ in range(2):
        await decide(payouts, 2, revision=2)
    assert len(await payouts.published("milestone-rejected")) == 1
    assert len(await payouts.published("milestone-approved")) == 1
    with pytest.raises(Refused, match="approved with other evidence"):
        await show(payouts, 2, "c" * 64)
    with pytest.raises(Refused, match="follows from the verdict"):
        await show(payouts, 1)


@pytest.mark.parametrize(
    ("by", "reason"),
    [(CREATOR, "creator-approves"), ("staff-1", "same-person"), ("backer-2", "backer-approves")],
)
async def test_who_may_not_approve(payouts: Payouts, by: str, reason: str) -> None:
    """Creator, who approved the milestone, and a backer of the campaign are refused."""
    await second_due(payouts)
    with pytest.raises(Refused) as refused:
        await approve(payouts, 2, 3_000, by=by)
    assert refused.value.reason == reason
    assert (await the(payouts, 2)).approval is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": 2_999}, "amount-changed"),
        ({"version": 2}, "destination-changed"),
        ({"revision": 2}, "evidence-changed"),
    ],
)
async def test_only_what_was_shown_is_approved(
    payouts: Payouts, changes: dict[str, int], reason: str
) -> None:
    """Another amount, destination or evidence than the current one is refused with a reason."""
    await second_due(payouts)
    with pytest.raises(Refused) as refused:
        await approve(payouts, 2, **{"amount": 3_000, **changes})
    assert refused.value.reason == reason


async def test_above_the_limit_two_people_approve(payouts: Payouts) -> None:
    """The same person twice is refused, and the verdict alone does not reach."""
    await second_due(payouts)
    for _ in range(2):
        if (await the(payouts, 2)).state is StageState.DUE:
            await approve(payouts, 2, 3_000, limit=2_999)
    with pytest.raises(Refused, match="two different people"):
        await approve(payouts, 2, 3_000, limit=2_999)
    assert (await the(payouts, 2)).state is StageState.AWAITING_SECOND_APPROVAL
    await pay(payouts, 3)
    assert len(payouts.provider.transfers) == 1
    await approve(payouts, 2, 3_000, by="staff-3", limit=2_999)
    await pay(payouts)
    stage = await the(payouts, 2)
    assert stage.state is StageState.PAID and stage.approval is not None
    assert (stage.approval.by, stage.approval.second_by) == ("staff-2", "staff-3")


async def test_an_approval_expires_after_seven_days(payouts: Payouts) -> None:
    """Nobody acts on what was approved a week ago; the money is the backers' again until then."""
    await second_due(payouts)
    payouts.brake.pulled.clear()
    await approve(payouts, 2, 3_000)
    payouts.clock.advance(seconds=7 * 86_400)
    await payouts.turn()
    stage = await the(payouts, 2)
    assert (stage.state, stage.reason) == (StageState.DUE, "approval-expired")
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.balances[Account.CREATOR_PAYABLE] == 0
    await payouts.assert_books_true()


async def test_a_half_given_approval_expires_too(payouts: Payouts) -> None:
    """After seven days the second person is the first again."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000, limit=1)
    payouts.clock.advance(seconds=7 * 86_400)
    await approve(payouts, 2, 3_000, by="staff-3", limit=1)
    stage = await the(payouts, 2)
    assert stage.state is StageState.AWAITING_SECOND_APPROVAL and stage.approval is not None
    assert stage.approval.by == "staff-3"


@pytest.mark.trap(8)
async def test_a_changed_destination_makes_an_approval_fall(payouts: Payouts) -> None:
    """Approved for one account, changed before the transfer: nothing is sent to either."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    stage = await the(payouts, 2)
    assert stage.state is StageState.DUE and len(payouts.provider.transfers) == 1
    await approve(payouts, 2, 3_000, version=2)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID
    await payouts.assert_books_true()


async def test_a_hold_stands_between_approval_and_transfer(payouts: Payouts) -> None:
    """What was approved falls, nothing is approved or sent, and releasing asks for it anew."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    hold = Hold("hold-1", HoldKind.STAFF, "the workshop is closed", "staff-4", NOW)
    for _ in range(2):
        await run(payouts, lambda unit: place_hold(unit, CAMPAIGN, hold, payouts.clock.now()))
    with pytest.raises(Refused, match="held"):
        await approve(payouts, 2, 3_000)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.HELD
    assert len(payouts.provider.transfers) == 1
    _, found = await payouts.stages.explain(CAMPAIGN, 2)
    lines = {line.name: line for line in found}
    assert "workshop" in lines["holds"].why and lines["holds"].who == "staff"
    for _ in range(2):
        await run(
            payouts,
            lambda unit: release_hold(unit, CAMPAIGN, "hold-1", "staff-4", payouts.clock.now()),
        )
    assert (await the(payouts, 2)).state is StageState.DUE
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID
    assert len(await payouts.published("stage-held")) == 1
    assert len(await payouts.published("stage-released")) == 1
    await payouts.assert_books_true()


async def test_a_stage_that_becomes_due_under_a_hold_is_held(payouts: Payouts) -> None:
    """A hold is about the campaign, not about the stage that happens to be due."""
    await first_paid(payouts)
    hold = Hold("hold-1", HoldKind.STAFF, "a question", "staff-4", NOW)
    await run(payouts, lambda unit: place_hold(unit, CAMPAIGN, hold, payouts.clock.now()))
    await show(payouts, 2)
    await decide(payouts, 2)
    assert (await the(payouts, 2)).state is StageState.HELD


async def test_a_hold_before_the_plan_holds_the_first_stage(payouts: Payouts) -> None:
    """The plan is made, and nothing of it is paid until the hold is let go."""
    await payouts.collect(1, 2)
    hold = Hold("hold-1", HoldKind.STAFF, "a question", "staff-4", NOW)
    await run(payouts, lambda unit: place_hold(unit, CAMPAIGN, hold, payouts.clock.now()))
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.HELD
    assert payouts.provider.transfers == {}
    await run(
        payouts,
        lambda unit: release_hold(unit, CAMPAIGN, "hold-1", "staff-4", payouts.clock.now()),
    )
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID


async def test_a_late_pledge_joins_until_the_last_stage_is_approved(payouts: Payouts) -> None:
    """It pays its own fee with the rest; one that comes after the approval goes back whole."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    await payouts.collect(3, counted=False)
    await show(payouts, 3)
    await decide(payouts, 3)
    # F 7.50, P 5.25, T 2.55 of 150.00 are taken of the 100.00 that are left.
    await approve(payouts, 3, 10_000 - 1_530)
    await payouts.collect(4, counted=False)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_4": 5_000}
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.PAID
    await payouts.assert_books_true()


async def test_fees_that_eat_the_last_stage_end_it_without_a_payment(payouts: Payouts) -> None:
    """Somebody still approves: the money that is left goes to tax and fees, the rest is owed."""
    await first_paid(payouts, amount=5)
    for number, amount in ((2, 3), (3, 0)):
        await show(payouts, number)
        await decide(payouts, number)
        await approve(payouts, number, amount)
        await pay(payouts)
    stage, book = await the(payouts, 3), await payouts.queries.book(CAMPAIGN)
    assert stage.state is StageState.NOTHING_TO_PAY and stage.divided is not None
    assert book is not None and book.balances[Account.BACKER_FUNDS] == 0
    assert book.balances[Account.CREATOR_RECEIVABLE] == stage.divided.owed.total > 0
    await payouts.assert_books_true()


@pytest.mark.trap(8)
async def test_a_payout_refused_after_its_transfer_goes_on_though_the_destination_changed(
    payouts: Payouts,
) -> None:
    """The money lies on the account that was approved: it goes out from there, with no transfer."""
    await second_due(payouts)
    payouts.provider.faults["create_payout"] = ["decline"]
    await approve(payouts, 2, 3_000)
    while (await the(payouts, 2)).state is not StageState.FAILED:
        await pay(payouts, turns=1)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    stage = await the(payouts, 2)
    assert stage.state is StageState.PAID and len(payouts.provider.transfers) == 2
    assert [(one.account, one.destination_version) for one in stage.attempts] == [("acct_1", 1)] * 2
    assert (payouts.provider.accounts["acct_1"], payouts.provider.accounts["acct_2"]) == (0, 0)
    await payouts.assert_books_true()


@pytest.mark.trap(8)
async def test_a_transfer_refused_before_the_destination_changed_is_approved_anew(
    payouts: Payouts,
) -> None:
    """Nothing had left: the approval falls, all of it is held again, and one approval pays it."""
    await second_due(payouts)
    payouts.provider.faults["create_transfer"] = ["decline"]
    await approve(payouts, 2, 3_000)
    while (await the(payouts, 2)).state is not StageState.FAILED:
        await pay(payouts, turns=1)
    await payouts.give_destination("acct_2")
    await pay(payouts, turns=4)
    stage = await the(payouts, 2)
    assert (stage.state, stage.reason) == (StageState.DUE, "changed-after-approval")
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.balances[Account.BACKER_FUNDS] == 8_000
    await payouts.assert_books_true()
    await approve(payouts, 2, 3_000, version=2)
    await pay(payouts)
    stage = await the(payouts, 2)
    assert stage.state is StageState.PAID
    assert [attempt.number for attempt in stage.attempts] == [1, 2]
    assert stage.attempts[-1].account == "acct_2"
    assert len(payouts.provider.transfers) == 2
    await payouts.assert_books_true()


async def test_a_first_stage_whose_transfer_was_refused_follows_its_new_destination(
    payouts: Payouts,
) -> None:
    """The verdict approved it, and approves it again for where the money goes now."""
    payouts.provider.faults["create_transfer"] = ["decline"] * 3
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    while (await the(payouts, 1)).failures < 3:
        await pay(payouts, turns=1)
    await pay(payouts, turns=4)
    assert (await the(payouts, 1)).state is StageState.FAILED
    await payouts.give_destination("acct_2")
    await pay(payouts)
    stage = await the(payouts, 1)
    assert stage.state is StageState.PAID and stage.attempts[-1].account == "acct_2"
    await payouts.assert_books_true()


async def test_staff_let_a_stage_go_on_whose_tries_are_used_up(payouts: Payouts) -> None:
    """A hold takes back what never left, and after it another approval has all its tries."""
    await second_due(payouts)
    payouts.provider.faults["create_transfer"] = ["decline"] * 3
    await approve(payouts, 2, 3_000)
    while (await the(payouts, 2)).failures < 3:
        await pay(payouts, turns=1)
    now = payouts.clock.now()
    placed = Hold("look", HoldKind.STAFF, "the account is looked at", "staff-1", now)
    await run(payouts, lambda unit: place_hold(unit, CAMPAIGN, placed, now))
    assert (await the(payouts, 2)).state is StageState.HELD
    await payouts.assert_books_true()
    await run(payouts, lambda unit: release_hold(unit, CAMPAIGN, "look", "staff-1", now))
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID
    assert len(payouts.provider.transfers) == 2
    await payouts.assert_books_true()


async def test_a_stage_that_failed_unsent_is_cancelled_with_what_its_debt_was_set_off(
    payouts: Payouts,
) -> None:
    """Taken back once and approved again, then cancelled: each name in the book is used once."""
    await second_due(payouts)
    payouts.provider.faults["create_transfer"] = ["decline"] * 2
    await approve(payouts, 2, 3_000)
    while (await the(payouts, 2)).state is not StageState.FAILED:
        await pay(payouts, turns=1)
    await payouts.give_destination("acct_2")
    await pay(payouts, turns=4)
    await approve(payouts, 2, 3_000, version=2)
    while (await the(payouts, 2)).state is not StageState.FAILED:
        await pay(payouts, turns=1)
    await payouts.hear_cancellation(2)
    stage = await the(payouts, 2)
    assert stage.state is StageState.CANCELLED
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.balances[Account.BACKER_FUNDS] == 8_000
    await payouts.assert_books_true()
