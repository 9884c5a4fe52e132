"""What one transaction of payouts reads and writes, bound to its session."""

from payouts import wire
from payouts.adapters.facts import OutboxFacts, OutboxLedger
from payouts.adapters.mongo_reconciliation import MongoBreaks
from payouts.adapters.mongo_rewards import MongoRewards
from payouts.adapters.mongo_stores import (
    MongoBooks,
    MongoCreators,
    MongoDestinations,
    MongoDisputes,
    MongoHoldings,
    MongoInvoices,
    MongoLaunches,
    MongoLendings,
    MongoPeriods,
    MongoPledges,
    MongoReceivables,
    MongoRefunds,
    MongoStages,
)
from payouts.ports.unit import PayoutsUnit
from servicekit.mongo import Database, Session
from servicekit.units import Plumbing


def bind(database: Database, session: Session, plumbing: Plumbing) -> PayoutsUnit:
    """Make the stores of one transaction."""
    return PayoutsUnit(
        plumbing=plumbing,
        books=MongoBooks(database, session, OutboxLedger(plumbing.outbox, wire.block_draft)),
        pledges=MongoPledges(database, session),
        refunds=MongoRefunds(database, session),
        stages=MongoStages(database, session),
        destinations=MongoDestinations(database, session),
        creators=MongoCreators(database, session),
        launches=MongoLaunches(database, session),
        disputes=MongoDisputes(database, session),
        receivables=MongoReceivables(database, session),
        invoices=MongoInvoices(database, session),
        periods=MongoPeriods(database, session),
        lendings=MongoLendings(database, session),
        holdings=MongoHoldings(database, session),
        breaks=MongoBreaks(database, session),
        rewards=MongoRewards(database, session, plumbing.streams),
        facts=OutboxFacts(plumbing.outbox, wire.draft),
    )
