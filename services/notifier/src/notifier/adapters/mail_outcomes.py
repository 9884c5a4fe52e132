"""What became of mails, told at once and without an outbox, and read back once in a while.

A record that the broker has not acknowledged is lost; it says what happened and makes nothing
happen. Only a restored backup reads it back.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import structlog

from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Standing
from notifier.wire.emails import DELIVERIES_TOPIC, mailed_from, outcomes_of
from servicekit.kafka import KafkaConnection
from servicekit.publish import Publisher
from servicekit.topic_reader import TopicReader

log = structlog.get_logger()


class PublishedMailOutcomes:
    """`ports.email.MailOutcomes` over a publisher."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def tell(self, chunk: Chunk, standings: Mapping[int, Standing], now: datetime) -> None:
        records = outcomes_of(chunk, standings, now)
        if records and not all(await self._publisher.publish(records)):
            log.warning("outcomes of mails not acknowledged", records=len(records))


class TopicOfMailed:
    """`ports.email.MailedBefore`: the whole topic, from its beginning."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def pages(self) -> AsyncIterator[list[str]]:
        async for page in TopicReader(self._connection, DELIVERIES_TOPIC).read({}):
            yield mailed_from([one.record for one in page])
