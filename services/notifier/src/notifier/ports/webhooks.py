"""What sending webhooks needs from outside, and what it may rely on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from notifier.domain.webhook_endpoint import (
    Cursor,
    SendOutcome,
    SigningSecret,
    WebhookEndpoint,
)


@dataclass(frozen=True, slots=True)
class FeedFact:
    """One fact of the feed: its place, and what is sent of it, byte for byte on every attempt.

    `body` is None for a record that is no event: nobody is sent it.
    """

    topic: str
    partition: int
    offset: int
    fact_id: str
    type_name: str
    campaign_id: str
    body: bytes | None


class WebhookEndpoints(Protocol):
    """Endpoints, bound to one transaction."""

    async def load(self, endpoint_id: str) -> WebhookEndpoint | None: ...

    async def save(self, endpoint: WebhookEndpoint) -> None:
        """Insert a new one (version 0) or replace the loaded one; `Conflict` if saved since."""
        ...


class EndpointQueries(Protocol):
    """Reads of endpoints outside a transaction."""

    async def endpoint(self, endpoint_id: str) -> WebhookEndpoint | None: ...

    async def endpoints(self, after: str, limit: int) -> list[WebhookEndpoint]:
        """Return a page by id."""
        ...

    async def awaiting(self) -> list[str]:
        """Return the ids of those that are enabled and not failing."""
        ...

    async def states(self) -> dict[str, int]:
        """Count the endpoints that are enabled, failing and disabled."""
        ...


class Feed(Protocol):
    """The facts that endpoints are sent, each topic by partition, kept for ever."""

    async def beginning(self) -> Cursor:
        """Return where the first facts stand. Raises `DependencyAway`, as all of these do."""
        ...

    async def end(self) -> Cursor:
        """Return where the next facts will stand."""
        ...

    async def at(self, instant: datetime) -> Cursor:
        """Return where the facts of this instant and later ones stand."""
        ...

    async def page(self, cursor: Cursor, limit: int) -> list[FeedFact]:
        """Return about `limit` facts from the cursor on, each partition in its order.

        Partitions stand among each other by the time at which their facts were written. One that
        the cursor does not name is read from its beginning.
        """
        ...


class WebhookSender(Protocol):
    """The way out to an endpoint."""

    async def send(
        self, url: str, fact: FeedFact, secrets: Sequence[str], at: datetime
    ) -> SendOutcome:
        """Post one fact, signed with each secret; never raises for what the receiver does."""
        ...


class WebhookSecrets(Protocol):
    """Makes endpoints' secrets; nothing that signs is stored."""

    def draw(self, secret_id: str, made_by: str, now: datetime) -> SigningSecret:
        """Draw a new one under the current key."""
        ...

    def secret(self, endpoint_id: str, drawn: SigningSecret) -> str | None:
        """Return the secret as its owner was shown it, None where its key is gone."""
        ...


class SentFacts(Protocol):
    """Says on `notifier.deliveries` what endpoints were sent."""

    async def tell(
        self, endpoint: WebhookEndpoint, facts: Sequence[FeedFact], now: datetime
    ) -> None: ...

    async def tell_failed(self, endpoint: WebhookEndpoint, fact: FeedFact, now: datetime) -> None:
        """Say that this fact was given up with its endpoint."""
        ...
