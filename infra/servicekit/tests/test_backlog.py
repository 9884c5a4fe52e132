"""What waits inside a service is measured from the database itself."""

from datetime import timedelta

from prometheus_client import REGISTRY

from infra.servicekit.tests.conftest import NOW, on_mongodb
from servicekit.backlog import Backlog
from servicekit.mongo import Database
from servicekit.outbox import MongoOutboxQueue
from servicekit.set_aside import MongoSetAside, SetAsideFact
from servicekit.units import Unit
from servicekit.work import MongoWorkQueue, WorkItem
from sosst_contracts.codec import Draft, Record
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"sosst_{name}", labels)


def aside(place: str, key: str | None, reason: str) -> SetAsideFact:
    return SetAsideFact(
        id=place,
        group="g",
        topic="t",
        key=key,
        sequence=2 if key else None,
        record=Record("t", b"k", b"{}", ()),
        partition=0,
        offset=0,
        reason=reason,
        detail="",
        retryable=False,
        set_aside_at=NOW,
    )


async def test_facts_set_aside_are_counted_by_reason_and_key(database: Database) -> None:
    """A key that only waits for a gap is told apart; what was healed goes back to 0."""
    store = MongoSetAside(database, None)
    backlog = Backlog(database, MongoOutboxQueue(database), MongoWorkQueue(database), ())
    await store.add(
        [
            aside("a2", "a", "gap"),
            aside("a3", "a", "gap"),
            aside("b2", "b", "wrong-currency: USD"),
            aside("b3", "b", "gap"),
            aside("lost", None, "not-json"),
        ]
    )
    await backlog.measure()
    assert value("set_aside_facts", reason="gap") == 3
    assert value("set_aside_facts", reason="wrong-currency") == 1
    assert (value("set_aside_keys"), value("consumer_gap_keys")) == (3, 1)
    await store.remove(["a2", "a3", "b2", "b3", "lost"])
    await backlog.measure()
    assert value("set_aside_facts", reason="gap") == 0
    assert (value("set_aside_keys"), value("consumer_gap_keys")) == (0, 0)


async def test_work_and_outbox_are_counted_with_their_oldest(database: Database) -> None:
    """Work in hand is told apart from work that waits; no work has no oldest."""
    plumbed = on_mongodb(database)
    backlog = Backlog(database, plumbed.outbox, plumbed.work, ("lamp", "none"))
    items = [WorkItem(f"lamp/{n}", "lamp", NOW + timedelta(seconds=n)) for n in range(3)]

    async def save(unit: Unit) -> None:
        await unit.plumbing.work.offer(items)
        await unit.plumbing.outbox.add([Draft(sample(PledgePlaced), NOW)])

    await plumbed.units.run(save)
    assert len(await plumbed.work.claim("lamp", NOW, 1, 60)) == 1
    await backlog.measure()
    assert value("work_items", kind="lamp", state="waiting") == 2
    assert value("work_items", kind="lamp", state="in_hand") == 1
    assert value("work_oldest_timestamp_seconds", kind="lamp") == NOW.timestamp() + 1
    assert value("work_oldest_timestamp_seconds", kind="none") == 0
    assert value("outbox_rows") == 1
    assert value("outbox_oldest_timestamp_seconds") == NOW.timestamp()
