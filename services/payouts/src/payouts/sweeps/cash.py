"""The provider's cash is followed as it moves, and held against the books."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

import structlog

from payouts.domain.reconciliation import Break, BreakKind, suspense
from payouts.handlers.reconcile import reconcile, unexplained_total
from payouts.handlers.wake import CURSOR, look_at_cash
from payouts.metrics import BREAK_OLDEST, BREAKS, SUSPENSE
from payouts.ports.provider import Provider
from payouts.ports.queries import Queries
from payouts.ports.reconciliation import Reconciliation
from payouts.ports.unit import PayoutsUnit
from servicekit import metrics as kit
from servicekit.units import UnitsOfWork

log = structlog.get_logger()

ACCOUNTS_AT_ONCE = 20
# What the provider gives at once. Behind less there is nothing yet: to read on without a rest
# while refunds leave would spend on looking what the provider takes of calls.
FULL_PAGE = 100
SUMMED_AGAIN = timedelta(minutes=10)
PROVIDER_TOTAL = "I3"
PATIENCE = timedelta(minutes=5)


@dataclass(slots=True)
class FollowCash:
    """Reads the provider's balance transactions and wakes what they concern.

    A movement that no book has yet is woken at each look and holds the cursor: the work that it
    concerns may be in hand, about to save what it saw before. What nobody books in `PATIENCE` is
    not ours, or waits for a person, and must not hold the rest for ever.
    """

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    provider: Provider
    _first_seen: dict[str, datetime] = field(default_factory=dict)

    async def __call__(self, now: datetime) -> int:
        """Follow a page; return how many passed if all of a full one did, else 0."""
        page = await look_at_cash(self.units, self.queries, self.provider, now)
        self._first_seen = {one: self._first_seen.get(one, now) for one in page.unbooked}
        passed = [one.id for one in takewhile(lambda m: self._may_pass(m.id, now), page.movements)]
        if passed:
            await self.queries.move_cursor(CURSOR, passed[-1])
        return len(passed) if len(passed) >= FULL_PAGE else 0

    def _may_pass(self, movement_id: str, now: datetime) -> bool:
        first_seen = self._first_seen.get(movement_id)
        if first_seen is None:
            return True
        if now - first_seen < PATIENCE:
            return False
        log.error("cash that nobody books", movement=movement_id)
        return True


@dataclass(slots=True)
class Reconcile:
    """Holds the provider's lists against the books, both ways.

    The platform's list is read at each turn, of the creators' accounts a few, one after the other.
    """

    store: Reconciliation
    provider: Provider
    patience: timedelta
    _accounts: list[str] = field(default_factory=list)
    _summed_at: datetime | None = None
    _currencies: set[str] = field(default_factory=set)

    async def __call__(self, now: datetime) -> int:
        """Compare what is old enough; return how much where there is more to read, else 0."""
        self._accounts = self._accounts or await self.store.accounts()
        some = self._accounts[:ACCOUNTS_AT_ONCE]
        turn = await reconcile(self.store, self.provider, self.patience, now, some)
        if not turn.movements:
            self._accounts = self._accounts[ACCOUNTS_AT_ONCE:]
        self._show(turn.open)
        if not turn.answered:
            return 0
        kit.INVARIANT_CHECKED.labels(PROVIDER_TOTAL).set_to_current_time()
        if turn.caught_up and (self._summed_at is None or now - self._summed_at >= SUMMED_AGAIN):
            await self._sum_up()
            self._summed_at = now
        compared = turn.movements + turn.blocks
        return compared if compared >= FULL_PAGE else 0

    def _show(self, breaks: Sequence[Break]) -> None:
        for kind in BreakKind:
            BREAKS.labels(kind.value).set(sum(one.kind is kind for one in breaks))
        oldest = min((one.first_seen_at for one in breaks), default=None)
        BREAK_OLDEST.set(oldest.timestamp() if oldest else 0)
        held: dict[str, int] = dict.fromkeys(self._currencies, 0)
        for (_, currency), amount in suspense(breaks).items():
            held[currency] = held.get(currency, 0) + amount
        self._currencies |= held.keys()
        for currency, amount in held.items():
            SUSPENSE.labels(currency).set(amount)

    async def _sum_up(self) -> None:
        wrong = 0
        for currency in await self.store.totals():
            unexplained = await unexplained_total(self.store, self.provider, currency)
            if unexplained:
                wrong += 1
                log.error("balance is not its list", currency=currency, unexplained=unexplained)
        kit.INVARIANT_VIOLATIONS.labels(PROVIDER_TOTAL).set(wrong)
