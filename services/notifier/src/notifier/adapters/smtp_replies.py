"""A mail server's replies, read as they come: who waits for several is woken once, by the last.

A mail costs four replies, and each is a turn of the event loop where it is waited for by itself.
One alarm for a connection watches over all waits, instead of one that is set and taken back for
each reply.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

REPLY_BYTES_MAX = 32_768
# No more than five are asked for at a time, and a server that is closing says so unasked.
REPLIES_MAX = 10


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server says to one command."""

    code: int
    words: str

    @property
    def is_good(self) -> bool:
        return 200 <= self.code < 300


class Replies(asyncio.Protocol):
    """The reading side of a connection; `timeout_seconds` is how long any one reply may take.

    `error` says why no more will come, once that is so. `hang_up` is called where what comes has no
    end or no sense: nobody may look at the connection for a long time, and it would go on.
    """

    def __init__(
        self, timeout_seconds: float, hang_up: Callable[[], object] = lambda: None
    ) -> None:
        self.error: Exception | None = None
        self._timeout_seconds = timeout_seconds
        self._hang_up = hang_up
        self._loop = asyncio.get_running_loop()
        # The end of what came, of which the end of line is missing.
        self._begun = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._come: deque[Reply] = deque()
        self._wanted = 0
        self._waiting: asyncio.Future[None] | None = None
        self._due = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    async def some(self, count: int) -> list[Reply]:
        """Return the next replies: so many, or those that came until there was an `error`."""
        if len(self._come) < count and self.error is None:
            self._wanted = count
            self._waiting = self._loop.create_future()
            self._due = self._loop.time() + self._timeout_seconds
            if self._alarm is None:
                self._alarm = self._loop.call_at(self._due, self._look)
            try:
                await self._waiting
            finally:
                self._waiting = None
        return [self._come.popleft() for _ in range(min(count, len(self._come)))]

    def data_received(self, data: bytes) -> None:
        if self.error is not None:
            # Nobody reads it any more.
            return
        *lines, self._begun = (self._begun + data).split(b"\n")
        try:
            for line in lines:
                self._take(line)
            if len(self._begun) > REPLY_BYTES_MAX:
                raise ValueError("a reply without end")
        except ValueError as error:
            self._end(error)
            self._hang_up()
            return
        if len(self._come) >= self._wanted:
            self._wake()

    def eof_received(self) -> None:
        self._end(EOFError("the server said no more"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or EOFError("the connection is closed"))
        if self._alarm is not None:
            self._alarm.cancel()

    def _take(self, line: bytes) -> None:
        """Take a line; all but the last one of a reply have a dash behind the code."""
        self._lines.append(line)
        self._size += len(line)
        if self._size > REPLY_BYTES_MAX:
            raise ValueError("a reply without end")
        if line[3:4] == b"-":
            return
        if len(self._come) >= REPLIES_MAX:
            raise ValueError("replies without end")
        words = b"\n".join(one[4:].strip() for one in self._lines)
        self._come.append(Reply(int(line[:3]), words.decode(errors="replace")))
        self._lines, self._size = [], 0
        self._due = self._loop.time() + self._timeout_seconds

    def _look(self) -> None:
        """See whether a reply is overdue; while nobody waits, none is."""
        self._alarm = None
        if self._waiting is None:
            return
        if self._loop.time() < self._due:
            self._alarm = self._loop.call_at(self._due, self._look)
        else:
            self._end(TimeoutError("no reply"))

    def _end(self, error: Exception) -> None:
        # The first reason is the reason: what follows is only the connection being closed.
        self.error = self.error or error
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
