"""Payouts' stores in memory, and a provider that is a working thing.

`test_stores.py` and `test_provider.py` hold them and the real ones to the same suites.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from payouts import wire
from payouts.adapters.facts import OutboxFacts, OutboxLedger
from payouts.adapters.mongo_rewards import heard_of
from payouts.domain.acts import GIVING
from payouts.domain.block import Block, postings_in
from payouts.domain.book import Book
from payouts.domain.book_state import BookState
from payouts.domain.chain import Mark
from payouts.domain.closing import DUSTY, RESULT
from payouts.domain.destination import Destination
from payouts.domain.dispute import OVER as DECIDED
from payouts.domain.dispute import (
    Dispute,
    DisputeSeen,
    DisputeState,
    ProviderDisputeStatus,
)
from payouts.domain.head_signing import DaySigned, Head
from payouts.domain.holding import Holding, Inflow
from payouts.domain.integrity import STANDING, Compensated, Kept, PledgeSums
from payouts.domain.invoice import Invoice, Numbers
from payouts.domain.launch import LaunchTerms
from payouts.domain.ledger import Account, Posting, Row
from payouts.domain.payout_attempt import UNKNOWN
from payouts.domain.period import Period
from payouts.domain.plan import StageKind
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.postings import Payer
from payouts.domain.quantum import QUANTUM_MAX
from payouts.domain.receivable import Receivable, open_sum
from payouts.domain.reconciliation import (
    PLATFORM,
    BookedCash,
    Break,
    Movement,
    cash_of,
    unbooked_id,
)
from payouts.domain.refund import UNANSWERED, Refund, RefundKind, RefundState
from payouts.domain.refund_outcome import ProviderRefundStatus, RefundSeen
from payouts.domain.refund_run_end import MOVING, causes_of_run
from payouts.domain.refund_window import WAITS
from payouts.domain.reward_standing import Place, RewardClaim, RewardDelivery, RewardsAsOf
from payouts.domain.stage import Stage, StageState
from payouts.domain.stage_outcome import PayoutSeen, ProviderPayoutStatus, Reversal, TransferSeen
from payouts.domain.stage_recovery import TransferMade
from payouts.domain.stopping import Stopped
from payouts.domain.trial_balance import TrialBalance
from payouts.domain.waiting import id_of, waits_since
from payouts.handlers.work_kinds import CLAIM as CLAIM_WORK
from payouts.ports.integrity import Round
from payouts.ports.provider import (
    MANUAL,
    CashMovement,
    Declined,
    MadeBefore,
    NoAnswer,
    NotThere,
    PlatformAccount,
    ProviderBalance,
    Throttled,
    found_among,
)
from payouts.ports.queries import Queue
from payouts.ports.reconciliation import BlockPlace
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.errors import Conflict, DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.outbox import OutboxRow
from servicekit.streams import Streams
from servicekit.units import MemoryUnitsOfWork, Plumbing
from services.payouts.tests.builders import NOW
from sosst_contracts.chain import read_block

Name = TypeVar("Name", bound=Hashable)
OneKind = TypeVar("OneKind", Refund, Stage, Receivable)


def _queues(found: Sequence[tuple[Name, datetime | None]]) -> dict[Name, Queue]:
    times: dict[Name, list[datetime | None]] = defaultdict(list)
    for name, time in found:
        times[name].append(time)
    known = {name: [t for t in of_name if t is not None] for name, of_name in times.items()}
    return {name: Queue(len(times[name]), min(known[name], default=None)) for name in times}


def _page(found: list[OneKind], after: tuple[datetime, str] | None, limit: int) -> list[OneKind]:
    places = {(waits_since(one), id_of(one)): one for one in found}
    return [places[at] for at in sorted(places) if after is None or at > after][:limit]


def _save(table: dict[str, Any], key: str, value: Any) -> None:
    known = table.get(key)
    if known is not None and value.version == 0:
        raise DuplicateKey(key)
    if (known.version if known else 0) != value.version:
        raise Conflict("a document was saved by somebody else")
    table[key] = replace(value, version=value.version + 1)


class MemoryBooks:
    def __init__(self, database: MemoryDatabase, ledger: OutboxLedger) -> None:
        self._ledger = ledger
        self._books: dict[str, Book] = database.table("books")
        self._unchecked: dict[str, bool] = database.table("unchecked")
        self._blocks: dict[tuple[str, int], Block] = database.table("blocks")
        self._causes: dict[str, int] = database.table("causes")
        self._unclaimed: dict[str, tuple[str, Posting]] = database.table("unclaimed")

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Book]:
        return {one: self._books[one] for one in campaign_ids if one in self._books}

    async def save(self, books: Sequence[Book]) -> None:
        for book in books:
            _save(self._books, book.campaign_id, book)
            self._unchecked[book.campaign_id] = True

    async def append(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            causes = {sealed.cause for sealed in block.entries}
            if (block.campaign_id, block.number) in self._blocks or causes & set(self._causes):
                raise DuplicateKey(f"block {block.number} or a cause in it")
            self._blocks[block.campaign_id, block.number] = block
            self._causes.update(dict.fromkeys(causes, block.number))
        await self._ledger.add(blocks)

    async def take_back(self, block: Block) -> None:
        causes = {sealed.cause for sealed in block.entries}
        if (block.campaign_id, block.number) in self._blocks or causes & set(self._causes):
            raise DuplicateKey(f"block {block.number} or a cause in it")
        self._blocks[block.campaign_id, block.number] = block
        self._causes.update(dict.fromkeys(causes, block.number))
        for posting in postings_in(block):
            self._unclaimed[posting.cause] = (block.campaign_id, posting)

    async def sealed(self, causes: Collection[str]) -> dict[str, Posting]:
        return {one: self._unclaimed[one][1] for one in causes if one in self._unclaimed}

    async def claim(self, causes: Collection[str]) -> None:
        for one in causes:
            self._unclaimed.pop(one, None)


class MemoryPledges:
    def __init__(self, database: MemoryDatabase) -> None:
        self._pledges: dict[str, PledgeMoney] = database.table("pledge_money")

    async def load(self, pledge_ids: Collection[str]) -> dict[str, PledgeMoney]:
        return {one: self._pledges[one] for one in pledge_ids if one in self._pledges}

    async def save(self, pledges: Sequence[PledgeMoney]) -> None:
        self._pledges.update({money.pledge_id: money for money in pledges})

    async def page(self, campaign_id: str, after: str | None, limit: int) -> list[PledgeMoney]:
        ours = [m for m in self._pledges.values() if m.campaign_id == campaign_id]
        ours.sort(key=lambda money: money.pledge_id)
        return [money for money in ours if money.pledge_id > (after or "")][:limit]

    async def of_payment(self, payment_reference: str) -> PledgeMoney | None:
        found = [m for m in self._pledges.values() if m.payment_reference == payment_reference]
        return found[0] if found else None


class MemoryRewards:
    def __init__(self, database: MemoryDatabase, streams: Streams) -> None:
        self._streams = streams
        self._deliveries: dict[Place, RewardDelivery] = database.table("reward_deliveries")
        self._claims: dict[tuple[str, str], RewardClaim] = database.table("reward_claims")

    async def heard(self, campaign_id: str) -> RewardsAsOf:
        return await heard_of(self._streams, campaign_id)

    async def deliveries(self, places: Collection[Place]) -> dict[Place, RewardDelivery]:
        return {place: self._deliveries[place] for place in places if place in self._deliveries}

    async def save_deliveries(self, deliveries: Sequence[RewardDelivery]) -> None:
        for one in deliveries:
            self._deliveries[one.campaign_id, one.reward_id, one.backer_id] = one

    async def claims(
        self, names: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], RewardClaim]:
        return {name: self._claims[name] for name in names if name in self._claims}

    async def claims_about(self, pledge_ids: Collection[str]) -> list[RewardClaim]:
        return [one for one in self._claims.values() if one.pledge_id in pledge_ids]

    async def open_claims(self, campaign_id: str) -> int:
        ours = [one for one in self._claims.values() if one.campaign_id == campaign_id]
        return sum(one.ended is None for one in ours)

    async def save_claims(self, claims: Sequence[RewardClaim]) -> None:
        self._claims.update({(one.campaign_id, one.claim_id): one for one in claims})


class MemoryRefunds:
    def __init__(self, database: MemoryDatabase) -> None:
        self._refunds: dict[str, Refund] = database.table("refunds")

    async def load(self, refund_ids: Collection[str]) -> dict[str, Refund]:
        return {one: self._refunds[one] for one in refund_ids if one in self._refunds}

    async def of_pledge(self, pledge_id: str) -> list[Refund]:
        found = [refund for refund in self._refunds.values() if refund.pledge_id == pledge_id]
        return sorted(found, key=lambda refund: (refund.created_at, refund.refund_id))

    async def save(self, refunds: Sequence[Refund]) -> None:
        for refund in refunds:
            _save(self._refunds, refund.refund_id, refund)

    async def unanswered(self, campaign_id: str, besides: Sequence[str]) -> int:
        ours = [r for r in self._refunds.values() if r.campaign_id == campaign_id]
        asked = [r for r in ours if not r.cause.startswith(tuple(besides))]
        return sum(refund.state in UNANSWERED for refund in asked)

    async def of_platform(self, campaign_id: str) -> list[Refund]:
        ours = [r for r in self._refunds.values() if r.campaign_id == campaign_id]
        paid = [r for r in ours if r.kind is RefundKind.COMPENSATION and not r.beyond]
        by_id = sorted(paid, key=lambda refund: refund.refund_id)
        return [r for r in by_id if r.payer is Payer.PLATFORM and r.state in STANDING]

    async def run_moves(self, campaign_id: str, cause: str) -> bool:
        return any(refund.state in MOVING for refund in self._of_run(campaign_id, cause))

    async def run_figures(
        self, campaign_id: str, cause: str
    ) -> Mapping[RefundState, tuple[int, int]]:
        figures: dict[RefundState, tuple[int, int]] = {}
        for refund in self._of_run(campaign_id, cause):
            count, amount = figures.get(refund.state, (0, 0))
            figures[refund.state] = (count + 1, amount + refund.amount)
        return figures

    def _of_run(self, campaign_id: str, cause: str) -> list[Refund]:
        ours = [r for r in self._refunds.values() if r.campaign_id == campaign_id]
        return [refund for refund in ours if re.search(causes_of_run(cause), refund.cause)]

    async def compensations(self, campaign_id: str, person: str, since: datetime) -> list[Refund]:
        return [
            refund
            for refund in self._refunds.values()
            if (refund.campaign_id, refund.kind) == (campaign_id, RefundKind.COMPENSATION)
            and any(
                act.by == person and act.at >= since and act.kind in GIVING for act in refund.acts
            )
        ]

    async def blocked(self, campaign_id: str) -> list[Refund]:
        ours = [r for r in self._refunds.values() if r.campaign_id == campaign_id]
        return [refund for refund in ours if refund.state is RefundState.BLOCKED]


class MemoryDisputes:
    def __init__(self, database: MemoryDatabase) -> None:
        self._disputes: dict[str, Dispute] = database.table("disputes")

    async def load(self, dispute_id: str) -> Dispute | None:
        return self._disputes.get(dispute_id)

    async def opened(self, campaign_id: str) -> list[Dispute]:
        ours = [d for d in self._disputes.values() if d.campaign_id == campaign_id]
        return [dispute for dispute in ours if dispute.state is DisputeState.OPENED]

    async def save(self, dispute: Dispute) -> None:
        _save(self._disputes, dispute.dispute_id, dispute)


class MemoryReceivables:
    def __init__(self, database: MemoryDatabase) -> None:
        self._receivables: dict[str, Receivable] = database.table("receivables")

    async def load(self, campaign_id: str) -> dict[str, Receivable]:
        return {k: one for k, one in self._receivables.items() if one.campaign_id == campaign_id}

    async def save(self, receivables: Sequence[Receivable]) -> None:
        for one in receivables:
            _save(self._receivables, one.receivable_id, one)


class MemoryInvoices:
    def __init__(self, database: MemoryDatabase) -> None:
        self._invoices: dict[str, Invoice] = database.table("invoices")
        self._numbers: dict[str, Numbers] = database.table("invoice_numbers")

    async def of_campaign(self, campaign_id: str) -> list[Invoice]:
        ours = [one for one in self._invoices.values() if one.campaign_id == campaign_id]
        return sorted(ours, key=lambda one: (one.issued_at, one.number))

    async def numbers(self, series: str) -> Numbers:
        return self._numbers.get(series, Numbers(series))

    async def add(self, invoice: Invoice, numbers: Numbers) -> None:
        _save(self._numbers, numbers.series, numbers)
        causes = {one.cause for one in self._invoices.values()}
        name = f"{invoice.seller.siren}/{invoice.number}"
        if name in self._invoices or invoice.cause in causes:
            raise DuplicateKey(f"{invoice.number} or {invoice.cause}")
        self._invoices[name] = invoice


class MemoryPeriods:
    def __init__(self, database: MemoryDatabase) -> None:
        self._periods: dict[str, Period] = database.table("periods")

    async def load(self, month: str) -> Period | None:
        return self._periods.get(month)

    async def last_closed(self) -> Period | None:
        closed = [one for one in self.every() if one.closed_at is not None]
        return closed[-1] if closed else None

    def every(self) -> list[Period]:
        return [self._periods[month] for month in sorted(self._periods)]

    async def save(self, period: Period) -> None:
        _save(self._periods, period.month, period)


class MemoryStages:
    def __init__(self, database: MemoryDatabase) -> None:
        self._stages: dict[str, Stage] = database.table("stages")

    async def load(self, campaign_id: str) -> list[Stage]:
        ours = [stage for stage in self._stages.values() if stage.campaign_id == campaign_id]
        return sorted(ours, key=lambda stage: stage.number)

    def every(self) -> list[Stage]:
        return list(self._stages.values())

    async def save(self, stages: Sequence[Stage]) -> None:
        for stage in stages:
            _save(self._stages, stage.stage_id, stage)


class MemoryDestinations:
    def __init__(self, database: MemoryDatabase) -> None:
        self._destinations: dict[str, Destination] = database.table("destinations")

    async def load(self, campaign_id: str) -> Destination | None:
        return self._destinations.get(campaign_id)

    async def save(self, destination: Destination) -> None:
        known = self._destinations.get(destination.campaign_id)
        if known is not None and known.version > destination.version:
            raise DuplicateKey("a later version is there")
        self._destinations[destination.campaign_id] = destination


class MemoryCreators:
    def __init__(self, database: MemoryDatabase) -> None:
        self._creators: dict[str, str] = database.table("creators")

    async def add(self, creators: Mapping[str, str]) -> None:
        for campaign_id, creator_id in creators.items():
            self._creators.setdefault(campaign_id, creator_id)

    async def of(self, campaign_id: str) -> str | None:
        return self._creators.get(campaign_id)


class MemoryLaunches:
    def __init__(self, database: MemoryDatabase) -> None:
        self._launches: dict[str, LaunchTerms] = database.table("launches")

    async def add(self, launches: Sequence[LaunchTerms]) -> None:
        for one in launches:
            self._launches.setdefault(one.campaign_id, one)

    async def load(self, campaign_id: str) -> LaunchTerms | None:
        return self._launches.get(campaign_id)


class MemoryLendings:
    def __init__(self, database: MemoryDatabase) -> None:
        self._lendings: dict[str, int] = database.table("lendings")

    async def count(self, currency: str) -> int:
        return self._lendings.get(currency, 0)

    async def add(self, currency: str) -> None:
        self._lendings[currency] = self._lendings.get(currency, 0) + 1


class MemoryHoldings:
    def __init__(self, database: MemoryDatabase) -> None:
        self._holdings: dict[str, Holding] = database.table("holdings")

    async def load(self, campaign_id: str) -> Holding | None:
        return self._holdings.get(campaign_id)

    async def save(self, holding: Holding) -> None:
        _save(self._holdings, holding.campaign_id, holding)

    async def remove(self, campaign_id: str) -> None:
        self._holdings.pop(campaign_id, None)


class MemoryQueries:
    """Also `ports.Ledger`: sums over the same tables."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._books: dict[str, Book] = database.table("books")
        self._blocks: dict[tuple[str, int], Block] = database.table("blocks")
        self._unclaimed: dict[str, tuple[str, Posting]] = database.table("unclaimed")
        self._refunds: dict[str, Refund] = database.table("refunds")
        self._stages = MemoryStages(database)
        self._outbox: dict[str, OutboxRow] = database.table("outbox")
        self._stage_table: dict[str, Stage] = database.table("stages")
        self._destinations: dict[str, Destination] = database.table("destinations")
        self._creators: dict[str, str] = database.table("creators")
        self._pledges: dict[str, PledgeMoney] = database.table("pledge_money")
        self._cursors: dict[str, str] = database.table("cursors")
        self._disputes: dict[str, Dispute] = database.table("disputes")
        self._receivables: dict[str, Receivable] = database.table("receivables")
        self._invoices = MemoryInvoices(database)
        self._periods = MemoryPeriods(database)
        self._lendings: dict[str, int] = database.table("lendings")
        self._holdings: dict[str, Holding] = database.table("holdings")
        self._work: dict[str, Any] = database.table("work")

    async def book(self, campaign_id: str) -> Book | None:
        return self._books.get(campaign_id)

    async def books(self, after: str, limit: int) -> list[Book]:
        return [self._books[one] for one in sorted(self._books) if one > after][:limit]

    async def books_to_close(self, after: str, limit: int) -> list[Book]:
        return [
            book
            for one, book in sorted(self._books.items())
            if one > after
            and book.life.state is not BookState.CLOSED
            and book.verdict is not None
            and all(book.balances[account] < QUANTUM_MAX for account in DUSTY)
            and not any(n for one, n in book.balances.items() if one not in RESULT | DUSTY)
        ][:limit]

    async def book_states(self) -> Mapping[BookState, int]:
        found = Counter(book.life.state for book in self._books.values())
        return {state: found[state] for state in BookState}

    async def shared_with_money_left(self, after: str, limit: int) -> list[str]:
        return [
            one
            for one, book in sorted(self._books.items())
            if one > after
            and book.cancellation is not None
            and (book.run is not None and book.run.finished)
            and book.balances[Account.BACKER_FUNDS] > 0
        ][:limit]

    async def paid_with_money_left(self, after: str, limit: int) -> list[str]:
        return [
            one
            for one, book in sorted(self._books.items())
            if one > after
            and book.last_approved
            and book.cancellation is None
            and book.balances[Account.BACKER_FUNDS] > 0
        ][:limit]

    async def blocks(self, campaign_id: str, after: int, limit: int) -> list[Block]:
        numbers = sorted(n for c, n in self._blocks if c == campaign_id and n > after)
        return [self._blocks[campaign_id, number] for number in numbers][:limit]

    async def block_with(self, cause: str) -> Block | None:
        holding = (
            block
            for block in self._blocks.values()
            if any(sealed.cause == cause for sealed in block.entries)
        )
        return next(holding, None)

    async def unclaimed(self, campaign_id: str, beginning: str, limit: int) -> list[str]:
        ours = [
            cause for cause, (campaign, _) in self._unclaimed.items() if campaign == campaign_id
        ]
        return sorted(cause for cause in ours if cause.startswith(beginning))[:limit]

    async def books_with_unclaimed(self, after: str, limit: int) -> list[Book]:
        found = [self._books[one] for one in sorted(self._books) if one > after]
        return [book for book in found if book.unclaimed][:limit]

    async def claims_waiting(self) -> list[datetime]:
        claims = [one for one in self._work.values() if one.item.kind == CLAIM_WORK and one.attempt]
        heard = [one.item.payload["heard_at"] for one in claims]
        return [at for at in heard if at is not None]

    async def blocks_waiting(self) -> Mapping[str, int]:
        first: dict[str, int] = {}
        for row in self._outbox.values():
            if row.record.topic == wire.LEDGER_TOPIC:
                block = read_block(row.record.value or b"")
                first.setdefault(block["campaign_id"], block["number"])
        return first

    async def refund(self, campaign_id: str, refund_id: str) -> Refund | None:
        found = self._refunds.get(refund_id)
        return found if found and found.campaign_id == campaign_id else None

    async def refunds(self, campaign_id: str, after: str, limit: int) -> list[Refund]:
        ours = [r for r in self._refunds.values() if r.campaign_id == campaign_id]
        ours.sort(key=lambda refund: refund.refund_id)
        return [refund for refund in ours if refund.refund_id > after][:limit]

    async def refund_queue(
        self, state: RefundState, after: tuple[datetime, str] | None, limit: int
    ) -> list[Refund]:
        return _page([r for r in self._refunds.values() if r.state is state], after, limit)

    async def stage_queue(
        self, states: Collection[StageState], after: tuple[datetime, str] | None, limit: int
    ) -> list[Stage]:
        return _page([s for s in self._stages.every() if s.state in states], after, limit)

    async def stages_unknown(self, after: tuple[datetime, str] | None, limit: int) -> list[Stage]:
        sent = [stage for stage in self._stages.every() if stage.attempts]
        return _page([s for s in sent if s.attempt.state in UNKNOWN], after, limit)

    async def receivable_queue(
        self, after: tuple[datetime, str] | None, limit: int
    ) -> list[Receivable]:
        return _page([one for one in self._receivables.values() if one.open], after, limit)

    async def windows_closing(
        self, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Refund]:
        closing = sorted(
            (refund.refundable_until, refund.refund_id)
            for refund in self._refunds.values()
            if refund.state in WAITS
            and refund.refundable_until is not None
            and refund.refundable_until <= until
        )
        behind = [place for place in closing if after is None or place > after]
        return [self._refunds[refund_id] for _, refund_id in behind[:limit]]

    async def reminders_due(self, now: datetime, limit: int, skip: int = 0) -> list[Refund]:
        due = [
            refund
            for refund in self._refunds.values()
            if refund.state is RefundState.CLAIMABLE
            and refund.remind_at is not None
            and refund.remind_at <= now
        ]
        return sorted(due, key=lambda refund: refund.refund_id)[skip : skip + limit]

    async def refund_figures(self, campaign_id: str) -> Mapping[str, tuple[int, int]]:
        figures: dict[str, tuple[int, int]] = {}
        for refund in await self.refunds(campaign_id, "", 10_000):
            count, amount = figures.get(refund.state.value, (0, 0))
            figures[refund.state.value] = (count + 1, amount + refund.amount)
        return figures

    async def refund_queues(self) -> Mapping[RefundState, Queue]:
        return _queues([(r.state, r.created_at) for r in self._refunds.values()])

    async def still_to_create(self) -> int:
        runs = {b.campaign_id: b.run for b in self._books.values() if b.run and not b.run.finished}
        return sum(
            money.campaign_id in runs and money.pledge_id > (runs[money.campaign_id].cursor or "")
            for money in self._pledges.values()
        )

    async def stage_queues(self) -> Mapping[tuple[StageKind, StageState], Queue]:
        stages = self._stages.every()
        return _queues([((stage.kind, stage.state), stage.due_at) for stage in stages])

    async def in_transit_since(self) -> datetime | None:
        there = [one for one in self._stages.every() if one.state is StageState.IN_TRANSIT]
        asked = [one.attempt.first_sent_at for one in there if one.attempts]
        return min((at for at in asked if at is not None), default=None)

    async def trial_balances(self, as_of: datetime) -> list[TrialBalance]:
        last: dict[str, Block] = {}
        for _, block in sorted(self._blocks.items()):
            if block.sealed_at <= as_of:
                last[block.campaign_id] = block
        found = []
        for currency in sorted({block.currency for block in last.values()}):
            of = [block for block in last.values() if block.currency == currency]
            sums: Counter[Account] = Counter()
            for block in of:
                sums.update(block.balances)
            found.append(TrialBalance(currency, len(of), dict(sums)))
        return found

    async def currencies(self) -> list[str]:
        return sorted({book.currency for book in self._books.values()})

    async def awaiting_funds(self) -> Mapping[str, tuple[int, int]]:
        waiting = [r for r in self._refunds.values() if r.state is RefundState.AWAITING_FUNDS]
        return {
            currency: (len(amounts), sum(amounts))
            for currency in {refund.currency for refund in waiting}
            if (amounts := [r.amount for r in waiting if r.currency == currency])
        }

    async def refunds_named(self, refund_ids: Collection[str]) -> dict[str, Refund]:
        return {one: self._refunds[one] for one in refund_ids if one in self._refunds}

    async def refunds_of_provider(self, provider_refund_ids: Collection[str]) -> list[Refund]:
        def of_provider(refund: Refund) -> bool:
            return any(a.provider_refund_id in provider_refund_ids for a in refund.attempts)

        return [refund for refund in self._refunds.values() if of_provider(refund)]

    async def dispute(self, dispute_id: str) -> Dispute | None:
        return self._disputes.get(dispute_id)

    async def disputes(self, campaign_id: str, after: str, limit: int) -> list[Dispute]:
        ours = [d for d in self._disputes.values() if d.campaign_id == campaign_id]
        return sorted((d for d in ours if d.dispute_id > after), key=_dispute_id)[:limit]

    async def undecided_disputes(self, after: str, limit: int) -> list[Dispute]:
        ours = [d for d in self._disputes.values() if d.state not in DECIDED]
        return sorted((d for d in ours if d.dispute_id > after), key=_dispute_id)[:limit]

    async def dispute_queues(self) -> Mapping[DisputeState, Queue]:
        return _queues([(d.state, d.seen_at) for d in self._disputes.values()])

    async def receivables(self, campaign_id: str) -> list[Receivable]:
        ours = [one for one in self._receivables.values() if one.campaign_id == campaign_id]
        return sorted(ours, key=lambda one: (one.arisen_at, one.receivable_id))

    async def inflows(self, campaign_id: str, before: int | None, limit: int) -> list[Inflow]:
        found = []
        for (campaign, number), block in sorted(self._blocks.items(), reverse=True):
            came = [one.entry for one in block.entries if one.row is Row.PLEDGE_COLLECTED]
            if campaign != campaign_id or not came or (before and number >= before):
                continue
            cash = [entry.amount for entry in came if entry.debit is Account.PROVIDER_BALANCE]
            found.append(Inflow(number, block.sealed_at, sum(cash)))
        return found[:limit]

    async def providers(self, campaign_id: str) -> list[str]:
        ours = [one for one in self._pledges.values() if one.campaign_id == campaign_id]
        return sorted({one.provider for one in ours})

    async def holdings_near(self, after: str, limit: int) -> list[Holding]:
        near = [one for _, one in sorted(self._holdings.items()) if one.told_at is not None]
        return [one for one in near if one.campaign_id > after][:limit]

    async def open_receivables(self) -> int:
        return sum(1 for one in self._receivables.values() if one.open)

    async def periods(self) -> list[Period]:
        return self._periods.every()

    async def invoices(self, campaign_id: str) -> list[Invoice]:
        return await self._invoices.of_campaign(campaign_id)

    async def stages(self, campaign_id: str) -> list[Stage]:
        return await self._stages.load(campaign_id)

    async def transfers_known(self, transfer_ids: Collection[str]) -> set[str | None]:
        attempts = [a for stage in self._stage_table.values() for a in stage.attempts]
        return {a.transfer_id for a in attempts} & set(transfer_ids)

    async def destination(self, campaign_id: str) -> Destination | None:
        return self._destinations.get(campaign_id)

    async def creator(self, campaign_id: str) -> str | None:
        return self._creators.get(campaign_id)

    async def is_backer(self, campaign_id: str, person_id: str) -> bool:
        return any(
            (money.campaign_id, money.backer_id) == (campaign_id, person_id)
            for money in self._pledges.values()
        )

    async def cursor(self, name: str) -> str | None:
        return self._cursors.get(name)

    async def move_cursor(self, name: str, cursor: str) -> None:
        self._cursors[name] = cursor

    async def lendings(self, currency: str) -> int:
        return self._lendings.get(currency, 0)

    async def booked_and_leaving(self, currency: str) -> tuple[int, int]:
        booked = [b.balances[Account.PROVIDER_BALANCE] for b in self._books.values()]
        sent = {RefundState.SUBMITTED, RefundState.UNKNOWN}
        leaving = [r.amount for r in self._refunds.values() if r.state in sent]
        return sum(booked), sum(leaving)


class MemoryBookChecks:
    """`ports.BookChecks` over the same tables."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._books: dict[str, Book] = database.table("books")
        self._unchecked: dict[str, bool] = database.table("unchecked")
        self._marks: dict[str, Mark] = database.table("book_checks")
        self._rounds: dict[str, Round] = database.table("rounds")
        self._pledges: dict[str, PledgeMoney] = database.table("pledge_money")
        self._refunds: dict[str, Refund] = database.table("refunds")
        self._stages = MemoryStages(database)
        self._disputes: dict[str, Dispute] = database.table("disputes")
        self._debts: dict[str, Receivable] = database.table("receivables")

    async def changed(self, after: str, limit: int) -> list[Book]:
        ids = sorted(one for one in self._unchecked if one > after and one in self._books)
        return [self._books[one] for one in ids][:limit]

    async def kept(self, campaign_id: str) -> Kept | None:
        if campaign_id not in self._books:
            return None
        money = [m for m in self._pledges.values() if m.campaign_id == campaign_id]
        ours = [r for r in self._refunds.values() if r.campaign_id == campaign_id]
        otherwise = RefundState.PAID_BY_OTHER_MEANS
        left = [r for r in ours if r.state is otherwise or (r.attempts and r.attempt.cash_is_out)]
        owed: dict[RefundState, int] = {}
        for refund in ours:
            owed[refund.state] = owed.get(refund.state, 0) + (
                0 if refund in left else refund.amount
            )
        withdrawn = {one.pledge_id for one in money if one.withdrawn}
        refunded = sum(r.amount for r in left if not r.beyond and r.pledge_id not in withdrawn)
        sums = PledgeSums(
            amount=sum(one.amount for one in money),
            reserved=sum(one.reserved for one in money),
            returned=sum(one.returned for one in money),
            refunded=sum(one.returned - one.charged_back for one in money if not one.withdrawn),
            disputed=sum(one.disputed for one in money),
            over=sum(one.over for one in money),
            made_good=sum(one.made_good for one in money),
        )
        stages = await self._stages.load(campaign_id)
        return Kept(
            book=self._books[campaign_id],
            pledges=sums,
            refunds=owed,
            refunded=refunded,
            stages=tuple(stages),
            advanced=sum(refund.advanced for refund in ours),
            disputes=tuple(d for d in self._disputes.values() if d.campaign_id == campaign_id),
            debts=open_sum(d for d in self._debts.values() if d.campaign_id == campaign_id),
            compensated=_compensated(ours),
        )

    async def mark(self, campaign_id: str) -> Mark | None:
        return self._marks.get(campaign_id)

    async def keep_mark(self, mark: Mark) -> None:
        self._marks[mark.campaign_id] = mark

    async def found_right(self, book: Book) -> None:
        if self._books[book.campaign_id].version == book.version:
            self._unchecked.pop(book.campaign_id, None)

    async def found_wrong(self, campaign_id: str) -> None:
        if campaign_id in self._marks:
            self._marks[campaign_id] = replace(self._marks[campaign_id], suspect=True)
        self._unchecked[campaign_id] = True

    async def round(self) -> Round | None:
        return self._rounds.get("")

    async def keep_round(self, round_: Round) -> None:
        self._rounds[""] = round_


def _compensated(refunds: Sequence[Refund]) -> Compensated:
    standing = [r for r in refunds if r.state in STANDING]
    beyond = [r for r in standing if r.beyond]
    by_platform = [r for r in standing if r.payer is Payer.PLATFORM and not r.beyond]
    return Compensated(
        by_platform=sum(refund.from_platform for refund in by_platform),
        waiting=sum(r.amount for r in beyond if r.state is RefundState.CLAIMABLE),
        beyond_by_campaign=sum(refund.from_campaign for refund in beyond),
    )


class MemoryReconciliation:
    """`ports.Reconciliation` over the same tables."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._blocks: dict[tuple[str, int], Block] = database.table("blocks")
        self._stages = MemoryStages(database)
        self._cursors: dict[str, Any] = database.table("reconciliation")
        self._movements: dict[str, Movement] = database.table("movements")
        self._breaks: dict[str, Break] = database.table("breaks")

    async def accounts(self, campaign_ids: Collection[str] | None = None) -> list[str]:
        every = self._stages.every()
        of = [s for s in every if campaign_ids is None or s.campaign_id in campaign_ids]
        return sorted({a.account for stage in of for a in stage.attempts})

    async def cursor(self, account: str) -> str | None:
        return self._cursors.get(f"account/{account}")

    async def move_cursor(self, account: str, cursor: str) -> None:
        self._cursors[f"account/{account}"] = cursor

    async def place(self) -> BlockPlace | None:
        return self._cursors.get("place")

    async def move_place(self, place: BlockPlace) -> None:
        self._cursors["place"] = place

    async def blocks_sealed(
        self, after: BlockPlace | None, until: datetime, limit: int
    ) -> list[Block]:
        found = sorted(
            (block.sealed_at, block.campaign_id, block.number) for block in self._blocks.values()
        )
        start = (after.sealed_at, after.campaign_id, after.number) if after else None
        wanted = [one for one in found if (start is None or one > start) and one[0] <= until]
        return [self._blocks[campaign, number] for _, campaign, number in wanted[:limit]]

    async def booked(self, balance_transactions: Collection[str]) -> dict[str, BookedCash]:
        found: dict[str, BookedCash] = {}
        for block in self._blocks.values():
            for name in {one.balance_transaction for one in block.entries}:
                if name is not None and name in balance_transactions:
                    entries = [s.entry for s in block.entries if s.balance_transaction == name]
                    found[name] = cash_of(name, block.campaign_id, block.currency, entries)
        return found

    async def unbooked_payouts(self, payout_ids: Collection[str]) -> set[str]:
        attempts = [attempt for stage in self._stages.every() for attempt in stage.attempts]
        unbooked = {a.payout_id for a in attempts if a.payout_balance_transaction is None}
        return {one for one in payout_ids if one in unbooked}

    async def keep_movements(self, movements: Sequence[Movement]) -> None:
        self._movements.update({one.id: one for one in movements})

    async def movements(self, ids: Collection[str]) -> dict[str, Movement]:
        return {one: self._movements[one] for one in ids if one in self._movements}

    async def totals(self) -> Mapping[str, int]:
        totals: Counter[str] = Counter()
        for one in self._movements.values():
            if one.account == PLATFORM:
                totals[one.currency] += one.amount - one.fee
        return totals

    async def open_breaks(self, breaks: Sequence[Break]) -> None:
        for one in breaks:
            self._breaks.setdefault(one.break_id, replace(one, version=1))

    async def break_(self, break_id: str) -> Break | None:
        return self._breaks.get(break_id)

    async def breaks(self, after: str, limit: int, *, open_only: bool) -> list[Break]:
        found = [self._breaks[one] for one in sorted(self._breaks) if one > after]
        return [one for one in found if one.gone_at is None or not open_only][:limit]

    async def save_break(self, found: Break) -> Break:
        _save(self._breaks, found.break_id, found)
        return self._breaks[found.break_id]


class MemoryBreaks:
    def __init__(self, database: MemoryDatabase) -> None:
        self._breaks: dict[str, Break] = database.table("breaks")

    async def open_of(self, campaign_id: str) -> list[Break]:
        found = [self._breaks[one] for one in sorted(self._breaks)]
        return [one for one in found if one.gone_at is None and one.campaign_id == campaign_id]

    async def unbooked(self, balance_transactions: Collection[str]) -> list[Break]:
        names = [unbooked_id(one) for one in balance_transactions]
        return [self._breaks[one] for one in names if one in self._breaks]


class MemoryHeadSignatures:
    """`ports.HeadSignatures` over the same tables."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._days: dict[str, DaySigned] = database.table("head_signatures")
        self._pages: dict[tuple[str, int], list[Head]] = database.table("head_pages")
        self._heads: dict[str, Head] = database.table("signed_heads")

    async def last(self) -> DaySigned | None:
        return self._days[max(self._days)] if self._days else None

    async def signed(self, campaign_ids: Collection[str]) -> dict[str, Head]:
        return {one: self._heads[one] for one in campaign_ids if one in self._heads}

    async def keep(self, day: DaySigned, pages: Sequence[Sequence[Head]]) -> bool:
        if day.date in self._days:
            return False
        self._days[day.date] = day
        self._pages.update({(day.set_id, n): list(page) for n, page in enumerate(pages)})
        self._heads.update({one.campaign_id: one for page in pages for one in page})
        return True

    async def days(self, after: str, limit: int) -> list[DaySigned]:
        return [self._days[one] for one in sorted(self._days) if one > after][:limit]

    async def day(self, date: str) -> DaySigned | None:
        return self._days.get(date)

    async def page(self, day: DaySigned, place: int) -> list[Head] | None:
        return self._pages.get((day.set_id, place))


def _dispute_id(dispute: Dispute) -> str:
    return dispute.dispute_id


def memory_units(database: MemoryDatabase, clock: Clock) -> MemoryUnitsOfWork[PayoutsUnit]:
    """Return units of work over the memory database."""

    def bind(tables: MemoryDatabase, plumbing: Plumbing) -> PayoutsUnit:
        return PayoutsUnit(
            plumbing=plumbing,
            books=MemoryBooks(tables, OutboxLedger(plumbing.outbox, wire.block_draft)),
            pledges=MemoryPledges(tables),
            refunds=MemoryRefunds(tables),
            stages=MemoryStages(tables),
            destinations=MemoryDestinations(tables),
            creators=MemoryCreators(tables),
            launches=MemoryLaunches(tables),
            disputes=MemoryDisputes(tables),
            receivables=MemoryReceivables(tables),
            invoices=MemoryInvoices(tables),
            periods=MemoryPeriods(tables),
            lendings=MemoryLendings(tables),
            holdings=MemoryHoldings(tables),
            breaks=MemoryBreaks(tables),
            rewards=MemoryRewards(tables, plumbing.streams),
            facts=OutboxFacts(plumbing.outbox, wire.draft),
        )

    return MemoryUnitsOfWork(database, clock, bind)


Answer = Any
SHORT = Declined("balance_insufficient", retryable=True, for_funds=True)


@dataclass
class MemoryBrake:
    """Stops what a test names; None stands for all campaigns."""

    pulled: dict[str | None, Stopped] = field(default_factory=dict)

    def stopped(self, campaign_id: str) -> Stopped | None:
        return self.pulled.get(None) or self.pulled.get(campaign_id)

    async def stop(self, campaign_id: str, by: str, why: str) -> None:
        self.pulled[campaign_id] = Stopped(by, NOW)


class ProcessDied(Exception):
    """The process that made this call is gone: nobody hears the answer."""


@dataclass
class Gate:
    """Where a call stands still; `arrived` says that it does."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class MemoryProvider:
    """A provider in memory: keys, balance transactions, faults that happen once each.

    `faults` maps an operation to what happens at its next calls: `timeout_after`, `error_before`,
    `error_after`, `rate_limited`, `decline`, `pending`, in order; `crash_before` and `crash_after`
    the call end the process that makes it. `list_lags`: what was made is in no list yet.
    """

    clock: Clock
    cash: int = 0
    unusable_accounts: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, str] = field(default_factory=dict)
    schedule: str | None = MANUAL
    faults: dict[str, list[str]] = field(default_factory=dict)
    refunds: dict[str, RefundSeen] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    refunded: dict[str, int] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    transfers: dict[str, TransferSeen] = field(default_factory=dict)
    payouts: dict[str, PayoutSeen] = field(default_factory=dict)
    # A payout is on its way until `arrive` says otherwise.
    slow_bank: bool = False
    asked_for: dict[str, tuple[str, int]] = field(default_factory=dict)
    paid_from: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=lambda: {"acct_1": 0, "acct_2": 0})
    movements: list[CashMovement] = field(default_factory=list)
    statement: list[Movement] = field(default_factory=list)
    campaigns: dict[str, str] = field(default_factory=dict)
    asked_of_disputes: int = 0
    disputes: dict[str, DisputeSeen] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    gates: dict[str, "Gate"] = field(default_factory=dict)
    list_lags: bool = False
    _keys: dict[str, tuple[datetime, Answer]] = field(default_factory=dict)

    async def create_refund(
        self, refund: Refund
    ) -> RefundSeen | MadeBefore | Declined | Throttled | NoAnswer:
        def make() -> RefundSeen | Declined:
            if self._charged_back(refund.payment_reference):
                return Declined("charge_disputed", retryable=True)
            returned = self.refunded.get(refund.payment_reference, 0)
            if returned + refund.amount > self.charged.get(refund.payment_reference, refund.amount):
                return Declined("charge_already_refunded", retryable=False)
            if self.cash < refund.amount:
                return SHORT
            name = f"re_{len(self.refunds)}"
            self._leave("refund", name, refund.amount)
            self.campaigns[name] = refund.campaign_id
            self.refunded[refund.payment_reference] = returned + refund.amount
            self.made[refund.payment_reference] = self.made.get(refund.payment_reference, 0) + 1
            seen = RefundSeen(
                attempt=refund.attempt.number,
                provider_refund_id=name,
                status=ProviderRefundStatus.SUCCEEDED,
                balance_transaction=self.movements[-1].id,
            )
            self.refunds[refund.attempt_id] = seen
            return seen

        answer = self._do("create_refund", refund.attempt_id, make)
        if not isinstance(answer, Declined):
            return answer
        already = answer.reason == "charge_already_refunded"
        if not already and refund.attempt.number == 1:
            return answer
        found = await self.find_refund(refund)
        if isinstance(found, MadeBefore):
            return replace(found, refused=True)
        if isinstance(found, NotThere):
            return NoAnswer() if already and refund.attempt.number > 1 else answer
        return found

    async def find_refund(self, refund: Refund) -> RefundSeen | MadeBefore | NotThere | NoAnswer:
        found = await self.refunds_of(refund)
        return found if isinstance(found, NoAnswer) else found_among(found, refund)

    async def create_transfer(self, stage: Stage) -> TransferSeen | Declined | Throttled | NoAnswer:
        def make() -> TransferSeen | Declined:
            if self.cash < stage.sent:
                return SHORT
            name = f"tr_{len(self.transfers)}"
            self._leave("transfer", name, stage.sent)
            self.campaigns[name] = stage.campaign_id
            account = stage.attempt.account
            self.accounts[account] = self.accounts.get(account, 0) + stage.sent
            seen = TransferSeen(stage.attempt.number, name, self.movements[-1].id)
            self.transfers[stage.attempt_id] = seen
            self.asked_for[stage.attempt_id] = (account, stage.sent)
            return seen

        await self._stand_still("create_transfer")
        return self._do("create_transfer", stage.transfer_key, make)

    async def find_transfer(self, stage: Stage) -> TransferSeen | NotThere | NoAnswer:
        if self.list_lags:
            return NotThere()
        return self.transfers.get(stage.attempt_id, NotThere())

    async def create_payout(self, stage: Stage) -> PayoutSeen | Declined | Throttled | NoAnswer:
        def make() -> PayoutSeen | Declined:
            account = stage.attempt.account
            if self.accounts.get(account, 0) < stage.sent:
                return SHORT
            self.accounts[account] -= stage.sent
            name = f"po_{len(self.payouts)}"
            status = (
                ProviderPayoutStatus.IN_TRANSIT if self.slow_bank else ProviderPayoutStatus.PAID
            )
            seen = PayoutSeen(stage.attempt.number, name, status, f"txn_{name}")
            self.list_movement(f"txn_{name}", account, "payout", name, -stage.sent)
            self.payouts[stage.attempt_id] = seen
            self.paid_from[stage.attempt_id] = account
            return seen

        return self._do("create_payout", stage.payout_key, make)

    async def find_payout(self, stage: Stage) -> PayoutSeen | NotThere | NoAnswer:
        return self.payouts.get(stage.attempt_id, NotThere())

    async def refunds_of(self, refund: Refund) -> list[RefundSeen] | NoAnswer:
        if self.list_lags:
            return []
        return [r for name, r in self.refunds.items() if _attempt_of(name) == refund.refund_id]

    async def transfers_of(self, stage: Stage) -> list[TransferMade] | NoAnswer:
        return [
            TransferMade(seen, *self.asked_for[name])
            for name, seen in self.transfers.items()
            if _attempt_of(name) == stage.stage_id
        ]

    async def payouts_of(self, stage: Stage, account: str) -> list[PayoutSeen] | NoAnswer:
        return [
            seen
            for name, seen in self.payouts.items()
            if _attempt_of(name) == stage.stage_id and self.paid_from[name] == account
        ]

    async def account_problem(self, account: str) -> str | NoAnswer | None:
        if account not in self.accounts:
            return "account-unknown"
        schedule = self.schedules.get(account, MANUAL)
        swept = None if schedule == MANUAL else f"payout-schedule-{schedule}"
        return self.unusable_accounts.get(account, swept)

    async def balance(self, currency: str) -> ProviderBalance | None:
        return ProviderBalance(self.cash, self.cash)

    async def movements_after(self, cursor: str | None) -> list[CashMovement] | None:
        seen = [movement.id for movement in self.movements]
        start = 0 if cursor is None else seen.index(cursor) + 1
        return self.movements[start : start + 100]

    async def movements_of(self, account: str, cursor: str | None) -> list[Movement] | None:
        of = [one for one in self.statement if one.account == account]
        start = 0 if cursor is None else [one.id for one in of].index(cursor) + 1
        return of[start : start + 100]

    async def campaign_of(self, movement: CashMovement) -> str | NoAnswer | None:
        return self.campaigns.get(movement.source)

    async def platform_account(self) -> PlatformAccount | None:
        return PlatformAccount("acct_platform", self.schedule) if self.schedule else None

    async def find_dispute(self, dispute_id: str) -> DisputeSeen | NotThere | NoAnswer:
        self.asked_of_disputes += 1
        return self.disputes.get(dispute_id, NotThere())

    def dispute(
        self, payment_reference: str, amount: int, fee: int = 0, *, inquiry: bool = False
    ) -> str:
        """A backer's bank asks, or takes the money at once; nobody is told."""
        name = f"dp_{len(self.disputes)}"
        status = ProviderDisputeStatus.INQUIRY if inquiry else ProviderDisputeStatus.OPEN
        self.disputes[name] = DisputeSeen(name, payment_reference, status, amount, "EUR", fee)
        if not inquiry:
            self._withdraw(name)
        return name

    def move_dispute(self, name: str, status: ProviderDisputeStatus) -> None:
        """The bank decides, or takes the money after all; nobody is told."""
        self.disputes[name] = replace(self.disputes[name], status=status)
        if status is ProviderDisputeStatus.OPEN:
            self._withdraw(name)
        if status is ProviderDisputeStatus.WON:
            self._leave("dispute_reversal", name, -self.disputes[name].amount)
            moved = self.movements[-1].id
            self.disputes[name] = replace(self.disputes[name], reinstated_in=moved)

    def _withdraw(self, name: str) -> None:
        seen = self.disputes[name]
        self._leave("dispute", name, seen.amount, seen.fee)
        self.disputes[name] = replace(seen, withdrawn_in=self.movements[-1].id)

    def _charged_back(self, payment_reference: str) -> bool:
        taken = {ProviderDisputeStatus.OPEN, ProviderDisputeStatus.LOST}
        return any(
            seen.payment_reference == payment_reference and seen.status in taken
            for seen in self.disputes.values()
        )

    def hold(self, operation: str) -> "Gate":
        """Make the next call stand still on its way until the gate is opened."""
        self.gates[operation] = Gate()
        return self.gates[operation]

    async def _stand_still(self, operation: str) -> None:
        gate = self.gates.pop(operation, None)
        if gate is not None:
            gate.arrived.set()
            await gate.open.wait()

    def fail_later(self, refund: Refund) -> None:
        """A refund that had succeeded comes back; nobody is told."""
        seen = self.refunds[refund.attempt_id]
        self.cash += refund.amount
        self.refunded[refund.payment_reference] -= refund.amount
        name = self._list("refund_failure", seen.provider_refund_id, refund.amount)
        self.refunds[refund.attempt_id] = replace(
            seen,
            status=ProviderRefundStatus.FAILED,
            failure_balance_transaction=name,
            reason="bank_account_closed",
        )

    def settle(self, attempt_id: str) -> None:
        """A pending refund arrives; nobody is told."""
        succeeded = ProviderRefundStatus.SUCCEEDED
        self.refunds[attempt_id] = replace(self.refunds[attempt_id], status=succeeded)

    def refer(self, attempt_id: str, reference: str) -> None:
        """The acquirer says by what a refund is found; nobody is told."""
        seen = self.refunds[attempt_id]
        self.refunds[attempt_id] = replace(seen, acquirer_reference=reference)

    def return_by_itself(self, payment_reference: str) -> str:
        """The provider gives a payment back without us; return the balance transaction."""
        amount = self.charged[payment_reference]
        self._leave("refund", f"re_of_{payment_reference}", amount)
        self.refunded[payment_reference] = amount
        return self.movements[-1].id

    def arrive(self, stage: Stage) -> None:
        """The bank has a payout that was on its way."""
        seen = self.payouts[stage.attempt_id]
        self.payouts[stage.attempt_id] = replace(seen, status=ProviderPayoutStatus.PAID)

    def bounce(self, stage: Stage) -> None:
        """A bank that had taken a payout sends it back to the creator's account there."""
        seen = self.payouts[stage.attempt_id]
        account = self.paid_from[stage.attempt_id]
        self.accounts[account] += stage.sent
        name = f"txn_back_{seen.payout_id}"
        self.list_movement(name, account, "payout_failure", seen.payout_id, stage.sent)
        failed = ProviderPayoutStatus.FAILED
        self.payouts[stage.attempt_id] = replace(
            seen, status=failed, failure_balance_transaction=name, reason="account_closed"
        )

    def reverse(self, transfer_id: str | None, amount: int | None = None) -> str:
        """Somebody takes a transfer back, all or a part; return the balance transaction."""
        made = {one.transfer_id: (attempt, one) for attempt, one in self.transfers.items()}
        attempt_id, seen = made[transfer_id or ""]
        account, sent = self.asked_for[attempt_id]
        part = sent if amount is None else amount
        assert self.accounts[account] >= part, "what left the account cannot be taken back"
        self.accounts[account] -= part
        self.cash += part
        name = self._list("transfer_refund", f"trr_{len(self.movements)}", part)
        self.list_movement(f"{name}_far", account, "payment_refund", f"pyr_{name}", -part)
        self.transfers[attempt_id] = replace(
            seen,
            reversed_amount=seen.reversed_amount + part,
            reversals=(*seen.reversals, Reversal(part, name)),
        )
        return name

    def put_in(self, amount: int) -> None:
        """The platform tops up its own money there, or takes some out (below zero)."""
        self.cash += amount
        kind = "topup" if amount > 0 else "payout"
        self._list(kind, f"own_{len(self.movements)}", amount)

    def _leave(self, kind: str, source: str, amount: int, fee: int = 0) -> None:
        self.cash -= amount + fee
        self._list(kind, source, -amount, fee)

    def _list(self, kind: str, source: str, amount: int, fee: int = 0) -> str:
        """List a movement of the platform's cash."""
        name = f"txn_p{len(self.movements)}"
        self.movements.append(CashMovement(name, kind, source))
        self.list_movement(name, "", kind, source, amount, fee)
        return name

    def list_movement(
        self, name: str, account: str, kind: str, source: str, amount: int, fee: int = 0
    ) -> None:
        """List a movement with its amount, as reconciliation reads it."""
        made = Movement(name, account, kind, source, amount, fee, "EUR", self.clock.now())
        self.statement.append(made)

    def _do(self, operation: str, key: str, make: Callable[[], Answer]) -> Answer:
        self.calls.append((operation, key))
        fault = next(iter(self.faults.get(operation, [])), None)
        if fault is not None:
            self.faults[operation].pop(0)
        if fault == "rate_limited":
            return Throttled(1)
        if fault == "crash_before":
            raise ProcessDied
        answer = self._answer(key, make, fault)
        if fault == "crash_after":
            raise ProcessDied
        return NoAnswer() if fault == "timeout_after" else answer

    def _answer(self, key: str, make: Callable[[], Answer], fault: str | None) -> Answer:
        known = self._keys.get(key)
        if known is not None and (self.clock.now() - known[0]).total_seconds() < 86_400:
            return known[1]
        answer: Answer = NoAnswer(key_spent=True) if fault == "error_before" else None
        if fault == "decline":
            answer = Declined("refund_declined", retryable=True)
        if answer is None:
            answer = make()
        if fault == "pending" and isinstance(answer, RefundSeen):
            answer = replace(answer, status=ProviderRefundStatus.PENDING)
            self.refunds[key] = answer
        stored = NoAnswer(key_spent=True) if fault == "error_after" else answer
        self._keys[key] = (self.clock.now(), stored)
        return stored


def _attempt_of(attempt_id: str) -> str:
    """Return the refund or stage that an attempt's id names."""
    return attempt_id.rpartition("/")[0]
