"""What telling costs: no plan for a refund, and nothing for what its people were told before."""

from dataclasses import replace
from functools import partial

import pytest

from infra.servicekit.tests.costs import cost_of
from notifier.adapters.documents import chunk_document
from notifier.domain.cause import CauseState
from notifier.domain.chunk import ChunkState
from notifier.handlers.hear import PLAN
from servicekit.mongo import Database
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    events_of,
    pledges,
    refunded,
    settle,
    update,
    verdict,
)
from services.notifier.tests.chunks import a_chunk
from services.notifier.tests.conftest import mongo_notifier
from sosst_contracts.notifier import BackerNotified

BACKERS = [f"backer-{number:03}" for number in range(100)]
# Where what a fan-out reads of its people stands.
READ = ("memberships", "chunks")


async def tell(notifier: Notifier, number: int) -> None:
    """Have everybody told of an update, up to the end of its cause."""
    name = f"update-{number}"
    await notifier.hear(update(len(BACKERS), len(BACKERS), number, update_id=name))
    await settle(notifier)
    cause = await notifier.queries.cause(f"update-published/{CAMPAIGN}:{name}")
    assert cause is not None and cause.state is CauseState.COMPLETED


async def test_a_fan_out_reads_nothing_of_what_its_people_were_told_before(
    database: Database,
) -> None:
    """Two thousand old notifications of every backer's: it reads no document more."""
    notifier = mongo_notifier(database)
    await notifier.hear(*pledges(BACKERS))
    # The first one of a campaign begins a few rows that the others find.
    await tell(notifier, 1)
    before = await cost_of(database, partial(tell, notifier, 2), *READ)
    old = [a_chunk(f"old-{number:04}", *BACKERS) for number in range(2_000)]
    done = [chunk_document(replace(one, state=ChunkState.DONE)) for one in old]
    await database.collection("chunks").insert_many(done)
    after = await cost_of(database, partial(tell, notifier, 3), *READ)
    assert (after.documents, after.returned) == (before.documents, before.returned)
    # Who looks for what is not there has looked at the key that stands behind it, if any does.
    assert abs(after.keys - before.keys) < 10


async def test_a_plan_reads_its_audience_once(database: Database) -> None:
    """A key for each membership as it is cut; nobody is looked for behind N where nobody joined."""
    notifier = mongo_notifier(database)
    await notifier.hear(*pledges(BACKERS))
    await tell(notifier, 1)
    cost = await cost_of(database, partial(tell, notifier, 2), "memberships")
    assert len(BACKERS) <= cost.keys <= len(BACKERS) + 1, cost


@pytest.mark.row("S13")
async def test_the_refunds_of_a_deadline_are_no_plans(database: Database) -> None:
    """One plan, for the verdict; two hundred refunds ask no more often than twenty do."""
    notifier = mongo_notifier(database)
    await notifier.hear(*pledges(BACKERS), verdict(len(BACKERS)))
    [plan] = await notifier.queue.claim(PLAN, NOW, 10, 0)
    assert plan.item.payload["cause"] == f"verdict-reached/{CAMPAIGN}"
    await settle(notifier)
    asked = []
    for first, count in ((1, 20), (21, 200)):
        backers = (BACKERS * 3)[:count]
        facts = [refunded(who, first + number) for number, who in enumerate(backers)]
        asked.append((await cost_of(database, partial(notifier.hear, *facts))).asked)
        assert await notifier.queue.claim(PLAN, NOW, 10, 0) == []
    assert asked[0] == asked[1]
    while await notifier.publish():
        pass
    assert [one.name for one in await notifier.queries.causes(CAMPAIGN)] == [
        f"verdict-reached/{CAMPAIGN}"
    ]
    events = events_of(notifier.publisher)
    told = [e for e in events if isinstance(e, BackerNotified) and e.kind == "refund-succeeded"]
    assert len({one.notification_id for one in told}) == len(told) == 220
    chunks = database.collection("chunks")
    done = {"kind": "refund-succeeded", "state": ChunkState.DONE.value, "partition": None}
    assert await chunks.count_documents(done) == 220
