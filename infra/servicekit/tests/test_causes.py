"""What caused what: in a batch, in a lane, in work, by the clock; on memory and on MongoDB."""

import asyncio
from collections.abc import Sequence

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed
from infra.servicekit.tests.reader import Reader, fact, payment
from servicekit import causes
from servicekit.causes import Cause, because_of
from servicekit.consume import Refusal
from servicekit.lanes import Lanes
from servicekit.loops import Pulse
from servicekit.units import Unit
from servicekit.work import Claim, Worker, WorkItem
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.envelope import Envelope
from sosst_contracts.funding import PledgePlaced, VerdictReached
from sosst_contracts.testing import sample

COMMAND = Cause("asked-1", None, "00-" + "a" * 32 + "-" + "b" * 16 + "-01")


def placed(pledge_id: str, key: str = "k") -> Draft:
    return Draft(sample(PledgePlaced, campaign_id=key, pledge_id=pledge_id), NOW)


async def add(plumbed: Plumbed, *drafts: Draft) -> None:
    await plumbed.units.run(lambda unit: unit.plumbing.outbox.add(drafts))


async def sent(plumbed: Plumbed) -> list[Decoded]:
    """Return everything in the outbox, as a reader of the topic would read it."""
    outcomes = [decode(row.record) for row in await plumbed.outbox.page(1_000)]
    return [outcome for outcome in outcomes if isinstance(outcome, Decoded)]


async def origins(plumbed: Plumbed) -> dict[str, Envelope]:
    """Return the envelopes of the pledges' facts by pledge."""
    return {one.event.pledge_id: one.envelope for one in await sent(plumbed)}


class Mirror:
    """A handler that says of each payment that its pledge was placed, the last one first."""

    async def __call__(self, unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        drafts = [placed(f.event.pledge_id, f.key) for f in reversed(facts)]
        await unit.plumbing.outbox.add(drafts)
        return []


async def test_each_fact_of_a_batch_has_the_cause_that_is_about_the_same_thing(
    plumbed: Plumbed,
) -> None:
    """A batch of payments in one transaction: whatever the order, each pledge names its own."""
    reader = Reader(plumbed, sequenced=False)
    reader.subscribe(Mirror())
    payments = [payment(number) for number in range(1, 6)]
    await reader.read(*payments)
    told = {f"p{n}": dict(record.headers)["ce_id"].decode() for n, record in enumerate(payments, 1)}
    found = await origins(plumbed)
    assert {pledge: envelope.causation_id for pledge, envelope in found.items()} == told
    # The platform gave them no story: each is the first of its own.
    assert {pledge: envelope.correlation_id for pledge, envelope in found.items()} == told


async def test_a_thing_is_told_from_its_namesake_of_another_campaign(plumbed: Plumbed) -> None:
    """Ids of pledges are unique within their campaign only."""
    mine, other = (
        Cause("mine", "m", things=(("campaign_id", "k"), ("pledge_id", "p"))),
        Cause("other", "o", things=(("campaign_id", "other"), ("pledge_id", "p"))),
    )
    with because_of([mine, other]):
        await add(plumbed, placed("p", "k"), placed("p", "other"))
    assert {one.key: one.envelope.causation_id for one in await sent(plumbed)} == {
        "k": "m",
        "other": "o",
    }


async def test_what_has_no_thing_of_its_own_is_caused_by_the_last_of_its_key(
    plumbed: Plumbed,
) -> None:
    """Of several facts of a campaign the latest made it happen; of others none did."""
    facts = [Cause(f"story-{n}", f"fact-{n}", things=(("campaign_id", "k"),)) for n in (1, 2)]
    with because_of(facts):
        await add(plumbed, placed("p1"), placed("p2", "elsewhere"))
    found = await origins(plumbed)
    assert (found["p1"].causation_id, found["p1"].correlation_id) == ("fact-2", "story-2")
    assert found["p2"].causation_id is None
    assert found["p2"].correlation_id == found["p2"].id


async def test_a_command_is_a_story_without_a_fact_behind_it(plumbed: Plumbed) -> None:
    """What a caller brought is carried on: correlation and trace; no fact is invented."""
    with because_of([COMMAND]):
        await add(plumbed, placed("p1"))
    envelope = (await origins(plumbed))["p1"]
    assert (envelope.correlation_id, envelope.causation_id) == ("asked-1", None)
    assert envelope.traceparent == COMMAND.traceparent


async def test_what_the_clock_makes_belongs_to_the_story_of_its_key(plumbed: Plumbed) -> None:
    """Nothing known caused it: it goes on with the story of the key's first fact."""
    with because_of([COMMAND]):
        await add(plumbed, placed("p1"))
    with because_of([Cause("later", "x")]):
        await add(plumbed, placed("p2"))
    await add(plumbed, placed("p3"))
    found = await origins(plumbed)
    stories = [found[pledge].correlation_id for pledge in ("p1", "p2", "p3")]
    assert stories == ["asked-1", "later", "asked-1"]
    assert found["p3"].causation_id is None and found["p3"].traceparent is not None


async def test_a_draft_that_knows_its_cause_keeps_it(plumbed: Plumbed) -> None:
    """What the wire says goes before what the plumbing would fill in."""
    verdict = sample(VerdictReached, campaign_id="k")
    with because_of([Cause("story", "fact", things=(("campaign_id", "k"),))]):
        await add(plumbed, Draft(verdict, NOW, causation_id="funding.pledges:k:7"))
    [one] = await sent(plumbed)
    assert one.envelope.causation_id == "funding.pledges:k:7"
    assert one.envelope.correlation_id == "story"


async def test_work_is_caused_by_the_fact_that_was_made_with_it(plumbed: Plumbed) -> None:
    """The item remembers it, and what the worker makes carries it on."""
    item = WorkItem("w/p1", "w", NOW, payload={"campaign_id": "k", "pledge_id": "p1"})

    async def offer(unit: Unit) -> None:
        await unit.plumbing.outbox.add([placed("p1"), placed("p2")])
        await unit.plumbing.work.offer([item])

    with because_of([COMMAND]):
        await plumbed.units.run(offer)

    async def perform(claim: Claim) -> None:
        async def work(unit: Unit) -> None:
            await unit.plumbing.outbox.add([placed("p3")])
            await unit.plumbing.work.finish([claim])

        await plumbed.units.run(work)
        stopping.set()

    stopping = asyncio.Event()
    worker = Worker(
        plumbed.work,
        "w",
        perform,
        plumbed.clock,
        concurrency=1,
        lease_seconds=60,
        poll_seconds=0.01,
    )
    await asyncio.wait_for(worker.run(Pulse("test"), stopping), 30)
    found = await origins(plumbed)
    assert found["p3"].causation_id == found["p1"].id == "funding.pledges:k:1"
    assert found["p3"].correlation_id == "asked-1"


async def test_in_a_lane_each_item_keeps_the_story_of_its_caller(plumbed: Plumbed) -> None:
    """Ten requests for one campaign share one transaction and no story."""

    async def save(_: str, pledges: Sequence[str]) -> list[str]:
        await add(plumbed, *(placed(pledge) for pledge in pledges))
        return list(pledges)

    lanes: Lanes[str, str] = Lanes(save)

    async def request(pledge: str) -> None:
        cause = Cause(f"asked-for-{pledge}", things=(("campaign_id", "k"),))
        with because_of([cause]), causes.about(pledge_id=pledge):
            await lanes.submit("k", pledge)

    await asyncio.gather(*(request(f"p{number}") for number in range(10)))
    found = await origins(plumbed)
    told = {pledge: envelope.correlation_id for pledge, envelope in found.items()}
    assert told == {f"p{number}": f"asked-for-p{number}" for number in range(10)}


async def test_a_fact_inherits_the_story_and_names_its_cause(plumbed: Plumbed) -> None:
    """Story and cause differ: the first stays, the second is always the fact just before."""
    reader = Reader(plumbed)
    reader.subscribe(Mirror())
    given = fact(1, pledge_id="p1")
    headers = (*given.headers, ("ce_correlationid", b"story"))
    await reader.read(type(given)(given.topic, given.key, given.value, headers))
    envelope = (await origins(plumbed))["p1"]
    assert (envelope.correlation_id, envelope.causation_id) == ("story", "funding.pledges:k:1")


@pytest.mark.parametrize("origin", [[], [COMMAND], [COMMAND, COMMAND]])
def test_nothing_of_it_remains_outside(origin: list[Cause]) -> None:
    """A context ends where it says, also by an exception."""
    with pytest.raises(ZeroDivisionError), because_of(origin):
        raise ZeroDivisionError
    assert list(causes.current()) == []
