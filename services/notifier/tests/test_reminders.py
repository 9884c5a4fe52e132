"""Reminders of money that waits: told on their days, withdrawn when their reason is gone."""

from collections import Counter
from datetime import timedelta

import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    PLEDGE,
    Notifier,
    events_of,
    fact,
    memory_notifier,
    paid,
    settle,
    unpaid,
)
from sosst_contracts.codec import Record
from sosst_contracts.funding import (
    PledgeDropped,
)
from sosst_contracts.notifier import BackerNotified
from sosst_contracts.payouts import (
    ClaimableReminderDue,
    RefundClaimable,
    RefundFailed,
    RefundPaidOtherwise,
    RefundSucceeded,
)

DAY = timedelta(days=1)
PERSON = Caller("backer-1", ("backer",))
OF = {"refund_id": "rf_1", "backer_id": "backer-1"}


def claimable(sequence: int, day: float = 0, refund: str = "rf_1") -> Record:
    of = OF | {"refund_id": refund, "claimable_at": NOW + day * DAY}
    return fact(RefundClaimable, sequence, **of)


def reminder(sequence: int, days: int, refund: str = "rf_1") -> Record:
    of = OF | {"refund_id": refund, "days": days, "claimable_at": NOW, "due_at": NOW + days * DAY}
    return fact(ClaimableReminderDue, sequence, **of)


def returned(sequence: int, day: float, came_back: int | None = None) -> Record:
    at = NOW + day * DAY
    return fact(RefundSucceeded, sequence, **OF, succeeded_at=at, came_back=came_back)


def paid_otherwise(sequence: int, day: float) -> Record:
    return fact(RefundPaidOtherwise, sequence, **OF, paid_at=NOW + day * DAY)


async def inbox(notifier: Notifier) -> list[tuple[str, bool]]:
    """Kinds and whether their reason is gone, oldest first."""
    entries = await notifier.queries.inbox("backer-1", None, 50)
    shown = [(entry.chunk.told.kind.value, entry.chunk.reason_gone) for entry in entries]
    return shown[::-1]


def told(notifier: Notifier) -> list[str]:
    events = events_of(notifier.publisher)
    return [event.kind for event in events if isinstance(event, BackerNotified)]


@pytest.mark.row("S13")
async def test_each_reminder_is_told_once_and_again_when_it_waits_again(
    notifier: Notifier,
) -> None:
    """Redelivered it tells nobody twice; a second failure is another reason."""
    facts = [claimable(1), reminder(2, 7), reminder(3, 30)]
    await notifier.hear(*facts)
    await notifier.hear(*facts)
    await notifier.hear(claimable(4, day=40))
    await settle(notifier)
    assert sorted(told(notifier)) == ["claimable-reminder-due"] * 2 + ["refund-claimable"] * 2


@pytest.mark.trap(11)
@pytest.mark.parametrize("end", [returned(3, 8), paid_otherwise(3, 8)])
async def test_a_reminder_that_nobody_was_told_of_is_not_told_any_more(
    notifier: Notifier, end: Record
) -> None:
    """The money arrived first: the backer hears of that, and of no claim."""
    await notifier.hear(claimable(1), reminder(2, 7), end)
    await settle(notifier)
    (kind,) = told(notifier)
    assert kind in ("refund-succeeded", "refund-paid-otherwise")
    assert await inbox(notifier) == [(kind, False)]


@pytest.mark.trap(15)
async def test_a_refund_that_came_back_and_arrived_after_all_is_told_again(
    notifier: Notifier,
) -> None:
    """Else the last word was that it failed; each of the three is told once."""
    first, again = returned(1, 0), returned(3, 5, came_back=1)
    failed = fact(RefundFailed, 2, **OF, attempt=1, failed_at=NOW + 3 * DAY)
    for _ in range(2):
        await notifier.hear(first, failed, again)
        await settle(notifier)
    # Heard at once they go out at once, in any order.
    assert Counter(told(notifier)) == {"refund-succeeded": 2, "refund-failed": 1}


@pytest.mark.trap(11)
async def test_what_was_told_is_shown_as_over(notifier: Notifier) -> None:
    """It stays in the inbox, marked; of another refund, or of later, nothing is touched."""
    await notifier.hear(claimable(1), reminder(2, 7), reminder(3, 7, refund="rf_10"))
    await settle(notifier)
    await notifier.hear(returned(4, 8), claimable(5, day=9))
    await settle(notifier)
    assert sorted(await inbox(notifier)) == [
        ("claimable-reminder-due", False),
        ("claimable-reminder-due", True),
        ("refund-claimable", False),
        ("refund-claimable", True),
        ("refund-succeeded", False),
    ]
    assert len(told(notifier)) == 5


@pytest.mark.trap(11)
async def test_a_payment_of_before_its_reminder_ends_what_asks_for_it(notifier: Notifier) -> None:
    """Nobody is told who has paid; whoever else has not is, though the ids begin alike."""
    await notifier.hear(*unpaid(), *unpaid("pledge-10", 3), paid(5))
    await settle(notifier)
    assert sorted(told(notifier)) == ["pledge-errored", "pledge-reminder-due"]
    entries = await notifier.queries.inbox("backer-1", None, 50)
    assert {entry.chunk.told.content["pledge_id"] for entry in entries} == {"pledge-10"}


@pytest.mark.trap(11)
@pytest.mark.parametrize(
    ("end", "told_of_it"),
    [
        (paid(3), []),
        (fact(PledgeDropped, 3, **PLEDGE, dropped_at=NOW), [("pledge-dropped", False)]),
    ],
    ids=["paid", "given up"],
)
async def test_what_asked_for_a_payment_is_over_with_it(
    notifier: Notifier, end: Record, told_of_it: list[tuple[str, bool]]
) -> None:
    """It stays in the inbox of who was told, marked."""
    await notifier.hear(*unpaid())
    await settle(notifier)
    await notifier.hear(end)
    await settle(notifier)
    over = [("pledge-errored", True), ("pledge-reminder-due", True)]
    assert sorted(await inbox(notifier)) == sorted(over + told_of_it)


async def test_a_withdrawn_notice_is_complete_and_says_so() -> None:
    """Nobody is missing: one person was suppressed, for a reason."""
    notifier = memory_notifier()
    await notifier.hear(reminder(1, 7), returned(2, 8))
    await settle(notifier)
    since = int(NOW.timestamp())
    async with notifier.http() as client:
        staff = bearer(Caller("staff-1", ("staff",)))
        path = f"/campaigns/{CAMPAIGN}/notices/claimable-reminder-due/rf_1:7-{since}"
        notice = (await client.get(path, headers=staff)).json()
        shown = (await client.get("/people/backer-1/inbox", headers=bearer(PERSON))).json()
    outcomes = {one: notice[one] for one in ("audience", "suppressed", "delivered", "pending")}
    assert outcomes == {"audience": 1, "suppressed": 1, "delivered": 0, "pending": 0}
    assert notice["complete"] is True
    assert [item["reason_gone"] for item in shown["items"]] == [False]
