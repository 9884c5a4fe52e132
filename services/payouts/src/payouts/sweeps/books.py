"""Every book is checked again and again and closed at its end; all heads are signed each day."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from payouts.domain.book import Agreement, Book, agreement
from payouts.domain.head_signing import is_due
from payouts.domain.integrity import Invariant, Violation
from payouts.handlers.check_books import ROUND, check_changed, check_round
from payouts.handlers.close_books import close_if_over
from payouts.handlers.periods import moved_period
from payouts.handlers.sign_heads import sign_heads
from payouts.metrics import BOOKS, BOOKS_ROUND, HEADS_SIGNED
from payouts.ports.head_signing import HeadKeys, HeadSignatures
from payouts.ports.integrity import BookChecks
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit import metrics as kit
from servicekit.sweeps import one_by_one
from servicekit.units import UnitsOfWork

log = structlog.get_logger()

PAGE = 100
BOOKS_AT_ONCE = 10
PERIOD = "period"


@dataclass(slots=True)
class CheckBooks:
    """Checks every book that changed since it was last found right, and counts what is wrong.

    A wrong book stays with the changed ones, so each count is of all that are known to be wrong.
    """

    queries: Queries
    checks: BookChecks

    async def __call__(self, now: datetime) -> int:
        """Publish how many books violate what; 0, so that it rests between."""
        wrong = dict.fromkeys(Invariant, 0)
        waiting = await self.queries.claims_waiting()

        async def check(book: Book) -> int:
            violations = await check_changed(self.queries, self.checks, book, now)
            tell(violations)
            for invariant in {violation.invariant for violation in violations}:
                wrong[invariant] += 1
            if book.verdict is not None and agreement(book) is Agreement.WAITING:
                waiting.append(book.verdict.reached_at)
            return 0

        await one_by_one(self._changed(), check)
        kit.AS_OF_WAITING.set(len(waiting))
        kit.AS_OF_WAITING_OLDEST.set(min(waiting).timestamp() if waiting else 0)
        for invariant, count in wrong.items():
            kit.INVARIANT_VIOLATIONS.labels(invariant.value).set(count)
            kit.INVARIANT_CHECKED.labels(invariant.value).set_to_current_time()
        return 0

    async def _changed(self) -> AsyncIterator[Book]:
        after = ""
        while books := await self.checks.changed(after, PAGE):
            for book in books:
                yield book
            after = books[-1].campaign_id


@dataclass(slots=True)
class CheckAllBooks:
    """Once a day checks each book from its beginning, also those that nobody touched.

    What it finds wrong joins the changed ones, where it is counted.
    """

    queries: Queries
    checks: BookChecks
    _rests_until: datetime | None = None

    async def __call__(self, now: datetime) -> int:
        """Check the next few; 0, so that a round of many books leaves room for other work."""
        if self._rests_until is not None and now < self._rests_until:
            return 0
        violations, round_ = await check_round(self.queries, self.checks, BOOKS_AT_ONCE, now)
        tell(violations)
        self._rests_until = round_.begun_at + ROUND if round_.finished else None
        if round_.finished:
            BOOKS_ROUND.set(round_.begun_at.timestamp())
        return 0


@dataclass(frozen=True, slots=True)
class CloseBooks:
    """Closes the books that are over once nothing has moved them through a time of rest."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    checks: BookChecks
    rest: timedelta

    async def __call__(self, now: datetime) -> int:
        """Look at all that may be over; 0, so that it rests between."""
        for state, count in (await self.queries.book_states()).items():
            BOOKS.labels(state.value).set(count)
        return await one_by_one(self._to_close(), partial(self._close, now=now))

    async def _to_close(self) -> AsyncIterator[Book]:
        after = ""
        while books := await self.queries.books_to_close(after, PAGE):
            for book in books:
                yield book
            after = books[-1].campaign_id

    async def _close(self, book: Book, now: datetime) -> int:
        await close_if_over(self.units, self.checks, book.campaign_id, self.rest, now)
        return 0


@dataclass(frozen=True, slots=True)
class CheckPeriods:
    """Says whether the last closed month still has the balance that two people closed."""

    queries: Queries

    async def __call__(self, now: datetime) -> int:
        """Publish it; 0, so that it rests between."""
        moved = await moved_period(self.queries)
        if moved is not None:
            log.error("a closed month has moved", month=moved.month)
        kit.INVARIANT_VIOLATIONS.labels(PERIOD).set(int(moved is not None))
        return 0


def tell(violations: Sequence[Violation]) -> None:
    """Say what is wrong, a line each."""
    for one in violations:
        log.error(
            "book is wrong",
            campaign=one.campaign_id,
            invariant=one.invariant.value,
            finding=one.detail,
        )


@dataclass(frozen=True, slots=True)
class SignHeads:
    """Signs the heads of all chains once a day, at the first look after midnight (UTC)."""

    queries: Queries
    signatures: HeadSignatures
    keys: HeadKeys

    async def __call__(self, now: datetime) -> int:
        """Sign if the day has no signature yet; 0, because there is never more than one."""
        last = await self.signatures.last()
        if is_due(last, now):
            await sign_heads(self.queries, self.signatures, self.keys, now)
            last = await self.signatures.last()
        HEADS_SIGNED.set(last.signed_at.timestamp() if last else 0)
        return 0
