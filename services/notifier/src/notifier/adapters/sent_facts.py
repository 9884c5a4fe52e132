"""What endpoints were sent, on `notifier.deliveries`: published at once, without an outbox.

A record that the broker has not acknowledged is lost; it says what happened and makes nothing
happen. Only a restored backup reads it back.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from notifier.domain.webhook_endpoint import WebhookEndpoint
from notifier.ports.webhooks import FeedFact
from notifier.wire.webhooks import given_up, sent
from servicekit.publish import Publisher
from sosst_contracts.codec import Record

log = structlog.get_logger()


class PublishedSentFacts:
    """`ports.SentFacts` over a publisher."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def tell(
        self, endpoint: WebhookEndpoint, facts: Sequence[FeedFact], now: datetime
    ) -> None:
        await self._publish(sent(endpoint, facts, now))

    async def tell_failed(self, endpoint: WebhookEndpoint, fact: FeedFact, now: datetime) -> None:
        await self._publish([given_up(endpoint, fact, now)])

    async def _publish(self, records: Sequence[Record]) -> None:
        acknowledged = await self._publisher.publish(records)
        if not all(acknowledged):
            log.warning("outcomes of webhooks not acknowledged", records=len(records))
