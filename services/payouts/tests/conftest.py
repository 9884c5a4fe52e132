"""The service over fakes and over the real stores, behind the same handles."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from infra.servicekit.tests.lent import LentDatabases
from payouts.adapters.book_checks import MongoBookChecks
from payouts.adapters.claim_link_keys import SignedClaimLinks
from payouts.adapters.head_signatures import MongoHeadSignatures
from payouts.adapters.ledger_keys import LedgerKeys
from payouts.adapters.mongo_reconciliation import MongoReconciliation
from payouts.adapters.queries import MongoQueries
from payouts.adapters.schema import SCHEMA
from payouts.adapters.unit import bind
from payouts.domain.book import Cancellation, CollectedPledge, Outcome, Verdict
from payouts.domain.errors import Refused
from payouts.domain.fees import FeeTerms
from payouts.domain.integrity import Invariant
from payouts.domain.provider_keys import KeyRules
from payouts.domain.reconciliation import Break, Saying
from payouts.domain.withdrawal import WithdrawnPledge
from payouts.handlers.adjustments import Adjust
from payouts.handlers.check_books import check_whole
from payouts.handlers.claim_money import AnswerClaims
from payouts.handlers.destination import give_destination
from payouts.handlers.disputes import FollowDisputes
from payouts.handlers.end_runs import EndRuns
from payouts.handlers.funds import FundsReader
from payouts.handlers.pay_stages import PayStages
from payouts.handlers.pledges import PledgeHeard, take_pledges
from payouts.handlers.refund_run import run_all
from payouts.handlers.refunds import refund_lanes, refund_readings
from payouts.handlers.say_of_break import SayOfBreaks
from payouts.handlers.send_refunds import SendRefunds
from payouts.handlers.verdict import CancellationHeard, VerdictHeard, take_verdicts
from payouts.handlers.waivers import WaiveFees
from payouts.handlers.work_kinds import CLAIM, DISPUTE, REFUND, REFUND_RUN, REFUND_RUN_END, STAGE
from payouts.http import Parts
from payouts.ports.head_signing import HeadSignatures
from payouts.ports.integrity import BookChecks
from payouts.ports.reconciliation import Reconciliation
from payouts.ports.sending import Freshness
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.cash import FollowCash
from servicekit.access import Guard
from servicekit.clock import ManualClock
from servicekit.errors import DependencyAway, LeaseLost
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database
from servicekit.outbox import MemoryOutbox, MongoOutboxQueue, OutboxQueue
from servicekit.units import MongoUnitsOfWork, UnitsOfWork
from servicekit.work import Claim, MemoryWorkQueue, MongoWorkQueue, WorkQueue
from services.payouts.tests.builders import CEILINGS, LIMIT, NOW, SHARES, a_pledge
from services.payouts.tests.fakes import (
    MemoryBookChecks,
    MemoryBrake,
    MemoryHeadSignatures,
    MemoryProvider,
    MemoryQueries,
    MemoryReconciliation,
    memory_units,
)
from sosst_contracts.codec import Decoded, decode
from sosst_contracts.event import Event

CAMPAIGN = "campaign-1"
LEASE_SECONDS = 30.0
# Two seeds of 32 bytes: the first signs.
SEEDS = (base64.b64encode(b"1" * 32).decode(), base64.b64encode(b"2" * 32).decode())
KEYS = LedgerKeys(SEEDS)
LINKS = SignedClaimLinks(["the first secret of links", "the one before it"])
FEES = FeeTerms(
    platform_basis_points=500,
    processing_basis_points=290,
    processing_fixed=30,
    tax_basis_points=2000,
)
RULES = KeyRules(lease_seconds=30, client_timeout_seconds=10, consistency_seconds=5)


class AlwaysFresh:
    """A view that has read everything."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock

    async def fresh_since(self, decision_id: str) -> datetime | None:
        return self.clock.now()


@dataclass
class Payouts:
    """Everything a test needs to talk to the service, to move it on, and to see what came out."""

    units: UnitsOfWork[PayoutsUnit]
    queries: MemoryQueries | MongoQueries
    checks: BookChecks
    reconciliation: Reconciliation
    signatures: HeadSignatures
    work: WorkQueue
    outbox: OutboxQueue
    clock: ManualClock
    provider: MemoryProvider
    brake: MemoryBrake = field(default_factory=MemoryBrake)
    rewards_read: Freshness = field(init=False)
    funds_reader: type[FundsReader] = FundsReader

    def __post_init__(self) -> None:
        self.rewards_read = AlwaysFresh(self.clock)
        self.refunds = self._refund_worker()
        self.follow_cash = FollowCash(self.units, self.queries, self.provider)
        self.stages = PayStages(
            units=self.units,
            provider=self.provider,
            funds=self.funds_reader(self.provider, self.queries, self.reconciliation),
            freshness=AlwaysFresh(self.clock),
            brake=self.brake,
            rules=RULES,
            clock=self.clock,
            approval_limit=LIMIT,
            cooling_off_seconds=60,
        )
        self.disputes = FollowDisputes(self.units, self.provider, self.clock)
        self.claims = AnswerClaims(self.units, self.queries, CEILINGS, self.clock)
        self.adjust = Adjust(self.units, self.queries, self.checks, self.clock)
        self.waive = WaiveFees(self.units, self.queries, self.stages.funds, self.clock)

    def parts(self, guard: Guard, webhook_secrets: Sequence[str]) -> Parts:
        """Return what the routes stand on."""
        return Parts(
            guard=guard,
            units=self.units,
            clock=self.clock,
            queries=self.queries,
            stages=self.stages,
            reconciliation=self.reconciliation,
            checks=self.checks,
            signatures=self.signatures,
            head_keys=KEYS,
            claim_links=LINKS,
            webhook_secrets=webhook_secrets,
            ceilings=CEILINGS,
            window_warning=timedelta(days=14),
        )

    def _refund_worker(self) -> SendRefunds:
        return SendRefunds(
            notes=refund_lanes(self.units, self.clock.now),
            outcomes=refund_lanes(self.units, self.clock.now),
            provider=self.provider,
            readings=refund_readings(self.queries),
            funds=self.funds_reader(self.provider, self.queries, self.reconciliation),
            brake=self.brake,
            rules=RULES,
            clock=self.clock,
        )

    async def collect(
        self,
        *numbers: int,
        amount: int = 5_000,
        counted: bool = True,
        until: datetime | None = None,
    ) -> dict[int, Refused]:
        """Hear that these pledges are collected; their number is their sequence."""
        pledges = [
            replace(a_pledge(number, amount, counted), refundable_until=until) for number in numbers
        ]
        self.capture(pledges)
        return await self.hear_collected(dict(zip(numbers, pledges, strict=True)))

    def capture(self, pledges: list[CollectedPledge]) -> None:
        """The provider takes the payments; nobody has heard of them yet."""
        self.provider.cash += sum(p.amount - p.provider_fee for p in pledges)
        self.provider.charged |= {p.payment_reference: p.amount for p in pledges}
        for one in pledges:
            name, charge = one.balance_transaction, one.payment_reference
            self.provider.list_movement(name, "", "charge", charge, one.amount, one.provider_fee)

    async def hear_collected(self, pledges: dict[int, CollectedPledge]) -> dict[int, Refused]:
        """Hear of captured pledges, by their sequence."""
        heard = [PledgeHeard(CAMPAIGN, "EUR", number, pledge) for number, pledge in pledges.items()]
        return await self.units.run(lambda unit: take_pledges(unit, heard, self.clock.now()))

    async def withdraw(
        self, number: int, sequence: int, amount: int = 5_000, returned_in: str | None = None
    ) -> dict[int, Refused]:
        """Hear that a counted pledge was withdrawn before the verdict."""
        pledge = WithdrawnPledge(f"pledge-{number}", amount, True, returned_in)
        heard = [PledgeHeard(CAMPAIGN, "EUR", sequence, None, pledge)]
        return await self.units.run(lambda unit: take_pledges(unit, heard, self.clock.now()))

    async def hear_verdict(
        self, outcome: Outcome, count: int, amount: int = 5_000, sequence: int | None = None
    ) -> dict[int, Refused]:
        """Hear a verdict over `count` pledges of one amount."""
        verdict = Verdict(outcome, count * amount, count, sequence or count, SHARES, NOW)
        heard = [VerdictHeard(CAMPAIGN, "EUR", verdict, FEES)]
        return await self.units.run(lambda unit: take_verdicts(unit, heard, self.clock.now()))

    async def hear_cancellation(self, sequence: int) -> dict[int, Refused]:
        """Hear that staff cancelled the campaign after its goal was met."""
        ended = Cancellation(sequence, self.clock.now())
        heard = [CancellationHeard(CAMPAIGN, "EUR", ended)]
        return await self.units.run(lambda unit: take_verdicts(unit, heard, self.clock.now()))

    async def give_destination(self, account: str = "acct_1") -> None:
        await self.units.run(
            lambda unit: give_destination(unit, CAMPAIGN, "sandbox", account, self.clock.now())
        )

    async def say_of_break(self, break_id: str, saying: Saying) -> Break:
        return await SayOfBreaks(self.reconciliation, self.provider, self.queries)(break_id, saying)

    async def claim(self, kind: str, limit: int = 100) -> list[Claim]:
        return await self.work.claim(kind, self.clock.now(), limit, LEASE_SECONDS)

    async def work_off(self, hours: float = 1) -> None:
        """Do all work that becomes due within the time, moving the clock from turn to turn."""
        for _ in range(int(hours * 120)):
            await self.turn()
            if not any([(await self.work.backlog(kind)).items for kind in (REFUND, REFUND_RUN)]):
                break
            self.clock.advance(seconds=30)

    async def live(self, seconds: int) -> None:
        """Let the time pass and do what is due, looking ever more seldom, as workers do."""
        passed = 0
        while passed < seconds:
            await self.turn()
            pause = min(max(30, passed), seconds - passed)
            self.clock.advance(seconds=pause)
            passed += pause

    async def turn(self) -> None:
        """Do what is due now; what fails is tried again later, as a worker does.

        All kinds look at once, as workers do; what one leaves to the kinds behind it is done too.
        """
        performers: dict[str, Callable[[Claim], Awaitable[None]]] = {
            REFUND_RUN: self._run,
            REFUND: self.refunds,
            STAGE: self.stages,
            DISPUTE: self.disputes,
            REFUND_RUN_END: EndRuns(self.units, self.clock),
            CLAIM: self.claims,
        }
        looks = await asyncio.gather(*(self.claim(kind) for kind in performers))
        moved = False
        for (kind, perform), found in zip(performers.items(), looks, strict=True):
            claims = await self.claim(kind) if moved and not found else found
            moved = moved or bool(claims)
            for claim in claims:
                try:
                    await perform(claim)
                except (Refused, LeaseLost, DependencyAway):
                    await self.work.postpone(claim, self.clock.now())
        await self.follow_cash(self.clock.now())

    async def turn_run_only(self) -> None:
        """Create the refunds that are owed, in small pages, and send none."""
        for claim in await self.claim(REFUND_RUN):
            await self._run(claim)

    async def _run(self, claim: Claim) -> None:
        await run_all(self.units, claim, self.rewards_read, self.clock.now(), page_size=3)

    async def published(self, name: str) -> list[Event]:
        """Return the events of this name that wait in the outbox."""
        read = [decode(row.record) for row in await self.outbox.page(10_000)]
        return [one.event for one in read if isinstance(one, Decoded) and one.event.name == name]

    async def assert_books_true(self) -> None:
        """Nothing is found by the check that also runs in production, invariant by invariant.

        But for funding's count: tests tell facts in orders in which no topic does.
        """
        if book := await self.queries.book(CAMPAIGN):
            found = await check_whole(self.queries, self.checks, book, self.clock.now())
            assert [one for one in found if one.invariant is not Invariant.VERDICT] == []

    def crashed(self) -> "Payouts":
        """Return another process on the same database: what was only in memory is gone."""
        return replace(self)


def memory_payouts() -> Payouts:
    database, clock = MemoryDatabase(), ManualClock(NOW)
    return Payouts(
        units=memory_units(database, clock),
        queries=MemoryQueries(database),
        checks=MemoryBookChecks(database),
        reconciliation=MemoryReconciliation(database),
        signatures=MemoryHeadSignatures(database),
        work=MemoryWorkQueue(database),
        outbox=MemoryOutbox(database, clock),
        clock=clock,
        provider=MemoryProvider(clock, cash=1_000_000),
    )


@pytest.fixture
async def database(databases: LentDatabases) -> AsyncIterator[Database]:
    """A migrated database, empty and the test's own for as long as it runs."""
    async with databases.lent(SCHEMA) as database:
        yield database


def mongo_payouts(database: Database) -> Payouts:
    clock = ManualClock(NOW)
    return Payouts(
        units=MongoUnitsOfWork(
            database, clock, lambda session, plumbing: bind(database, session, plumbing)
        ),
        queries=MongoQueries(database),
        checks=MongoBookChecks(database),
        reconciliation=MongoReconciliation(database),
        signatures=MongoHeadSignatures(database),
        work=MongoWorkQueue(database),
        outbox=MongoOutboxQueue(database),
        clock=clock,
        provider=MemoryProvider(clock, cash=1_000_000),
    )


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.long)])
def payouts(request: pytest.FixtureRequest) -> Payouts:
    """The same service over the fakes and over the real stores."""
    if request.param == "memory":
        return memory_payouts()
    return mongo_payouts(request.getfixturevalue("database"))
