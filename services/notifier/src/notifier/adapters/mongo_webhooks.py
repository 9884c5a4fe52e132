"""Endpoints in MongoDB: the collection `webhook_endpoints`, guarded by each document's version."""

from dataclasses import replace

from notifier.domain.webhook_endpoint import (
    Cursor,
    DisabledBecause,
    EndpointState,
    SendOutcome,
    SigningSecret,
    WantedFacts,
    WebhookEndpoint,
)
from servicekit.documents import read_as
from servicekit.errors import Conflict
from servicekit.mongo import Database, Document, Session, sorted_errors

_FAILING: Document = {"state": EndpointState.ENABLED.value, "failing_since": {"$ne": None}}
_ENABLED: Document = {"state": EndpointState.ENABLED.value, "failing_since": None}
_DISABLED: Document = {"state": EndpointState.DISABLED.value}


class MongoWebhookEndpoints:
    """`ports.WebhookEndpoints` in a transaction."""

    def __init__(self, database: Database, session: Session) -> None:
        self._endpoints = database.collection("webhook_endpoints")
        self._session = session

    async def load(self, endpoint_id: str) -> WebhookEndpoint | None:
        with sorted_errors():
            row = await self._endpoints.find_one({"_id": endpoint_id}, session=self._session)
        return _endpoint(row) if row else None

    async def save(self, endpoint: WebhookEndpoint) -> None:
        document = _document(replace(endpoint, version=endpoint.version + 1))
        with sorted_errors():
            if endpoint.version == 0:
                await self._endpoints.insert_one(document, session=self._session)
                return
            loaded = {"_id": endpoint.endpoint_id, "version": endpoint.version}
            result = await self._endpoints.replace_one(loaded, document, session=self._session)
        if result.matched_count != 1:
            raise Conflict("an endpoint was saved by somebody else")


class MongoEndpointQueries:
    """`ports.EndpointQueries`."""

    def __init__(self, database: Database) -> None:
        self._endpoints = database.collection("webhook_endpoints")

    async def endpoint(self, endpoint_id: str) -> WebhookEndpoint | None:
        with sorted_errors():
            row = await self._endpoints.find_one({"_id": endpoint_id})
        return _endpoint(row) if row else None

    async def endpoints(self, after: str, limit: int) -> list[WebhookEndpoint]:
        with sorted_errors():
            cursor = self._endpoints.find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit)
            return [_endpoint(row) for row in await cursor.to_list(None)]

    async def awaiting(self) -> list[str]:
        with sorted_errors():
            cursor = self._endpoints.find(_ENABLED, {"_id": 1})
            return [row["_id"] for row in await cursor.to_list(None)]

    async def states(self) -> dict[str, int]:
        groups = {"enabled": _ENABLED, "failing": _FAILING, "disabled": _DISABLED}
        with sorted_errors():
            return {
                name: await self._endpoints.count_documents(query) for name, query in groups.items()
            }


def _document(endpoint: WebhookEndpoint) -> Document:
    wanted, because = endpoint.wanted, endpoint.disabled_because
    return {
        "_id": endpoint.endpoint_id,
        "owner_id": endpoint.owner_id,
        "url": endpoint.url,
        "campaigns": None if wanted.campaigns is None else sorted(wanted.campaigns),
        "types": None if wanted.types is None else sorted(wanted.types),
        "secrets": [
            {
                "secret_id": one.secret_id,
                "key_id": one.key_id,
                "salt": one.salt,
                "made_by": one.made_by,
                "made_at": one.made_at,
            }
            for one in endpoint.secrets
        ],
        "cursor": [
            {"topic": topic, "partition": partition, "offset": offset}
            for (topic, partition), offset in sorted(endpoint.cursor.items())
        ],
        "state": endpoint.state.value,
        "disabled_because": because.value if because else None,
        "failing_since": endpoint.failing_since,
        "failures": endpoint.failures,
        "last_failure": endpoint.last_failure.value if endpoint.last_failure else None,
        "sent_before": sorted(endpoint.sent_before),
        "version": endpoint.version,
    }


def _endpoint(row: Document) -> WebhookEndpoint:
    because, last = row["disabled_because"], row["last_failure"]
    return WebhookEndpoint(
        endpoint_id=row["_id"],
        owner_id=row["owner_id"],
        url=row["url"],
        wanted=WantedFacts(_set(row["campaigns"]), _set(row["types"])),
        secrets=tuple(read_as(SigningSecret, one) for one in row["secrets"]),
        cursor=_cursor(row["cursor"]),
        state=EndpointState(row["state"]),
        disabled_because=DisabledBecause(because) if because else None,
        failing_since=row["failing_since"],
        failures=row["failures"],
        last_failure=SendOutcome(last) if last else None,
        sent_before=frozenset(row["sent_before"]),
        version=row["version"],
    )


def _set(words: list[str] | None) -> frozenset[str] | None:
    return None if words is None else frozenset(words)


def _cursor(places: list[Document]) -> Cursor:
    return {(one["topic"], one["partition"]): one["offset"] for one in places}
