"""`set-aside`: what could not be used is listed, shown, tried again, or given up by a person."""

import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from servicekit.audit import AuditEntry
from servicekit.command.context import Command, CommandRefused, Context, one_who_acts
from servicekit.consume import BatchConsumer, Subscription
from servicekit.loops import Pulse
from servicekit.process import EXIT_CLEAN
from servicekit.recovery import RecoverRequired
from servicekit.runtime import Runtime
from servicekit.schema import check_version
from servicekit.set_aside import Search, SetAsideFact
from servicekit.topic_reader import TopicReader
from servicekit.units import U, UnitsOfWork
from sosst_contracts.codec import Decoded, decode

T = TypeVar("T")
CHANGING = frozenset({"replay", "purge"})


def _describe(parser: ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", required=True)
    listing = acts.add_parser("list", help="what is set aside, a line each")
    listing.add_argument("--topic", help="of this topic only")
    listing.add_argument("--key", help="of this key only")
    listing.add_argument("--reason", help="whose reason begins so")
    listing.add_argument("--after", default="", metavar="ID", help="go on behind this one")
    listing.add_argument("--limit", type=int, default=50, help="at most so many")
    show = acts.add_parser("show", help="one fact whole: headers, bytes, what it says")
    show.add_argument("id", metavar="ID")
    replay = acts.add_parser("replay", help="try facts again, with all that waits behind them")
    replay.add_argument("id", metavar="ID", nargs="?", help="this one")
    replay.add_argument("--from-topic", metavar="TOPIC", help="read the topic again for --key")
    replay.add_argument("--key", help="the key that waits for a missing fact")
    one_who_acts(replay)
    purge = acts.add_parser("purge", help="give a fact up; the key's later facts go on")
    purge.add_argument("id", metavar="ID", nargs="?", help="this one")
    purge.add_argument("--missing", type=int, metavar="SEQUENCE", help="or one that never came")
    purge.add_argument("--topic", help="of this topic")
    purge.add_argument("--key", help="and this key")
    one_who_acts(purge)


async def _set_aside(context: Context) -> int:
    context.assemble()
    await check_version(context.runtime.database, context.runtime.schema)
    await context.runtime.clock.synchronise()
    if context.arguments.act in CHANGING:
        await _not_behind(context.runtime)
    acts = {"list": _list, "show": _show, "replay": _replay, "purge": _purge}
    await acts[context.arguments.act](context.runtime, context.arguments)
    return EXIT_CLEAN


async def _not_behind(runtime: Runtime[Any]) -> None:
    """Refuse on a restored database: its facts would take numbers that its topics have."""
    try:
        await runtime.check_own_topics()
    except RecoverRequired as error:
        raise CommandRefused(str(error)) from None


async def _list(runtime: Runtime[Any], arguments: Any) -> None:
    if arguments.topic is not None:
        _subscription(runtime, arguments.topic)
    if not 1 <= arguments.limit <= 1_000:
        raise CommandRefused("--limit is between 1 and 1000")
    wanted = Search(arguments.topic, arguments.key, arguments.reason)
    after, limit = arguments.after, arguments.limit
    found: list[SetAsideFact] = await runtime.units.run(
        lambda unit: unit.plumbing.set_aside.search(wanted, after, limit)
    )
    for fact in found:
        since = fact.set_aside_at.isoformat(timespec="seconds")
        print(f"{fact.id}  {fact.reason}  since {since}  {fact.detail}")
    if len(found) == limit:
        print(f"there may be more: --after '{found[-1].id}'")


async def _show(runtime: Runtime[Any], arguments: Any) -> None:
    fact = await _fact(runtime, arguments.id)
    outcome = decode(fact.record)
    shown = {
        "id": fact.id,
        "group": fact.group,
        "topic": fact.topic,
        "key": fact.key,
        "sequence": fact.sequence,
        "partition": fact.partition,
        "offset": fact.offset,
        "reason": fact.reason,
        "detail": fact.detail,
        "set_aside_at": fact.set_aside_at.isoformat(),
        "headers": {name: _text(value) for name, value in fact.record.headers},
        "bytes": _text(fact.record.value),
        "decoded": outcome.event.model_dump(mode="json") if isinstance(outcome, Decoded) else None,
    }
    print(json.dumps(shown, ensure_ascii=False, indent=2))


async def _replay(runtime: Runtime[Any], arguments: Any) -> None:
    if arguments.from_topic is not None:
        return await _read_topic_again(runtime, arguments)
    if arguments.id is None:
        raise CommandRefused("name an ID, or --from-topic TOPIC and --key KEY")
    fact = await _fact(runtime, arguments.id)
    audited = _Audited(runtime, arguments, "set-aside replay", {"id": fact.id})
    await _consumer(runtime, _subscription(runtime, fact.topic), audited).replay([fact])
    audited.say()
    if still := await _found(runtime, fact.id):
        print(f"still set aside: {still.reason}  {still.detail}")
    return None


async def _read_topic_again(runtime: Runtime[Any], arguments: Any) -> None:
    if arguments.key is None or arguments.id is not None:
        raise CommandRefused("--from-topic goes with --key, and without an ID")
    subscription = _subscription(runtime, arguments.from_topic)
    what = {"topic": subscription.topic, "key": arguments.key}
    audited = _Audited(runtime, arguments, "set-aside replay --from-topic", what)
    consumer, key = _consumer(runtime, subscription, audited), arguments.key.encode()
    async for page in TopicReader(runtime.connection, subscription.topic).read({}):
        await consumer.process([one for one in page if one.record.key == key])
    audited.say()


async def _purge(runtime: Runtime[Any], arguments: Any) -> None:
    if arguments.missing is not None:
        if arguments.topic is None or arguments.key is None or arguments.id is not None:
            raise CommandRefused("--missing goes with --topic and --key, and without an ID")
        subscription = _subscription(runtime, arguments.topic)
        return await _give_up(runtime, arguments, subscription, arguments.key, arguments.missing)
    if arguments.id is None:
        raise CommandRefused("name an ID, or --missing SEQUENCE with --topic and --key")
    fact = await _fact(runtime, arguments.id)
    subscription = _subscription(runtime, fact.topic)
    if subscription.sequenced and fact.key is not None and fact.sequence is not None:
        return await _give_up(runtime, arguments, subscription, fact.key, fact.sequence)
    audited = _Audited(runtime, arguments, "set-aside purge", {"id": fact.id})

    async def forget(unit: Any) -> Counter[str]:
        await unit.plumbing.set_aside.remove([fact.id])
        return Counter(given_up=1)

    await audited.run(forget)
    audited.say()
    return None


async def _give_up(
    runtime: Runtime[Any],
    arguments: Any,
    subscription: Subscription[Any],
    key: str,
    sequence: int,
) -> None:
    group, topic = subscription.group, subscription.topic
    if not subscription.sequenced:
        raise CommandRefused(f"facts of {topic} have no sequence: name an ID")

    rows = await runtime.units.run(lambda unit: unit.plumbing.streams.load(group, topic, [key]))
    row = rows[key]
    # Should the fact come meanwhile, its sequence is passed already, and nothing is given up.
    if not row.waiting or row.last_sequence + 1 != sequence:
        state = f"waits for {row.last_sequence + 1}" if row.waiting else "does not wait"
        raise CommandRefused(f"{key} on {topic} {state}: {sequence} cannot be given up")
    what = {"topic": topic, "key": key, "sequence": sequence}
    audited = _Audited(runtime, arguments, "set-aside purge", what)
    await _consumer(runtime, subscription, audited).give_up(key, sequence)
    audited.say()


@dataclass
class _Audited(Generic[U]):
    """Units that keep the audit record in the transaction of each save."""

    runtime: Runtime[U]
    arguments: Any
    command: str
    what: dict[str, Any]
    outcomes: Counter[str] = field(default_factory=Counter)

    async def run(self, work: Callable[[U], Awaitable[T]]) -> T:
        async def audited(unit: U) -> T:
            result = await work(unit)
            if isinstance(result, Counter):
                await unit.plumbing.audit.add(self._entry(result))
            return result

        result = await self.runtime.units.run(audited)
        if isinstance(result, Counter):
            self.outcomes += result
        return result

    def say(self) -> None:
        print(_outcome(self.outcomes))

    def _entry(self, outcomes: Counter[str]) -> AuditEntry:
        return AuditEntry(
            at=self.runtime.clock.now(),
            by=self.arguments.by,
            command=self.command,
            what=self.what,
            why=self.arguments.why,
            outcome=_outcome(outcomes),
        )


def _outcome(outcomes: Counter[str]) -> str:
    names = ("applied", "repeated", "skipped", "set_aside", "given_up")
    said = [f"{name} {outcomes[name]}" for name in names if outcomes[name]]
    return ", ".join(said) or "nothing moved"


def _consumer(
    runtime: Runtime[Any], subscription: Subscription[Any], units: UnitsOfWork[Any]
) -> BatchConsumer[Any]:
    return BatchConsumer(subscription, units, runtime.clock, Pulse("set-aside"))


def _subscription(runtime: Runtime[Any], topic: str) -> Subscription[Any]:
    known: Sequence[Subscription[Any]] = runtime.subscriptions
    for one in known:
        if one.topic == topic:
            return one
    topics = ", ".join(one.topic for one in known)
    raise CommandRefused(f"{runtime.service} does not read {topic}; it reads {topics}")


async def _fact(runtime: Runtime[Any], fact_id: str) -> SetAsideFact:
    fact = await _found(runtime, fact_id)
    if fact is None:
        raise CommandRefused(f"nothing is set aside under {fact_id}")
    return fact


async def _found(runtime: Runtime[Any], fact_id: str) -> SetAsideFact | None:
    fact: SetAsideFact | None = await runtime.units.run(
        lambda unit: unit.plumbing.set_aside.load(fact_id)
    )
    return fact


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")


COMMAND = Command(
    "set-aside", "what could not be used: list, show, replay, purge", _describe, _set_aside
)
