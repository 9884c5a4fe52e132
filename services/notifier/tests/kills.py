"""A process is killed in front of each of its writes and behind each: nothing is lost or repeated.

What a handler does between two writes (a mail, a webhook, an event) has been done where the kill is
in front of the next write, and has not where it is behind the last one.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from notifier.ports.unit import NotifierUnit
from servicekit.units import UnitsOfWork
from services.notifier.tests.builders import Notifier
from services.notifier.tests.fakes import Crashed

T = TypeVar("T")


@dataclass(slots=True)
class DyingUnits:
    """The units of a process that has so many moments to live: two for each transaction."""

    units: UnitsOfWork[NotifierUnit]
    moments: int
    died: bool = False

    async def run(self, work: Callable[[NotifierUnit], Awaitable[T]]) -> T:
        self._live()
        done = await self.units.run(work)
        self._live()
        return done

    def _live(self) -> None:
        if self.moments == 0:
            self.died = True
            raise Crashed
        self.moments -= 1


@contextmanager
def killed(notifier: Notifier, moments: int) -> Iterator[DyingUnits]:
    """Let the process live so long; what comes then is another one, once the lease is over."""
    living = notifier.units
    dying, emails = DyingUnits(living, moments), notifier.emails
    notifier.units = dying
    notifier.emails = emails and replace(emails, units=dying)
    try:
        yield dying
    except Crashed:
        pass
    finally:
        notifier.units, notifier.emails = living, emails
    assert dying.died, "it had written everything before"
    notifier.clock.advance(seconds=61)
