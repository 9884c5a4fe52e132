"""How many requests a second are taken, for what wants to be told that it is too fast."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.sandbox.provider.calls import Answer
from infra.sandbox.provider.errors import ApiError

RETRY_AFTER = {"Retry-After": "1"}


class Limit:
    """A bucket that one second fills; known to this process only, as a limit is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.taken = 0
        self.turned_away = 0
        self._clock = clock
        self._left = 0.0
        self._counted_at = -1.0

    def refusal(self, per_second: float) -> Answer | None:
        """The answer to a request too many, None for one that is taken; 0 is no limit."""
        now = self._clock()
        grown = self._left + (now - self._counted_at) * per_second
        self._left, self._counted_at = min(per_second, grown), now
        if per_second > 0 and self._left < 1:
            self.turned_away += 1
            error = ApiError(429, "rate_limit", "Too many requests.")
            return Answer(error.status, error.body(), RETRY_AFTER)
        # What came while there was no limit is not held against who comes under one.
        self._left = max(0.0, self._left - 1)
        self.taken += 1
        return None
