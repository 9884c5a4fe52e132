"""Timed work of payouts: the provider's cash is followed, books are checked, queues measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from math import inf

import structlog

from payouts.domain.book import Agreement, agreement
from payouts.domain.dispute import DisputeState
from payouts.domain.funds import top_up_needed
from payouts.domain.head_signing import is_due
from payouts.domain.integrity import Invariant, Violation
from payouts.domain.plan import StageKind
from payouts.domain.reconciliation import Break, BreakKind, suspense
from payouts.domain.refund import RefundState
from payouts.domain.refund_request import VALID
from payouts.domain.stage import StageState
from payouts.handlers.check_books import ROUND, check_changed, check_round
from payouts.handlers.claimable import remind_of_refund
from payouts.handlers.funds import FundsReader
from payouts.handlers.reconcile import reconcile, unexplained_total
from payouts.handlers.refund_requests import expire_refund
from payouts.handlers.refund_run import share_what_came_back
from payouts.handlers.sign_heads import sign_heads
from payouts.handlers.wake import CURSOR, look_at_cash
from payouts.metrics import (
    APPROVALS_WAITING,
    AWAITING_FUNDS,
    BOOKS_ROUND,
    BREAK_OLDEST,
    BREAKS,
    DISPUTES,
    HEADS_SIGNED,
    RECEIVABLES,
    REFUND_OLDEST,
    REFUNDS,
    RUN_ETA,
    RUN_REMAINING,
    STAGES,
    SUSPENSE,
    TOP_UP,
)
from payouts.ports.head_signing import HeadKeys, HeadSignatures
from payouts.ports.integrity import BookChecks
from payouts.ports.provider import Provider
from payouts.ports.queries import Queries, Queue
from payouts.ports.reconciliation import Reconciliation
from payouts.ports.unit import PayoutsUnit
from servicekit import metrics as kit
from servicekit.units import UnitsOfWork

log = structlog.get_logger()

PAGE = 100
BOOKS_AT_ONCE = 10
ACCOUNTS_AT_ONCE = 20
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
class ExpireRequests:
    """Refuses refunds that nobody approved in time, so that who asked hears an end."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries

    async def __call__(self, now: datetime) -> int:
        waiting = await self.queries.refund_queue(RefundState.AWAITING_APPROVAL, None, PAGE)
        old = [refund for refund in waiting if now >= refund.created_at + VALID]
        for refund in old:
            await self.units.run(partial(expire_refund, refund=refund, now=now))
        return len(old)

    async def oldest_due(self) -> datetime | None:
        """Return when the oldest of them expires."""
        waiting = await self.queries.refund_queue(RefundState.AWAITING_APPROVAL, None, 1)
        return waiting[0].created_at + VALID if waiting else None


@dataclass(slots=True)
class RemindBackers:
    """Says of claimable money, on its days, that its backer is to be told again."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries

    async def __call__(self, now: datetime) -> int:
        due = await self.queries.reminders_due(now, PAGE)
        for refund in due:
            await self.units.run(partial(remind_of_refund, refund=refund, now=now))
        return len(due)


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
        waiting: list[datetime] = []
        after = ""
        while books := await self.checks.changed(after, PAGE):
            for book in books:
                violations = await check_changed(self.queries, self.checks, book, now)
                tell(violations)
                for invariant in {violation.invariant for violation in violations}:
                    wrong[invariant] += 1
                if book.verdict is not None and agreement(book) is Agreement.WAITING:
                    waiting.append(book.verdict.reached_at)
            after = books[-1].campaign_id
        kit.AS_OF_WAITING.set(len(waiting))
        kit.AS_OF_WAITING_OLDEST.set(min(waiting).timestamp() if waiting else 0)
        for invariant, count in wrong.items():
            kit.INVARIANT_VIOLATIONS.labels(invariant.value).set(count)
            kit.INVARIANT_CHECKED.labels(invariant.value).set_to_current_time()
        return 0


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
class ShareWhatCameBack:
    """Begins another run where money came back behind the run of a cancelled campaign."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries

    async def __call__(self, now: datetime) -> int:
        """Look at all such campaigns; 0, so that it rests between."""
        for campaign_id in await self.queries.shared_with_money_left():
            await self.units.run(partial(share_what_came_back, campaign_id=campaign_id, now=now))
        return 0


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
        """Compare what is old enough; return how much it was, 0 once both sides are read."""
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
        return turn.movements + turn.blocks

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


@dataclass(slots=True)
class MeasureFunds:
    """Says what must be topped up at the provider before all that waits may leave."""

    queries: Queries
    funds: FundsReader
    _currencies: set[str] = field(default_factory=set)

    async def __call__(self, now: datetime) -> int:
        """Publish it by currency; 0, so that it rests between."""
        waiting = await self.queries.awaiting_funds()
        self._currencies |= waiting.keys() | set(await self.queries.currencies())
        for currency in self._currencies:
            funds = await self.funds.read(currency)
            if funds is not None:
                _, amount = waiting.get(currency, (0, 0))
                TOP_UP.labels(currency).set(top_up_needed(funds, amount))
        return 0


_UNSENT = (RefundState.REQUESTED, RefundState.AWAITING_FUNDS)


@dataclass(slots=True)
class MeasureQueues:
    """Counts refunds and stages by state, for those who watch what does not move."""

    queries: Queries
    _currencies: set[str] = field(default_factory=set)
    _remaining: tuple[datetime, int] | None = None

    async def __call__(self, now: datetime) -> int:
        """Publish the figures; 0, so that it rests between."""
        nothing = Queue(0, None)
        refunds = await self.queries.refund_queues()
        for state in RefundState:
            queue = refunds.get(state, nothing)
            REFUNDS.labels(state.value).set(queue.count)
            oldest = queue.oldest.timestamp() if queue.oldest else 0
            REFUND_OLDEST.labels(state.value).set(oldest)
        unsent = sum(refunds.get(state, nothing).count for state in _UNSENT)
        self._measure_runs(await self.queries.still_to_create() + unsent, now)
        stages = await self.queries.stage_queues()
        for kind in StageKind:
            for stage in StageState:
                count = stages.get((kind, stage), nothing).count
                STAGES.labels(kind.value, stage.value).set(count)
        second = StageState.AWAITING_SECOND_APPROVAL
        asked = sum(stages.get((kind, second), nothing).count for kind in StageKind)
        asked += refunds.get(RefundState.AWAITING_APPROVAL, nothing).count
        APPROVALS_WAITING.set(asked)
        disputes = await self.queries.dispute_queues()
        for dispute in DisputeState:
            DISPUTES.labels(dispute.value).set(disputes.get(dispute, nothing).count)
        RECEIVABLES.set(await self.queries.open_receivables())
        waiting = await self.queries.awaiting_funds()
        self._currencies |= waiting.keys()
        for currency in self._currencies:
            count, _ = waiting.get(currency, (0, 0))
            AWAITING_FUNDS.labels(currency).set(count)
        return 0

    def _measure_runs(self, remaining: int, now: datetime) -> None:
        RUN_REMAINING.set(remaining)
        before, self._remaining = self._remaining, (now, remaining)
        if not remaining or before is None:
            RUN_ETA.set(inf if remaining else 0)
            return
        done, seconds = before[1] - remaining, (now - before[0]).total_seconds()
        RUN_ETA.set(remaining * seconds / done if done > 0 else inf)
