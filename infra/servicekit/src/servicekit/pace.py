"""How fast an account outside may be asked: a bucket of tokens, and the pauses that it asks for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# A quarter of a second's tokens gather at most: after a rest the account is not overrun. As many
# again may be kept for work that was begun and has not asked yet: what it waits for before its
# first request costs no pace.
GATHERED_SECONDS = 0.25
GATHERED_LEAST = 2.0


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
    page now and then, is not counted, so that a long reading never stops the sending.
    """

    def __init__(self, per_second: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self.gathered_most = max(GATHERED_LEAST, per_second * GATHERED_SECONDS)
        self._monotonic = monotonic
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
