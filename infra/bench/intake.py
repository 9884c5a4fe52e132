"""Payments of one hot campaign: from the topic or by HTTP to counted pledges and told facts."""

import json
from collections.abc import Awaitable, Callable, Sequence

from aiokafka import ConsumerRecord

from infra.bench import given
from infra.bench.calls import Calls
from infra.bench.given import GivenPledge
from infra.bench.ground import Document, Ground, Offsets, Records, Scene, until
from infra.bench.measurement import Measurement, Round, share_of_raw
from infra.bench.raw import stopwatch
from infra.demo.figures import Figure
from infra.sandbox.issuer.tokens import SERVICE
from sosst_contracts.funding import PledgeCollected

PLEDGES = "funding.pledges"
COLLECTED = PledgeCollected.type_name()
PER_TRANSACTION = 100
CALLERS = 64
RAW_IS = (
    f"the same pledges inserted in transactions of {PER_TRANSACTION} that each move one document, "
    "then the same facts sent, summed"
)


async def measure_topic(ground: Ground, payments: int, rounds: int) -> Measurement:
    """Take a backlog of payments of one campaign from the topic, per round."""
    async with ground.scene("intake", "funding", settings={}) as scene:
        measured = [await _by_topic(scene, number, payments) for number in range(1, rounds + 1)]
    return Measurement("intake-topic", "payment", RAW_IS, (share_of_raw(0.5),), measured)


async def measure_http(ground: Ground, payments: int, rounds: int) -> Measurement:
    """Take payments of one campaign from callers who each wait for their answer, per round."""
    async with ground.scene("intake-http", "funding", settings={}) as scene:
        measured = [await _by_http(scene, number, payments) for number in range(1, rounds + 1)]
    return Measurement("intake-http", "payment", RAW_IS, (share_of_raw(0.5),), measured)


async def _by_topic(scene: Scene, number: int, count: int) -> Round:
    pledges = given.pledges(f"bench-intake-{number}", count)
    records = list(given.captured(pledges))
    await _launched(scene, pledges[0].campaign_id)
    funding = scene.suite.services["funding"]

    async def work() -> None:
        funding.resume()
        await _counted(scene, pledges)

    # A backlog: the service sees nothing of the payments before the clock starts.
    funding.pause()
    try:
        await scene.feed(records)
        return await _round(scene, pledges, work)
    finally:
        funding.resume()


async def _by_http(scene: Scene, number: int, count: int) -> Round:
    pledges = given.pledges(f"bench-intake-{number}", count)
    await _launched(scene, pledges[0].campaign_id)
    path = f"/campaigns/{pledges[0].campaign_id}/payments"
    bodies = [given.payment_body(one) for one in pledges]
    headers = await scene.suite.tokens.headers(SERVICE)
    async with Calls(scene.suite.services["funding"].url, CALLERS, headers) as calls:

        async def work() -> None:
            await calls.post_all(path, bodies)
            await _counted(scene, pledges)

        return await _round(scene, pledges, work)


async def _launched(scene: Scene, campaign: str) -> None:
    campaigns = scene.database("funding")["campaigns"]
    await scene.feed([given.approved(campaign)])

    async def known() -> bool:
        return campaigns.count_documents({"_id": campaign}) == 1

    await until(f"{campaign} is launched", known)


async def _round(
    scene: Scene, pledges: Sequence[GivenPledge], work: Callable[[], Awaitable[None]]
) -> Round:
    before = await scene.ends(PLEDGES)
    processor = scene.processor_time("funding")
    with stopwatch() as took:
        await work()
        await _told(scene, before, 2 * len(pledges))
    used = processor.seconds()
    facts = await scene.read(PLEDGES, before)
    campaign = {"campaign_id": pledges[0].campaign_id}
    kept = list(scene.database("funding")["pledges"].find(campaign))
    raw = {
        "insert": await scene.raw.insert_in_transactions("pledges", kept, PER_TRANSACTION),
        "send": await scene.raw.send(PLEDGES, facts),
    }
    figures = _figures(scene, pledges, kept, facts)
    return Round(len(pledges), took.seconds, raw, used, figures)


async def _counted(scene: Scene, pledges: Sequence[GivenPledge]) -> None:
    campaigns = scene.database("funding")["campaigns"]
    counted = {"_id": pledges[0].campaign_id, "totals.count": len(pledges)}

    async def all_counted() -> bool:
        return campaigns.count_documents(counted) == 1

    await until("every pledge is counted", all_counted)


async def _told(scene: Scene, before: Offsets, count: int) -> None:
    async def all_told() -> bool:
        return await scene.count_after(PLEDGES, before) >= count

    await until("every fact is told", all_told)


def _figures(
    scene: Scene, pledges: Sequence[GivenPledge], kept: Sequence[Document], facts: Records
) -> list[Figure]:
    """Compare what was paid with what funding kept, counted and told, pledge by pledge."""
    paid = {(one.pledge_id, one.amount) for one in pledges}
    total = sum(one.amount for one in pledges)
    stored = {(one["_id"], one["payment"]["money"]["amount"]) for one in kept}
    campaigns = scene.database("funding")["campaigns"]
    campaign = campaigns.find_one({"_id": pledges[0].campaign_id}) or {}
    told = [(_type(record), json.loads(record.value)) for record in facts]
    collected = [one for kind, one in told if kind == COLLECTED]
    sequences = [int(_header(record, "ce_sequence")) for record in facts]
    return [
        Figure.of_sets("kept", "payments", paid, "database", stored),
        Figure("counted", "payments", total, "campaign", campaign["totals"]["counted"]),
        Figure("raised", "payments", total, "campaign", campaign["totals"]["raised"]),
        Figure.of_sets(
            "told", "payments", paid, "topic", {(o["pledge_id"], o["amount"]) for o in collected}
        ),
        Figure("told once", "payments", len(pledges), "topic", len(collected)),
        Figure.of_sets("sequences", "counted", range(1, len(facts) + 1), "topic", sequences),
        Figure("in order", "sorted", int(sequences == sorted(sequences)), "topic", 1),
    ]


def _type(record: "ConsumerRecord[bytes, bytes]") -> str:
    return _header(record, "ce_type")


def _header(record: "ConsumerRecord[bytes, bytes]", name: str) -> str:
    return str(dict(record.headers)[name].decode())
