"""An update is told to every backer of a campaign: from the fact to the closed cause."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial

from pymongo.change_stream import ChangeStream
from pymongo.collection import Collection

from infra.bench import given
from infra.bench.given import GivenPledge
from infra.bench.ground import Document, Ground, Records, Scene, until
from infra.bench.measurement import (
    Measurement,
    Round,
    memory_mebibytes,
    processor_microseconds,
    times_raw,
)
from infra.bench.raw import stopwatch
from infra.demo.figures import Figure

Causes = Collection[Document]

CAMPAIGN = "bench-fan-out"
# A page of members and a few pages of chunks, whether there are thousands or a million of them.
MEMORY_MOST = 64.0
NOTIFICATIONS = "notifier.notifications"
RAW_IS = (
    "one document per backer inserted on two connections, then the same events sent (gzip), summed"
)


async def measure(ground: Ground, backers: int, rounds: int) -> Measurement:
    """Tell so many backers of one update per round."""
    pledges = given.pledges(CAMPAIGN, backers)
    async with ground.scene("fan-out", "notifier", settings={}) as scene:
        await scene.feed(list(given.collected(pledges)))
        await _heard(scene, len(pledges))
        measured = [await _round(scene, number, pledges) for number in range(1, rounds + 1)]
    targets = (times_raw(0.8), processor_microseconds(15.0), memory_mebibytes(MEMORY_MOST))
    return Measurement("fan-out", "backer", RAW_IS, targets, measured)


async def _heard(scene: Scene, count: int) -> None:
    memberships = scene.database("notifier")["memberships"]

    async def all_heard() -> bool:
        return memberships.estimated_document_count() == count

    await until("every pledge is heard", all_heard)


async def _round(scene: Scene, number: int, pledges: Sequence[GivenPledge]) -> Round:
    update = f"update-{number}"
    cause = f"update-published/{CAMPAIGN}:{update}"
    before = await scene.ends(NOTIFICATIONS)
    processor, memory = scene.processor_time("notifier"), scene.peak_memory("notifier")
    of_cause = [{"$match": {"documentKey._id": cause}}]
    causes = scene.database("notifier")["causes"]
    # Who is told of changes looks after each, and at once: a pause would be a part of so short a
    # time, and looks without one take of the processors.
    with causes.watch(of_cause, max_await_time_ms=1_000) as changes, stopwatch() as took:
        await scene.feed([given.published(update, number, pledges)])
        await until(f"{cause} is closed", partial(_closed, causes, cause, changes))
    used, grown = processor.seconds(), memory.grown_mebibytes()
    told = await scene.read(NOTIFICATIONS, before)
    notices = [json.loads(record.value) for record in told]
    documents = [{"_id": one["notification_id"], **one} for one in notices]
    raw = {
        "insert": await scene.raw.insert({"notifications": documents}),
        "send": await scene.raw.send(NOTIFICATIONS, told, "gzip"),
    }
    people = {one.backer_id for one in pledges}
    figures = _figures(scene, people, cause, told, notices)
    return Round(len(people), took.seconds, raw, used, figures, memory_mebibytes=grown)


async def _closed(causes: Causes, cause: str, changes: ChangeStream[Document]) -> bool:
    """Wait for a change, at most a second; return whether the cause is closed now."""
    await asyncio.to_thread(changes.try_next)
    return causes.find_one({"_id": cause, "state": "completed"}) is not None


def _figures(
    scene: Scene,
    people: set[str],
    cause: str,
    told: Records,
    notices: Sequence[dict[str, str]],
) -> list[Figure]:
    """Compare who was to be told with whom the topic and the database name, person by person."""
    of_cause = [one for one in notices if one["cause"] == cause]
    recipients = [one["recipient_id"] for one in of_cause]
    ids = {one["notification_id"] for one in of_cause}
    chunks = scene.database("notifier")["chunks"].find({"cause": cause, "state": "done"})
    stored = [person for chunk in chunks for person in chunk["recipients"]]
    return [
        Figure.of_sets("told", "pledges", people, "topic", recipients),
        Figure("one id each", "pledges", len(people), "topic", len(ids)),
        Figure("told once", "pledges", len(people), "topic", len(told)),
        Figure.of_sets("kept", "pledges", people, "database", stored),
        Figure("kept once", "pledges", len(people), "database", len(stored)),
    ]
