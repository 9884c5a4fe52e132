"""From the outbox to the broker: a row goes only after the acknowledgement."""

import asyncio
from collections.abc import Sequence

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed, until
from infra.servicekit.tests.test_publish import on_topic, sequences
from servicekit import relay as relays
from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.loops import Pulse
from servicekit.outbox import OutboxRow
from servicekit.publish import KafkaPublisher, MemoryLog
from servicekit.relay import Relay
from sosst_contracts.codec import Draft, Record
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.payouts import RefundCreated
from sosst_contracts.testing import sample


async def fill(plumbed: Plumbed, count: int = 6) -> None:
    """Two keys in turn, and one fact of another topic in front of them."""
    pledges = [Draft(sample(PledgePlaced, campaign_id=f"c{n % 2}"), NOW) for n in range(count)]
    drafts = [Draft(sample(RefundCreated), NOW), *pledges]
    await plumbed.units.run(lambda unit: unit.plumbing.outbox.add(drafts))


async def waiting(plumbed: Plumbed) -> int:
    return (await plumbed.outbox.backlog())[0]


async def test_rows_stay_while_the_broker_is_away_and_then_drain_in_order(
    plumbed: Plumbed,
) -> None:
    """Nothing is forgotten that was not acknowledged."""
    await fill(plumbed)
    log = MemoryLog()
    log.away = True
    assert await Relay(plumbed.outbox, log).relay_page() is False
    assert await waiting(plumbed) == 7 and log.records == []
    log.away = False
    assert await Relay(plumbed.outbox, log).relay_page() is True
    assert await waiting(plumbed) == 0
    assert sequences(log.records, "c0") == sequences(log.records, "c1") == [1, 2, 3]


async def test_rows_of_a_missing_topic_stay_and_let_the_others_pass(plumbed: Plumbed) -> None:
    """The topic is left out of the next pages for a while, so it costs the others nothing."""
    await fill(plumbed)
    log = MemoryLog()
    log.missing = {"payouts.refunds"}
    relay = Relay(plumbed.outbox, log)
    assert await relay.relay_page() is True
    assert await waiting(plumbed) == 1 and len(log.records) == 6
    assert await relay.relay_page() is False


async def test_a_row_goes_only_after_its_acknowledgement(plumbed: Plumbed) -> None:
    """What the broker took without answering is sent again under the same sequence."""
    await fill(plumbed, 2)

    class LosingAnswers(MemoryLog):
        async def publish(self, records: Sequence[Record]) -> list[bool]:
            acknowledged = await super().publish(records)
            return [
                good and record.key != b"c1"
                for record, good in zip(records, acknowledged, strict=True)
            ]

    log = LosingAnswers()
    await Relay(plumbed.outbox, log).relay_page()
    (left,) = await plumbed.outbox.page(10)
    assert left.record.key == b"c1"
    again = MemoryLog()
    await Relay(plumbed.outbox, again).relay_page()
    assert again.records == [r for r in log.records if r.key == b"c1"]


async def test_the_loop_is_woken_by_a_commit_and_outlives_an_absent_database(
    plumbed: Plumbed,
) -> None:
    """It tries again by itself, and makes a last pass when it is told to stop."""
    log, stopping = MemoryLog(), asyncio.Event()
    relay = Relay(plumbed.outbox, log)
    page, misses = plumbed.outbox.page, iter([1])

    async def stumbling(limit: int, without_topics: list[str]) -> list[OutboxRow]:
        if next(misses, None):
            raise DependencyAway("MongoDB")
        return await page(limit, without_topics)

    relay._queue.page = stumbling  # type: ignore[method-assign, assignment]
    running = asyncio.create_task(relay.run(Pulse("relay"), stopping))
    await fill(plumbed)
    relay.nudge()

    async def drained() -> bool:
        return len(log.records) == 7

    await until("everything is published", drained)
    stopping.set()
    await running


async def test_what_was_committed_before_the_end_leaves_in_the_last_pass(
    plumbed: Plumbed,
) -> None:
    """A stop leaves as little as possible for the next start."""
    await fill(plumbed)
    log, stopping = MemoryLog(), asyncio.Event()
    stopping.set()
    await Relay(plumbed.outbox, log).run(Pulse("relay"), stopping)
    assert len(log.records) == 7


async def test_pages_follow_each_other_in_order(
    plumbed: Plumbed, connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several small pages to a real broker, each key stands there in its order."""
    monkeypatch.setattr(relays, "PAGE_ROWS", 5)
    for _ in range(3):
        await fill(plumbed, 20)
    publisher = KafkaPublisher(connection)
    relay = Relay(plumbed.outbox, publisher)
    while await relay.relay_page():
        pass
    await publisher.close()
    there = await on_topic(connection, "funding.pledges")
    for key in ("c0", "c1"):
        assert sequences(there, key) == list(range(1, 31))
    assert await waiting(plumbed) == 3  # `payouts.refunds` is not there.
