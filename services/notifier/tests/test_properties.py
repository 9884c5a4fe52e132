"""Random histories: whatever is doubled, reordered or killed, each backer has exactly one id."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit.clock import ManualClock
from servicekit.memory import MemoryDatabase
from servicekit.publish import MemoryLog
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    event_of,
    memory_notifier,
    pledges,
    refunded,
    settle,
    update,
    verdict,
)
from services.notifier.tests.fakes import Crashed, MemoryAudience
from sosst_contracts.notifier import BackerNotified, PersonNotified

BACKERS = st.lists(st.sampled_from([f"b{number}" for number in range(12)]), max_size=25)


@settings(max_examples=120)
@given(BACKERS, st.data(), st.randoms(use_true_random=False), st.lists(st.integers(0, 6)))
def test_every_backer_exactly_one_id(
    backers: list[str], data: st.DataObject, order: random.Random, crashes: list[int]
) -> None:
    """Ids on the topic = audience as of N, for any order, repeats, crashes and brokers away."""
    as_of = data.draw(st.integers(0, len(backers)))
    audience = set(backers[:as_of])
    facts = [*pledges(backers), verdict(as_of), update(as_of, len(audience)), refunded("b1", 1)]
    arrivals = facts + [fact for fact in facts if order.random() < 0.3]
    order.shuffle(arrivals)
    expected = {(f"verdict-reached/{CAMPAIGN}", backer) for backer in audience}
    expected |= {(f"update-published/{CAMPAIGN}:update-1", backer) for backer in audience}
    expected |= {("refund-succeeded/refund-1", "b1"), (f"verdict-reached/{CAMPAIGN}", "creator-1")}
    ids = asyncio.run(history(arrivals, order, crashes))
    assert set(ids) == expected
    assert all(len(told_ids) == 1 for told_ids in ids.values())


async def history(
    arrivals: list[object], order: random.Random, crashes: list[int]
) -> dict[tuple[str, str], set[str]]:
    """Live through the arrivals in two processes; return the ids of each (cause, recipient)."""
    database, clock, log = MemoryDatabase(), ManualClock(NOW), MemoryLog(24)
    processes = [memory_notifier(database, clock, log) for _ in range(2)]
    for process in processes:  # So that people are told while a plan is made, and made again.
        process.recipients_max, process.chunks_page = 2, 2
    while arrivals:
        process = order.choice(processes)
        count = order.randint(1, len(arrivals))
        await process.hear(*arrivals[:count])  # type: ignore[arg-type]
        del arrivals[:count]
        assert isinstance(process.audience, MemoryAudience)
        process.audience.chunks_until_crash = crashes.pop() if crashes else None
        log.away = order.random() < 0.3
        try:
            await process.plan()
            await process.publish()
        except Crashed:
            clock.advance(seconds=order.choice((0, process.lease_seconds + 1)))
        process.audience.chunks_until_crash = None
    log.away = False
    clock.advance(seconds=11)
    await settle(processes[0])
    ids: dict[tuple[str, str], set[str]] = {}
    for event in map(event_of, log.records):
        assert isinstance(event, BackerNotified | PersonNotified)
        ids.setdefault((event.cause, event.recipient_id), set()).add(event.notification_id)
    return ids
