"""Timed work of notifier: causes that a crash left open are closed; what waits is measured."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from notifier.domain.cause import USUAL, Cause, CauseState
from notifier.domain.delivery import Channel
from notifier.domain.kind import rules_of
from notifier.domain.proof import INBOX
from notifier.domain.suppression import SuppressionReason
from notifier.handlers.mail_domains import MailDomains, last_leaves
from notifier.handlers.publish import close_causes
from notifier.metrics import (
    CAUSES,
    DELIVERY_ETA,
    DELIVERY_QUEUE,
    GAP,
    LANES,
    OLDEST_INCOMPLETE,
    OLDEST_UNREACHED,
    PRIORITIES,
    SUPPRESSED_ADDRESSES,
    UNREACHED,
)
from notifier.ports.email import EmailQueries
from notifier.ports.queries import OpenCauses, Queries
from notifier.ports.unit import NotifierUnit
from notifier.ports.unreached import UnreachedQueries
from servicekit.metrics import AS_OF_WAITING, AS_OF_WAITING_OLDEST
from servicekit.sweeps import one_by_one
from servicekit.units import UnitsOfWork

PAGE = 500


@dataclass(frozen=True, slots=True)
class MeasureMail:
    """Looks at what waits to be written, and at the addresses that are not written to.

    The account's pace says how long that takes, or the last turn that a mail domain has given, if
    it is later: only the process that sends knows those, and another one says less.
    """

    queries: EmailQueries
    mails_per_second: float
    domains: MailDomains

    async def __call__(self, now: datetime) -> int:
        """Measure; 0, so that it rests between."""
        queued = await self.queries.queued(Channel.EMAIL)
        urgent = sum(people for priority, people in queued.items() if priority < USUAL)
        usual = sum(queued.values()) - urgent
        DELIVERY_QUEUE.labels(Channel.EMAIL, "urgent").set(urgent)
        DELIVERY_QUEUE.labels(Channel.EMAIL, "usual").set(usual)
        DELIVERY_ETA.labels(Channel.EMAIL).set(self._seconds_for(urgent + usual, now))
        suppressed = await self.queries.suppressed(now)
        for reason in SuppressionReason:
            SUPPRESSED_ADDRESSES.labels(reason).set(suppressed.get(reason, 0))
        return 0

    def _seconds_for(self, queued: int, now: datetime) -> float:
        if not queued:
            return 0.0
        turns = (self.domains.last_turn(urgent=one) for one in (True, False))
        return (last_leaves(now, queued, self.mails_per_second, *turns) - now).total_seconds()


@dataclass(frozen=True, slots=True)
class MeasureUnreached:
    """Looks at whom staff have still to reach otherwise than by mail."""

    queries: UnreachedQueries

    async def __call__(self, now: datetime) -> int:
        """Measure; 0, so that it rests between."""
        found = await self.queries.open_unreached()
        UNREACHED.set(found.count)
        OLDEST_UNREACHED.set(found.oldest.timestamp() if found.oldest else 0)
        return 0


@dataclass(slots=True)
class CloseCauses:
    """Looks at every cause that is not completed, so many in a turn; the oldest first.

    Where the last turn ended, the next one goes on: five hundred that stay open hide nobody
    behind them. How many are open is counted anew in each turn, over all of them.
    """

    units: UnitsOfWork[NotifierUnit]
    queries: Queries
    page: int = PAGE
    _behind: Cause | None = None
    _gap: int = 0
    _pending: Counter[str] = field(default_factory=Counter)

    async def __call__(self, now: datetime) -> int:
        """Close what can be closed; 0, so that it rests between."""
        _measure(await self.queries.open_causes())
        found = await self.queries.incomplete(self.page, self._behind)
        # Before they are looked at: one that cannot be looked at hides nobody behind it either.
        self._behind = found[-1] if len(found) == self.page else None
        planned = [cause for cause in found if cause.state is CauseState.PLANNED]
        await one_by_one(planned, partial(self._look_at, now=now))
        if self._behind is None:
            GAP.set(self._gap)
            for lane in LANES:
                DELIVERY_QUEUE.labels(INBOX, lane).set(self._pending[lane])
            self._gap = 0
            self._pending.clear()
        return 0

    async def _look_at(self, cause: Cause, now: datetime) -> int:
        totals = await self.queries.totals(cause.name)
        # A cause with a gap is never closed, so the metric keeps showing it.
        self._gap += abs(totals.gap(cause.audience))
        lane = "urgent" if rules_of(cause.told).priority < USUAL else "usual"
        self._pending[lane] += totals.pending
        if not totals.pending:
            await close_causes(self.units, {cause.name}, now)
        return 0


def _measure(open_causes: Sequence[OpenCauses]) -> None:
    """Say what is not completed, by state, emergencies apart from all else."""
    for priority in PRIORITIES:
        mine = [one for one in open_causes if one.emergency is (priority == "emergency")]
        counts = {one.state: one.count for one in mine}
        for state in (CauseState.WAITING, CauseState.PLANNED):
            CAUSES.labels(state.value, priority).set(counts.get(state, 0))
        oldest = min((one.oldest.timestamp() for one in mine), default=0)
        OLDEST_INCOMPLETE.labels(priority).set(oldest)
    # Waiting for our own view to reach N; for more than 30 s it is alarmed (`NoticesWaitForView`).
    waiting = [one for one in open_causes if one.state is CauseState.WAITING]
    AS_OF_WAITING.set(sum(one.count for one in waiting))
    oldest = min((one.oldest.timestamp() for one in waiting), default=0)
    AS_OF_WAITING_OLDEST.set(oldest)
