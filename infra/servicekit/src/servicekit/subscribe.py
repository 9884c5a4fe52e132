"""One batch subscriber per topic on FastStream, with positions committed by us after the save.

FastStream's own acknowledgement loses or doubles messages under every policy (`stack.md` 3), so
it is given nothing to acknowledge: MANUAL policy, a parser that never raises, a handler that
never raises, and explicit offsets per partition.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from servicekit import lenient_records, metrics, prompt_batches
from servicekit.consume import BatchConsumer
from servicekit.errors import Conflict, ConsumerStopped, DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.loops import Pulse, pause
from servicekit.ordering import Incoming
from servicekit.stopping import STOPPING_SECONDS, ended, stop_consumer
from servicekit.units import U
from sosst_contracts.codec import Record

log = structlog.get_logger()

BATCH_RECORDS_MAX = 500
# A batch begins with the first record that comes; only an idle reader waits so long.
BATCH_WAIT_SECONDS = 1.0
FETCH_WAIT_SECONDS = 1.0
# While records of one partition are in hand, aiokafka asks for the others: that question waits at
# the broker, and what was in hand goes on only after the answer. It asks for all of them together.
FETCH_AHEAD_SECONDS = 30.0
PARTITION_BYTES_MAX = 4 * 1024 * 1024
RETRY_SET_ASIDE_SECONDS = 1.0
WATCH_SECONDS = 1.0
REBALANCE_TIMEOUT_SECONDS = 60
# All others of the group may take that long to come, and once more.
STARTING_SECONDS = 2.0 * REBALANCE_TIMEOUT_SECONDS
# What a batch in hand has at the end, and with it the leaving: within what the process has.
BATCH_IN_HAND_SECONDS = 20
LEAVING_SECONDS = 21.0

STOP_REASONS = ("unknown-major", "refusals", "failed")

lenient_records.install()
prompt_batches.install()

Records = tuple["ConsumerRecord[bytes, bytes]", ...]


class TopicSubscriber(Generic[U]):
    """Reads one topic for as long as the process runs."""

    def __init__(
        self,
        consumer: BatchConsumer[U],
        connection: KafkaConnection,
        instance_id: str,
        topic_retry_seconds: float = 15.0,
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._consumer = consumer
        self._topic = consumer.subscription.topic
        # Two groups of a process may read one topic, each at its own pace.
        self._labels = (consumer.subscription.group, self._topic)
        self._connection = connection
        self._instance_id = instance_id
        self._topic_retry_seconds = topic_retry_seconds
        self._paused = paused
        self._in_hand = asyncio.Lock()
        self._stopped: ConsumerStopped | None = None
        self._kafka: AIOKafkaConsumer | None = None
        self._all_read_at = time.monotonic()

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Wait for the topic, then read it until `stopping`; leave the group in order."""
        metrics.CONSUMER_PROGRESS.labels(*self._labels).set(0)
        for reason in STOP_REASONS:
            metrics.CONSUMER_STOPPED.labels(*self._labels, reason).set(0)
        while self._stopped is None and not stopping.is_set():
            try:
                await self._read(pulse, stopping)
            except (KafkaError, OSError) as error:
                # The broker may go between the look at the topic and the first reading of it.
                log.warning("reading begins anew", topic=self._topic, error=repr(error))
                await pause(stopping, min(2.0, self._topic_retry_seconds))
        while self._stopped is not None and not stopping.is_set():
            # A person must act; until then this loop is alive and reads nothing.
            pulse.beat()
            await pause(stopping, WATCH_SECONDS)

    async def _read(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Read with a client of its own; raise `KafkaError` or `OSError` if it cannot begin."""
        broker = self._broker()
        try:
            if not await self._wait_for_topic(broker, pulse, stopping):
                return
            subscriber = self._subscriber(broker)
            try:
                if await self._has_started(subscriber, pulse, stopping):
                    self._kafka = subscriber.consumer
                    self._kafka._fetcher._prefetch_backoff = FETCH_AHEAD_SECONDS
                    await self._watch(subscriber, pulse, stopping)
            finally:
                await stop_consumer(subscriber.consumer, subscriber.stop(), LEAVING_SECONDS)
        finally:
            await ended(broker.stop(), STOPPING_SECONDS)

    async def _has_started(self, subscriber: Any, pulse: Pulse, stopping: asyncio.Event) -> bool:
        """Start it; return whether it has its place in the group before the process is to end.

        aiokafka waits for that without an end, as long as the group has no coordinator: that is no
        reason to end a process whose API and outbox need none.
        """
        starting = asyncio.ensure_future(subscriber.start())
        deadline = time.monotonic() + STARTING_SECONDS
        try:
            while not stopping.is_set():
                pulse.beat()
                await asyncio.wait({starting}, timeout=WATCH_SECONDS / 2)
                if starting.done() and not starting.cancelled():
                    starting.result()
                    return True
                if starting.done() or time.monotonic() > deadline:
                    raise KafkaError(f"no place in the group that reads {self._topic}")
            return False
        finally:
            starting.cancel()

    def _broker(self) -> KafkaBroker:
        security = self._connection.security
        return KafkaBroker(
            self._connection.servers,
            client_id=self._connection.client_id,
            security=security.faststream() if security else None,
            allow_auto_create_topics=False,
            apply_types=False,
            logger=None,
            graceful_timeout=BATCH_IN_HAND_SECONDS,
            request_timeout_ms=(REBALANCE_TIMEOUT_SECONDS + 10) * 1_000,
        )

    async def _wait_for_topic(
        self, broker: KafkaBroker, pulse: Pulse, stopping: asyncio.Event
    ) -> bool:
        """Return True once the topic can be read; a consumer on a missing topic would hang."""
        while not stopping.is_set():
            pulse.beat()
            try:
                missing = await self._connection.missing_topics([self._topic])
                metrics.TOPIC_MISSING.labels(self._topic).set(len(missing))
                if not missing:
                    await broker.connect()
                    return True
                log.warning("topic not there yet", topic=self._topic, reason=missing[self._topic])
                await pause(stopping, self._topic_retry_seconds)
            except (DependencyAway, KafkaError, OSError) as error:
                log.warning("Kafka not reached", topic=self._topic, error=repr(error))
                await pause(stopping, min(2.0, self._topic_retry_seconds))
        return False

    def _subscriber(self, broker: KafkaBroker) -> Any:
        group = self._connection.physical(self._consumer.subscription.group)
        subscriber = broker.subscriber(
            self._connection.physical(self._topic),
            batch=True,
            group_id=group,
            # Restarted within the session time, an instance gets its partitions back at once.
            group_instance_id=f"{self._instance_id}-{self._topic}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            max_records=BATCH_RECORDS_MAX,
            batch_timeout_ms=int(BATCH_WAIT_SECONDS * 1_000),
            fetch_max_wait_ms=int(FETCH_WAIT_SECONDS * 1_000),
            max_partition_fetch_bytes=PARTITION_BYTES_MAX,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_SECONDS * 1_000,
            session_timeout_ms=10_000,
            listener=_Rebalances(
                self._labels, self._in_hand, lambda: self._pause_or_resume(subscriber.consumer)
            ),
            parser=_parse,
            decoder=_body,
        )
        subscriber(self._handle)
        return subscriber

    async def _handle(self, records: Records) -> None:
        """Save the batch and commit; whatever happens, raise nothing, skip nothing."""
        async with self._in_hand:
            if self._stopped is not None:
                return
            began = time.monotonic()
            try:
                await self._consumer.process([_incoming(r, self._topic) for r in records])
            except ConsumerStopped as error:
                self._stop(error)
            except Exception as error:
                log.exception("consumer failed", topic=self._topic)
                self._stop(ConsumerStopped("failed", repr(error)))
            else:
                metrics.CONSUMER_BATCH_DURATION.labels(*self._labels).observe(
                    time.monotonic() - began
                )
                metrics.CONSUMER_PROGRESS.labels(*self._labels).set_to_current_time()
                _observe_age(self._labels, records)
                await self._commit(records)

    def _stop(self, error: ConsumerStopped) -> None:
        self._stopped = error
        metrics.CONSUMER_STOPPED.labels(*self._labels, error.reason).set(1)
        log.error("consumer stopped", topic=self._topic, reason=error.reason, error=str(error))

    async def _commit(self, records: Records) -> None:
        """Commit one past the last record of each partition; a failure only means repeats."""
        if self._kafka is None:
            return
        offsets = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
        try:
            async with asyncio.timeout(10):
                await self._kafka.commit(offsets)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            metrics.CONSUMER_COMMIT_FAILURES.labels(*self._labels).inc()
            log.warning("position not committed", topic=self._topic, error=repr(error))

    async def _watch(self, subscriber: Any, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Beat, measure and retry what is set aside, while FastStream's loop reads."""
        next_retry = 0.0
        while not stopping.is_set() and self._stopped is None:
            if not self._in_hand.locked():
                pulse.beat()
            _must_fetch(subscriber.consumer)
            if any(task.done() for task in subscriber.tasks):
                raise RuntimeError(f"the reading loop of {self._topic} ended by itself")
            self._measure(subscriber.consumer)
            self._pause_or_resume(subscriber.consumer)
            if time.monotonic() >= next_retry:
                await self._retry_set_aside()
                next_retry = time.monotonic() + RETRY_SET_ASIDE_SECONDS
            await pause(stopping, WATCH_SECONDS / 2)

    def _pause_or_resume(self, consumer: AIOKafkaConsumer) -> None:
        """Follow the switch: a paused partition stays ours, and its position where it is."""
        if self._paused():
            consumer.pause(*(consumer.assignment() - consumer.paused()))
        elif consumer.paused():
            consumer.resume(*consumer.paused())

    async def _retry_set_aside(self) -> None:
        if self._paused():
            return
        try:
            await self._consumer.retry_set_aside()
        except (DependencyAway, Conflict) as error:
            # Beside a migration, for instance, a read of one instant conflicts: a second later it
            # is tried again, and nothing that reads the topic ends for it.
            log.warning("set-aside facts not tried again", topic=self._topic, error=repr(error))

    def _measure(self, consumer: AIOKafkaConsumer) -> None:
        lag = 0
        assigned = consumer.assignment()
        for partition in assigned:
            end = consumer.highwater(partition)
            state = consumer._subscription.subscription.assignment.state_value(partition)
            if end is not None and state is not None and state.has_valid_position:
                lag += max(0, end - state.position)
        metrics.CONSUMER_LAG.labels(*self._labels).set(lag)
        now = time.monotonic()
        self._all_read_at = self._all_read_at if lag else now
        metrics.CONSUMER_LAG_SECONDS.labels(*self._labels).set(now - self._all_read_at)
        metrics.CONSUMER_PARTITIONS.labels(*self._labels).set(len(assigned))


def _must_fetch(consumer: AIOKafkaConsumer) -> None:
    """Raise `KafkaError` where aiokafka does no more what it does beside our asking.

    FastStream asks on, for ever and without a word, and is given nothing.
    """
    for task in (consumer._fetcher._fetch_task, consumer._coordinator._coordination_task):
        if task.done():
            raise KafkaError(f"{task.get_coro().__qualname__} ended by itself")


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Lets the batch in hand finish before its partitions go to somebody else.

    Nothing is handed over of those that come before `follow_switch` has paused them, if it is on.
    """

    def __init__(
        self, labels: tuple[str, str], in_hand: asyncio.Lock, follow_switch: Callable[[], None]
    ) -> None:
        self._labels = labels
        self._in_hand = in_hand
        self._follow_switch = follow_switch

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        if not revoked:
            return
        metrics.CONSUMER_REBALANCES.labels(*self._labels).inc()
        try:
            async with asyncio.timeout(REBALANCE_TIMEOUT_SECONDS - 10):
                async with self._in_hand:
                    pass
        except TimeoutError:
            # The streams rows fence what this batch may still try to save.
            log.warning("partitions left in the middle of a batch", topic=self._labels[1])

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._follow_switch()


async def _parse(records: Records) -> KafkaMessage:
    """Wrap the raw records; FastStream's own parser loses records with odd headers."""
    first = records[0]
    return KafkaMessage(
        body=records,
        raw_message=records,
        headers={},
        message_id=f"{first.topic}-{first.partition}-{first.offset}",
        consumer=FAKE_CONSUMER,
    )


async def _body(message: KafkaMessage) -> Any:
    return message.body


def _incoming(record: "ConsumerRecord[bytes, bytes]", topic: str) -> Incoming:
    logical = Record(topic, record.key, record.value, tuple(record.headers))
    return Incoming(logical, record.partition, record.offset)


def _observe_age(labels: tuple[str, str], records: Records) -> None:
    newest = max(record.timestamp for record in records)
    metrics.CONSUMER_EVENT_AGE.labels(*labels).observe(max(0.0, time.time() - newest / 1_000))
