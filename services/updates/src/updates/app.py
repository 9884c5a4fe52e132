"""The composition root of updates: what is plugged into what; no rule lives here."""

from collections.abc import Collection

from servicekit.mongo import Database, Session
from servicekit.process import Process
from servicekit.runtime import Runtime
from servicekit.units import Plumbing
from updates import wire
from updates.adapters.facts import OutboxFacts
from updates.adapters.mongo_stores import MongoBackers, MongoProjects, MongoReturns, MongoUpdates
from updates.adapters.queries import MongoQueries
from updates.adapters.schema import SCHEMA
from updates.consumer import PLEDGES, subscriptions
from updates.handlers.recover import RecoverUpdates
from updates.http import build_api
from updates.ports import UpdatesUnit
from updates.settings import UpdatesSettings


def begin(settings: UpdatesSettings, roles: Collection[str]) -> Runtime[UpdatesUnit]:
    """Open connections; nothing is sent yet."""
    return Runtime("updates", settings, SCHEMA, bind, roles)


def bind(database: Database, session: Session, plumbing: Plumbing) -> UpdatesUnit:
    """Make the stores of one transaction."""
    return UpdatesUnit(
        plumbing=plumbing,
        projects=MongoProjects(database, session),
        backers=MongoBackers(database, session),
        returns=MongoReturns(database, session),
        updates=MongoUpdates(database, session),
        facts=OutboxFacts(plumbing.outbox, wire.draft),
    )


def assemble(settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]) -> Process:
    """Add updates' own parts to the runtime."""
    for subscription in subscriptions():
        runtime.subscribe(subscription)
    runtime.recover_with(RecoverUpdates(runtime.units, wire.published_from))
    queries = MongoQueries(runtime.database)
    api = build_api(runtime.guard, runtime.units, queries, runtime.clock, PLEDGES)
    return runtime.process(api)
