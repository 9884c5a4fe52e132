"""From a command saved in funding to its effect saved in payouts, at a steady pace.

Both instants are the database's own: the wall time of the two commits in the one log that both
databases share, read after the round, so that looking costs the suite nothing.
"""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from bson import Timestamp

from infra.bench import given
from infra.bench.given import GivenPledge
from infra.bench.ground import Document, Ground, Records, Scene, until
from infra.bench.measurement import Measurement, Round, times_raw
from infra.demo.figures import Figure
from sosst_contracts.funding import PledgeCollected

T = TypeVar("T")

PLEDGES = "funding.pledges"
COLLECTED = PledgeCollected.type_name().encode()
CAMPAIGNS = 50
TICK_SECONDS = 0.02
RAW_IS = (
    "one round trip of the same bytes at the same pace: acknowledged by all, read, inserted with "
    "majority and journal"
)


async def measure(ground: Ground, commands: int, rate: int, rounds: int) -> Measurement:
    """Tell about so many payments at so many a second, per round."""
    async with ground.scene("effect", "funding", "payouts", settings={}) as scene:
        measured = [await _round(scene, number, commands, rate) for number in range(1, rounds + 1)]
    target = replace(times_raw(10.0), what="p99 ÷ raw p99")
    return Measurement("fact-to-effect", "command", RAW_IS, (target,), measured)


async def _round(scene: Scene, number: int, commands: int, rate: int) -> Round:
    # Every tenth backer pledges twice.
    backers = max(1, commands * 10 // (11 * CAMPAIGNS))
    campaigns = [f"bench-effect-{number}-{each:02}" for each in range(CAMPAIGNS)]
    per_campaign = [given.pledges(name, backers) for name in campaigns]
    # The campaigns take turns, as they would have.
    pledges = [one for same_place in zip(*per_campaign, strict=True) for one in same_place]
    await _launched(scene, campaigns)
    before = await scene.ends(PLEDGES)
    began_at: Timestamp = scene.client.admin.command("ping")["operationTime"]
    processor = scene.processor_time("funding", "payouts")
    await _paced(rate, list(given.captured(pledges)), scene.feed)
    await _booked(scene, campaigns, len(per_campaign[0]))
    used = processor.seconds()
    saved = await asyncio.to_thread(_saved, scene, began_at, len(pledges))
    delays = [
        (saved["effect"][one] - saved["command"][one]).total_seconds() for one in saved["command"]
    ]
    facts = [one for one in await scene.read(PLEDGES, before) if _is_collected(one)]
    trips = await _raw_trips(scene, rate, facts, _money(scene, campaigns))
    return Round(
        items=len(pledges),
        seconds=_percentile(delays, 99),
        raw_seconds={"round trip p99": _percentile(trips, 99)},
        processor_seconds=used,
        figures=_figures(scene, campaigns, pledges, saved),
        also={"p50": _percentile(delays, 50), "raw p50": _percentile(trips, 50)},
    )


async def _launched(scene: Scene, campaigns: Sequence[str]) -> None:
    known = scene.database("funding")["campaigns"]
    await scene.feed([given.approved(name) for name in campaigns])

    async def all_known() -> bool:
        return known.count_documents({"_id": {"$in": list(campaigns)}}) == len(campaigns)

    await until("every campaign is launched", all_known)


async def _paced(
    rate: int, records: Sequence[T], send: Callable[[Sequence[T]], Coroutine[Any, Any, None]]
) -> None:
    """Hand the records over at so many a second, a few at each tick, without catching up late."""
    loop, per_tick = asyncio.get_running_loop(), max(1, round(rate * TICK_SECONDS))
    began = loop.time()
    sends: list[asyncio.Task[None]] = []
    for tick, first in enumerate(range(0, len(records), per_tick)):
        await asyncio.sleep(max(0.0, began + tick * TICK_SECONDS - loop.time()))
        sends.append(asyncio.create_task(send(records[first : first + per_tick])))
    await asyncio.gather(*sends)


async def _booked(scene: Scene, campaigns: Sequence[str], each: int) -> None:
    books = scene.database("payouts")["books"]
    done = {"_id": {"$in": list(campaigns)}, "count": each}

    async def all_booked() -> bool:
        return books.count_documents(done) == len(campaigns)

    await until("every pledge is booked", all_booked)


def _saved(scene: Scene, began_at: Timestamp, count: int) -> dict[str, dict[str, datetime]]:
    """Read from the log when each pledge was committed in funding and in payouts."""
    names = {"pledges": "command", "pledge_money": "effect"}
    databases = [scene.suite.database(service) for service in ("funding", "payouts")]
    inserted = {
        "operationType": "insert",
        "ns.db": {"$in": databases},
        "ns.coll": {"$in": list(names)},
    }
    shown = {"wallTime": 1, "documentKey": 1, "ns": 1}
    saved: dict[str, dict[str, datetime]] = {name: {} for name in names.values()}
    with scene.client.watch(
        [{"$match": inserted}, {"$project": shown}], start_at_operation_time=began_at
    ) as changes:
        while min(map(len, saved.values())) < count:
            change = changes.next()
            pledge = change["documentKey"]["_id"]
            saved[names[change["ns"]["coll"]]][pledge] = change["wallTime"]
    return saved


def _is_collected(record: "ConsumerRecord[bytes, bytes]") -> bool:
    return bool(dict(record.headers)["ce_type"] == COLLECTED)


def _money(scene: Scene, campaigns: Sequence[str]) -> dict[str, Document]:
    found = scene.database("payouts")["pledge_money"].find(
        {"campaign_id": {"$in": list(campaigns)}}
    )
    return {one["_id"]: one for one in found}


async def _raw_trips(
    scene: Scene, rate: int, facts: Records, money: dict[str, Document]
) -> list[float]:
    """Send each fact, read it and insert its document; return the seconds of each trip."""
    raw, topic = scene.raw, scene.raw.prefix + PLEDGES
    collection = raw.empty("trips")
    began: dict[str, float] = {}
    trips: list[float] = []

    async def read(consumer: AIOKafkaConsumer) -> None:
        while len(trips) < len(facts):
            pages = (await consumer.getmany(timeout_ms=200)).values()
            names = [json.loads(one.value)["pledge_id"] for page in pages for one in page]
            if names:
                documents = [money[name] for name in names]
                await asyncio.to_thread(collection.insert_many, documents, ordered=False)
                now = time.perf_counter()
                trips.extend(now - began[name] for name in names)

    async with raw.producer() as producer, raw.consumer(PLEDGES) as consumer:

        async def send(some: Sequence["ConsumerRecord[bytes, bytes]"]) -> None:
            for one in some:
                began[json.loads(one.value)["pledge_id"]] = time.perf_counter()
                await producer.send(topic, one.value, one.key, headers=list(one.headers))

        reading = asyncio.create_task(read(consumer))
        await _paced(rate, facts, send)
        await reading
    return trips


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _figures(
    scene: Scene,
    campaigns: Sequence[str],
    pledges: Sequence[GivenPledge],
    saved: dict[str, dict[str, datetime]],
) -> list[Figure]:
    """Compare what was paid with what funding and payouts saved, pledge by pledge."""
    paid = {one.pledge_id for one in pledges}
    total = sum(one.amount for one in pledges)
    books = scene.database("payouts")["books"].find({"_id": {"$in": list(campaigns)}})
    booked = sum(book["balances"]["backer_funds"] for book in books)
    return [
        Figure.of_sets("commands saved", "payments", paid, "funding", saved["command"]),
        Figure.of_sets("effects saved", "payments", paid, "payouts", saved["effect"]),
        Figure("held for backers", "payments", total, "books", booked),
    ]
