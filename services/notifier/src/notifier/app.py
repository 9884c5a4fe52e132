"""The composition root of notifier: what is plugged into what; no rule lives here."""

from collections.abc import Collection

from notifier import wire
from notifier.adapters.facts import OutboxFacts
from notifier.adapters.mongo_stores import (
    MongoAudience,
    MongoCauses,
    MongoChunks,
    MongoCreators,
    MongoMemberships,
)
from notifier.adapters.queries import MongoQueries
from notifier.adapters.schema import SCHEMA
from notifier.consumer import PLEDGES, subscriptions
from notifier.handlers.hear import PLAN, PUBLISH_CHUNK, PUBLISH_ONE
from notifier.handlers.plan import PlanCauses
from notifier.handlers.publish import PublishChunks
from notifier.handlers.recover import RecoverNotifier
from notifier.http import build_api
from notifier.ports import NotifierUnit
from notifier.settings import NotifierSettings
from notifier.sweeps import CloseCauses
from servicekit.loops import Loop
from servicekit.mongo import Database, Session
from servicekit.process import Process
from servicekit.publish import KafkaPublisher
from servicekit.runtime import Runtime
from servicekit.sweeps import Sweep
from servicekit.units import Plumbing

CLOSE_SECONDS = 0.5
PLANS_AT_ONCE = 2
ONES_AT_ONCE = 500


def begin(settings: NotifierSettings, roles: Collection[str]) -> Runtime[NotifierUnit]:
    """Open connections; nothing is sent yet."""
    return Runtime("notifier", settings, SCHEMA, bind, roles)


def bind(database: Database, session: Session, plumbing: Plumbing) -> NotifierUnit:
    """Make the stores of one transaction."""
    return NotifierUnit(
        plumbing=plumbing,
        memberships=MongoMemberships(database, session),
        causes=MongoCauses(database, session),
        chunks=MongoChunks(database, session),
        creators=MongoCreators(database, session),
        facts=OutboxFacts(plumbing.outbox, wire.planned, wire.completed),
    )


def assemble(settings: NotifierSettings, runtime: Runtime[NotifierUnit]) -> Process:
    """Add notifier's own parts to the runtime."""
    runtime.recover_with(RecoverNotifier())
    queries = MongoQueries(runtime.database)
    for subscription in subscriptions(runtime.clock):
        runtime.subscribe(subscription)
    planner = PlanCauses(
        units=runtime.units,
        audience=MongoAudience(runtime.database),
        pledges=PLEDGES,
        partitions=settings.notifications_partitions,
        clock=runtime.clock,
    )
    lease = settings.lease_seconds
    runtime.worker(PLAN, planner, concurrency=PLANS_AT_ONCE, lease_seconds=lease)
    _publish(runtime, settings, PUBLISH_CHUNK, settings.chunks_at_once)
    _publish(runtime, settings, PUBLISH_ONE, ONES_AT_ONCE)
    runtime.sweep(Sweep("close", CLOSE_SECONDS, CloseCauses(runtime.units, queries)))
    return runtime.process(build_api(runtime.guard, queries))


def _publish(
    runtime: Runtime[NotifierUnit], settings: NotifierSettings, kind: str, at_once: int
) -> None:
    """Add the loop that tells people of one kind of chunk, with a producer of its own."""
    publisher = KafkaPublisher(runtime.connection, compression="gzip")
    runtime.on_close(publisher.close)
    chunks = PublishChunks(
        kind=kind,
        at_once=at_once,
        lease_seconds=settings.lease_seconds,
        units=runtime.units,
        queue=runtime.work,
        publisher=publisher,
        render=wire.records_of,
        partitions=settings.notifications_partitions,
        clock=runtime.clock,
        poll_seconds=runtime.work_poll_seconds,
    )
    runtime.when_offered(chunks.nudge)
    runtime.loop("work", Loop(f"work {kind}", chunks.run))
