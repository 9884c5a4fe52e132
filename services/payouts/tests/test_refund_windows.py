"""Payments that can be returned for a time only: past it a refund is claimable, never sent."""

from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from payouts.commands import perform_queue
from payouts.domain.book import Outcome
from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.refund import Refund, RefundState, request
from payouts.domain.refund_recovery import close_again
from payouts.domain.refund_sending import send
from payouts.domain.refund_window import RefundWindows, attempts_of, close_window, closing_of
from payouts.domain.waiting import QueueName
from payouts.handlers.claimable import try_refund_again
from payouts.handlers.queues import page_of, place_in
from payouts.metrics import WINDOWS_CLOSING
from payouts.settings import PayoutsSettings
from payouts.sweeps.queues import MeasureQueues
from services.payouts.tests.builders import NOW, some_money
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_http import api_of

DAY = timedelta(days=1)
UNTIL = NOW + 180 * DAY
STAFF = Caller("staff-1", ("staff",))
WINDOWS = RefundWindows({"sepa_debit": 180})


@pytest.mark.parametrize(
    ("method", "until"), [("sepa_debit", UNTIL), ("card", None), ("cheque", None), (None, None)]
)
def test_the_window_follows_from_the_method(method: str | None, until: datetime | None) -> None:
    """Half a year for a direct debit; what is not named has no end."""
    assert WINDOWS.until(method, NOW) == until
    assert WINDOWS.until(method, datetime.max.replace(tzinfo=UTC)) is None


@pytest.mark.parametrize("text", ["sepa_debit", "sepa_debit=0", "a=1,a=2", "a=b"])
def test_windows_that_say_nothing_are_refused_at_the_start(text: str) -> None:
    """A slip in the setting would send money where it no longer arrives."""
    with pytest.raises(ValidationError, match="refund_window_days"):
        PayoutsSettings(refund_window_days=text)


async def refund_of(payouts: Payouts) -> Refund:
    (refund,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
    return refund


async def assert_claimable_unsent(payouts: Payouts, attempts: int = 0) -> None:
    refund = await refund_of(payouts)
    assert (refund.state, refund.reason) == (RefundState.CLAIMABLE, "window-closed")
    assert len(refund.attempts) == attempts and payouts.provider.refunded == {}
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.balances[Account.CLAIMABLE] == 5_000
    assert len(await payouts.published("refund-claimable")) == 1
    await payouts.assert_books_true()


@pytest.mark.row("S13")
async def test_past_its_window_a_refund_is_claimable_at_once(payouts: Payouts) -> None:
    """Nothing is sent, its backer is reminded, and nobody can try the same way again."""
    await payouts.collect(1, until=UNTIL)
    payouts.clock.advance(seconds=181 * 86_400)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    assert payouts.provider.calls == []
    await assert_claimable_unsent(payouts)
    refund = await refund_of(payouts)
    assert refund.remind_at is not None
    now = payouts.clock.now()
    with pytest.raises(Refused, match="no longer returns"):
        await payouts.units.run(
            lambda unit: try_refund_again(unit, CAMPAIGN, refund.refund_id, 0, "backer-1", now)
        )


async def test_within_its_window_it_is_sent(payouts: Payouts) -> None:
    """On the last day as on the first."""
    await payouts.collect(1, until=UNTIL)
    payouts.clock.advance(seconds=179 * 86_400)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    assert (await refund_of(payouts)).state is RefundState.SUCCEEDED


async def empty_float(payouts: Payouts) -> None:
    payouts.provider.cash -= 1_000_000


async def decline(payouts: Payouts) -> None:
    payouts.provider.faults["create_refund"] = ["decline"]


@pytest.mark.parametrize(
    ("trouble", "state", "attempts"),
    [(empty_float, "awaiting_funds", 0), (decline, "failed", 1)],
)
async def test_the_window_closes_on_one_that_waits(
    trouble: Callable[[Payouts], Awaitable[None]], state: str, attempts: int
) -> None:
    """For money or for another try: it is not sent once either has come too late."""
    payouts = memory_payouts()
    await payouts.collect(1, until=UNTIL)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await trouble(payouts)
    await payouts.turn()
    assert (await refund_of(payouts)).state.value == state
    payouts.provider.cash = 1_000_000
    payouts.clock.advance(seconds=181 * 86_400)
    await payouts.work_off()
    await assert_claimable_unsent(payouts, attempts)


@pytest.mark.trap(21)
@pytest.mark.parametrize("made", [True, False])
async def test_one_without_an_answer_is_looked_up_and_not_sent_again(
    payouts: Payouts, made: bool
) -> None:
    """It may have arrived in time: then it is made; if nothing is there, it is claimable."""
    await payouts.collect(1, until=NOW + timedelta(minutes=1))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    fault = "timeout_after" if made else "rate_limited"
    payouts.provider.faults["create_refund"] = [fault]
    await payouts.turn()
    payouts.clock.advance(seconds=90)
    await payouts.work_off()
    assert [call for call, _ in payouts.provider.calls] == ["create_refund"]
    if made:
        assert (await refund_of(payouts)).state is RefundState.SUCCEEDED
    else:
        await assert_claimable_unsent(payouts, attempts=1)


@pytest.mark.trap(3)
async def test_a_dispute_outlasts_the_window(payouts: Payouts) -> None:
    """Blocked, won after half a year: claimable; blocked and won again, once more."""
    await payouts.collect(1, until=UNTIL)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    for _ in range(2):
        name = payouts.provider.dispute("ch_1", 5_000)
        await payouts.follow_cash(payouts.clock.now())
        for claim in await payouts.claim("dispute"):
            await payouts.disputes(claim)
        assert (await refund_of(payouts)).state is RefundState.BLOCKED
        payouts.clock.advance(seconds=181 * 86_400)
        payouts.provider.move_dispute(name, ProviderDisputeStatus.WON)
        for _ in range(3):
            await payouts.turn()
            payouts.clock.advance(seconds=20)
        refund = await refund_of(payouts)
        assert (refund.state, refund.reason) == (RefundState.CLAIMABLE, "window-closed")
        await payouts.assert_books_true()
    assert payouts.provider.refunded == {}


async def test_what_waits_while_its_window_closes_is_in_a_queue(payouts: Payouts) -> None:
    """The first to close first, page by page; cards and what is far from its end are not in it."""
    for number, days in ((1, 30), (2, 10), (3, 5)):
        await payouts.collect(number, until=NOW + days * DAY)
    await payouts.collect(4)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 4)
    await payouts.turn_run_only()
    found, after = [], None
    name = QueueName.WINDOW_CLOSING
    while page := await page_of(payouts.queries, name, after, 1, NOW, 14 * DAY):
        after = place_in(name, page[-1])
        found += page
    assert [refund.pledge_id for refund in found] == ["pledge-3", "pledge-2"]
    await MeasureQueues(payouts.queries, 14 * DAY)(NOW)
    assert WINDOWS_CLOSING._value.get() == 2
    await payouts.work_off()
    assert await page_of(payouts.queries, name, None, 9, NOW, 14 * DAY) == []
    await MeasureQueues(payouts.queries, 14 * DAY)(NOW)
    assert WINDOWS_CLOSING._value.get() == 0


async def test_the_queue_by_http_and_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both name the day on which the window closes."""
    payouts = memory_payouts()
    await payouts.collect(1, 2, until=NOW + 10 * DAY)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()
    transport = httpx.ASGITransport(api_of(payouts))
    found: list[dict[str, Any]] = []
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        cursor = ""
        for _ in range(2):
            parameters = {"limit": "1", "cursor": cursor}
            answer = await client.get(
                "/queues/window-closing", params=parameters, headers=bearer(STAFF)
            )
            found += answer.json()["items"]
            cursor = answer.json()["next_cursor"]
    closes = [item["refund"]["refundable_until"][:10] for item in found]
    assert closes == ["2026-03-11"] * 2
    assert len({item["refund"]["refund_id"] for item in found}) == 2
    arguments = Namespace(name="window-closing")
    await perform_queue(arguments, payouts.queries, payouts.adjust, NOW, 14 * DAY)
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == closes
    assert last == "2 refunds wait in window-closing"


@pytest.mark.trap(23)
@pytest.mark.parametrize("attempts", [0, 2])
def test_a_restored_refund_is_claimable_as_the_ledger_has_it(attempts: int) -> None:
    """The same posting under the same name, so that it is claimed and not sealed again."""
    money = replace(some_money(), refundable_until=UNTIL)
    asked = request(money, "verdict-reached/campaign-1", NOW)
    refund = asked.refund
    for _ in range(attempts):
        refund = replace(send(refund, NOW), state=RefundState.FAILED, reason="declined")
    sealed = close_window(refund, asked.money, UNTIL).postings
    assert attempts_of(sealed[0].cause) == attempts
    again = close_again(asked.refund, asked.money, attempts, UNTIL)
    assert again.refund.state is RefundState.CLAIMABLE and again.postings == sealed
    assert closing_of(again.refund) == closing_of(refund)
    assert attempts_of(f"refund-claimable/{refund.attempt_id}" if attempts else "rf/1") is None
