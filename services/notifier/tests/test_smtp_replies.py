"""Replies of a mail server are the same however the network cuts them."""

import asyncio
from collections.abc import Callable

import pytest

from notifier.adapters.smtp_replies import REPLIES_MAX, Replies, Reply

SAID = b"250 kept\r\n250-first\r\n250 last\r\n550-5.1.1 nobody\r\n550 5.1.1 there\r\n354 go on\r\n"
MEANT = [
    Reply(250, "kept"),
    Reply(250, "first\nlast"),
    Reply(550, "5.1.1 nobody\n5.1.1 there"),
    Reply(354, "go on"),
]


@pytest.mark.parametrize("size", range(1, len(SAID) + 1))
async def test_replies_are_the_same_however_they_come(size: int) -> None:
    """Whoever waits for one has it, whoever waits for three is woken by the third."""
    replies = Replies(timeout_seconds=30)
    first = asyncio.create_task(replies.some(1))
    rest = asyncio.create_task(_behind(first, replies, 3))
    await asyncio.sleep(0)
    for begin in range(0, len(SAID), size):
        assert not rest.done()
        replies.data_received(SAID[begin : begin + size])
        # Both have their turn, as often as they need one.
        for _ in range(5):
            await asyncio.sleep(0)
    assert [*first.result(), *rest.result()] == MEANT
    replies.connection_lost(None)


async def _behind(first: asyncio.Task[list[Reply]], replies: Replies, count: int) -> list[Reply]:
    await first
    return await replies.some(count)


async def test_what_came_before_the_end_is_read_and_then_no_more() -> None:
    """A wait ends with the connection, with what had come; a later one ends at once."""
    replies = Replies(timeout_seconds=30)
    waiting = asyncio.create_task(replies.some(3))
    await asyncio.sleep(0)
    replies.data_received(b"250 one\r\n250 tw")
    replies.eof_received()
    replies.connection_lost(None)
    assert await waiting == [Reply(250, "one")]
    assert isinstance(replies.error, EOFError)
    assert await replies.some(1) == []


class Seconds:
    """The time of an event loop, with its one alarm, that a test moves."""

    def __init__(self) -> None:
        self.now, self._at = 0.0, 0.0
        self._look: Callable[[], None] | None = None
        self.create_future = asyncio.get_running_loop().create_future

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, look: Callable[[], None]) -> "Seconds":
        assert self._look is None, "one alarm is enough"
        self._at, self._look = when, look
        return self

    def cancel(self) -> None:
        self._look = None

    def until(self, end: float) -> None:
        while self._look is not None and self._at <= end:
            self.now, look, self._look = self._at, self._look, None
            look()
        self.now = end


async def test_each_reply_has_its_time_and_nobody_who_waits_for_none_runs_out_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three that come slowly are waited for; a connection that is kept idle stays good."""
    seconds, replies = Seconds(), Replies(timeout_seconds=30)
    monkeypatch.setattr(replies, "_loop", seconds)
    waiting = asyncio.create_task(replies.some(3))
    for end, reply in ((20, b"250 one\r\n"), (45, b"250 two\r\n"), (74, b"250 three\r\n")):
        await asyncio.sleep(0)
        seconds.until(end)
        replies.data_received(reply)
    assert await waiting == [Reply(250, "one"), Reply(250, "two"), Reply(250, "three")]
    seconds.until(1_000)
    assert replies.error is None
    waiting = asyncio.create_task(replies.some(2))
    await asyncio.sleep(0)
    seconds.until(1_029)
    replies.data_received(b"250 four\r\n")
    seconds.until(1_058)
    assert replies.error is None and not waiting.done()
    seconds.until(1_059)
    assert isinstance(replies.error, TimeoutError)
    replies.connection_lost(None)
    assert isinstance(replies.error, TimeoutError), "the first reason is the reason"
    assert await waiting == [Reply(250, "four")]


@pytest.mark.parametrize("begun", [b"250-" + b"x" * 40_000, b"250-x\r\n" * 9_000])
async def test_a_reply_without_end_ends_it(begun: bytes) -> None:
    """At once, and not when nothing more comes: till then all of it would be kept."""
    replies = Replies(timeout_seconds=30)
    replies.data_received(b"250 one\r\n" + begun)
    assert isinstance(replies.error, ValueError)
    assert await replies.some(2) == [Reply(250, "one")]


async def test_a_server_that_never_stops_talking_is_left() -> None:
    """What nobody asked for is not kept without end; what was asked for before that is read."""
    replies = Replies(timeout_seconds=30)
    replies.data_received(b"250 one\r\n" + b"250 more\r\n" * 1_000)
    assert isinstance(replies.error, ValueError)
    came = await replies.some(1_001)
    assert came[0] == Reply(250, "one") and len(came) == REPLIES_MAX


async def test_a_server_that_falls_silent_is_not_waited_for() -> None:
    """What it had said by then is read; why no more comes is kept."""
    replies = Replies(timeout_seconds=0.01)
    replies.data_received(b"250 one\r\n")
    assert await replies.some(2) == [Reply(250, "one")]
    assert isinstance(replies.error, TimeoutError)
