"""A database that forgot, a provider that did not, keys that are gone: nothing is paid twice."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payouts import wire
from payouts.domain import refund_recovery, stage_recovery
from payouts.domain.book import Outcome
from payouts.domain.claim_money import ClaimMoney
from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.errors import Refused
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.ledger import Account
from payouts.domain.refund import RefundState, request
from payouts.domain.refund_outcome import ProviderRefundStatus, RefundSeen
from payouts.domain.stage import StageState
from payouts.domain.stage_outcome import TransferSeen
from payouts.domain.stage_recovery import TransferMade
from payouts.domain.stopping import Stopped
from payouts.handlers.holds import place_hold, release_hold
from payouts.handlers.recover import RecoverPayouts
from payouts.handlers.refund_requests import reject_refund
from payouts.ports.provider import NoAnswer
from payouts.sweeps.refunds import UnblockRefunds
from servicekit.errors import DependencyAway
from servicekit.memory import MemoryDatabase
from servicekit.own_topics import Unexplained
from services.payouts.tests.builders import (
    CEILINGS,
    NOW,
    a_destination,
    an_approved_stage,
    some_money,
)
from services.payouts.tests.conftest import CAMPAIGN, RULES, Payouts, memory_payouts
from services.payouts.tests.test_claim_money import (
    BY_CAMPAIGN,
    BY_PLATFORM,
    PART,
    claim_given,
    fact,
)
from services.payouts.tests.test_claim_money import told as claim_told
from services.payouts.tests.test_claimable import claimable, told, tried
from services.payouts.tests.test_later_stages import (
    approve,
    decide,
    first_paid,
    pay,
    second_due,
    show,
    the,
)
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_staff_refunds import approved, asked, cancelled, current, staff
from sosst_contracts.chain import Chains
from sosst_contracts.codec import Record, attribution
from sosst_contracts.payouts import StageHeld

PLEDGES = 4
LONGER_THAN_KEYS_LIVE = 25 * 3_600
FAULTS = ("timeout_after", "error_before", "error_after", "rate_limited", "decline", "none")
Faults = st.lists(st.sampled_from(FAULTS), max_size=8)
Turns = st.integers(0, 10)
# How much had been heard when the backup was made: nothing, the pledges, the verdict too.
Heard = st.integers(0, 2)
# How many of the last blocks were sealed and not yet published when the database was lost.
Unpublished = st.integers(0, 2)
LEDGER = wire.LEDGER_TOPIC
Backup = dict[str, dict[Any, Any]]


def tables(payouts: Payouts) -> MemoryDatabase:
    return payouts.outbox._database  # type: ignore[union-attr]


def back_up(payouts: Payouts) -> Backup:
    return {name: dict(table) for name, table in tables(payouts)._tables.items()}


def restore(payouts: Payouts, backup: Backup) -> Payouts:
    """Put the backup in place and return another process on it."""
    for name, table in tables(payouts)._tables.items():
        table.clear()
        table.update(backup.get(name, {}))
    return payouts.crashed()


async def hear(payouts: Payouts, outcome: Outcome, begin: int, end: int) -> None:
    """Hear the inputs from one place to another, as reading the topics again does."""
    if begin < 1 <= end:
        await payouts.collect(*range(1, PLEDGES + 1))
    if begin < 2 <= end:
        await payouts.hear_verdict(outcome, PLEDGES)


async def live(payouts: Payouts, turns: int) -> None:
    for _ in range(turns):
        await payouts.turn()
        payouts.clock.advance(seconds=20)


async def recover(payouts: Payouts) -> list[str]:
    return await recovery_of(payouts).reconcile()


def recovery_of(payouts: Payouts) -> RecoverPayouts:
    async def wait(seconds: float) -> None:
        payouts.clock.advance(seconds=seconds)

    return RecoverPayouts(
        units=payouts.units,
        queries=payouts.queries,
        provider=payouts.provider,
        brake=payouts.brake,
        queue=payouts.work,
        read=wire.blocks_from,
        read_holds=wire.held_from,
        read_asked=wire.asked_from,
        read_refused=wire.refused_from,
        read_ends=wire.ends_from,
        rules=RULES,
        clock=payouts.clock,
        wait=wait,
    )


async def roll_forward(payouts: Payouts, ledger: Sequence[Record]) -> list[str]:
    """Take back what the ledger's topic holds, and pass over its numbers, as `recover` does."""
    unexplained = [Unexplained(record, CAMPAIGN, at, "") for at, record in numbered(ledger)]
    lasts = tables(payouts).table("sequences")
    known = lasts.get((LEDGER, CAMPAIGN), 0)
    new = [one for one in unexplained if one.sequence > known]
    lines = await recovery_of(payouts).roll_forward(new)
    lasts[LEDGER, CAMPAIGN] = max(known, *(one.sequence for one in unexplained), 0)
    return lines


def numbered(ledger: Sequence[Record]) -> list[tuple[int, Record]]:
    return [(attribution(record)[1] or 0, record) for record in ledger]


async def assert_the_ledger_goes_on(payouts: Payouts, ledger: Sequence[Record]) -> None:
    """What was published before the restore and what is published after it are one chain."""
    chains = Chains()
    everything = dict(numbered([*ledger, *await ledger_of(payouts)]))
    for record in [*ledger, *await ledger_of(payouts)]:
        at = attribution(record)[1] or 0
        assert record.value == everything[at].value, f"block {at} was made again"
    assert [f for at in sorted(everything) for f in chains.take(everything[at].value)] == []
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.head.block == chains.by_campaign[CAMPAIGN].number
    assert book.head.hash == chains.by_campaign[CAMPAIGN].hash


async def restored(
    payouts: Payouts,
    outcome: Outcome,
    heard: int,
    before: int,
    after: int,
    unpublished: int = 0,
) -> tuple[Payouts, list[Record]]:
    """Live until the backup, live on, lose what came after it; the keys are forgotten.

    Returns also what had been published of the ledger, which comes back first.
    """
    await hear(payouts, outcome, 0, heard)
    if heard == 2 and outcome is Outcome.GOAL_MET:
        await payouts.give_destination()
    await live(payouts, before)
    backup = back_up(payouts)
    await hear(payouts, outcome, heard, 2)
    if outcome is Outcome.GOAL_MET:
        await payouts.give_destination()
    await live(payouts, after)
    cash = payouts.provider.cash
    ledger = await ledger_of(payouts)
    ledger = ledger[: len(ledger) - unpublished]
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    again = restore(payouts, backup)
    lines = await roll_forward(again, ledger)
    assert not [line for line in lines if "a person" in line], lines
    await hear(again, outcome, heard, 2)
    payouts.provider.cash = cash
    return again, ledger


@pytest.mark.trap(23)
@settings(max_examples=60)
@given(
    faults=Faults,
    heard=Heard,
    before=Turns,
    after=Turns,
    late=st.booleans(),
    unpublished=Unpublished,
)
def test_refunds_are_taken_over_from_the_provider(
    faults: list[str], heard: int, before: int, after: int, late: bool, unpublished: int
) -> None:
    """Whenever the backup was made and whatever went wrong, each pledge goes back once."""

    async def story() -> None:
        first = memory_payouts()
        first.provider.faults["create_refund"] = faults[:]
        payouts, ledger = await restored(
            first, Outcome.GOAL_MISSED, heard, before, after, unpublished
        )
        made = [r for r in await payouts.queries.refunds(CAMPAIGN, "", 10) if r.attempts]
        if late and made and made[0].attempt_id in payouts.provider.refunds:
            payouts.provider.fail_later(made[0])
        payouts.provider.faults["create_refund"] = []
        assert not [line for line in await recover(payouts) if "a person" in line]
        assert await recover(payouts) == []
        await payouts.work_off(hours=6)
        returned = {f"ch_{number}": 5_000 for number in range(1, PLEDGES + 1)}
        found = await payouts.queries.refund_figures(CAMPAIGN)
        owed = found.get("claimable", (0, 0))[0]
        assert sum(payouts.provider.refunded.values()) == 5_000 * (PLEDGES - owed)
        assert payouts.provider.refunded.items() <= returned.items()
        left = [m.type for m in payouts.provider.movements]
        assert left.count("refund") - left.count("refund_failure") == PLEDGES - owed
        book = await payouts.queries.book(CAMPAIGN)
        assert book is not None
        assert book.balances[Account.PROVIDER_BALANCE] == 5_000 * owed
        assert (book.unclaimed, book.ahead) == (0, {}), "all that was published is known again"
        await payouts.assert_books_true()
        await assert_the_ledger_goes_on(payouts, ledger)

    asyncio.run(story())


@pytest.mark.trap(21)
@pytest.mark.trap(23)
@settings(max_examples=60)
@given(
    transfers=Faults,
    legs=Faults,
    heard=Heard,
    before=Turns,
    after=Turns,
    unpublished=Unpublished,
)
def test_stages_are_taken_over_from_the_provider(
    transfers: list[str], legs: list[str], heard: int, before: int, after: int, unpublished: int
) -> None:
    """Both legs of a stage are there once, although nobody here remembers that they were sent."""

    async def story() -> None:
        first = memory_payouts()
        first.provider.faults |= {"create_transfer": transfers[:], "create_payout": legs[:]}
        payouts, ledger = await restored(first, Outcome.GOAL_MET, heard, before, after, unpublished)
        payouts.provider.faults.clear()
        assert not [line for line in await recover(payouts) if "a person" in line]
        await recover(payouts)
        if await payouts.queries.destination(CAMPAIGN) is None:
            await payouts.give_destination()
        await live(payouts, 120)
        stage = (await payouts.queries.stages(CAMPAIGN))[0]
        amount = PLEDGES * 5_000 * 2_000 // 10_000
        sent = [m for m in payouts.provider.movements if m.type == "transfer"]
        if stage.failures < 3:
            assert stage.state is StageState.PAID
            assert len(sent) == len(payouts.provider.payouts) == 1
            assert payouts.provider.accounts["acct_1"] == 0
            book = await payouts.queries.book(CAMPAIGN)
            assert book is not None
            assert book.balances[Account.PROVIDER_BALANCE] == PLEDGES * 5_000 - amount
        assert len(sent) <= 1
        await payouts.assert_books_true()
        await assert_the_ledger_goes_on(payouts, ledger)

    asyncio.run(story())


async def test_without_taking_over_nothing_would_go_on() -> None:
    """The tests above can fail: the ordinary machinery alone finds the transfer in its way."""
    payouts, _ = await restored(memory_payouts(), Outcome.GOAL_MET, 1, 0, 10)
    await payouts.give_destination()
    await live(payouts, 20)
    assert [m.type for m in payouts.provider.movements].count("transfer") == 1
    stopped = payouts.brake.stopped(CAMPAIGN)
    assert stopped is not None and stopped.by == "payouts"


async def test_a_destination_changed_after_the_transfer_stays_as_the_creator_gave_it() -> None:
    """Money that went to the account before is no word about where the next goes."""
    payouts = memory_payouts()
    payouts.provider.faults["create_payout"] = ["rate_limited"] * 3
    await hear(payouts, Outcome.GOAL_MET, 0, 2)
    await payouts.give_destination()
    await live(payouts, 5)
    assert [m.type for m in payouts.provider.movements] == ["transfer"]
    await payouts.give_destination("acct_2")
    given = await payouts.queries.destination(CAMPAIGN)
    backup = back_up(payouts)
    payouts.provider.faults.clear()
    await live(payouts, 20)
    assert len(payouts.provider.payouts) == 1
    again = restore(payouts, backup)
    assert [line for line in await recover(again) if "taken over" in line]
    assert await again.queries.destination(CAMPAIGN) == given


async def test_a_stage_that_a_person_must_look_at_is_not_sent_once_more() -> None:
    """Two transfers are one too many: the campaign's money stands, also once it was let go of."""
    payouts, _ = await restored(memory_payouts(), Outcome.GOAL_MET, 1, 0, 10)
    (attempt,) = payouts.provider.transfers
    another = attempt.replace("attempt-1", "attempt-2")
    payouts.provider.transfers[another] = TransferSeen(2, "tr_another", "txn_another")
    payouts.provider.asked_for[another] = payouts.provider.asked_for[attempt]
    lines = await recover(payouts)
    assert [line for line in lines if "a person must look" in line and "stopped" in line]
    await payouts.give_destination()
    await live(payouts, 20)
    assert [m.type for m in payouts.provider.movements].count("transfer") == 1
    payouts.brake.pulled.clear()
    await live(payouts, 20)
    assert [m.type for m in payouts.provider.movements].count("transfer") == 1
    stopped = payouts.brake.stopped(CAMPAIGN)
    assert stopped is not None and stopped.by == "payouts"


async def test_a_refund_that_waits_to_be_claimed_is_not_sent_once_more() -> None:
    """Refusals leave nothing at the provider; the ledger says that the money waits."""
    first = memory_payouts()
    first.provider.faults["create_refund"] = ["decline"] * 3 * PLEDGES
    payouts, ledger = await restored(first, Outcome.GOAL_MISSED, 1, 0, 10)
    assert not [line for line in await recover(payouts) if "a person" in line]
    await payouts.work_off(hours=6)
    refunds = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert [refund.state for refund in refunds] == [RefundState.CLAIMABLE] * PLEDGES
    assert payouts.provider.refunded == {}
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 0
    assert book.balances[Account.CLAIMABLE] == 5_000 * PLEDGES
    await payouts.assert_books_true()
    await assert_the_ledger_goes_on(payouts, ledger)


@pytest.mark.parametrize("unpublished", [0, 1])
async def test_the_number_of_an_approval_that_fell_is_not_used_again(unpublished: int) -> None:
    """The destination changed after the first one; the second may be published or not: it pays."""
    payouts = memory_payouts()
    await hear(payouts, Outcome.GOAL_MET, 0, 1)
    backup = back_up(payouts)
    await hear(payouts, Outcome.GOAL_MET, 1, 2)
    await payouts.give_destination()
    for _ in range(20):
        await payouts.turn()
        (stage, *_) = await payouts.queries.stages(CAMPAIGN)
        if stage.state is StageState.APPROVED:
            break
        payouts.clock.advance(seconds=2)
    await payouts.give_destination("acct_2")
    await payouts.turn()
    assert (await payouts.queries.stages(CAMPAIGN))[0].approvals == 2
    ledger = await ledger_of(payouts)
    assert any(b"stage-approval-fallen" in (record.value or b"") for record in ledger)
    ledger = ledger[: len(ledger) - unpublished]
    cash = payouts.provider.cash
    again = restore(payouts, backup)
    await roll_forward(again, ledger)
    await hear(again, Outcome.GOAL_MET, 1, 2)
    again.provider.cash = cash
    await recover(again)
    await again.give_destination("acct_2")
    await live(again, 60)
    stage = (await again.queries.stages(CAMPAIGN))[0]
    assert stage.state is StageState.PAID
    book = await again.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 0
    await again.assert_books_true()
    await assert_the_ledger_goes_on(again, ledger)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("known", ["planned", "due", "half", "approved"])
async def test_a_later_stage_is_never_paid_twice_after_a_restore(
    known: str, published: bool
) -> None:
    """The ledger says what people approved; where it was not published, the money stands still."""
    payouts = memory_payouts()
    await first_paid(payouts)
    for at, step in (
        ("planned", partial(show, payouts, 2)),
        ("planned", partial(decide, payouts, 2)),
        ("due", partial(approve, payouts, 2, 3_000, limit=1)),
        ("half", partial(approve, payouts, 2, 3_000, by="staff-3", limit=1)),
        ("approved", partial(pay, payouts)),
    ):
        if at == known:
            backup = back_up(payouts)
            known = ""
        await step()
    assert (await the(payouts, 2)).state is StageState.PAID
    ledger = await ledger_of(payouts)
    was_approved = backup["stages"][f"{CAMPAIGN}/stage-2"].state is StageState.APPROVED
    again = restore(payouts, backup)
    if published:
        await roll_forward(again, ledger)
    lines, taken_over = await recover(again), published or was_approved
    assert bool([line for line in lines if "money is stopped" in line]) is not taken_over
    if not taken_over:
        if (await the(again, 2)).state is StageState.PLANNED:
            await show(again, 2)
            await decide(again, 2)
        for by in ("staff-2", "staff-3"):
            if (await the(again, 2)).state is not StageState.APPROVED:
                with suppress(Refused):
                    await approve(again, 2, 3_000, by=by, limit=1)
        assert (await the(again, 2)).state is StageState.APPROVED
    await pay(again)
    assert len(again.provider.transfers) == 2
    assert (await the(again, 2)).state is (StageState.PAID if taken_over else StageState.APPROVED)
    book = await again.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 0
    await again.assert_books_true()


@pytest.mark.trap(21)
@pytest.mark.trap(23)
@pytest.mark.parametrize("at", ["pledges", "due", "failed", "back"])
@pytest.mark.parametrize("lived", ["back", "paid"])
async def test_a_stage_that_was_taken_back_unsent_is_paid_once_after_a_restore(
    at: str, lived: str
) -> None:
    """Refused, taken back, sent elsewhere: the ledger says how often, the provider whether."""
    payouts = memory_payouts()
    await payouts.collect(1, 2)
    backups = {"pledges": back_up(payouts)}
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    backups["due"] = back_up(payouts)
    payouts.provider.faults["create_transfer"] = ["decline"]
    await payouts.give_destination()
    while (await the(payouts, 1)).state is not StageState.FAILED:
        await pay(payouts, turns=1)
    backups["failed"] = back_up(payouts)
    payouts.brake.pulled[CAMPAIGN] = Stopped("staff-1", NOW)
    await payouts.give_destination("acct_2")
    await pay(payouts, turns=4)
    assert (await the(payouts, 1)).taken_back == 1
    backups["back"] = back_up(payouts)
    payouts.brake.pulled.clear()
    if lived == "paid":
        await pay(payouts)
        assert (await the(payouts, 1)).state is StageState.PAID
    ledger, cash = await ledger_of(payouts), payouts.provider.cash
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    again = restore(payouts, backups[at])
    await roll_forward(again, ledger)
    if at == "pledges":
        await again.hear_verdict(Outcome.GOAL_MET, 2)
    again.provider.cash = cash
    for _ in range(2):
        await recover(again)
    if lived == "back" or await again.queries.destination(CAMPAIGN) is None:
        await again.give_destination("acct_2")
    await live(again, 60)
    assert (await the(again, 1)).state is StageState.PAID
    assert [m.type for m in again.provider.movements].count("transfer") == 1
    assert len(again.provider.payouts) == 1
    await again.assert_books_true()
    await assert_the_ledger_goes_on(again, ledger)
    book = await again.queries.book(CAMPAIGN)
    assert book is not None and not book.unclaimed, await again.queries.unclaimed(CAMPAIGN, "", 9)


@pytest.mark.parametrize("known", [StageState.DUE, StageState.APPROVED])
@pytest.mark.parametrize("released", [False, True])
async def test_a_hold_after_the_backup_still_holds(known: StageState, released: bool) -> None:
    """It is forgotten with its reason: the money stands still until a person lets it go on."""
    payouts = memory_payouts()
    await second_due(payouts)
    backup = back_up(payouts)
    await approve(payouts, 2, 3_000)
    if known is StageState.APPROVED:
        backup = back_up(payouts)
    hold = Hold("hold-1", HoldKind.STAFF, "the workshop is closed", "staff-4", NOW)
    now = payouts.clock.now()
    await payouts.units.run(lambda unit: place_hold(unit, CAMPAIGN, hold, now))
    if released:
        await payouts.units.run(lambda unit: release_hold(unit, CAMPAIGN, "hold-1", "staff", now))
    told = [row.record for row in await payouts.outbox.page(10_000)]
    ledger = [record for record in told if record.topic == LEDGER]
    again = restore(payouts, backup)
    await roll_forward(again, ledger)
    held = [record for record in told if record.topic == StageHeld.topic]
    lines = await recovery_of(again).roll_forward(
        [Unexplained(record, CAMPAIGN, at, "") for at, record in numbered(held)]
    )
    await recover(again)
    assert bool([line for line in lines if "workshop" in line]) is not released
    stage = await the(again, 2)
    assert (stage.state, stage.approvals) == (StageState.DUE, 1), "the fallen approval fell again"
    await approve(again, 2, 3_000)
    await pay(again)
    assert len(again.provider.transfers) == 1 + released
    again.brake.pulled.clear()
    await pay(again)
    assert (await the(again, 2)).state is StageState.PAID
    await again.assert_books_true()
    await assert_the_ledger_goes_on(again, ledger)


async def test_a_ledger_that_does_not_follow_ours_is_left_to_a_person() -> None:
    """Blocks that another database made are not taken for ours, and nothing of them is kept."""
    ours, theirs = memory_payouts(), memory_payouts()
    await ours.collect(1)
    await theirs.collect(2)
    await theirs.collect(3)
    (line,) = await roll_forward(ours, await ledger_of(theirs))
    assert "a person must look at the ledger" in line and "does not follow" in line
    book = await ours.queries.book(CAMPAIGN)
    assert book is not None and (book.head.block, book.unclaimed) == (1, 0)


async def test_blocks_are_taken_back_once_however_often(payouts: Payouts) -> None:
    """On memory and MongoDB: a recovery that was broken off is run again; a posting is claimed."""
    lived = memory_payouts()
    await lived.collect(1, 2)
    await lived.collect(3)
    unexplained = [Unexplained(r, CAMPAIGN, at, "") for at, r in numbered(await ledger_of(lived))]
    recovery = recovery_of(payouts)
    assert await recovery.roll_forward(unexplained[:1]) != []
    for taken in (1, 0):
        (line,) = await recovery.roll_forward(unexplained)
        assert f": {taken} blocks taken back" in line
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 3
    assert await payouts.queries.blocks(CAMPAIGN, 0, 10) == await lived.queries.blocks(
        CAMPAIGN, 0, 10
    )
    assert await payouts.queries.unclaimed(CAMPAIGN, "txn_1", 10) == ["txn_1/pledge"]
    await payouts.assert_books_true()
    await payouts.collect(1, 3)
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 1
    assert len(await payouts.queries.unclaimed(CAMPAIGN, "", 10)) == 1
    with pytest.raises(Refused, match="other content"):
        await payouts.collect(2, amount=4_999)
    await payouts.collect(2)
    lived_book, book = await lived.queries.book(CAMPAIGN), await payouts.queries.book(CAMPAIGN)
    assert lived_book is not None and book is not None
    assert (book.balances, book.head, book.ahead) == (lived_book.balances, lived_book.head, {})
    assert await ledger_of(payouts) == []
    await payouts.assert_books_true()


async def test_cash_that_belongs_to_nothing_is_shown_to_a_person() -> None:
    """What left the provider and is in no book is named, and nothing is guessed."""
    payouts = memory_payouts()
    await hear(payouts, Outcome.GOAL_MISSED, 0, 2)
    payouts.provider._leave("refund", "re_of_nobody", 5_000)
    (line,) = await recover(payouts)
    assert "a person must look" in line and "re_of_nobody" in line
    assert payouts.brake.pulled == {}


async def test_cash_of_a_campaign_that_no_book_knows_stops_its_money() -> None:
    """A refund made and never told after the backup: nothing more is paid until a person looked."""
    payouts = memory_payouts()
    await hear(payouts, Outcome.GOAL_MET, 0, 2)
    payouts.provider._leave("refund", "re_forgotten", 5_000)
    payouts.provider.campaigns["re_forgotten"] = CAMPAIGN
    (line,) = await recover(payouts)
    assert "re_forgotten" in line and f"the money of {CAMPAIGN} is stopped" in line
    await payouts.give_destination()
    for _ in range(5):
        await payouts.turn()
        payouts.clock.advance(seconds=60)
    assert payouts.provider.transfers == {}


async def test_a_provider_that_does_not_answer_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is assumed to be absent because nobody answered: recover is run again."""
    payouts = memory_payouts()
    await hear(payouts, Outcome.GOAL_MISSED, 0, 2)

    async def silent(_: object) -> NoAnswer:
        return NoAnswer()

    async def at_once(_: float) -> None:
        pass

    monkeypatch.setattr(payouts.provider, "refunds_of", silent)
    monkeypatch.setattr("payouts.handlers.recovery.answers.asyncio.sleep", at_once)
    with pytest.raises(DependencyAway, match="recover again"):
        await recover(payouts)


def seen(attempt: int, transaction: str, failure: str | None = None) -> RefundSeen:
    status = ProviderRefundStatus.FAILED if failure else ProviderRefundStatus.SUCCEEDED
    return RefundSeen(attempt, f"re_{attempt}", status, transaction, failure)


def test_attempts_keep_the_numbers_that_the_provider_knows() -> None:
    """Two that came back and a third that stands are three attempts, posted on their cash."""
    asked = request(some_money(), "cause", NOW)
    found = [seen(3, "txn_c"), seen(1, "txn_a", "txn_a_back"), seen(2, "txn_b", "txn_b_back")]
    taken = refund_recovery.adopt(asked.refund, asked.money, found, NOW)
    assert [a.provider_refund_id for a in taken.refund.attempts] == ["re_1", "re_2", "re_3"]
    assert taken.refund.state is RefundState.SUCCEEDED and len(taken.postings) == 5
    again = refund_recovery.adopt(taken.refund, taken.money, found, NOW)
    assert again.refund == taken.refund and again.postings == ()


def test_what_cannot_both_be_true_is_left_to_a_person() -> None:
    """Another amount, or a second transfer, is never folded in."""
    stage, destination = an_approved_stage(3_666), a_destination()
    made = TransferMade(TransferSeen(1, "tr_1", "txn_1"), "acct_1", 3_666)
    for transfers in (
        [replace(made, amount=1)],
        [made, replace(made, seen=TransferSeen(2, "tr_2", "txn_2"))],
    ):
        with pytest.raises(Refused):
            stage_recovery.adopt(stage, destination, transfers, [], NOW)
    taken = stage_recovery.adopt(stage, destination, [made], [], NOW)
    assert taken.stage.attempt.transfer_id == "tr_1"


Moments = st.integers(0, 4)


@pytest.mark.trap(3)
@pytest.mark.trap(23)
@settings(max_examples=80)
@given(
    outcome=st.sampled_from([Outcome.GOAL_MISSED, Outcome.GOAL_MET]),
    opens=Moments,
    ends=Moments,
    saved=Moments,
    status=st.sampled_from([ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST]),
)
def test_a_chargeback_is_booked_once_around_a_restored_backup(
    outcome: Outcome, opens: int, ends: int, saved: int, status: ProviderDisputeStatus
) -> None:
    """Opened, decided, backed up at any moments of a campaign: the same books, nobody twice."""
    asyncio.run(_charged_back(outcome, opens, opens + ends, saved, status))


async def _charged_back(
    outcome: Outcome, opens: int, ends: int, saved: int, status: ProviderDisputeStatus
) -> None:
    payouts, backup, heard = memory_payouts(), Backup(), 0
    for moment in range(max(opens, ends, saved, 4) + 1):
        if moment == saved:
            backup, heard = back_up(payouts), min(moment, 2)
        if moment in (1, 2):
            await hear(payouts, outcome, moment - 1, moment)
        if moment == 1:
            await payouts.give_destination()
        if moment == opens:
            payouts.provider.dispute("ch_1", 5_000, 2_000)
        if moment == ends and status is not None:
            payouts.provider.move_dispute("dp_0", status)
        await live(payouts, 2)
    cash, ledger = payouts.provider.cash, await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    again = restore(payouts, backup)
    await roll_forward(again, ledger)
    await hear(again, outcome, max(heard - 1, 0), 2)
    payouts.provider.cash = cash
    if await again.queries.destination(CAMPAIGN) is None:
        await again.give_destination()
    lines = await recover(again)
    assert not [line for line in lines if "a person" in line], lines
    await live(again, 12)
    dispute = await again.queries.dispute("dp_0")
    assert dispute is not None and dispute.state.value == status.value
    await again.assert_books_true()
    await assert_the_ledger_goes_on(again, ledger)
    book = await again.queries.book(CAMPAIGN)
    assert book is not None
    assert not book.unclaimed, await again.queries.unclaimed(CAMPAIGN, "", 9)
    for reference, times in payouts.provider.made.items():
        assert times <= 1, f"{reference} was refunded {times} times"
    assert len({(t.attempt, t.transfer_id) for t in payouts.provider.transfers.values()}) <= 1


REFUNDS = "payouts.refunds"


async def nothing_more(payouts: Payouts) -> None:
    """The backup has all that was heard."""


async def recovered_with_what_was_told(
    payouts: Payouts,
    backup: Backup,
    read_again: Callable[[Payouts], Awaitable[None]] = nothing_more,
) -> Payouts:
    """Bring the backup back by the ledger and what the topic of refunds says, and live on."""
    ledger, cash = await ledger_of(payouts), payouts.provider.cash
    told = [r.record for r in await payouts.outbox.page(10_000) if r.record.topic == REFUNDS]
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    again = restore(payouts, backup)
    again.provider.cash = cash
    await roll_forward(again, ledger)
    facts = [Unexplained(record, CAMPAIGN, at, "") for at, record in numbered(told)]
    await recovery_of(again).roll_forward(facts)
    await read_again(again)
    for _ in range(2):  # It may have died in between.
        await recovery_of(again).roll_forward(facts)
        lines = await recover(again)
        assert not [line for line in lines if "a person" in line or "wait to be" in line], lines
    await live(again, 5)
    return again


@pytest.mark.trap(23)
@pytest.mark.parametrize("saved", ["nothing", "asked"])
@pytest.mark.parametrize("lived", ["unsent", "sent", "taken_back"])
async def test_what_two_people_approved_after_the_backup_is_paid_once(
    saved: str, lived: str
) -> None:
    """No rule makes it again: own topics say that it was approved, the ledger for how much."""
    payouts = memory_payouts()
    await payouts.collect(1)
    if saved == "asked":
        await asked(payouts)
    backup = back_up(payouts)
    refund = await approved(payouts, await asked(payouts))
    if lived == "taken_back":
        await cancelled(payouts, refund)
    elif lived == "sent":
        await live(payouts, 3)
    ledger = await ledger_of(payouts)
    again = await recovered_with_what_was_told(payouts, backup)
    back = 0 if lived == "taken_back" else 2_000
    assert again.provider.refunded.get("ch_1", 0) == back
    (known,) = await again.queries.refunds(CAMPAIGN, "", 10)
    assert known.state.value == ("cancelled" if lived == "taken_back" else "succeeded")
    await assert_the_ledger_goes_on(again, ledger)
    await again.assert_books_true()


async def staff_give_a_part(payouts: Payouts) -> None:
    await approved(payouts, await asked(payouts))


async def a_bank_takes_a_part(payouts: Payouts) -> None:
    payouts.provider.dispute("ch_1", 2_000)
    await live(payouts, 2)
    payouts.provider.move_dispute("dp_0", ProviderDisputeStatus.LOST)
    await live(payouts, 2)


async def missed(payouts: Payouts) -> None:
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)


async def withdrawn(payouts: Payouts) -> None:
    await payouts.withdraw(1, 3)


async def pledged(payouts: Payouts) -> None:
    await payouts.collect(1, 2)


async def states_of(payouts: Payouts) -> dict[str, tuple[int, RefundState]]:
    found = await payouts.queries.refunds(CAMPAIGN, "", 9)
    return {one.refund_id: (one.amount, one.state) for one in found}


@pytest.mark.trap(1)
@pytest.mark.trap(23)
@pytest.mark.parametrize("before", [staff_give_a_part, a_bank_takes_a_part])
@pytest.mark.parametrize(
    ("saved", "read_again"),
    [
        ("pledges", [missed]),
        ("nothing", [pledged, missed]),
        ("nothing", [missed, pledged]),
        ("pledges", [withdrawn]),
        ("nothing", [pledged, withdrawn]),
    ],
)
async def test_what_was_left_of_a_pledge_goes_back_once_after_a_restore(
    before: Callable[[Payouts], Awaitable[None]],
    saved: str,
    read_again: list[Callable[[Payouts], Awaitable[None]]],
) -> None:
    """A rule would ask for all of it, as what went before is not known yet: the ledger says it."""
    payouts = memory_payouts()
    backup = back_up(payouts)
    await pledged(payouts)
    if saved == "pledges":
        backup = back_up(payouts)
    await before(payouts)
    await live(payouts, 2)
    end = withdrawn if withdrawn in read_again else missed
    await end(payouts)
    await payouts.work_off()
    returned, ledger = dict(payouts.provider.refunded), await ledger_of(payouts)
    states = await states_of(payouts)

    async def heard_again(again: Payouts) -> None:
        for read in read_again:
            await read(again)

    again = await recovered_with_what_was_told(payouts, backup, heard_again)
    assert (again.provider.refunded, await states_of(again)) == (returned, states)
    await assert_the_ledger_goes_on(again, ledger)
    await again.assert_books_true()


async def approved_only(payouts: Payouts) -> None:
    """The verdict approves the first stage, and staff stop the money before it is submitted."""
    await payouts.brake.stop(CAMPAIGN, "staff-9", "to have a look")
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.APPROVED


async def approved_again(payouts: Payouts) -> None:
    """A first approval falls with another destination, and a second one stands."""
    await approved_only(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    stage = await the(payouts, 1)
    assert (stage.state, stage.approvals) == (StageState.APPROVED, 2)


async def submitted_only(payouts: Payouts) -> None:
    """The provider refuses every transfer of it."""
    payouts.provider.faults["create_transfer"] = ["decline"] * 3
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.FAILED


@pytest.mark.trap(23)
@pytest.mark.parametrize(
    ("saved", "reached"),
    [
        (nothing_more, approved_only),
        (nothing_more, approved_again),
        (nothing_more, submitted_only),
        (approved_only, submitted_only),
    ],
)
@pytest.mark.parametrize("heard", ["before", "after"])
async def test_what_was_approved_and_never_sent_is_the_backers_after_a_cancellation(
    saved: Callable[[Payouts], Awaitable[None]],
    reached: Callable[[Payouts], Awaitable[None]],
    heard: str,
) -> None:
    """Only the ledger knows the approval: it is undone there, and all is divided."""
    payouts = memory_payouts()
    await pledged(payouts)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await saved(payouts)
    backup = back_up(payouts)
    payouts.brake.pulled.clear()
    await reached(payouts)
    ledger = await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    again = restore(payouts, backup)
    again.brake.pulled.clear()
    await roll_forward(again, ledger)
    if heard == "after":
        await recover(again)
    await again.hear_cancellation(2)
    for _ in range(2):  # It may have died in between.
        lines = await recover(again)
        assert not [line for line in lines if "a person" in line], lines
    await again.work_off()
    assert again.provider.refunded == {"ch_1": 5_000, "ch_2": 5_000}
    assert (await the(again, 1)).state is StageState.CANCELLED
    assert again.provider.transfers == {}
    book = await again.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 0, await again.queries.unclaimed(CAMPAIGN, "", 9)
    await assert_the_ledger_goes_on(again, ledger)
    await again.assert_books_true()


@pytest.mark.trap(23)
@pytest.mark.parametrize("wanted", [BY_CAMPAIGN, BY_PLATFORM, PART])
@pytest.mark.parametrize("lived", ["unsent", "sent", "taken_back", "beyond"])
async def test_what_was_given_for_a_claim_after_the_backup_is_given_once(
    wanted: ClaimMoney, lived: str
) -> None:
    """Its payer, and whether it may go to the card at all, stand in the ledger."""
    payouts = memory_payouts()
    await first_paid(payouts)
    if lived == "beyond":
        await approved(
            payouts, await claim_given(payouts, replace(PART, claim_id="b4", amount=4_500))
        )
        await live(payouts, 3)
    before = payouts.provider.refunded.get("ch_1", 0)
    backup = back_up(payouts)
    if lived == "beyond" and wanted == PART:
        wanted = replace(wanted, amount=500)
    refund = await claim_given(payouts, wanted)
    if refund.state is RefundState.AWAITING_APPROVAL:
        refund = await approved(payouts, refund)
    if lived == "taken_back":
        await cancelled(payouts, refund)
    elif lived == "sent":
        await live(payouts, 3)
    ledger = await ledger_of(payouts)
    again = await recovered_with_what_was_told(payouts, backup)
    sent = wanted.amount if lived in ("unsent", "sent") or wanted.amount == 500 else 0
    assert again.provider.refunded.get("ch_1", 0) - before == sent
    known = await again.queries.refund(CAMPAIGN, refund.refund_id)
    assert known is not None and (known.kind, known.payer) == (wanted.kind, wanted.payer)
    assert known.beyond is refund.beyond
    await assert_the_ledger_goes_on(again, ledger)
    await again.assert_books_true()


@pytest.mark.trap(3)
@pytest.mark.trap(23)
@pytest.mark.parametrize("saved", ["nothing", "blocked"])
async def test_what_went_on_after_its_bank_had_decided_is_given_once(saved: str) -> None:
    """The platform pays it a moment after the dispute's end: nothing of that asks for it again."""
    payouts = memory_payouts()
    await first_paid(payouts)
    backup = back_up(payouts)
    await payouts.brake.stop(CAMPAIGN, "staff-9", "to have a look")
    given = await approved(payouts, await claim_given(payouts, BY_PLATFORM))
    payouts.provider.dispute(given.payment_reference, 500)
    await live(payouts, 2)
    assert (await current(payouts, given)).state is RefundState.BLOCKED
    if saved == "blocked":
        backup = back_up(payouts)
    payouts.brake.pulled.clear()
    payouts.provider.move_dispute("dp_0", ProviderDisputeStatus.WON)
    await payouts.work_off(1)
    await UnblockRefunds(payouts.units, payouts.queries, payouts.stages.funds)(payouts.clock.now())
    await payouts.work_off()
    assert (await current(payouts, given)).state is RefundState.SUCCEEDED
    returned, ledger = dict(payouts.provider.refunded), await ledger_of(payouts)
    payouts.brake.pulled.clear()
    again = await recovered_with_what_was_told(payouts, backup)
    await again.work_off()
    assert (await current(again, given)).state is RefundState.SUCCEEDED
    assert again.provider.refunded == returned and set(again.provider.made.values()) == {1}
    await assert_the_ledger_goes_on(again, ledger)
    await again.assert_books_true()


@pytest.mark.trap(23)
@pytest.mark.parametrize("saved", ["nothing", "asked"])
async def test_a_claim_that_was_refused_after_the_backup_stays_refused(saved: str) -> None:
    """Its backer was told so: what would be given for it now, or approved, is given to nobody."""
    payouts = memory_payouts()
    await first_paid(payouts)
    claim = fact(claim_id="claim-2", payer="platform", decided_by="staff-1")
    backup = back_up(payouts)
    if saved == "nothing":
        strict = replace(CEILINGS, person_amount=1)
        payouts.claims = replace(payouts.claims, ceilings=strict)
        await claim_told(payouts, claim)
    else:
        await claim_told(payouts, claim)
        backup = back_up(payouts)
        (waits,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
        now = payouts.clock.now()
        await payouts.units.run(
            lambda unit: reject_refund(unit, CAMPAIGN, waits.refund_id, "no", staff(2), now)
        )
    assert len(await payouts.published("refund-refused")) == 1
    again = await recovered_with_what_was_told(payouts, backup)
    await claim_told(again, claim, first=2)
    (known,) = await again.queries.refunds(CAMPAIGN, "", 10)
    assert known.state is RefundState.REFUSED and known.reason
    assert (await again.work.backlog("claim")).items == 0
    assert await again.published("refund-refused") == []
    with pytest.raises(Refused):
        await approved(again, known, staff(3))
    await again.assert_books_true()


@pytest.mark.trap(23)
@pytest.mark.parametrize("words_saved", [0, 1])
async def test_what_was_paid_by_other_means_after_the_backup_is_not_sent(words_saved: int) -> None:
    """The ledger says it: nobody tries it again, and nothing of it is posted twice."""
    payouts = memory_payouts()
    refund = await claimable(payouts)
    backup = back_up(payouts)
    for number in range(2):
        await told(payouts, refund, f"staff-{number}")
        if number + 1 == words_saved:
            backup = back_up(payouts)
    ledger, cash = await ledger_of(payouts), payouts.provider.cash
    again = restore(payouts, backup)
    again.provider.cash = cash
    await roll_forward(again, ledger)
    for _ in range(2):
        lines = await recover(again)
        assert not [line for line in lines if "a person" in line or "wait to be" in line], lines
    with pytest.raises(Refused):
        await tried(again, refund)
    await live(again, 5)
    assert again.provider.refunded == {}
    await assert_the_ledger_goes_on(again, ledger)
    await again.assert_books_true()


@pytest.mark.trap(23)
async def test_what_was_given_up_and_then_charged_back_after_the_backup_is_for_a_person() -> None:
    """The backup has it as paid: it is named, nothing more is sent, and all else is recovered."""
    payouts = memory_payouts()
    await hear(payouts, Outcome.GOAL_MISSED, 0, 2)
    await payouts.work_off()
    backup = back_up(payouts)
    (refund, *_) = await payouts.queries.refunds(CAMPAIGN, "", 1)
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    payouts.provider.fail_later(refund)
    await payouts.work_off()
    assert (await current(payouts, refund)).state is RefundState.CLAIMABLE
    payouts.provider.dispute(refund.payment_reference, 500)
    await live(payouts, 3)
    assert (await current(payouts, refund)).state is RefundState.BLOCKED
    ledger, refunded = await ledger_of(payouts), dict(payouts.provider.refunded)
    again = restore(payouts, backup)
    await roll_forward(again, ledger)
    lines = await recover(again)
    assert any(refund.refund_id in line and "a person" in line for line in lines), lines
    assert again.brake.stopped(CAMPAIGN) is not None
    await again.work_off()
    assert again.provider.refunded == refunded
