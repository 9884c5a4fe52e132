"""Two instances of each service share the work, through a rebalance and a kill -9."""

import asyncio
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from infra.suite.processes import ServiceProcess
from infra.suite.readings import eventually, understood
from sosst_contracts.codec import Draft, Record
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample
from tests.delivery.test_kill_matrix import assert_all_as_if_nothing_happened, sampled_books
from tests.journeys.test_update import DRAFT
from tests.world import CREATOR, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOPICS = (
    "funding.campaigns",
    "funding.pledges",
    "payouts.ledger",
    "payouts.refunds",
    "updates.posts",
    "notifier.notifications",
    "notifier.notices",
)
PLEDGES = 120
PORTION = 10


async def _tell_in_portions(world: World, records: Sequence[Record]) -> None:
    for first in range(0, len(records), PORTION):
        await world.checkout.tell(records[first : first + PORTION])
        await asyncio.sleep(0.3)


async def _read_by_both(world: World, instances: Sequence[ServiceProcess]) -> None:
    """Wait until every instance has partitions of some topic: else one of two would do all."""

    async def all_read() -> bool:
        said = [(await world.look.http.get(f"{one.health_url}/metrics")).text for one in instances]
        return all(_partitions(text) > 0 for text in said)

    await eventually("each instance reads", all_read)


def _partitions(metrics: str) -> float:
    lines = [line for line in metrics.splitlines() if line.startswith("sosst_consumer_partitions{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def _publish_news(world: World, name: str) -> None:
    """Publish what may be said whether the verdict is heard or not."""
    path = f"/campaigns/{name}/updates/u1"
    draft = DRAFT | {"kind": "news"}
    for method, at, body in (("PUT", path, draft), ("POST", f"{path}/publish", None)):
        answer = await world.look.ask(method, "updates", at, caller=CREATOR, body=body)
        assert answer.status_code == 200, answer.text


async def _told_once(world: World, cause: str, people: Set[str]) -> None:
    """Wait until everybody is told, also whoever updates had not heard of when it counted."""

    async def all_told() -> bool:
        told = (await world.notifications())[cause]
        assert len({person for person, _ in told}) == len(told), "somebody is told twice"
        return {person for person, _ in told} == people

    await eventually("everybody is told of the news", all_told)


@pytest.mark.trap(16)
@pytest.mark.row("S13")
async def test_two_instances_decide_pay_and_tell_once(world: World) -> None:
    """A second instance joins while payments come, the first one dies: each fact has one effect."""
    rows = backers("pair", PLEDGES)
    first = world.suite.services
    second = {name: world.suite.instance(name, 2) for name in first}
    async with sampled_books(world):
        records = await world.checkout.charge("pair", rows)
        await world.launch("pair", goal=10_000_000, open_seconds=12)
        starting = [asyncio.to_thread(service.start) for service in second.values()]
        try:
            # All are told within a few seconds, however long the second instances take to start:
            # what is told after the verdict is late, and would not be counted.
            await asyncio.gather(*starting, _tell_in_portions(world, records))
            await world.counted("pair", rows)
            await world.until_known("updates", "/campaigns/pair")
            await _publish_news(world, "pair")
            await world.verdict("pair")
            await _read_by_both(world, [*first.values(), *second.values()])
            for name in ("payouts", "notifier"):
                await asyncio.to_thread(first[name].kill)
            # The survivors take over; the dead come back and find everything done.
            await asyncio.gather(
                *(asyncio.to_thread(first[name].start) for name in ("payouts", "notifier"))
            )
            await assert_all_as_if_nothing_happened(world, "pair", rows)
            await _told_once(world, "update-published/pair:u1", {row.backer_id for row in rows})
        finally:
            await asyncio.gather(*(asyncio.to_thread(s.stop) for s in second.values()))
    facts = {topic: await world.look.records(topic) for topic in TOPICS}
    verdicts = {
        identity(record)
        for record in facts["funding.campaigns"]
        if record.key == b"pair" and understood(record).event.name == "verdict-reached"
    }
    assert len(verdicts) == 1
    # Two relays may each send a row: a repeat is the same, and every reader drops it.
    for topic, records in facts.items():
        assert records and told_differently(records) == set(), topic


async def test_a_fact_told_in_two_ways_is_found() -> None:
    """The check above can fail: another value, another header, but not the same again."""
    record, other = (Draft(sample(PledgePlaced), NOW).seal(number) for number in (1, 2))
    for change in ({"value": b"{}"}, {"headers": (*record.headers, ("note", b"1"))}):
        told = [record, other, record, replace(record, **change)]
        assert told_differently(told) == {identity(record)}
    assert told_differently([record, other, record]) == set()


def _untraced(record: Record) -> Record:
    headers = tuple(header for header in record.headers if header[0] != "traceparent")
    return replace(record, headers=headers)


def identity(record: Record) -> bytes | None:
    return dict(record.headers)["ce_id"]


def told_differently(records: Sequence[Record]) -> set[bytes | None]:
    """Return the ids under which records stand that are not the same to the byte.

    But for the trace: who renders a chunk of notifications again does so in a trace of its own.
    """
    ids = Counter(identity(record) for record in {_untraced(record) for record in records})
    return {one for one, count in ids.items() if count > 1}
