"""Every pair of states of a cause, and what a plan is made of."""

from datetime import timedelta
from itertools import product

import pytest

from notifier.domain.cause import (
    TRANSITIONS,
    Cause,
    CauseKind,
    CauseState,
    Told,
    Totals,
    complete,
    hear,
    plan,
)
from notifier.domain.chunk import ChunkPlanner
from notifier.domain.errors import Refused
from notifier.domain.notification import notification_id
from services.notifier.tests.builders import NOW

TOLD = Told(CauseKind.VERDICT_REACHED, "campaign-1", "campaign-1", NOW)
MOVES = {
    CauseState.PLANNED: lambda cause: plan(cause, 3, NOW),
    CauseState.COMPLETED: lambda cause: complete(cause, NOW),
}


def in_state(state: CauseState) -> Cause:
    return Cause(TOLD, 3, None, state, NOW)


@pytest.mark.parametrize(("before", "after"), list(product(CauseState, MOVES)))
def test_every_pair(before: CauseState, after: CauseState) -> None:
    """A cause moves only along the table; everything else is refused by name."""
    if after in TRANSITIONS[before]:
        assert MOVES[after](in_state(before)).state is after
    else:
        with pytest.raises(Refused) as refusal:
            MOVES[after](in_state(before))
        assert refusal.value.reason == "impossible-transition"


def test_nothing_returns_to_waiting() -> None:
    """No state leads back to waiting, and nothing leads out of completed."""
    assert all(CauseState.WAITING not in after for after in TRANSITIONS.values())
    assert not TRANSITIONS[CauseState.COMPLETED]


@pytest.mark.parametrize(("expected", "contradicts"), [(None, False), (3, False), (4, True)])
def test_contradiction(expected: int | None, contradicts: bool) -> None:
    """Only another count of the same audience contradicts, and only once ours is known."""
    heard = hear(TOLD, 3, expected, NOW)
    assert not heard.contradicts
    assert plan(heard, 3, NOW).contradicts is contradicts


@pytest.mark.parametrize(
    ("totals", "gap"),
    [
        (Totals(delivered=3, pending=0), 0),
        (Totals(delivered=1, pending=2), 0),
        (Totals(delivered=1, pending=1), 1),
        (Totals(delivered=1, pending=0, suppressed=1, failed=1), 0),
        (Totals(delivered=4, pending=0, supplements=1), 0),
        (Totals(delivered=4, pending=0), -1),
    ],
)
def test_completeness(totals: Totals, gap: int) -> None:
    """delivered + suppressed + failed + pending = audience + supplements, or there is a gap."""
    assert totals.gap(audience=3) == gap


def test_notification_id() -> None:
    """The id is a function of cause and recipient, orders by time, and separates its parts."""
    first = notification_id("a/b", NOW, "person")
    assert first == notification_id("a/b", NOW, "person")
    assert len(first) == 32
    assert first < notification_id("a/b", NOW + timedelta(milliseconds=1), "person")
    others = {notification_id("a/bp", NOW, "erson"), notification_id("a/b", NOW, "Person")}
    assert first not in others


def test_chunks_hold_one_partition_and_at_most_a_thousand() -> None:
    """A chunk's people share a partition, are at most the limit, and each person is in one."""
    members = [(f"b{number:05}", number * 7) for number in range(5_000)]
    planner = ChunkPlanner(TOLD, 5, partitions=3)
    chunks = [*planner.feed(members), *planner.rest()]
    hashes = dict(members)
    assert planner.audience == 5_000
    assert all(len(chunk.recipients) <= 1_000 for chunk in chunks)
    assert all(hashes[b] % 3 == chunk.partition for chunk in chunks for b in chunk.recipients)
    told = [b for chunk in chunks for b in chunk.recipients]
    assert sorted(told) == sorted(hashes)


def test_chunks_of_a_partition_follow_each_other() -> None:
    """Nobody of a later one is before anybody of an earlier: by that people's chunks are found."""
    members = [(f"b{number:03}", number * 7) for number in range(100)]
    planner = ChunkPlanner(TOLD, 5, partitions=3, recipients_max=6)
    chunks = [*planner.feed(members), *planner.rest()]
    for partition in range(3):
        mine = sorted((c.chunk_id, c.recipients) for c in chunks if c.partition == partition)
        told = [b for _, recipients in mine for b in recipients]
        assert len(mine) > 1 and told == sorted(told)


def test_pages_do_not_change_the_plan() -> None:
    """The same members in other pages make chunks with the same ids and people."""
    members = [(f"b{number:03}", number) for number in range(100)]

    def plan_in_pages(size: int) -> list[object]:
        planner = ChunkPlanner(TOLD, 5, partitions=4, recipients_max=7)
        fed = [c for i in range(0, 100, size) for c in planner.feed(members[i : i + size])]
        return sorted([*fed, *planner.rest()], key=lambda chunk: chunk.chunk_id)

    assert plan_in_pages(1) == plan_in_pages(33) == plan_in_pages(100)


def test_backer_of_several_pledges_is_one() -> None:
    """A backer with three pledges is told once, also when a page ends between them."""
    planner = ChunkPlanner(TOLD, 5, partitions=2)
    twice = [("b1", 1), ("b1", 1)]
    chunks = [*planner.feed(twice), *planner.feed([("b1", 1)]), *planner.rest()]
    assert [chunk.recipients for chunk in chunks] == [("b1",)]
    assert planner.audience == 1
