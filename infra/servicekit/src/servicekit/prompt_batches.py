"""Makes FastStream's batch subscriber take what comes at once.

After a wait in which nothing came it sleeps as long again before it asks anew: a fact that comes
then lies there, in every service that it passes through. `install` leaves that sleep out, so that
the wait may be long, which costs an idle process least.
"""

from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer
from faststream.kafka.subscriber.usecase import BatchSubscriber


async def _get_msg(self: Any, consumer: AIOKafkaConsumer) -> tuple[Any, ...]:
    """Return a batch as soon as there is one, or nothing after the wait."""
    found = await consumer.getmany(timeout_ms=self.batch_timeout_ms, max_records=self.max_records)
    return tuple(chain(*found.values()))


def install() -> None:
    """Put it in place for all subscribers of this process; repeatable."""
    BatchSubscriber.get_msg = _get_msg  # type: ignore[method-assign]
