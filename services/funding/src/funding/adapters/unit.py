"""What one transaction of funding reads and writes, bound to its session."""

from funding import wire
from funding.adapters.facts import OutboxFacts
from funding.adapters.mongo_stores import MongoCampaigns, MongoHeld, MongoPledges, MongoTeams
from funding.ports import FundingUnit
from servicekit.mongo import Database, Session
from servicekit.units import Plumbing


def bind(database: Database, session: Session, plumbing: Plumbing) -> FundingUnit:
    """Make the stores of one transaction."""
    return FundingUnit(
        plumbing=plumbing,
        campaigns=MongoCampaigns(database, session),
        pledges=MongoPledges(database, session),
        held=MongoHeld(database, session),
        teams=MongoTeams(database, session),
        facts=OutboxFacts(plumbing.outbox, wire.draft, wire.PLEDGES_TOPIC),
    )
