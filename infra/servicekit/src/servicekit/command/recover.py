"""`recover`: brings a database that was restored from a backup on to where its topics are.

Every step may be repeated, so a recovery that was broken off is run again. In this order: the
state is rolled forward by the service's own facts; no sequence that they used is given out again
(trap 23); the inputs are read again from their beginning, and streams rows drop what the database
knows; at last the service asks outside what only others know. Until the end nothing else runs.
"""

import asyncio
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from servicekit.audit import AuditEntry, MongoAudit
from servicekit.command.context import Command, CommandRefused, Context, one_who_acts
from servicekit.consume import BatchConsumer, Subscription
from servicekit.loops import Pulse
from servicekit.mongo import Session
from servicekit.own_topics import Unexplained
from servicekit.positions import TopicPositions
from servicekit.process import EXIT_CLEAN
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
    comparison = await runtime.own_topics.compare()
    _print_found(runtime, comparison.unexplained)
    if arguments.dry_run:
        return EXIT_CLEAN
    await _nobody_reads(runtime)
    await _audit(runtime, arguments, "begun", begin=True)
    _print_lines(await runtime.service_recovery.roll_forward(comparison.unexplained))
    await runtime.own_topics.pass_over(comparison, runtime.clock)
    for subscription in runtime.subscriptions:
        await _read_again(runtime, subscription)
    _print_lines(await runtime.service_recovery.reconcile())
    await runtime.own_topics.settle(comparison.ends)
    await _audit(runtime, arguments, "finished", begin=False)
    print("recovered: processes that wait go on by themselves")
    return EXIT_CLEAN


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
    while readers := await _readers(runtime):
        if time.monotonic() > until:
            raise CommandRefused(f"stop every process first: {', '.join(sorted(readers))}")
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


async def _audit(runtime: Runtime[Any], arguments: Any, outcome: str, *, begin: bool) -> None:
    now: datetime = runtime.clock.now()
    entry = AuditEntry(now, arguments.by, "recover", {}, arguments.why, outcome)

    async def save(session: Session) -> None:
        mark = runtime.recovery_mark
        await (mark.begin(session, now) if begin else mark.finish(session, now))
        await MongoAudit(runtime.database, session).add(entry)

    await runtime.database.transaction(save)


COMMAND = Command(
    "recover", "bring a restored database on; run it after a restore", _describe, _recover
)
