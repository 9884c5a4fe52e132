"""An update is told to every backer of a campaign: from the fact to the closed cause."""

import json
from collections.abc import Sequence

from infra.bench import given
from infra.bench.given import GivenPledge
from infra.bench.ground import Ground, Records, Scene, until
from infra.bench.measurement import (
    Measurement,
    Round,
    memory_mebibytes,
    processor_microseconds,
    times_raw,
)
from infra.bench.raw import stopwatch
from infra.demo.figures import Figure

CAMPAIGN = "bench-fan-out"
# A page of members and a few pages of chunks, whether there are thousands or a million of them.
MEMORY_MOST = 64.0
# A round takes less than a second: with longer pauses a twentieth of it would be our own wait.
LOOK_SECONDS = 0.005
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
    targets = (times_raw(1.0), processor_microseconds(20.0), memory_mebibytes(MEMORY_MOST))
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
    with stopwatch() as took:
        await scene.feed([given.published(update, number, pledges)])
        await _closed(scene, cause)
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


async def _closed(scene: Scene, cause: str) -> None:
    causes = scene.database("notifier")["causes"]

    async def completed() -> bool:
        return causes.find_one({"_id": cause, "state": "completed"}, {"_id": 1}) is not None

    await until(f"{cause} is closed", completed, LOOK_SECONDS)


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
