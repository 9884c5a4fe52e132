"""Ids and times that are odd and allowed: nobody stays untold, and nobody else waits for them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from infra.servicekit.tests.costs import cost_of
from notifier.adapters.documents import chunk_document
from notifier.domain.cause import CauseKind, CauseState, Told, subject_within
from notifier.domain.chunk import Chunk
from notifier.ports.unit import NotifierUnit
from notifier.sweeps import CloseCauses
from notifier.wire.told import lot_of
from servicekit.loops import Pulse
from servicekit.lots import Lot
from servicekit.metrics import AS_OF_WAITING
from servicekit.mongo import Database
from servicekit.publish import MemoryLog
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    collected,
    events_of,
    memory_notifier,
    pledges,
    settle,
    told_to,
    update,
    verdict,
)
from services.notifier.tests.conftest import mongo_notifier

LONG = "c" * 100


@pytest.mark.parametrize("campaign", [LONG, "c" * 200, "@@recipient@@", "a|b:c/d"])
async def test_odd_campaign_ids(campaign: str) -> None:
    """Whatever the ids are, every backer is told and the events name the campaign rightly."""
    log = MemoryLog(24)
    notifier = memory_notifier(log=log)
    longest = update(2, 2, campaign=campaign, update_id="u" * 100)
    await notifier.hear(*pledges(["a", "b"], campaign), verdict(2, campaign=campaign), longest)
    await settle(notifier)
    assert sorted(told_to(log)) == ["a", "a", "b", "b"]
    events = events_of(log)
    assert {event.key for event in events} == {"a", "b", "creator-1"}
    assert {getattr(event, "campaign_id", None) for event in events} == {campaign}
    assert all(len(getattr(event, "cause", "")) <= 200 for event in events)


def test_no_two_updates_share_a_subject() -> None:
    """Colons in ids cannot make one campaign's update look like another's."""
    assert subject_within("a:b", "c") != subject_within("a", "b:c")
    assert subject_within("a", "b") == "a:b"


def test_time_before_1970() -> None:
    """A fact that claims an impossible time is told all the same."""
    told = Told(CauseKind.VERDICT_REACHED, "c", "c", datetime(1960, 1, 1, tzinfo=UTC))
    assert len(lot_of(Chunk("chunk", told, ("a",), 0), 24)) == 1


async def test_known_pledge_stays_as_it_joined(notifier: Notifier) -> None:
    """A pledge heard again under a later sequence neither stops its campaign nor moves."""
    first, again = collected(1, "a"), collected(2, "a", pledge_id="pledge-1")
    await notifier.hear(first)
    await notifier.hear(again, collected(3, "b"))
    pages = notifier.audience.members(CAMPAIGN, 1)
    assert [backer_id async for page in pages for backer_id, _ in page] == ["a"]
    pages = notifier.audience.members(CAMPAIGN, 3)
    assert [backer_id async for page in pages for backer_id, _ in page] == ["a", "b"]


async def test_separators_in_ids(notifier: Notifier) -> None:
    """Two pledges whose ids look alike when joined by a separator are two."""
    await notifier.hear(
        collected(1, "a", campaign="x|y", pledge_id="z"),
        collected(1, "b", campaign="x", pledge_id="y|z"),
    )
    pages = notifier.audience.members("x", 1)
    assert [backer_id async for page in pages for backer_id, _ in page] == ["b"]


@pytest.mark.parametrize("bug", [ValueError("a template that breaks"), KeyError("unknown")])
async def test_unrenderable_chunk_keeps_nobody_waiting(bug: Exception) -> None:
    """A bug in rendering one chunk leaves that chunk pending and tells everybody else."""
    log = MemoryLog(24)
    notifier = memory_notifier(log=log)
    await notifier.hear(*pledges(["a", "b", "c", "d"]), verdict(4))
    await notifier.plan()

    def render(chunk: Chunk, partitions: int) -> Lot:
        if "b" in chunk.recipients:
            raise bug
        return lot_of(chunk, partitions)

    publisher = replace(notifier.publishing(), at_once=10, render=render)
    await publisher.publish_some(log)
    totals = await notifier.queries.totals(f"verdict-reached/{CAMPAIGN}")
    assert totals.pending >= 1
    assert totals.delivered + totals.pending == 4
    assert totals.delivered == len(told_to(log)) > 0


async def test_a_bug_in_what_follows_ends_no_process() -> None:
    """The chunks are claimed again when their lease ends; the loop goes on with all others."""
    log, stopping = MemoryLog(24), asyncio.Event()
    notifier = memory_notifier(log=log)
    await notifier.hear(*pledges(["a"]), verdict(1))
    await notifier.plan()
    turns: list[int] = []

    async def follow(unit: NotifierUnit, chunks: Sequence[Chunk], now: datetime) -> None:
        turns.append(len(chunks))
        notifier.clock.advance(seconds=11)
        if len(turns) == 1:
            raise KeyError("unknown yet")
        stopping.set()

    publisher = replace(
        notifier.publishing(), lease_seconds=10, begin_channels=follow, poll_seconds=0.01
    )
    await asyncio.wait_for(publisher.run(Pulse("publish"), stopping), 30)
    assert turns == [1, 1]
    assert (await notifier.queries.totals(f"verdict-reached/{CAMPAIGN}")).delivered == 1


async def test_waiting_is_measured() -> None:
    """The gauge behind the 30-second alarm counts every waiting cause, not the last one tried."""
    notifier = memory_notifier()
    await notifier.hear(verdict(9), *pledges(["b"], "c2"), verdict(1, campaign="c2"))
    await notifier.plan()
    await CloseCauses(notifier.units, notifier.queries)(NOW)
    assert AS_OF_WAITING._value.get() == 1
    found = await notifier.queries.incomplete(10)
    assert sorted(cause.state for cause in found) == [CauseState.PLANNED, CauseState.WAITING]


async def test_totals_read_the_index_alone(database: Database) -> None:
    """Completeness of a cause reads no recipients, and nothing of any other cause."""
    told = Told(CauseKind.VERDICT_REACHED, CAMPAIGN, CAMPAIGN, NOW)
    other = replace(told, subject="other")
    chunks = [
        Chunk(f"{one.cause}-{n}", one, ("a", "b"), n) for one in (told, other) for n in range(20)
    ]
    await database.collection("chunks").insert_many([chunk_document(c) for c in chunks])
    notifier = mongo_notifier(database)
    for read in (
        lambda: notifier.queries.totals(told.cause),
        lambda: notifier.units.run(lambda unit: unit.chunks.totals(told.cause)),
    ):
        cost = await cost_of(database, read)
        assert cost.documents == 0 and cost.keys <= 21, cost
    assert (await notifier.queries.totals(told.cause)).pending == 40
