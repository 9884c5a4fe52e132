"""Endpoints and the feed in memory; `test_webhooks.py` holds them and the real to one suite."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from notifier.domain.webhook_endpoint import Cursor, WebhookEndpoint
from notifier.ports.webhooks import FeedFact
from notifier.wire.webhooks import feed_fact
from servicekit.errors import Conflict, DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.ordering import Incoming
from servicekit.publish import partition_of
from sosst_contracts.codec import Record


class MemoryWebhookEndpoints:
    def __init__(self, database: MemoryDatabase) -> None:
        self._endpoints: dict[str, WebhookEndpoint] = database.table("webhook_endpoints")

    async def load(self, endpoint_id: str) -> WebhookEndpoint | None:
        return self._endpoints.get(endpoint_id)

    async def save(self, endpoint: WebhookEndpoint) -> None:
        stored = self._endpoints.get(endpoint.endpoint_id)
        if stored is not None and endpoint.version == 0:
            raise DuplicateKey("there is such an endpoint")
        if (stored.version if stored else 0) != endpoint.version:
            raise Conflict("an endpoint was saved by somebody else")
        saved = replace(endpoint, version=endpoint.version + 1)
        self._endpoints[endpoint.endpoint_id] = saved


class MemoryEndpointQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._endpoints: dict[str, WebhookEndpoint] = database.table("webhook_endpoints")

    async def endpoint(self, endpoint_id: str) -> WebhookEndpoint | None:
        return self._endpoints.get(endpoint_id)

    async def endpoints(self, after: str, limit: int) -> list[WebhookEndpoint]:
        return [one for name, one in sorted(self._endpoints.items()) if name > after][:limit]

    async def awaiting(self) -> list[str]:
        found = self._endpoints.values()
        return sorted(e.endpoint_id for e in found if e.is_enabled and e.failing_since is None)

    async def states(self) -> dict[str, int]:
        states = {"enabled": 0, "failing": 0, "disabled": 0}
        for one in self._endpoints.values():
            failing = "failing" if one.failing_since is not None else "enabled"
            states[failing if one.is_enabled else "disabled"] += 1
        return states


class MemoryFeed:
    """Topics of two partitions; `write` says when a record was written."""

    def __init__(self, topics: Sequence[str], partitions: int = 2) -> None:
        self._partitions = partitions
        self._facts: dict[tuple[str, int], list[tuple[datetime, FeedFact]]] = {
            (topic, number): [] for topic in topics for number in range(partitions)
        }

    def write(self, at: datetime, *records: Record) -> None:
        for record in records:
            number = partition_of(record.key or b"", self._partitions)
            written = self._facts[record.topic, number]
            written.append((at, feed_fact(Incoming(record, number, len(written)))))

    async def beginning(self) -> Cursor:
        return dict.fromkeys(self._facts, 0)

    async def end(self) -> Cursor:
        return {place: len(written) for place, written in self._facts.items()}

    async def at(self, instant: datetime) -> Cursor:
        return {
            place: sum(1 for at, _ in written if at < instant)
            for place, written in self._facts.items()
        }

    async def page(self, cursor: Cursor, limit: int) -> list[FeedFact]:
        left = [
            (at, fact)
            for place, written in self._facts.items()
            for at, fact in written[cursor.get(place, 0) :]
        ]
        left.sort(key=lambda one: one[0])
        return [fact for _, fact in left[:limit]]
