"""Timed work of payouts: the provider's cash is followed, books are checked, queues measured."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

import structlog

from payouts.domain.book import Agreement, agreement
from payouts.domain.errors import InvariantBroken
from payouts.domain.ledger import check
from payouts.domain.plan import StageKind
from payouts.domain.refund import RefundState
from payouts.domain.stage import StageState
from payouts.handlers.verify_ledger import check_book
from payouts.handlers.wake import CURSOR, look_at_cash
from payouts.metrics import AWAITING_FUNDS, REFUND_OLDEST, REFUNDS, STAGES
from payouts.ports import PayoutsUnit, Provider, Queries, Queue
from servicekit import metrics as kit
from servicekit.units import UnitsOfWork

log = structlog.get_logger()

PAGE = 100
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
        page = await look_at_cash(self.units, self.queries, self.provider, now)
        self._first_seen = {one: self._first_seen.get(one, now) for one in page.unbooked}
        passed = [one.id for one in takewhile(lambda m: self._may_pass(m.id, now), page.movements)]
        if passed:
            await self.queries.move_cursor(CURSOR, passed[-1])
        return len(passed)

    def _may_pass(self, movement_id: str, now: datetime) -> bool:
        first_seen = self._first_seen.get(movement_id)
        if first_seen is None:
            return True
        if now - first_seen < PATIENCE:
            return False
        log.error("cash that nobody books", movement=movement_id)
        return True


@dataclass(slots=True)
class CheckBooks:
    """Checks I1 and I2 of every book, and I4 (the chain's fold) of every book that changed."""

    queries: Queries
    _checked: dict[str, int] = field(default_factory=dict)

    async def __call__(self, now: datetime) -> int:
        """Look at all books and publish how many violate what; 0, so that it rests between."""
        violations = {"I1-I2": 0, "I4": 0, "verdict": 0}
        waiting: list[datetime] = []
        after = ""
        while books := await self.queries.books(after, PAGE):
            for book in books:
                try:
                    check(book.balances)
                except InvariantBroken as broken:
                    violations["I1-I2"] += 1
                    log.error("book is wrong", campaign=book.campaign_id, error=str(broken))
                violations["verdict"] += agreement(book) is Agreement.CONTRADICTS
                if book.verdict is not None and agreement(book) is Agreement.WAITING:
                    waiting.append(book.verdict.reached_at)
                violations["I4"] += await self._chain_is_wrong(book.campaign_id, book.version)
            after = books[-1].campaign_id
        kit.AS_OF_WAITING.set(len(waiting))
        kit.AS_OF_WAITING_OLDEST.set(min(waiting).timestamp() if waiting else 0)
        for invariant, count in violations.items():
            kit.INVARIANT_VIOLATIONS.labels(invariant).set(count)
            kit.INVARIANT_CHECKED.labels(invariant).set_to_current_time()
        return 0

    async def _chain_is_wrong(self, campaign_id: str, version: int) -> bool:
        if self._checked.get(campaign_id) == version:
            return False
        findings = await self.verify_chain(campaign_id)
        if not findings:
            self._checked[campaign_id] = version
        return bool(findings)

    async def verify_chain(self, campaign_id: str) -> list[str]:
        """Return what is wrong with the chain of one book, nothing if all is well."""
        book = await self.queries.book(campaign_id)
        if book is None:
            return []
        _, found = await check_book(self.queries, book)
        findings = [str(finding) for finding in found]
        for finding in findings:
            log.error("chain is wrong", campaign=campaign_id, finding=finding)
        return findings


@dataclass(slots=True)
class MeasureQueues:
    """Counts refunds and stages by state, for those who watch what does not move."""

    queries: Queries
    _currencies: set[str] = field(default_factory=set)

    async def __call__(self, now: datetime) -> int:
        """Publish the figures; 0, so that it rests between."""
        nothing = Queue(0, None)
        refunds = await self.queries.refund_queues()
        for state in RefundState:
            queue = refunds.get(state, nothing)
            REFUNDS.labels(state.value).set(queue.count)
            oldest = queue.oldest.timestamp() if queue.oldest else 0
            REFUND_OLDEST.labels(state.value).set(oldest)
        stages = await self.queries.stage_queues()
        for kind in StageKind:
            for stage in StageState:
                count = stages.get((kind, stage), nothing).count
                STAGES.labels(kind.value, stage.value).set(count)
        waiting = await self.queries.awaiting_funds()
        self._currencies |= waiting.keys()
        for currency in self._currencies:
            AWAITING_FUNDS.labels(currency).set(waiting.get(currency, 0))
        return 0
