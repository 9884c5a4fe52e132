"""`recover`: brings a database that was restored from a backup on to where its topics are.

Every step may be repeated, so a recovery that was broken off is run again. In this order: the
state is rolled forward by the service's own facts; no sequence that they used is given out again
(trap 23); the inputs are read again from their beginning, and streams rows drop what the database
knows; at last the service asks outside what only others know. Until the end nothing else runs, no
second recovery either: whoever recovers holds the mark under a lease.
"""

import asyncio
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from servicekit.audit import AuditEntry, MongoAudit
from servicekit.command.context import Command, CommandRefused, Context, one_who_acts
from servicekit.consume import BatchConsumer, Subscription
from servicekit.errors import Conflict, DependencyAway, DuplicateKey, LeaseLost
from servicekit.loops import Pulse
from servicekit.mongo import Session
from servicekit.own_topics import Unexplained
from servicekit.positions import TopicPositions
from servicekit.process import EXIT_CLEAN
from servicekit.recovery import LEASE_SECONDS, RENEW_SECONDS, Recoverer, RecoveryRuns
from servicekit.runtime import Runtime
from servicekit.schema import check_version
from servicekit.topic_reader import TopicReader

# A reader that was killed stays in its group until its session is over.
LEAVING_SECONDS = 15.0


def _describe(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")
    one_who_acts(parser)


async def _recover(context: Context) -> int:
    runtime, arguments = context.runtime, context.arguments
    context.assemble()
    await check_version(runtime.database, runtime.schema)
    await runtime.clock.synchronise()
    if arguments.dry_run:
        _print_found(runtime, (await runtime.own_topics.compare()).unexplained)
        return EXIT_CLEAN
    await _nobody_reads(runtime)
    who = Recoverer(arguments.by)
    await _begin(runtime, arguments, who)
    await _while_held(runtime, who, _bring_on(runtime, arguments, who))
    print("recovered: processes that wait go on by themselves")
    return EXIT_CLEAN


async def _bring_on(runtime: Runtime[Any], arguments: Namespace, who: Recoverer) -> None:
    # Whoever began to read before the mark was there leaves now that it is.
    await _nobody_reads(runtime)
    comparison = await runtime.own_topics.compare()
    _print_found(runtime, comparison.unexplained)
    _print_lines(await runtime.service_recovery.roll_forward(comparison.unexplained))
    await runtime.own_topics.pass_over(comparison, runtime.clock)
    for subscription in runtime.subscriptions:
        await _read_again(runtime, subscription)
    _print_lines(await runtime.service_recovery.reconcile())
    await runtime.own_topics.settle(comparison.ends)
    now = runtime.clock.now()

    async def finish(session: Session) -> None:
        await runtime.recovery_mark.finish(session, now, who)
        await _audit(runtime, session, now, arguments, "finished")

    await runtime.database.transaction(finish)


async def _begin(runtime: Runtime[Any], arguments: Namespace, who: Recoverer) -> None:
    now = runtime.clock.now()

    async def begin(session: Session) -> None:
        await runtime.recovery_mark.begin(session, now, who)
        await _audit(runtime, session, now, arguments, "begun")

    try:
        await runtime.database.transaction(begin)
    except RecoveryRuns as runs:
        raise CommandRefused(str(runs)) from None
    except (DuplicateKey, Conflict):
        raise CommandRefused("another recovery begins at this moment") from None


async def _while_held(
    runtime: Runtime[Any], who: Recoverer, work: Coroutine[Any, Any, None]
) -> None:
    """Do the work under the mark's lease; where it is lost, the work ends where it stands.

    What a stalled run may still save is one transaction, refused by versions and streams rows.
    """
    try:
        await _unless_lost(asyncio.create_task(work), asyncio.create_task(_renew(runtime, who)))
    except LeaseLost as lost:
        raise CommandRefused(f"{lost}: this recovery ended where it stood") from None
    except BaseException:
        with suppress(DependencyAway):
            await runtime.recovery_mark.let_go(runtime.clock.now(), who)
        raise


async def _unless_lost(working: asyncio.Task[None], renewing: asyncio.Task[None]) -> None:
    try:
        await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            renewing.result()
        await working
    finally:
        for task in (working, renewing):
            task.cancel()
        await asyncio.gather(working, renewing, return_exceptions=True)


async def _renew(runtime: Runtime[Any], who: Recoverer) -> None:
    """Renew until the lease is lost, or over while the database is away."""
    held_until = time.monotonic() + LEASE_SECONDS
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        asked = time.monotonic()
        try:
            await runtime.recovery_mark.renew(runtime.clock.now(), who)
            held_until = asked + LEASE_SECONDS
        except DependencyAway as away:
            if time.monotonic() > held_until:
                raise LeaseLost(str(away)) from None


def _print_found(runtime: Runtime[Any], unexplained: Sequence[Unexplained]) -> None:
    counts = Counter((one.topic, one.key) for one in unexplained)
    for (topic, key), count in sorted(counts.items()):
        last = max(one.sequence for one in unexplained if (one.topic, one.key) == (topic, key))
        print(f"{topic}: {count} facts of {key} are unknown here, the last is {last}")
    if not unexplained:
        print("the own topics say nothing that the database does not know")
    for line in runtime.service_recovery.lost:
        print(f"no event holds: {line}")


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(line)


async def _nobody_reads(runtime: Runtime[Any]) -> None:
    """Return once no process of the service reads; refuse if one goes on."""
    until = time.monotonic() + LEAVING_SECONDS
    told: set[str] = set()
    while readers := await _readers(runtime):
        names = ", ".join(sorted(readers))
        if time.monotonic() > until:
            raise CommandRefused(f"stop every process first, these read: {names}")
        if not told:
            print(f"waiting up to {LEAVING_SECONDS:g} s for readers to leave: {names}", flush=True)
        told |= readers
        await asyncio.sleep(1)


async def _readers(runtime: Runtime[Any]) -> set[str]:
    readers: set[str] = set()
    for one in runtime.subscriptions:
        readers.update(await TopicPositions(runtime.connection, one.topic, one.group).members())
    return readers


async def _read_again(runtime: Runtime[Any], subscription: Subscription[Any]) -> None:
    consumer = BatchConsumer(subscription, runtime.units, runtime.clock, Pulse("recover"))
    count = 0
    async for page in TopicReader(runtime.connection, subscription.topic).read({}):
        await consumer.process(page)
        count += len(page)
    print(f"{subscription.topic}: {count} facts read again")


async def _audit(
    runtime: Runtime[Any], session: Session, now: datetime, arguments: Namespace, outcome: str
) -> None:
    entry = AuditEntry(now, arguments.by, "recover", {}, arguments.why, outcome)
    await MongoAudit(runtime.database, session).add(entry)


COMMAND = Command(
    "recover", "bring a restored database on; run it after a restore", _describe, _recover
)
