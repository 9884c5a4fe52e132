"""What a creator owes: one item per cause, the oldest settled first, ended by two people."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payouts.domain import postings
from payouts.domain.approval import Concerned
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.ledger import Account
from payouts.domain.receivable import (
    EndKind,
    Proposed,
    Receivable,
    ReceivableState,
    follow,
    open_sum,
    propose,
)
from payouts.handlers.posting import post
from payouts.handlers.receivables import end_receivable
from payouts.ports.unit import PayoutsUnit
from services.payouts.tests.builders import NOW, a_receivable
from services.payouts.tests.conftest import CAMPAIGN, Payouts

NOBODY = Concerned("creator-1", None, False)
LENT = postings.refund_requested("rf_1", 0, advanced=5_000)


def word(by: str = "staff-1", **changes: object) -> Proposed:
    said: dict[str, object] = {
        "kind": EndKind.WRITTEN_OFF,
        "amount": 5_000,
        "reason": "insolvent",
        "by": by,
        "at": NOW,
    }
    return Proposed(**(said | changes))  # type: ignore[arg-type]


def test_the_oldest_debt_is_set_off_first() -> None:
    """Each cause is an item; a credit goes over them by age, and never beyond them."""
    items = follow({}, [LENT], "campaign-1", "EUR", NOW)
    other = postings.refund_requested("rf_2", 0, advanced=1_000)
    items = follow(items, [other], "campaign-1", "EUR", NOW + timedelta(hours=1))
    set_off = postings.stage_submitted("s", 6_000, 5_500)
    items = follow(items, [set_off], "campaign-1", "EUR", NOW)
    first, second = sorted(items.values(), key=lambda one: one.arisen_at)
    assert (first.state, first.open) == (ReceivableState.SETTLED, 0)
    assert (second.state, second.open) == (ReceivableState.PART_SETTLED, 500)
    with pytest.raises(InvariantBroken):
        follow(items, [postings.stage_submitted("t", 501, 501)], "campaign-1", "EUR", NOW)


def test_one_person_proposes_and_another_one_confirms() -> None:
    """The same person's same word again changes nothing; booked is what both said."""
    first = propose(a_receivable(), word(), NOBODY)
    assert first.postings == () and first.receivable.proposed == word()
    again = propose(first.receivable, word(at=NOW + timedelta(hours=1)), NOBODY)
    assert again.receivable == first.receivable
    both = propose(first.receivable, word("staff-2"), NOBODY)
    [posting] = both.postings
    assert posting.cause == "debt-written-off/rc_1/1"
    items = follow({"rc_1": both.receivable}, both.postings, "campaign-1", "EUR", NOW)
    ended = items["rc_1"]
    assert (ended.state, ended.written_off) == (ReceivableState.WRITTEN_OFF, 5_000)
    assert (ended.ended_by, ended.endings[0].by) == (("staff-2",), "staff-1")
    assert propose(ended, word("staff-2"), NOBODY).receivable == ended


@pytest.mark.parametrize(
    ("said", "concerned", "reason"),
    [
        (word("creator-1"), NOBODY, "creator-approves"),
        (word("staff-2"), Concerned("creator-1", None, True), "backer-approves"),
        (word("staff-2", amount=4_999), NOBODY, "other-proposal"),
        (word("staff-2", kind=EndKind.SETTLED), NOBODY, "other-proposal"),
        (word("staff-2", amount=5_001), NOBODY, "not-owed"),
    ],
)
def test_who_and_what_is_refused(said: Proposed, concerned: Concerned, reason: str) -> None:
    """Neither the creator nor a backer; what differs is not confirmed; never more than is owed."""
    proposed = replace(a_receivable(), proposed=word())
    with pytest.raises(Refused) as refused:
        propose(proposed, said, concerned)
    assert refused.value.reason == reason


def test_a_proposal_falls_after_seven_days() -> None:
    """Then the next word is a first one."""
    proposed, week = replace(a_receivable(), proposed=word()), timedelta(days=7)
    late = word("staff-2", at=NOW + week)
    assert propose(proposed, late, NOBODY).receivable.proposed == late
    in_time = word("staff-2", at=NOW + week - timedelta(seconds=1))
    assert len(propose(proposed, in_time, NOBODY).postings) == 1


async def test_a_debt_is_settled_in_part_and_the_rest_written_off(payouts: Payouts) -> None:
    """Two people each time; the items and the account always say the same."""
    await payouts.collect(1)

    async def lend(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        await unit.books.save([await post(unit, book, [LENT], NOW)])

    await payouts.units.run(lend)
    [debt] = await payouts.queries.receivables(CAMPAIGN)
    paid = word(kind=EndKind.SETTLED, amount=2_000, reason="transfer of March")
    rest = word(amount=3_000)
    for said, state in (
        (paid, ReceivableState.ARISEN),
        (replace(paid, by="staff-2"), ReceivableState.PART_SETTLED),
        (rest, ReceivableState.PART_SETTLED),
        (replace(rest, by="staff-2"), ReceivableState.WRITTEN_OFF),
        (replace(rest, by="staff-2"), ReceivableState.WRITTEN_OFF),
    ):
        ended = await end(payouts, debt, said)
        assert ended.state is state
        await assert_the_account_says_the_same(payouts)
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.balances[Account.LOSS_COSTS] == 3_000
    with pytest.raises(Refused):
        await end(payouts, replace(debt, receivable_id="rc_none"), rest)


async def end(payouts: Payouts, debt: Receivable, said: Proposed) -> Receivable:
    name = debt.receivable_id
    return await payouts.units.run(
        lambda unit: end_receivable(unit, CAMPAIGN, name, said, NOBODY, NOW)
    )


async def assert_the_account_says_the_same(payouts: Payouts) -> None:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    owed = open_sum(await payouts.queries.receivables(CAMPAIGN))
    assert owed == book.balances.get(Account.CREATOR_RECEIVABLE, 0)
