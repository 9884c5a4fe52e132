"""Replies of a mail server are the same however the network cuts them."""

import asyncio

import pytest

from notifier.adapters.smtp_replies import Replies, Reply

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


async def test_a_server_that_falls_silent_is_not_waited_for() -> None:
    """What it had said by then is read; why no more comes is kept."""
    replies = Replies(timeout_seconds=0.01)
    replies.data_received(b"250 one\r\n")
    assert await replies.some(2) == [Reply(250, "one")]
    assert isinstance(replies.error, TimeoutError)
