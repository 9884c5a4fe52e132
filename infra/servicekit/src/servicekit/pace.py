"""How fast an account outside may be asked: a bucket of tokens, and the pauses that it asks for."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# A quarter of a second's tokens gather at most: after a rest the account is not overrun. As many
# again may be kept for work that was begun and has not asked yet: what it waits for before its
# first request costs no pace.
GATHERED_SECONDS = 0.25
GATHERED_LEAST = 2.0
# In what time an account counts: it takes so many requests in any second, wherever that begins.
COUNTED_SECONDS = 1.0


class _Promise:
    """A token that is kept for the first request of a piece of work."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept = True


_promise: ContextVar[_Promise | None] = ContextVar("promise", default=None)


class Pace:
    """So many requests a second, over everybody who asks through it.

    Work is begun only while there is a token for its first request (`room`), which is kept for it
    until it is sent or the work ends. Each request of such work spends one (`spend`): what asks
    more than once is paid back by those who wait. What is asked beside the work, as sweeps read a
    page now and then, spends none, so that a long reading never stops the sending.

    Tokens that had gathered leave on top of those that come, so they alone let more than the pace
    go in one second. Whoever takes a `turn` before each request, also beside the work, keeps below
    it in every second of any alignment; below one a second it is one.
    """

    def __init__(
        self,
        per_second: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.per_second = per_second
        self.gathered_most = max(GATHERED_LEAST, per_second * GATHERED_SECONDS)
        self._monotonic = monotonic
        self._sleep = sleep
        self._in_turn = asyncio.Lock()
        # When each of the last second's requests left, as many as may.
        self._left_at: deque[float] = deque(maxlen=max(1, int(per_second)))
        self._tokens = self.gathered_most
        self._counted_at = monotonic()
        self._paused_until = self._counted_at
        self._promised = 0

    def room(self, spare: float = 0.0) -> int:
        """Return how many pieces of work may begin now, with `spare` tokens left to others."""
        now = self._count()
        if now < self._paused_until:
            return 0
        return max(0, int(self._tokens - self._promised - spare))

    def wait_seconds(self, spare: float = 0.0) -> float:
        """Return how long until there is room for one, if nobody else takes it."""
        now = self._count()
        missing = 1 + spare + self._promised - self._tokens
        return max(missing / self.per_second, self._paused_until - now, 0.0)

    async def turn(self) -> None:
        """Wait until one more request keeps within the pace, first come first served; spend it.

        Between the return and the request nothing may be awaited. Who is cancelled meanwhile has
        taken nothing.
        """
        async with self._in_turn:
            while (seconds := self._crowded_for()) > 0:
                await self._sleep(seconds)
            self._left_at.append(self._monotonic())
        self.spend()

    def spend(self) -> None:
        """A request leaves, for the work that this is called in."""
        promise = _promise.get()
        if promise is not None:
            self._count()
            self._tokens -= 1
            self._fulfil(promise)

    def may_ask(self) -> bool:
        """Whether a request may leave: while the account rests only that of work that had begun."""
        return _promise.get() is not None or self._monotonic() >= self._paused_until

    def pause(self, seconds: float) -> None:
        """Let nothing begin for so long: the account asks for it."""
        self._paused_until = max(self._paused_until, self._monotonic() + seconds)

    def promise(self, count: int) -> None:
        """Keep a token for each of so many pieces of work that were claimed."""
        self._promised += count

    @contextmanager
    def promised(self) -> Iterator[None]:
        """Perform one piece of work for which a token is kept."""
        mine = _Promise()
        outer = _promise.set(mine)
        try:
            yield
        finally:
            _promise.reset(outer)
            self._fulfil(mine)

    def _crowded_for(self) -> float:
        """Return how long the last second's requests leave no room for another one."""
        if len(self._left_at) < (self._left_at.maxlen or 1):
            return 0.0
        return self._left_at[0] + COUNTED_SECONDS - self._monotonic()

    def _fulfil(self, promise: _Promise) -> None:
        if promise.kept:
            promise.kept = False
            self._promised -= 1

    def _count(self) -> float:
        now = self._monotonic()
        grown = self._tokens + (now - self._counted_at) * self.per_second
        self._tokens = min(self.gathered_most + min(self._promised, self.gathered_most), grown)
        self._counted_at = now
        return now
