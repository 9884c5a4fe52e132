"""Refunds that leave together share what is read and saved, and nothing else (decision 0039)."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TypeVar

import httpx
import pytest

from payouts.adapters.queries import MongoQueries
from payouts.domain.book import Outcome
from payouts.domain.refund import Refund, RefundState
from payouts.handlers.refunds import refund_lanes, refund_readings
from payouts.handlers.work_kinds import REFUND
from payouts.http import webhooks
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork
from services.payouts.tests.conftest import CAMPAIGN, LEASE_SECONDS, Payouts, memory_payouts
from services.payouts.tests.fakes import MemoryQueries
from services.payouts.tests.test_http import api_of, hear, signed, told_of
from services.payouts.tests.test_wakes import Interrupted
from services.payouts.tests.unsteady import Fate, Unsteady

T = TypeVar("T")
HANDFUL = 8
GATHER_SECONDS = 0.5


@dataclass
class Counted:
    """Units of work that say how many transactions were made."""

    units: UnitsOfWork[PayoutsUnit]
    transactions: int = 0

    async def run(self, work: Callable[[PayoutsUnit], Awaitable[T]]) -> T:
        self.transactions += 1
        return await self.units.run(work)


@dataclass
class Asked:
    """Queries that keep how many refunds each question was for."""

    queries: MemoryQueries | MongoQueries
    sizes: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.queries, name)

    async def refunds_named(self, refund_ids: Collection[str]) -> dict[str, Refund]:
        self.sizes.append(len(refund_ids))
        return await self.queries.refunds_named(refund_ids)


async def missed(payouts: Payouts) -> None:
    """A missed campaign whose refunds are created and not sent."""
    await payouts.collect(*range(1, HANDFUL + 1))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, HANDFUL)
    await payouts.turn_run_only()


async def blocks(payouts: Payouts) -> int:
    return len(await payouts.queries.blocks(CAMPAIGN, 0, 100))


async def send_all(payouts: Payouts) -> None:
    claims = await payouts.claim(REFUND)
    assert len(claims) == HANDFUL
    await asyncio.gather(*(payouts.refunds(claim) for claim in claims))


async def assert_each_returned_once(payouts: Payouts) -> None:
    refunds = await payouts.queries.refunds(CAMPAIGN, "", 100)
    assert [one.state for one in refunds] == [RefundState.SUCCEEDED] * HANDFUL
    assert [len(one.attempts) for one in refunds] == [1] * HANDFUL
    assert list(payouts.provider.made.values()) == [1] * HANDFUL
    assert len(await payouts.published("refund-succeeded")) == HANDFUL
    await payouts.assert_books_true()


async def test_a_handful_is_read_noted_and_booked_together(payouts: Payouts) -> None:
    """One question, one transaction before the calls and one after, and one block."""
    await missed(payouts)
    counted, asked, before = Counted(payouts.units), Asked(payouts.queries), await blocks(payouts)
    payouts.refunds = replace(
        payouts.refunds,
        readings=refund_readings(asked),  # type: ignore[arg-type]
        notes=refund_lanes(counted, payouts.clock.now),
        outcomes=refund_lanes(counted, payouts.clock.now, gather_seconds=GATHER_SECONDS),
    )
    await send_all(payouts)
    assert (asked.sizes, counted.transactions) == ([HANDFUL], 2)
    assert await blocks(payouts) == before + 1
    await assert_each_returned_once(payouts)


@pytest.mark.trap(6)
@pytest.mark.parametrize("noted_only", [True, False], ids=["noted", "made"])
async def test_a_handful_that_a_crash_leaves_is_returned_once(
    payouts: Payouts, noted_only: bool
) -> None:
    """All noted and none sent, or all made and none of it saved: each under its own key again."""
    await missed(payouts)
    fates = [Fate.STILL_AFTER] if noted_only else [Fate.NOTHING, Fate.STILL_BEFORE]
    dead = Unsteady(payouts.units, deque(fates))
    dying = replace(payouts, units=dead)
    sending = asyncio.create_task(send_all(dying))
    await asyncio.wait_for(dead.still.wait(), 60)
    sending.cancel()
    made = [] if noted_only else [1] * HANDFUL
    assert list(payouts.provider.made.values()) == made
    payouts.clock.advance(seconds=LEASE_SECONDS + 1)
    await payouts.work_off()
    await assert_each_returned_once(payouts)


async def test_what_is_read_together_is_the_campaigns_own(payouts: Payouts) -> None:
    """Another campaign's refund, or nobody's, is none, beside one that is."""
    await missed(payouts)
    (refund, *_) = await payouts.queries.refunds(CAMPAIGN, "", 1)
    readings = refund_readings(payouts.queries)
    asked = ((CAMPAIGN, refund.refund_id), (CAMPAIGN, "rf_nobody"), ("other", refund.refund_id))
    found = await asyncio.gather(*(readings.submit(*one) for one in asked))
    assert found == [refund, None, None]


@pytest.mark.trap(14)
async def test_webhooks_that_come_together_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One question and one transaction wake all that they concern; each caller is answered."""
    # Together is what comes within this: no less than nine requests take on a busy machine.
    monkeypatch.setattr(webhooks, "GATHER_SECONDS", 2.0)
    payouts = memory_payouts()
    await missed(payouts)
    for claim in await payouts.claim(REFUND):
        await payouts.work.postpone(claim, payouts.clock.now().replace(year=2027))
    refunds = await payouts.queries.refunds(CAMPAIGN, "", 100)
    counted, asked = Counted(payouts.units), Asked(payouts.queries)
    api = api_of(replace(payouts, units=counted, queries=asked))  # type: ignore[arg-type]
    bodies = [told_of(one.refund_id) for one in refunds] + [told_of("rf_nobody")]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://payouts"
    ) as client:
        heard = await asyncio.gather(*(hear(client, body, signed(body)) for body in bodies))
    assert [one.json()["status"] for one in heard] == ["woke"] * HANDFUL + ["ignored"]
    assert (asked.sizes, counted.transactions) == ([HANDFUL + 1], 1)
    assert len(await payouts.claim(REFUND)) == HANDFUL


def succeeded(refund_id: str, provider_refund_id: str) -> bytes:
    """Return the webhook of a refund's success, as it comes beside the answer to its call."""
    about = json.loads(told_of(refund_id))
    about["data"]["object"] |= {"id": provider_refund_id, "status": "succeeded"}
    return json.dumps(about).encode()


@pytest.mark.trap(14)
async def test_a_webhook_that_overtakes_its_own_answer_costs_no_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was looked at before the answer was saved; afterwards it says nothing new."""
    monkeypatch.setattr(webhooks, "PATIENCE_SECONDS", (0.0,) * 1000)
    payouts = memory_payouts()
    await missed(payouts)
    claim, *_ = await payouts.claim(REFUND)
    looked = asyncio.Event()
    heard: list[asyncio.Task[httpx.Response]] = []

    class Watched(Asked):
        async def refunds_named(self, refund_ids: Collection[str]) -> dict[str, Refund]:
            found = await super().refunds_named(refund_ids)
            looked.set()
            return found

    api = api_of(replace(payouts, queries=Watched(payouts.queries)))  # type: ignore[arg-type]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://payouts"
    ) as client:

        async def overtake() -> None:
            (seen,) = payouts.provider.refunds.values()
            body = succeeded(claim.item.payload["refund_id"], seen.provider_refund_id)
            heard.append(asyncio.create_task(hear(client, body, signed(body))))
            await looked.wait()

        provider = Interrupted(payouts, "create_refund", overtake)
        await replace(payouts.refunds, provider=provider.as_provider)(claim)
        assert (await heard[0]).json() == {"status": "ignored"}
    assert (await payouts.work.backlog(REFUND)).items == HANDFUL - 1


@pytest.mark.trap(14)
async def test_a_webhook_whose_call_got_no_answer_wakes_the_refund(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process that sent it died: after a while the webhook is the news."""
    monkeypatch.setattr(webhooks, "PATIENCE_SECONDS", (0.0,))
    payouts = memory_payouts()
    await missed(payouts)
    claim, *others = await payouts.claim(REFUND)
    for one in others:
        await payouts.work.postpone(one, payouts.clock.now().replace(year=2027))

    async def die() -> None:
        raise asyncio.CancelledError

    provider = Interrupted(payouts, "create_refund", die)
    with pytest.raises(asyncio.CancelledError):
        await replace(payouts.refunds, provider=provider.as_provider)(claim)
    await payouts.work.postpone(claim, payouts.clock.now().replace(year=2027))
    (seen,) = payouts.provider.refunds.values()
    body = succeeded(claim.item.payload["refund_id"], seen.provider_refund_id)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api_of(payouts)), base_url="http://payouts"
    ) as client:
        assert (await hear(client, body, signed(body))).json() == {"status": "woke"}
    (woken,) = await payouts.claim(REFUND)
    assert woken.item.id == claim.item.id
