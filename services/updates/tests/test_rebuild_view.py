"""The rebuilt view: the same bytes, in its place while the service runs, whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from random import Random
from typing import Any

import pytest

from servicekit.errors import Conflict, DependencyAway
from servicekit.mongo import Database
from servicekit.ordering import Incoming
from servicekit.schema import migrate
from services.updates.tests.conftest import NOW, UpdatesService, mongodb_over
from services.updates.tests.histories import Placed, a_history
from sosst_contracts.codec import Draft
from updates.adapters.rebuilt_view import VIEW, MongoRebuiltView
from updates.adapters.schema import SCHEMA
from updates.command_line import view_consumers
from updates.consumer import VIEW_GROUPS
from updates.handlers.rebuild_view import Rebuild, Rebuilding
from updates.ports.unit import UpdatesUnit

GROUPS = list(VIEW_GROUPS.values())
CAMPAIGNS = ("campaign-1", "campaign-2", "campaign-3")
Documents = dict[str, list[dict[str, Any]]]


class Told:
    """A topic in memory that grows while it is read."""

    def __init__(self, facts: list[Placed]) -> None:
        self.records = [Draft(event, NOW).seal(sequence) for event, sequence in facts]
        self.ends: dict[int, int] = {}

    async def read(self, begins: Mapping[int, int]) -> AsyncIterator[list[Incoming]]:
        begin, end = begins.get(0, 0), len(self.records)
        self.ends = {0: end}
        for at in range(begin, end, 7):
            page = self.records[at : min(at + 7, end)]
            yield [Incoming(record, 0, at + number) for number, record in enumerate(page)]


@pytest.fixture
async def own(mongodb_uri: str, database_name: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own, because collections take others' places."""
    database = Database.connect(mongodb_uri, database_name, database_name)
    await migrate(database, SCHEMA)
    yield database
    await database.drop()
    database.close()


def history() -> dict[str, list[Placed]]:
    """What stands on the topics about three campaigns."""
    draw = Random(20)
    told: dict[str, list[Placed]] = {topic: [] for topic in VIEW_GROUPS}
    for name in CAMPAIGNS:
        for topic, facts in a_history(draw, name).items():
            told[topic] += facts
    return told


def rebuild_of(database: Database, topics: Mapping[str, Told], service: UpdatesService) -> Rebuild:
    place = MongoRebuiltView(database, GROUPS)
    return Rebuild(place, topics, view_consumers(place.beside, service.clock))


async def view_of(database: Database) -> Documents:
    """Return the view's documents; how often each was saved depends on the batches."""
    found = {}
    for name in VIEW:
        rows = await database.collection(name).find().sort("_id", 1).to_list(None)
        found[name] = [{k: v for k, v in row.items() if k != "version"} for row in rows]
    return found


async def reached(database: Database) -> dict[str, int]:
    rows = await database.collection("streams").find({"group": {"$in": GROUPS}}).to_list(None)
    return {row["_id"]: row["last_sequence"] for row in rows}


def reached_by(told: Mapping[str, list[Placed]]) -> dict[str, int]:
    """Return where the view's groups stand who have read all of this."""
    return {
        f"{VIEW_GROUPS[topic]}|{topic}|{name}": max(
            sequence for event, sequence in facts if event.model_dump()["campaign_id"] == name
        )
        for topic, facts in told.items()
        for name in CAMPAIGNS
        if any(event.model_dump()["campaign_id"] == name for event, _ in facts)
    }


async def heard(database: Database, told: Mapping[str, list[Placed]]) -> UpdatesService:
    service = mongodb_over(database)
    await service.hear(*[fact for facts in told.values() for fact in facts])
    return service


def topics_of(told: Mapping[str, list[Placed]]) -> dict[str, Told]:
    return {topic: Told(facts) for topic, facts in told.items()}


async def test_a_rebuilt_view_is_the_same_bytes(own: Database) -> None:
    """Documents, positions and indexes are as before, though the view was spoilt meanwhile."""
    told = history()
    service = await heard(own, told)
    before, positions = await view_of(own), await reached(own)
    indexes = await own.collection("backers").index_information()
    assert all(before[name] for name in VIEW)
    await own.collection("backers").delete_many({})
    await own.collection("projects").update_many({}, {"$set": {"backers": 99}})
    rebuild = rebuild_of(own, topics_of(told), service)
    count = await rebuild.run("ops-1", "a test", NOW, take_over=False)
    assert count == len(CAMPAIGNS)
    assert rebuild.read == {topic: len(facts) for topic, facts in told.items()}
    assert await view_of(own) == before and await reached(own) == positions
    assert await own.collection("backers").index_information() == indexes
    assert not [name for name in await own.list_collection_names() if name.startswith("rebuilt-")]
    (entry,) = await own.collection("audit").find().to_list(None)
    assert (entry["command"], entry["by"], entry["why"]) == ("rebuild-view", "ops-1", "a test")


async def test_facts_go_on_where_the_rebuilt_view_stands(own: Database) -> None:
    """What the view had not applied comes once, what it had is a repeat, nothing is a gap."""
    told = history()
    behind = {topic: facts[: len(facts) // 2] for topic, facts in told.items()}
    service = await heard(own, behind)
    await rebuild_of(own, topics_of(told), service).run("ops-1", "a test", NOW, take_over=False)
    after = await view_of(own)
    await service.hear(*[fact for facts in told.values() for fact in facts])
    assert await view_of(own) == after
    assert await own.collection("set_aside").count_documents({}) == 0


async def test_what_the_view_heard_while_it_was_rebuilt_is_in_both(own: Database) -> None:
    """It is read behind the shut gate: nothing that was known is forgotten by the exchange."""
    told = history()
    early = {topic: facts[: len(facts) // 2] for topic, facts in told.items()}
    service = await heard(own, early)
    topics, whole = topics_of(early), topics_of(told)

    class Meanwhile(MongoRebuiltView):
        async def shut_gate(self) -> None:
            await service.hear(*[fact for facts in told.values() for fact in facts])
            for topic, one in topics.items():
                one.records = whole[topic].records
            await super().shut_gate()

    place = Meanwhile(own, GROUPS)
    rebuild = Rebuild(place, topics, view_consumers(place.beside, service.clock))
    before = await reached(own)
    await rebuild.run("ops-1", "a test", NOW, take_over=False)
    assert await reached(own) != before
    assert await reached(own) == reached_by(told)


async def test_a_rebuild_that_died_is_begun_again(own: Database) -> None:
    """The gate stays shut behind it; who takes over opens it, and the dead one changes nothing."""
    told = history()
    service = await heard(own, told)
    before = await view_of(own)
    dead = MongoRebuiltView(own, GROUPS)
    await dead.begin("ops-1", NOW, take_over=False)
    await dead.shut_gate()
    with pytest.raises(DependencyAway):
        await service.units.run(lambda unit: unit.view.pass_through())
    topics = topics_of(told)
    with pytest.raises(Rebuilding, match="ops-1"):
        await rebuild_of(own, topics, service).run("ops-2", "again", NOW, take_over=False)
    await rebuild_of(own, topics, service).run("ops-2", "again", NOW, take_over=True)
    await service.units.run(lambda unit: unit.view.pass_through())
    assert await view_of(own) == before
    with pytest.raises(Rebuilding):
        await dead.take_place("ops-1", "too late", NOW)
    assert await view_of(own) == before


async def test_whoever_passed_the_gate_before_is_done_or_undone(own: Database) -> None:
    """A transaction from before the exchange writes nothing into the view after it."""
    told = history()
    service = await heard(own, told)
    before = await view_of(own)
    passed, exchanged = asyncio.Event(), asyncio.Event()

    async def late(unit: UpdatesUnit) -> None:
        await unit.view.pass_through()
        passed.set()
        await exchanged.wait()
        (project,) = (await unit.projects.load(["campaign-1"])).values()
        await unit.projects.save([project])
        await unit.backers.hold({("campaign-1", "anna"): {"stolen": 1}})

    writing = asyncio.create_task(service.units.run(late))
    await passed.wait()
    place = MongoRebuiltView(own, GROUPS)
    rebuild = Rebuild(place, topics_of(told), view_consumers(place.beside, service.clock))
    await place.begin("ops-1", NOW, take_over=False)
    await rebuild._read_on()
    await place.shut_gate()
    for name in VIEW:
        live = own.collection(name).name
        await place.beside.collection(name).rename(live, dropTarget=True)
    exchanged.set()
    with pytest.raises((DependencyAway, Conflict)):
        await writing
    assert await view_of(own) == before
