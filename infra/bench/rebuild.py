"""A projection from zero: the notifier's memberships from all the facts of the pledges' topic."""

from collections.abc import Sequence

from infra.bench import given
from infra.bench.given import GivenPledge
from infra.bench.ground import Document, Ground, Scene, until
from infra.bench.measurement import Measurement, Round, share_of_raw
from infra.bench.raw import stopwatch
from infra.demo.figures import Figure

PLEDGES = "funding.pledges"
CAMPAIGNS = 50
RAW_IS = "the same records read, and the same documents inserted page by page as they were read"


async def measure(ground: Ground, facts: int, rounds: int) -> Measurement:
    """Read a backlog of about so many facts of fifty campaigns, per round."""
    async with ground.scene("rebuild", "notifier", settings={}) as scene:
        measured = [await _round(scene, number, facts) for number in range(1, rounds + 1)]
    return Measurement("rebuild", "fact", RAW_IS, (share_of_raw(0.4),), measured)


async def _round(scene: Scene, number: int, facts: int) -> Round:
    # Every tenth backer pledges twice.
    backers = max(1, facts * 10 // (11 * CAMPAIGNS))
    campaigns = [f"bench-rebuild-{number}-{each:02}" for each in range(CAMPAIGNS)]
    pledges = {name: given.pledges(name, backers) for name in campaigns}
    per_campaign = [list(given.collected(some)) for some in pledges.values()]
    # The campaigns take turns, as they would have.
    records = [record for same_place in zip(*per_campaign, strict=True) for record in same_place]
    before = await scene.ends(PLEDGES)
    notifier = scene.suite.services["notifier"]
    # A backlog: the service sees nothing of it before the clock starts.
    notifier.pause()
    try:
        await scene.feed(records)
        processor = scene.processor_time("notifier")
        with stopwatch() as took:
            notifier.resume()
            await _projected(scene, campaigns, len(per_campaign[0]))
        used = processor.seconds()
    finally:
        notifier.resume()
    memberships = _memberships(scene, campaigns)
    raw = {"read and insert": await scene.raw.read_and_insert(before, memberships)}
    figures = _figures([one for some in pledges.values() for one in some], memberships)
    return Round(len(records), took.seconds, raw, used, figures)


async def _projected(scene: Scene, campaigns: Sequence[str], facts_each: int) -> None:
    streams = scene.database("notifier")["streams"]
    done = {"topic": PLEDGES, "key": {"$in": list(campaigns)}, "last_sequence": facts_each}

    async def all_projected() -> bool:
        return streams.count_documents(done) == len(campaigns)

    await until("every fact is projected", all_projected)


def _memberships(scene: Scene, campaigns: Sequence[str]) -> list[Document]:
    memberships = scene.database("notifier")["memberships"]
    return list(memberships.find({"campaign_id": {"$in": list(campaigns)}}))


def _figures(pledges: Sequence[GivenPledge], memberships: Sequence[Document]) -> list[Figure]:
    """Compare the pledges with the memberships, one by one."""
    pledged = {(one.campaign_id, one.pledge_id, one.backer_id) for one in pledges}
    kept = {(one["campaign_id"], one["pledge_id"], one["backer_id"]) for one in memberships}
    return [
        Figure.of_sets("memberships", "facts", pledged, "database", kept),
        Figure("kept once", "facts", len(pledges), "database", len(memberships)),
    ]
