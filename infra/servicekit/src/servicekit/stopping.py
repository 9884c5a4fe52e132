"""Stopping clients of Kafka: in bounded time, nobody is cancelled by it, nothing of them goes on.

aiokafka waits for what it has cancelled, and lets out the cancellation of a fetch that was waiting
for its next try: whoever stopped a consumer would be cancelled by nobody, and its process would
end. It waits for brokers that answer nothing, over TLS for half a minute a connection. Of what it
offers no way to end, private fields are used: look at it when aiokafka is updated.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection

log = structlog.get_logger()

STOPPING_SECONDS = 3.0
# Connections that were told to close: what is still to be sent, nobody waits for any more.
CLOSING_SECONDS = 1.0
_CONSUMER_TASKS = (
    "_fetch_task",
    "_coordination_task",
    "_heartbeat_task",
    "_commit_refresh_task",
    "_reset_committed_task",
)


async def ended(ending: Coroutine[Any, Any, Any], seconds: float) -> bool:
    """Let it come to its end in so much time; return whether it did, without an error.

    It runs in a task of its own. What it meets is nobody's concern any more: it is logged.
    """
    task = asyncio.ensure_future(ending)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_unasked)
    if not task.done():
        log.warning("not stopped in time", what=getattr(ending, "__qualname__", ""))
        return False
    if error := _unasked(task):
        log.warning("stopped with an error", error=repr(error))
    return error is None


async def stop_consumer(
    consumer: AIOKafkaConsumer | None,
    stopping: Coroutine[Any, Any, Any] | None = None,
    seconds: float = STOPPING_SECONDS,
) -> None:
    """Stop it, by `stopping` where more than itself is to be stopped; raise nothing."""
    ending = stopping or (consumer.stop() if consumer else None)
    if ending is not None and not await ended(ending, seconds) and consumer is not None:
        # What comes last in `stop` and was not come to: else it would fetch on for ever, and its
        # connections would stay open.
        for task in _tasks_of(consumer):
            task.cancel()
        await close_client(consumer._client)


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop it at once: what it holds may be on the topic or not, and nobody waits for it.

    Its own `stop` waits until brokers have taken all, and cut short it leaves behind a sender that
    tries so for ever, and sends what was sent again long ago.
    """
    producer._closed = True
    sender, client = producer._sender.sender_task, producer.client
    if sender is not None:
        sender.cancel()
    client._conns = _NoMoreConnections(client._conns)
    await close_client(client)
    if sender is not None:
        # What was on its way waits for news of the cluster, which nobody brings any more.
        if client._md_update_fut is None:
            client._md_update_fut = asyncio.get_running_loop().create_future()
        client._md_update_fut.cancel()
        await asyncio.wait({sender}, timeout=CLOSING_SECONDS)


class _NoMoreConnections(dict[Any, AIOKafkaConnection]):
    """A stopped client's connections; one that is only now made is closed at once.

    What waits for it, one batch for each broker, would be sent to whoever answers later.
    """

    def __setitem__(self, place: Any, connection: AIOKafkaConnection) -> None:
        connection.close()
        super().__setitem__(place, connection)


async def close_client(client: AIOKafkaClient) -> None:
    """Close its connections."""
    await ended(client.close(), CLOSING_SECONDS)


def _tasks_of(consumer: AIOKafkaConsumer) -> list["asyncio.Task[Any]"]:
    """Return what it does beside our asking, as far as it has begun to."""
    parts = (consumer._fetcher, consumer._coordinator)
    found = (getattr(part, name, None) for part in parts for name in _CONSUMER_TASKS)
    return [task for task in found if task is not None]


def _unasked(task: asyncio.Task[Any]) -> BaseException | None:
    """Return what it ended by, so that nobody says that nobody asked."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()
