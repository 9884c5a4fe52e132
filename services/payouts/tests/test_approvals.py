"""Approvals under attack: raced, repeated, half given, overtaken by holds or by money."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from payouts.adapters.freshness import TopicFreshness
from payouts.domain.approval import VERDICT, Approval, Concerned
from payouts.domain.book import Book, Outcome
from payouts.domain.destination import verify
from payouts.domain.errors import Refused
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.ledger import Account
from payouts.domain.stage import StageState
from payouts.domain.withdrawal import WithdrawnPledge
from payouts.handlers.approvals import Asked, approve_stage
from payouts.handlers.holds import place_hold, release_hold
from payouts.handlers.pledges import PledgeHeard, take_pledges
from payouts.ports.unit import PayoutsUnit
from servicekit.errors import Conflict
from services.payouts.tests.builders import LIMIT, NOW
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_later_stages import (
    CREATOR,
    approve,
    decide,
    first_paid,
    pay,
    run,
    second_due,
    show,
    the,
)

HOLD = Hold("hold-1", HoldKind.STAFF, "a question", "staff-4", NOW)


async def take_back(payouts: Payouts, number: int, sequence: int) -> None:
    """Hear that a pledge goes back, of which the verdict still speaks."""
    heard = [
        PledgeHeard(
            CAMPAIGN, "EUR", sequence, None, WithdrawnPledge(f"pledge-{number}", 5_000, False, None)
        )
    ]
    assert not await run(payouts, lambda unit: take_pledges(unit, heard, payouts.clock.now()))


async def place(payouts: Payouts, hold: Hold = HOLD) -> None:
    await run(payouts, lambda unit: place_hold(unit, CAMPAIGN, hold, payouts.clock.now()))


async def raced(*attempts: Awaitable[Any]) -> list[Any]:
    """Let them run into each other; what lost for good says why."""
    answers: Sequence[Any] = await asyncio.gather(*attempts, return_exceptions=True)
    assert all(not isinstance(one, Exception) or isinstance(one, Refused) for one in answers)
    return list(answers)


async def the_book(payouts: Payouts) -> Book:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book


async def test_two_people_race_for_one_approval(payouts: Payouts) -> None:
    """One of them approves and is booked once; the other one hears that it is done."""
    await second_due(payouts)
    answers = await raced(*(approve(payouts, 2, 3_000, by=f"staff-{n}") for n in range(2, 6)))
    assert sum(isinstance(one, Refused) for one in answers) == 3
    assert (await the(payouts, 2)).approvals == 1
    assert (await the_book(payouts)).balances[Account.CREATOR_PAYABLE] == 3_000
    await payouts.assert_books_true()


async def test_one_person_races_to_be_both(payouts: Payouts) -> None:
    """However often the first one asks at once, a second one is still needed."""
    await second_due(payouts)
    await raced(*(approve(payouts, 2, 3_000, limit=1) for _ in range(5)))
    assert (await the(payouts, 2)).state is StageState.AWAITING_SECOND_APPROVAL


async def test_one_person_in_both_roles_is_refused_with_the_reason(payouts: Payouts) -> None:
    """Who gave the first half does not give the second, nor who decided about the milestone."""
    await second_due(payouts)
    assert await reason(approve(payouts, 2, 3_000, by="staff-1", limit=1)) == "same-person"
    await approve(payouts, 2, 3_000, limit=1)
    assert await reason(approve(payouts, 2, 3_000, limit=1)) == "same-person"
    assert (await the(payouts, 2)).state is StageState.AWAITING_SECOND_APPROVAL
    await approve(payouts, 2, 3_000, by="staff-3", limit=1)
    assert (await the(payouts, 2)).state is StageState.APPROVED


async def reason(attempt: Awaitable[object]) -> str:
    with pytest.raises(Refused) as refused:
        await attempt
    return refused.value.reason


async def test_opposite_decisions_race(payouts: Payouts) -> None:
    """A milestone is approved or rejected, by one of the two, and told once."""
    await first_paid(payouts)
    await show(payouts, 2)
    answers = await raced(decide(payouts, 2), decide(payouts, 2, by="staff-2", why="not enough"))
    assert sum(isinstance(one, Refused) for one in answers) == 1
    told = [await payouts.published(name) for name in ("milestone-approved", "milestone-rejected")]
    assert sorted(len(one) for one in told) == [0, 1]


@pytest.mark.parametrize("limit", [1, LIMIT])
async def test_an_approval_races_with_a_hold(payouts: Payouts, limit: int) -> None:
    """Whoever is first, the stage is held in the end and nothing is owed for it."""
    await second_due(payouts)
    await raced(approve(payouts, 2, 3_000, limit=limit), place(payouts))
    assert (await the(payouts, 2)).state is StageState.HELD
    assert (await the_book(payouts)).balances[Account.CREATOR_PAYABLE] == 0
    await payouts.assert_books_true()


async def test_a_submission_that_did_not_see_a_hold_is_not_saved(payouts: Payouts) -> None:
    """A retry reads the book, a hold is placed meanwhile: the two cannot both be saved."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    payouts.provider.faults["create_transfer"] = ["decline"]
    while (await the(payouts, 2)).state is not StageState.FAILED:
        await payouts.turn()
        payouts.clock.advance(seconds=10)
    stage, book = await the(payouts, 2), await the_book(payouts)
    await place(payouts)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.HELD
    assert len(payouts.provider.transfers) == 1

    async def blind(unit: PayoutsUnit) -> None:
        await unit.stages.save([replace(stage, version=(await the(payouts, 2)).version)])
        await unit.books.save([book])

    with pytest.raises(Conflict):
        await run(payouts, blind)


async def test_a_late_pledge_races_with_the_last_approval(payouts: Payouts) -> None:
    """It joins and the approval is refused as changed, or it goes back whole."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    await show(payouts, 3)
    await decide(payouts, 3)
    answers = await raced(approve(payouts, 3, 5_000 - 1_020), payouts.collect(3, counted=False))
    await payouts.work_off()
    book = await the_book(payouts)
    refused = isinstance(answers[0], Refused)
    assert book.last_approved is not refused
    assert payouts.provider.refunded == ({} if refused else {"ch_3": 5_000})
    assert book.fee_base == (15_000 if refused else 10_000)
    await payouts.assert_books_true()


async def test_a_late_pledge_between_two_approvals_of_the_last_stage(payouts: Payouts) -> None:
    """After the first one fell it joins again, with its fee; what went back stays gone."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    await show(payouts, 3)
    await decide(payouts, 3)
    await approve(payouts, 3, 5_000 - 1_020)
    await payouts.collect(3, counted=False)
    await place(payouts)
    await payouts.collect(4, counted=False)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_3": 5_000}
    await run(
        payouts, lambda unit: release_hold(unit, CAMPAIGN, "hold-1", "s", payouts.clock.now())
    )
    with pytest.raises(Refused, match="is 8470 EUR"):
        await approve(payouts, 3, 5_000 - 1_020)
    await approve(payouts, 3, 10_000 - 1_530)
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.PAID
    assert (await the_book(payouts)).balances[Account.PLATFORM_FEE_INCOME] == 750
    await payouts.assert_books_true()


@pytest.mark.parametrize("turns", [0, 1])
async def test_who_gave_half_an_approval_gives_it_anew(payouts: Payouts, turns: int) -> None:
    """After seven days, and for another amount, the first person is the first again."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000, limit=1)
    payouts.clock.advance(seconds=7 * 86_400)
    for _ in range(turns):
        await payouts.turn()
    await approve(payouts, 2, 3_000, limit=1)
    await payouts.collect(3, counted=False)
    await take_back(payouts, 1, 4)
    await take_back(payouts, 2, 5)
    with pytest.raises(Refused, match="is 500 EUR"):
        await approve(payouts, 2, 3_000, limit=1)
    half = await approve(payouts, 2, 500, limit=1)
    assert half.state is StageState.AWAITING_SECOND_APPROVAL and half.amount == 500
    approved = await approve(payouts, 2, 500, by="staff-3", limit=1)
    assert approved.state is StageState.APPROVED


async def test_half_an_approval_falls_with_its_destination(payouts: Payouts) -> None:
    """The stage is due again, so that the new destination is verified and both approve it."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000, limit=1)
    await payouts.give_destination("acct_2")
    with pytest.raises(Refused, match="not verified"):
        await approve(payouts, 2, 3_000, by="staff-3", version=2, limit=1)
    await payouts.turn()
    assert (await the(payouts, 2)).state is StageState.DUE
    for by in ("staff-2", "staff-3"):
        await approve(payouts, 2, 3_000, by=by, version=2, limit=1)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID
    assert payouts.provider.paid_from[f"{CAMPAIGN}/stage-2/attempt-1"] == "acct_2"


async def test_the_last_stage_is_never_approved_without_its_fees(payouts: Payouts) -> None:
    """Half an approval, another destination, a higher limit: the one who asks again takes them."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    await show(payouts, 3)
    await decide(payouts, 3)
    await approve(payouts, 3, 5_000 - 1_020, limit=1)
    await payouts.give_destination("acct_2")
    given = await payouts.queries.destination(CAMPAIGN)
    assert given is not None
    verified = verify(given, payouts.clock.now())
    await run(payouts, lambda unit: unit.destinations.save(verified))
    approved = await approve(payouts, 3, 5_000 - 1_020, version=2)
    assert approved.divided is not None
    book = await the_book(payouts)
    assert book.last_approved and book.balances[Account.BACKER_FUNDS] == 0


async def test_money_that_went_back_leaves_a_stage_of_nothing(payouts: Payouts) -> None:
    """Somebody says so, nothing is booked, and the last stage gets its turn."""
    await payouts.collect(1, 2, 3)
    await payouts.hear_verdict(Outcome.GOAL_MET, 3)
    await payouts.give_destination()
    await pay(payouts)
    for number in (3, 2):
        await show(payouts, number)
        await decide(payouts, number)
    await take_back(payouts, 1, 4)
    await take_back(payouts, 2, 5)
    assert (await approve(payouts, 2, 0)).state is StageState.NOTHING_TO_PAY
    assert (await the(payouts, 3)).state is StageState.DUE
    await payouts.assert_books_true()


async def test_unknown_terms_stop_the_last_stage_and_nothing_else(payouts: Payouts) -> None:
    """A campaign planned by the first release pays its second stage, and books that it did."""
    await first_paid(payouts)
    old = replace(await the_book(payouts), fees=None, fee_base=0, processing=0)
    await run(payouts, lambda unit: unit.books.save([old]))
    for number in (3, 2):
        await show(payouts, number)
        await decide(payouts, number)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID
    with pytest.raises(Refused, match="terms"):
        await approve(payouts, 3, 5_000)
    await payouts.assert_books_true()


@pytest.mark.parametrize(
    ("by", "days", "alone"), [("staff-2", 0, False), ("staff-2", 31, True), ("staff-3", 0, True)]
)
async def test_the_limit_counts_a_person_s_approvals_together(
    payouts: Payouts, by: str, days: int, alone: bool
) -> None:
    """Two stages below it are above it together, for one person within thirty days."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000, limit=4_000)
    await pay(payouts)
    payouts.clock.advance(seconds=days * 86_400)
    await show(payouts, 3)
    await decide(payouts, 3)
    last = await approve(payouts, 3, 5_000 - 1_020, by=by, limit=4_000)
    assert (last.state is StageState.APPROVED) is alone
    if not alone:
        last = await approve(payouts, 3, 5_000 - 1_020, by="staff-3", limit=4_000)
        assert last.state is StageState.APPROVED


@pytest.mark.parametrize("state", ["planned", "submitted", "paid"])
async def test_there_is_a_time_for_an_approval(payouts: Payouts, state: str) -> None:
    """Neither before a stage is due nor after it is on its way does another one approve it."""
    await second_due(payouts)
    number = 3 if state == "planned" else 2
    if state != "planned":
        await approve(payouts, 2, 3_000)
        payouts.provider.faults["create_transfer"] = ["rate_limited"] * 99 * (state != "paid")
        await pay(payouts, 5)
    before = await the(payouts, number), await the_book(payouts)
    with pytest.raises(Refused):
        await approve(payouts, number, (await amount_of(payouts, number)), by="staff-9")
    assert (await the(payouts, number), await the_book(payouts)) == before


async def amount_of(payouts: Payouts, number: int) -> int:
    stage = await the(payouts, number)
    return stage.planned_amount if stage.amount is None else stage.amount


def test_an_approval_holds_for_seven_days_and_counts_for_thirty() -> None:
    """To the second; what the verdict approves stands, and each of two persons has a time."""
    week, month, second = timedelta(days=7), timedelta(days=30), timedelta(seconds=1)
    given = Approval("staff-1", 3_000, 1, NOW, "staff-2", second_at=NOW + week - second)
    assert not given.expired(NOW + week - second) and given.expired(NOW + week)
    assert not replace(given, by=VERDICT).expired(NOW + month)
    assert given.counts("staff-1", NOW + month - second)
    assert not given.counts("staff-1", NOW + month)
    assert given.counts("staff-2", NOW + month + week - 2 * second)
    assert not given.counts("staff-2", NOW + month + week - second)
    assert not given.counts("staff-3", NOW)


async def test_a_creator_is_refused_whatever_else_holds(payouts: Payouts) -> None:
    """Also as the second person, and under no limit."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000, limit=1)
    asked = Asked(3_000, "EUR", 1, 1, CREATOR)
    with pytest.raises(Refused, match="creator does not approve"):
        await run(
            payouts,
            lambda unit: approve_stage(
                unit, CAMPAIGN, 2, asked, Concerned(CREATOR, None, False), 10**9, NOW
            ),
        )


@dataclass
class MovingTopic:
    """A topic that grows while nobody reads; its group is where the test puts it."""

    end: int
    reached: int

    async def ends(self) -> dict[int, int]:
        await asyncio.sleep(0)
        return {0: self.end}

    async def committed(self) -> dict[int, int]:
        await asyncio.sleep(0)
        return {0: self.reached}


async def test_many_may_ask_at_once_whether_the_view_is_fresh() -> None:
    """A person looks at the gate while the worker evaluates it: both are answered."""
    positions: Any = [MovingTopic(7, 7), MovingTopic(3, 3)]
    freshness = TopicFreshness(positions, memory_payouts().clock)

    async def ask(turns: int) -> object:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await freshness.fresh_since("approval-1")

    answers = await asyncio.gather(*(ask(turns) for turns in range(8)))
    assert len(set(answers)) == 1 and None not in answers


async def test_a_reader_that_comes_to_where_a_topic_ended_yesterday_has_not_read_today() -> None:
    """It stood still for the time to object: what was published in it is read first."""
    topic, clock = MovingTopic(7, 6), memory_payouts().clock
    positions: Any = [topic]
    freshness = TopicFreshness(positions, clock)
    assert await freshness.fresh_since("approval-1") is None
    clock.advance(seconds=60)
    topic.end, topic.reached = 8, 7
    assert await freshness.fresh_since("approval-1") == clock.now(), "a busy reader is let through"
    topic.reached, topic.end = 7, 9
    clock.advance(seconds=60)
    assert await freshness.fresh_since("approval-1") is None
    clock.advance(hours=24)
    topic.end, topic.reached = 30, 9
    assert await freshness.fresh_since("approval-1") is None
    topic.reached = 30
    assert await freshness.fresh_since("approval-1") == clock.now()


async def test_looking_at_the_gate_before_the_approval_makes_no_view_fresh() -> None:
    """What was read when somebody looked says nothing of what was published up to the approval."""
    payouts, topic = memory_payouts(), MovingTopic(7, 7)
    positions: Any = [topic]
    payouts.stages = replace(payouts.stages, freshness=TopicFreshness(positions, payouts.clock))

    async def fresh(number: int) -> bool:
        _, lines = await payouts.stages.explain(CAMPAIGN, number)
        return next(line for line in lines if line.name == "view_fresh").state == "passed"

    await second_due(payouts)
    assert not await fresh(2)
    topic.end = 8
    await approve(payouts, 2, 3_000)
    await pay(payouts, 5)
    assert not await fresh(2) and len(payouts.provider.transfers) == 1
    await place(payouts)
    await run(
        payouts, lambda unit: release_hold(unit, CAMPAIGN, "hold-1", "s", payouts.clock.now())
    )
    topic.reached, topic.end = 8, 9
    await approve(payouts, 2, 3_000)
    assert not await fresh(2)
    topic.reached = 9
    await pay(payouts, 5)
    assert await fresh(3) is False and len(payouts.provider.transfers) == 2
