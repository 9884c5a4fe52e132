"""How far a topic goes, and how far one group of this service has committed."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.stopping import CLOSING_SECONDS, ended, stop_consumer


class TopicPositions:
    """Offsets of one topic and one group, asked from the brokers."""

    def __init__(self, connection: KafkaConnection, topic: str, group: str) -> None:
        self._connection = connection
        self._topic = topic
        self._group = connection.physical(group)

    async def ends(self) -> dict[int, int]:
        """Return the end offset of each partition that holds anything, none for a missing topic.

        Raises `DependencyAway` if no broker answers.
        """
        numbers = await self._connection.partitions(self._topic)
        physical = self._connection.physical(self._topic)
        partitions = [TopicPartition(physical, number) for number in numbers]
        consumer = AIOKafkaConsumer(**self._connection.client_options(), request_timeout_ms=5_000)
        try:
            async with asyncio.timeout(10):
                await consumer.start()
                begins = await consumer.beginning_offsets(partitions)
                ends = await consumer.end_offsets(partitions)
        except (KafkaError, TimeoutError, OSError) as error:
            raise DependencyAway(f"Kafka: {error!r}") from error
        finally:
            await stop_consumer(consumer)
        # A partition without records has nothing to wait for, and never gets a position.
        return {p.partition: ends[p] for p in partitions if ends[p] > begins[p]}

    async def committed(self) -> dict[int, int]:
        """Return the group's committed position per partition; same errors as `ends`."""
        admin = AIOKafkaAdminClient(**self._connection.client_options(), request_timeout_ms=5_000)
        physical = self._connection.physical(self._topic)
        try:
            async with asyncio.timeout(10):
                await admin.start()
                offsets = await admin.list_consumer_group_offsets(self._group)
        except (KafkaError, TimeoutError, OSError) as error:
            raise DependencyAway(f"Kafka: {error!r}") from error
        finally:
            await ended(admin.close(), CLOSING_SECONDS)
        return {p.partition: o.offset for p, o in offsets.items() if p.topic == physical}

    async def members(self) -> list[str]:
        """Return the clients that read for the group now; same errors as `ends`."""
        admin = AIOKafkaAdminClient(**self._connection.client_options(), request_timeout_ms=5_000)
        try:
            async with asyncio.timeout(10):
                await admin.start()
                (answer,) = await admin.describe_consumer_groups([self._group])
        except (KafkaError, TimeoutError, OSError) as error:
            raise DependencyAway(f"Kafka: {error!r}") from error
        finally:
            await ended(admin.close(), CLOSING_SECONDS)
        return [member[1] for group in answer.groups for member in group[5]]
