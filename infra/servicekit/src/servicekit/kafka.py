"""How to reach the brokers: one connection description for producers, consumers and questions."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code
from aiokafka.helpers import create_ssl_context
from faststream.security import BaseSecurity, SASLScram256, SASLScram512

from servicekit.errors import DependencyAway
from servicekit.stopping import CLOSING_SECONDS, ended


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """Who we are to the brokers, over TLS; `ca_file` None trusts what the system trusts."""

    user: str
    password: str = field(repr=False)
    ca_file: str | None
    mechanism: str = "SCRAM-SHA-512"

    def client_options(self) -> dict[str, Any]:
        """Return the options of every aiokafka client."""
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": create_ssl_context(cafile=self.ca_file),
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }

    def faststream(self) -> BaseSecurity:
        """Return the same for FastStream, which takes no such options."""
        kind = SASLScram512 if self.mechanism == "SCRAM-SHA-512" else SASLScram256
        return kind(self.user, self.password, create_ssl_context(cafile=self.ca_file), use_ssl=True)


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Addresses, separated by commas, and names.

    `topic_prefix` separates suites that share one cluster (0012).
    """

    bootstrap_servers: str
    client_id: str
    topic_prefix: str = ""
    security: KafkaSecurity | None = None

    def physical(self, name: str) -> str:
        """Return the name on the cluster of a topic or group of this suite."""
        return self.topic_prefix + name

    @property
    def servers(self) -> list[str]:
        """The addresses, one by one: FastStream takes a text with commas for one address."""
        return [server.strip() for server in self.bootstrap_servers.split(",")]

    def client_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"bootstrap_servers": self.servers, "client_id": self.client_id}
        return options | (self.security.client_options() if self.security else {})

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
            await ended(admin.close(), CLOSING_SECONDS)
        answers = {answer["topic"]: answer for answer in found}
        unknown = {"error_code": UnknownTopicOrPartitionError.errno, "partitions": []}
        return {topic: answers.get(self.physical(topic), unknown) for topic in topics}
