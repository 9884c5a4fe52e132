"""Refunds of a missed campaign are told: one notice for each backer's own fact, and no plan."""

import json
from collections.abc import Sequence

from infra.bench import given
from infra.bench.given import GivenPledge
from infra.bench.ground import Ground, Offsets, Records, Scene, until
from infra.bench.measurement import Measurement, Round, times_raw
from infra.bench.raw import stopwatch
from infra.demo.figures import Figure

CAMPAIGN = "bench-notices"
NOTIFICATIONS = "notifier.notifications"
RAW_IS = (
    "one document per backer inserted on two connections, then the same events sent (gzip), summed"
)


async def measure(ground: Ground, refunds: int, rounds: int) -> Measurement:
    """Tell so many backers of their refunds per round; all facts stand on the topic already."""
    async with ground.scene("notices", "notifier", settings={}) as scene:
        measured = [await _round(scene, number, refunds) for number in range(1, rounds + 1)]
    return Measurement("notices", "refund", RAW_IS, (times_raw(),), measured)


async def _round(scene: Scene, number: int, refunds: int) -> Round:
    pledges = given.single_pledges(f"{CAMPAIGN}-{number}", refunds)
    before = await scene.ends(NOTIFICATIONS)
    notifier = scene.suite.services["notifier"]
    # A backlog: the service sees nothing of it before the clock starts.
    notifier.pause()
    try:
        await scene.feed(list(given.refunded(pledges)))
        processor, memory = scene.processor_time("notifier"), scene.peak_memory("notifier")
        with stopwatch() as took:
            notifier.resume()
            await _told(scene, before, refunds)
        used, grown = processor.seconds(), memory.grown_mebibytes()
    finally:
        notifier.resume()
    told = await scene.read(NOTIFICATIONS, before)
    notices = [json.loads(record.value) for record in told]
    documents = [{"_id": one["notification_id"], **one} for one in notices]
    raw = {
        "insert": await scene.raw.insert({"notifications": documents}),
        "send": await scene.raw.send(NOTIFICATIONS, told, "gzip"),
    }
    figures = _figures(scene, pledges, told, notices)
    return Round(refunds, took.seconds, raw, used, figures, memory_mebibytes=grown)


async def _told(scene: Scene, before: Offsets, count: int) -> None:
    work = scene.database("notifier")["work"]

    async def all_told() -> bool:
        if await scene.count_after(NOTIFICATIONS, before) < count:
            return False
        return work.count_documents({"kind": "publish-one"}, limit=1) == 0

    await until("every refund is told", all_told)


def _figures(
    scene: Scene,
    pledges: Sequence[GivenPledge],
    told: Records,
    notices: Sequence[dict[str, str]],
) -> list[Figure]:
    """Compare whose money went back with whom the topic and the database name; no plan is made."""
    people = [one.backer_id for one in pledges]
    recipients = [one["recipient_id"] for one in notices]
    database, campaign = scene.database("notifier"), {"campaign_id": pledges[0].campaign_id}
    chunks = database["chunks"].find({**campaign, "state": "done"})
    stored = [person for chunk in chunks for person in chunk["recipients"]]
    plans = database["causes"].count_documents(campaign)
    plans += database["work"].count_documents({"kind": "plan"})
    return [
        Figure.of_sets("told", "refunds", people, "topic", recipients),
        Figure("told once", "refunds", len(people), "topic", len(told)),
        Figure.of_sets("kept", "refunds", people, "database", stored),
        Figure("kept once", "refunds", len(people), "database", len(stored)),
        Figure("plans", "wanted", 0, "database", plans),
    ]
