"""A goal is missed: from the verdict to every refund planned, booked, offered as work and told."""

import json
from collections.abc import Sequence

from infra.bench import given
from infra.bench.given import GivenPledge
from infra.bench.ground import Document, Ground, Records, Scene, until
from infra.bench.measurement import Measurement, Round, times_raw
from infra.bench.raw import stopwatch
from infra.demo.figures import Figure

REFUNDS = "payouts.refunds"
REFUND_REQUESTED = 3  # The row of the postings, `money.md` 3.
RAW_IS = (
    "the documents that the run leaves (refunds, blocks, work, pledges' guards) inserted on two "
    "connections, then the same events sent, summed"
)
# Planning alone is measured: the provider stands still, and one refund waits for its answer.
SETTINGS = {
    "payouts": {
        "REFUND_CONCURRENCY": "1",
        "LEASE_SECONDS": "600",
        "PROVIDER_TIMEOUT_SECONDS": "300",
    }
}


async def measure(ground: Ground, count: int, rounds: int) -> Measurement:
    """Plan the refunds of one campaign per round."""
    async with ground.scene("refund-run", "payouts", settings=SETTINGS) as scene:
        scene.suite.sandbox.pause()
        try:
            measured = [await _round(scene, number, count) for number in range(1, rounds + 1)]
        finally:
            scene.suite.sandbox.resume()
    return Measurement("refunds-planned", "refund", RAW_IS, (times_raw(2.0),), measured)


async def _round(scene: Scene, number: int, count: int) -> Round:
    campaign = f"bench-refunds-{number}"
    pledges = given.pledges(campaign, count)
    await scene.feed(list(given.collected(pledges)))
    await _booked(scene, campaign, len(pledges))
    before = await scene.ends(REFUNDS)
    processor = scene.processor_time("payouts")
    with stopwatch() as took:
        await scene.feed([given.goal_missed(pledges)])
        await _planned(scene, campaign)

        async def told() -> bool:
            return await scene.count_after(REFUNDS, before) >= len(pledges)

        await until("every refund is told", told)
    used = processor.seconds()
    events = await scene.read(REFUNDS, before)
    left = _left_behind(scene, campaign)
    figures = _figures(pledges, _book(scene, campaign), left, events)
    raw = {
        "insert": await scene.raw.insert(left),
        "send": await scene.raw.send(REFUNDS, events),
    }
    return Round(len(pledges), took.seconds, raw, used, figures)


def _book(scene: Scene, campaign: str) -> Document:
    return scene.database("payouts")["books"].find_one({"_id": campaign}) or {}


async def _booked(scene: Scene, campaign: str, count: int) -> None:
    async def all_booked() -> bool:
        return bool(_book(scene, campaign).get("count", 0) == count)

    await until(f"every pledge of {campaign} is booked", all_booked)


async def _planned(scene: Scene, campaign: str) -> None:
    books = scene.database("payouts")["books"]

    async def finished() -> bool:
        return books.count_documents({"_id": campaign, "run.finished": True}) == 1

    await until(f"the run of {campaign} is finished", finished)


def _left_behind(scene: Scene, campaign: str) -> dict[str, list[Document]]:
    database = scene.database("payouts")
    of_campaign = {"campaign_id": campaign}
    refunds = list(database["refunds"].find(of_campaign))
    names = {refund["_id"] for refund in refunds}
    blocks = database["blocks"].find(of_campaign | {"entries.row": REFUND_REQUESTED})
    work = database["work"].find({"kind": "refund"})
    return {
        "refunds": refunds,
        "blocks": list(blocks),
        "work": [one for one in work if one["payload"]["refund_id"] in names],
        "pledge_money": list(database["pledge_money"].find(of_campaign)),
    }


def _figures(
    pledges: Sequence[GivenPledge],
    book: Document,
    left: dict[str, list[Document]],
    events: Records,
) -> list[Figure]:
    """Compare what was pledged with refunds, books, work and topic, pledge by pledge."""
    pledged = {(one.pledge_id, one.amount) for one in pledges}
    total = sum(one.amount for one in pledges)
    refunds = [(one["pledge_id"], one["amount"]) for one in left["refunds"]]
    entries = [entry for block in left["blocks"] for entry in block["entries"]]
    booked = [one["entry"]["amount"] for one in entries if one["row"] == REFUND_REQUESTED]
    told = [json.loads(record.value) for record in events]
    created = {(one["pledge_id"], one["amount"]) for one in told}
    reserved = {(one["pledge_id"], one["reserved"]) for one in left["pledge_money"]}
    return [
        Figure.of_sets("refunds", "pledges", pledged, "database", refunds),
        Figure("refunds once", "pledges", len(pledges), "database", len(refunds)),
        Figure.of_sets("reserved", "pledges", pledged, "database", reserved),
        Figure("entries", "pledges", len(pledges), "blocks", len(booked)),
        Figure("in flight", "pledges", total, "blocks", sum(booked)),
        Figure("in flight", "pledges", total, "book", book["balances"]["refunds_in_flight"]),
        Figure("work", "pledges", len(pledges), "database", len(left["work"])),
        Figure.of_sets("told", "pledges", pledged, "topic", created),
        Figure("told once", "pledges", len(pledges), "topic", len(told)),
    ]
