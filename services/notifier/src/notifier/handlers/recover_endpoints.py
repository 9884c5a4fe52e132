"""Endpoints after a restored backup: what they have taken since stands on `notifier.deliveries`."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace

from notifier.domain.webhook_endpoint import WebhookEndpoint
from notifier.ports.unit import NotifierUnit
from notifier.ports.webhooks import EndpointQueries, Feed
from servicekit.units import UnitsOfWork

PAGE = 200
# What each endpoint has taken by the topic, by its name among those who are told.
Taken = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class RecoverEndpoints:
    """Sees to it that no endpoint is sent again what it has taken.

    `taken` reads the topic, `told_id` is how a fact is named there.
    """

    units: UnitsOfWork[NotifierUnit]
    endpoints: EndpointQueries
    feed: Feed
    taken: Callable[[], Awaitable[Taken]]
    told_id: Callable[[str], str]

    async def __call__(self) -> list[str]:
        """Remember what endpoints have taken since the backup."""
        taken, lines, after = await self.taken(), [], ""
        while page := await self.endpoints.endpoints(after, PAGE):
            lines += [
                await self._remember(one, taken[one.recipient_id])
                for one in page
                if one.recipient_id in taken
            ]
            after = page[-1].endpoint_id
        return lines

    async def _remember(self, endpoint: WebhookEndpoint, taken: Collection[str]) -> str:
        found: set[str] = set()
        cursor = dict(endpoint.cursor)
        while page := await self.feed.page(cursor, PAGE):
            for fact in page:
                cursor[fact.topic, fact.partition] = fact.offset + 1
                if self.told_id(fact.fact_id) in taken:
                    found.add(fact.fact_id)
        known = replace(endpoint, sent_before=endpoint.sent_before | found)
        await self.units.run(lambda unit: unit.endpoints.save(known))
        name = endpoint.endpoint_id
        return f"webhook endpoint {name}: {len(found)} facts that it has are not sent again"
