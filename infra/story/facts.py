"""Every fact of a campaign in all topics, each once, in the order in which it came about."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from infra.kafka import read_topics
from infra.story.place import Place
from servicekit.errors import DependencyAway
from servicekit.publish import partition_of
from servicekit.stopping import stop_consumer
from sosst_contracts.codec import Decoded, Record, Unusable, decode
from sosst_contracts.registry import REGISTRY

SILENT_SECONDS = 30.0


class SilentBroker(DependencyAway):
    """What a topic is known to hold does not come."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact and where it first stands; `read` is what it says, or why it cannot be read."""

    topic: str
    partition: int
    offset: int
    published_at: datetime
    read: Decoded | Unusable

    @property
    def fact_id(self) -> str:
        """Return the fact's id; one that cannot be read is named by its place."""
        if isinstance(self.read, Decoded):
            return self.read.envelope.id
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def sequence(self) -> int | None:
        return self.read.envelope.sequence if isinstance(self.read, Decoded) else self.read.sequence

    @property
    def time(self) -> datetime:
        """Return when it happened; of one that cannot be read, when it was published."""
        return self.read.envelope.time if isinstance(self.read, Decoded) else self.published_at

    @property
    def causation_id(self) -> str | None:
        return self.read.envelope.causation_id if isinstance(self.read, Decoded) else None


@dataclass(slots=True)
class Facts:
    """What was found; `missing` are topics that are not there."""

    facts: list[Fact] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


async def read_facts(place: Place, campaign_id: str) -> Facts:
    """Read all topics up to their ends as they are now.

    Raises `DependencyAway` if no broker answers, `SilentBroker` if one answers no more.
    """
    found = Facts()
    once: dict[tuple[str, str], Fact] = {}
    for topic in (topic.name for topic in read_topics()):
        numbers = await place.connection.partitions(topic)
        if not numbers:
            found.missing.append(topic)
            continue
        for fact in await _read(place, topic, _partitions(topic, campaign_id, numbers)):
            if _is_of(fact, campaign_id):
                once.setdefault((topic, fact.fact_id), fact)
    found.facts = in_order(once.values())
    return found


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """Sort by time, of one instant causes before effects, then by sequence.

    An instant is a millisecond: MongoDB keeps no more, so what follows from a fact may carry that
    fact's own time cut off.
    """
    every = list(facts)
    causes = {fact.fact_id: fact.causation_id for fact in every}
    return sorted(
        every,
        key=lambda f: (
            _millisecond(f.time),
            _depth(f.fact_id, causes),
            f.topic,
            f.sequence or 0,
            f.offset,
        ),
    )


def _millisecond(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _depth(fact_id: str, causes: dict[str, str | None]) -> int:
    """Return how many facts of the campaign stand behind this one; a circle ends where it began."""
    seen = {fact_id}
    cause = causes.get(fact_id)
    while cause in causes and cause not in seen:
        seen.add(cause)
        cause = causes[cause]
    return len(seen)


def _partitions(topic: str, campaign_id: str, numbers: list[int]) -> list[int]:
    """Return where facts of the campaign can stand: one partition, where it is the key."""
    if all(event.key_field == "campaign_id" for event in REGISTRY.on_topic(topic)):
        return [partition_of(campaign_id.encode(), len(numbers))]
    return numbers


def _is_of(fact: Fact, campaign_id: str) -> bool:
    if isinstance(fact.read, Decoded):
        return bool(getattr(fact.read.event, "campaign_id", None) == campaign_id)
    return fact.read.key == campaign_id


async def _read(place: Place, topic: str, numbers: list[int]) -> list[Fact]:
    physical = place.connection.physical(topic)
    partitions = [TopicPartition(physical, number) for number in numbers]
    consumer = AIOKafkaConsumer(
        **place.connection.client_options(), auto_offset_reset="earliest", request_timeout_ms=10_000
    )
    facts: list[Fact] = []
    now = asyncio.get_running_loop().time
    try:
        # A consumer never says that its broker is away: it asks again, for ever.
        async with asyncio.timeout(SILENT_SECONDS) as patience:
            await consumer.start()
            consumer.assign(partitions)
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            waiting = {p: end for p, end in ends.items() if end > begins[p]}
            while waiting:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    patience.reschedule(now() + SILENT_SECONDS)
                    facts += [fact for raw in records if (fact := _fact(topic, raw)) is not None]
                # A position passes what is no record: markers, and what was cleaned away.
                waiting = {p: e for p, e in waiting.items() if await consumer.position(p) < e}
    except TimeoutError as error:
        raise SilentBroker(f"Kafka says no more of {topic}") from error
    finally:
        await stop_consumer(consumer)
    return facts


def _fact(topic: str, raw: "ConsumerRecord[bytes, bytes]") -> Fact | None:
    read = decode(Record(topic, raw.key, raw.value, tuple(raw.headers)))
    if not isinstance(read, Decoded | Unusable):
        return None  # A type of a later release: whose it is cannot be told.
    published_at = datetime.fromtimestamp(raw.timestamp / 1_000, UTC)
    return Fact(topic, raw.partition, raw.offset, published_at, read)
