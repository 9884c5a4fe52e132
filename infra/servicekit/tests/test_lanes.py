"""Group commit: whatever gathered during the previous save is saved together."""

import asyncio
from collections.abc import Sequence

import pytest

from servicekit.errors import Conflict, DependencyAway
from servicekit.lanes import Lanes


async def test_a_group_is_what_gathered_during_the_previous_save() -> None:
    """Nothing waits for a timer, and nobody is saved alone while others wait."""
    groups: list[list[int]] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def save(_: str, items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        begun.set()
        await go_on.wait()
        return [item * 10 for item in items]

    lanes: Lanes[int, int] = Lanes(save, group_items_max=3)
    first = asyncio.create_task(lanes.submit("k", 0))
    await begun.wait()
    rest = [asyncio.create_task(lanes.submit("k", number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(first, *rest) == [0, 10, 20, 30, 40, 50]
    assert groups == [[0], [1, 2, 3], [4, 5]]


async def test_a_lane_that_gathers_waits_for_its_group() -> None:
    """Whoever comes within the moment joins; a full group waits for nobody."""
    groups: list[list[int]] = []

    async def save(_: str, items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        return list(items)

    lanes: Lanes[int, int] = Lanes(save, gather_seconds=0.5)
    first = asyncio.create_task(lanes.submit("k", 1))
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.gather(first, lanes.submit("k", 2))
    full: Lanes[int, int] = Lanes(save, group_items_max=2, gather_seconds=3600)
    async with asyncio.timeout(60):
        await asyncio.gather(*(full.submit("k", number) for number in (3, 4)))
    assert groups == [[1, 2], [3, 4]]


async def test_one_bad_item_does_not_take_its_neighbours_with_it() -> None:
    """A group that cannot be saved is tried item by item; each gets its own answer."""

    async def save(_: str, items: Sequence[int]) -> list[int]:
        if 2 in items:
            raise ValueError("two")
        return list(items)

    lanes: Lanes[int, int] = Lanes(save)
    asked = [lanes.submit("k", number) for number in (1, 2, 3)]
    one, two, three = await asyncio.gather(*asked, return_exceptions=True)
    assert (one, three) == (1, 3) and isinstance(two, ValueError)


async def test_a_refusal_is_raised_for_its_item_only() -> None:
    """An exception among the answers belongs to one caller."""

    async def save(_: str, items: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if item % 2 else item for item in items]

    lanes: Lanes[int, int] = Lanes(save)
    assert await lanes.submit("k", 2) == 2
    with pytest.raises(ValueError, match="odd"):
        await lanes.submit("k", 3)


async def test_a_save_that_answers_too_little_fails_loudly() -> None:
    """Nobody hangs on a lane whose save forgot him."""

    async def save(_: str, items: Sequence[int]) -> list[int]:
        return []

    with pytest.raises(RuntimeError, match="0 answers for 1 items"):
        await Lanes[int, int](save).submit("k", 1)


async def test_an_absent_dependency_is_told_to_the_whole_group_at_once() -> None:
    """Nobody is tried alone: each attempt would cost all the others its time-out."""
    groups: list[list[int]] = []

    async def save(_: str, items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        raise DependencyAway("MongoDB")

    lanes: Lanes[int, int] = Lanes(save)
    asked = [lanes.submit("k", number) for number in (1, 2, 3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [DependencyAway] * 3
    assert groups == [[1, 2, 3]]


async def test_nobody_hangs_on_a_lane_that_was_ended() -> None:
    """Neither those in hand nor those behind them."""
    begun = asyncio.Event()

    async def save(_: str, items: Sequence[int]) -> list[int]:
        begun.set()
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    lanes: Lanes[int, int] = Lanes(save, group_items_max=1)
    asked = [asyncio.create_task(lanes.submit("k", number)) for number in (1, 2)]
    await begun.wait()
    done, hanging = await asyncio.wait(asked, timeout=10)
    assert not hanging
    assert [str(one.exception()) for one in done] == ["the lane ended"] * 2


async def test_a_caller_who_goes_away_does_not_take_the_item_with_him() -> None:
    """What was submitted is saved; the lane goes on and can be drained."""
    saved: list[int] = []
    go_on = asyncio.Event()

    async def save(_: str, items: Sequence[int]) -> list[int]:
        await go_on.wait()
        saved.extend(items)
        return list(items)

    lanes: Lanes[int, int] = Lanes(save)
    gone = asyncio.create_task(lanes.submit("k", 1))
    await asyncio.sleep(0)
    gone.cancel()
    go_on.set()
    await lanes.drain()
    assert saved == [1] and gone.cancelled()
    assert await lanes.submit("k", 2) == 2


async def test_keys_do_not_wait_for_each_other() -> None:
    """A lane that stands still holds up its own key only."""
    never = asyncio.Event()

    async def save(key: str, items: Sequence[int]) -> list[int]:
        if key == "stuck":
            await never.wait()
        return list(items)

    lanes: Lanes[int, int] = Lanes(save)
    stuck = asyncio.create_task(lanes.submit("stuck", 1))
    assert await lanes.submit("k", 2) == 2 and not stuck.done()
    never.set()
    assert await stuck == 1


async def test_a_group_that_conflicts_is_tried_again_in_halves() -> None:
    """Others write the same document: not one save for each item, each of which conflicts too."""
    sizes: list[int] = []

    async def save(key: str, items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        if len(items) > 2:
            raise Conflict("somebody else wrote first")
        return items

    lanes: Lanes[int, int] = Lanes(save)
    assert await asyncio.gather(*(lanes.submit("a", n) for n in range(8))) == list(range(8))
    assert sizes == [8, 4, 2, 2, 4, 2, 2]
