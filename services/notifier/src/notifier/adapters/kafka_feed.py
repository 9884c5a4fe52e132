"""The feed over Kafka: it is the topics themselves (decision 0033)."""

from datetime import datetime

from notifier.domain.webhook_endpoint import Cursor
from notifier.ports.webhooks import FeedFact
from notifier.wire.webhooks import feed_fact
from servicekit.topic_pages import TopicPages


class KafkaFeed:
    """`ports.Feed` over pages of the feed's topics."""

    def __init__(self, pages: TopicPages) -> None:
        self._pages = pages

    async def beginning(self) -> Cursor:
        return await self._pages.beginning()

    async def end(self) -> Cursor:
        return await self._pages.end()

    async def at(self, instant: datetime) -> Cursor:
        return await self._pages.at(instant)

    async def page(self, cursor: Cursor, limit: int) -> list[FeedFact]:
        return [feed_fact(one) for one in await self._pages.page(cursor, limit)]
