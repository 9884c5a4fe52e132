"""How to reach the brokers: one connection description for producers, consumers and questions."""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from servicekit.errors import DependencyAway


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Addresses and names; `topic_prefix` separates suites that share one cluster (0012)."""

    bootstrap_servers: str
    client_id: str
    topic_prefix: str = ""

    def physical(self, name: str) -> str:
        """Return the name on the cluster of a topic or group of this suite."""
        return self.topic_prefix + name

    def client_options(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap_servers, "client_id": self.client_id}

    async def missing_topics(self, topics: list[str]) -> dict[str, str]:
        """Return the topics that cannot be used now, each with the broker's reason.

        Raises `DependencyAway` when no broker answers.
        """
        answers = await self._describe(topics)
        # Admin calls return error codes and do not raise (`stack.md` 1).
        codes = {topic: answers[topic]["error_code"] for topic in topics}
        return {topic: for_code(code).__name__ for topic, code in codes.items() if code}

    async def partitions(self, topic: str) -> list[int]:
        """Return the numbers of the topic's partitions, none if it is missing.

        Raises `DependencyAway` when no broker answers.
        """
        answer = (await self._describe([topic]))[topic]
        return sorted(partition["partition"] for partition in answer["partitions"])

    async def _describe(self, topics: list[str]) -> dict[str, Any]:
        admin = AIOKafkaAdminClient(**self.client_options(), request_timeout_ms=5_000)
        try:
            async with asyncio.timeout(10):
                await admin.start()
                found = await admin.describe_topics([self.physical(topic) for topic in topics])
        except (KafkaError, TimeoutError, OSError) as error:
            raise DependencyAway(f"Kafka: {error!r}") from error
        finally:
            await admin.close()
        answers = {answer["topic"]: answer for answer in found}
        unknown = {"error_code": UnknownTopicOrPartitionError.errno, "partitions": []}
        return {topic: answers.get(self.physical(topic), unknown) for topic in topics}
