"""The service over fakes and over the real stores, behind the same handles."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from funding.adapters.queries import MongoQueries
from funding.adapters.schema import SCHEMA
from funding.adapters.unit import bind
from funding.domain.campaign import Campaign, Launch, Reward
from funding.domain.cancelling import CancelCampaign
from funding.domain.pledge import Capture, Payment, PaymentStatus, WithdrawPledge
from funding.domain.terms import Terms
from funding.handlers.cancel import cancel_campaign
from funding.handlers.launch import launch
from funding.handlers.payments import Answer, take_payments
from funding.handlers.settle import settle
from funding.http import Parts
from funding.ports import FundingUnit, Queries
from infra.servicekit.tests.lent import LentDatabases
from servicekit.access import Guard
from servicekit.clock import ManualClock
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database
from servicekit.outbox import MemoryOutbox, MongoOutboxQueue, OutboxQueue
from servicekit.units import MongoUnitsOfWork, UnitsOfWork
from services.funding.tests.fakes import MemoryQueries, SettableIntake, memory_units
from sosst_contracts.codec import Decoded, decode
from sosst_contracts.event import Event
from sosst_contracts.money import Money

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SETTLEMENT = ("EUR",)
TERMS = Terms((2000, 3000, 5000), 500, 290, 30, 0, settle_seconds=900, pending_window_seconds=3600)
LAUNCH = Launch(
    campaign_id="c1",
    creator_id="creator-1",
    title="A lamp",
    currency="EUR",
    goal=1_000,
    deadline=NOW + timedelta(hours=1),
    zone="Europe/Paris",
    rewards=(Reward("lamp", "One lamp"),),
    terms=TERMS,
)


def payment(
    number: int,
    status: PaymentStatus = PaymentStatus.CAPTURED,
    amount: int = 600,
    at: datetime = NOW,
    campaign_id: str = "c1",
) -> Payment:
    """Return a payment fact about pledge `p<number>`."""
    captured = status is PaymentStatus.CAPTURED
    return Payment(
        campaign_id=campaign_id,
        provider="sandbox",
        payment_reference=f"ch{number}",
        pledge_id=f"p{number}",
        backer_id=f"b{number}",
        reward_id="lamp",
        money=Money(amount, "EUR"),
        status=status,
        occurred_at=at,
        capture=Capture(10, f"txn{number}") if captured else None,
        reason="card_declined" if status is PaymentStatus.FAILED else None,
        returned=f"back{number}" if status is PaymentStatus.WITHDRAWN else None,
    )


@dataclass
class Funding:
    """Everything a test needs to talk to the service and to see what came out."""

    units: UnitsOfWork[FundingUnit]
    queries: Queries
    outbox: OutboxQueue
    clock: ManualClock
    intake: SettableIntake = field(default_factory=SettableIntake)

    def parts(self, guard: Guard) -> Parts:
        """Return what the routes stand on."""
        return Parts(
            guard=guard,
            units=self.units,
            clock=self.clock,
            queries=self.queries,
            intake=self.intake,
            standard=TERMS,
            settlement=SETTLEMENT,
        )

    async def launch(self, command: Launch = LAUNCH) -> Campaign:
        campaign, _ = await self.units.run(
            lambda unit: launch(unit, command, SETTLEMENT, self.clock.now())
        )
        return campaign

    async def pay(self, *payments: Payment) -> list[Answer]:
        return await self.units.run(lambda unit: take_payments(unit, payments))

    async def withdraw(self, *numbers: int, campaign_id: str = "c1") -> list[Answer]:
        """Ask as their backers to take these pledges back."""
        at = self.clock.now()
        asked = [WithdrawPledge(campaign_id, f"p{number}", at) for number in numbers]
        return await self.units.run(lambda unit: take_payments(unit, asked))

    async def cancel(
        self, by: str = "staff-1", *, as_staff: bool = True, reason: str = "It is over."
    ) -> Campaign:
        command = CancelCampaign("c1", by, reason, as_staff, self.clock.now())
        return await self.units.run(lambda unit: cancel_campaign(unit, command))

    async def settle(self, campaign_id: str = "c1") -> Campaign | None:
        return await settle(self.units, self.intake, campaign_id, self.clock.now())

    async def settled(self, campaign_id: str = "c1") -> Campaign:
        """Step until nothing is due, as the sweep does; return the campaign."""
        while await self.settle(campaign_id):
            pass
        campaign = await self.queries.campaign(campaign_id)
        assert campaign is not None
        return campaign

    async def published(self, name: str) -> list[Event]:
        """Return the events of this name that wait in the outbox."""
        read = [decode(row.record) for row in await self.outbox.page(10_000)]
        return [one.event for one in read if isinstance(one, Decoded) and one.event.name == name]


def memory_funding() -> Funding:
    database, clock = MemoryDatabase(), ManualClock(NOW)
    units = memory_units(database, clock)
    return Funding(units, MemoryQueries(database), MemoryOutbox(database, clock), clock)


def other_launch(**changes: object) -> Launch:
    return replace(LAUNCH, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def database(databases: LentDatabases) -> AsyncIterator[Database]:
    """A migrated database, empty and the test's own for as long as it runs."""
    async with databases.lent(SCHEMA) as database:
        yield database


def mongo_funding(database: Database) -> Funding:
    """A process over this database; call it twice for two processes."""
    clock = ManualClock(NOW)
    units: MongoUnitsOfWork[FundingUnit] = MongoUnitsOfWork(
        database, clock, lambda session, plumbing: bind(database, session, plumbing)
    )
    return Funding(units, MongoQueries(database), MongoOutboxQueue(database), clock)


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.long)])
def funding(request: pytest.FixtureRequest) -> Funding:
    """The same service over the fakes and over the real stores."""
    if request.param == "memory":
        return memory_funding()
    return mongo_funding(request.getfixturevalue("database"))
