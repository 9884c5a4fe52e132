"""Refunds leave as fast as the provider takes them, and no faster, whoever else is there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from infra.bench import given
from infra.bench.given import AT, CURRENCY, GivenPledge
from infra.bench.ground import Document, Ground, Scene, until
from infra.bench.measurement import Measurement, Round, share_of_raw
from infra.bench.processor_time import ProcessorTime
from infra.demo.figures import Figure
from sosst_contracts import funding
from sosst_contracts.codec import Draft, Record
from sosst_contracts.testing import sample

# What Stripe takes of a live account.
LIMIT = 100.0
# Beside what the dispatcher sends, a page is read now and then.
PACE = 0.97 * LIMIT
CHARGES_AT_ONCE = 20
RAW_IS = f"as many calls as the provider takes at its limit of {LIMIT:g} a second, no other call"
SETTINGS = {"payouts": {"PROVIDER_REQUESTS_PER_SECOND": str(PACE)}}


async def measure(ground: Ground, count: int, rounds: int) -> Measurement:
    """Return the money of one campaign per round, by two instances before one provider."""
    async with ground.scene("refund-pace", "payouts", settings=SETTINGS) as scene:
        second = scene.suite.instance("payouts", 2)
        await asyncio.to_thread(second.start)
        try:
            assert second.process is not None
            other = second.process.process_id
            measured = [await _round(scene, n, count, other) for n in range(1, rounds + 1)]
        finally:
            await asyncio.to_thread(second.stop)
    return Measurement("refund-pace", "refund", RAW_IS, (share_of_raw(0.9),), measured)


async def _round(scene: Scene, number: int, count: int, other: int) -> Round:
    campaign = f"bench-pace-{number}"
    pledges = given.pledges(campaign, count)
    provider = scene.suite.provider
    await provider.change_settings(requests_per_second=0)
    charges = await _charge(scene, pledges)
    before = await _returned(scene)
    # Either of both may be the one that sends.
    processors = (scene.processor_time("payouts"), ProcessorTime.of(other=other))
    await scene.feed(list(_collected(pledges, charges)))
    await scene.feed([given.goal_missed(pledges)])
    await provider.change_settings(requests_per_second=LIMIT)
    begun, began_at = await _first(scene, before)
    await _all_left(scene, before + len(pledges))
    seconds, left = time.monotonic() - began_at, len(pledges) - (begun - before)
    used = {name: n for one in processors for name, n in one.seconds().items()}
    figures = await _figures(scene, campaign, pledges, charges)
    return Round(left, seconds, {"limit": left / LIMIT}, used, figures)


async def _charge(scene: Scene, pledges: Sequence[GivenPledge]) -> list[Document]:
    """Capture every payment there, before there is a limit."""
    one_by_one = asyncio.Semaphore(CHARGES_AT_ONCE)

    async def charge(one: GivenPledge) -> Document:
        async with one_by_one:
            about = {"pledge_id": one.pledge_id}
            return await scene.suite.provider.charge(
                one.amount, CURRENCY, metadata=about, key=one.pledge_id
            )

    return list(await asyncio.gather(*map(charge, pledges)))


def _collected(pledges: Sequence[GivenPledge], charges: Sequence[Document]) -> Iterator[Record]:
    valid = sample(funding.PledgeCollected, currency=CURRENCY, provider="sandbox")
    for sequence, (one, charge) in enumerate(zip(pledges, charges, strict=True), start=1):
        told = {
            "campaign_id": one.campaign_id,
            "pledge_id": one.pledge_id,
            "backer_id": one.backer_id,
            "amount": one.amount,
            "payment_reference": charge["id"],
            "provider_fee": charge["fee"],
            "balance_transaction": charge["balance_transaction"],
        }
        yield Draft(valid.model_copy(update=told), AT).seal(sequence)


async def _returned(scene: Scene) -> int:
    """Return how many refunds the provider has made."""
    book = await scene.suite.provider.book(charges=False)
    count: int = book["refunds"].get("succeeded", {"count": 0})["count"]
    return count


async def _first(scene: Scene, before: int) -> tuple[int, float]:
    """Return how many had left, and when, once the first ones were seen: planning is not pace."""
    seen = before

    async def begun() -> bool:
        nonlocal seen
        seen = await _returned(scene)
        return seen > before

    await until("the first refund is made", begun)
    return seen, time.monotonic()


async def _all_left(scene: Scene, count: int) -> None:
    async def made() -> bool:
        await asyncio.sleep(0.1)
        return await _returned(scene) >= count

    await until("every refund is made", made)


async def _figures(
    scene: Scene, campaign: str, pledges: Sequence[GivenPledge], charges: Sequence[Document]
) -> list[Figure]:
    """Compare what was pledged with what the provider returned and what the books say of it."""
    refunds = scene.database("payouts")["refunds"]
    of_campaign = {"campaign_id": campaign}
    await until("every refund is booked", _booked(scene, campaign, len(pledges)))
    ours = list(refunds.find(of_campaign | {"state": "succeeded"}))
    book = await scene.suite.provider.book()
    theirs = [(one["id"], book["charges"][one["id"]]["refunded"]) for one in charges]
    pledged = {(c["id"], one.amount) for one, c in zip(pledges, charges, strict=True)}
    return [
        Figure.of_sets("returned", "pledges", pledged, "provider", theirs),
        Figure.of_sets("booked", "pledges", pledged, "database", [_paid_back(one) for one in ours]),
        Figure("booked once", "pledges", len(pledges), "database", len(ours)),
    ]


def _paid_back(refund: Document) -> tuple[str, int]:
    return refund["payment_reference"], refund["amount"]


def _booked(scene: Scene, campaign: str, count: int) -> Callable[[], Awaitable[bool]]:
    refunds = scene.database("payouts")["refunds"]

    async def booked() -> bool:
        done = {"campaign_id": campaign, "state": "succeeded"}
        return refunds.count_documents(done) == count

    return booked
