"""The owner of an endpoint hears that nothing more is sent to it, and why."""

from datetime import datetime

from notifier.domain.cause import CauseKind, Told, subject_within
from notifier.domain.chunk import Chunk, chunk_name
from notifier.domain.kind import ToldAs
from notifier.domain.webhook_endpoint import WebhookEndpoint
from notifier.handlers.hear import PUBLISH_ONE, publish_work
from notifier.ports.unit import NotifierUnit
from notifier.ports.webhooks import FeedFact


async def tell_owner(
    unit: NotifierUnit, endpoint: WebhookEndpoint, fact: FeedFact, now: datetime
) -> None:
    """Tell who registered the endpoint that it is disabled, once each time that it is.

    `fact` is the one that it ended with: its campaign is the one that the notification names. An
    owner that is a service has an inbox that nobody reads; the alert asks staff to tell its people.
    """
    told = _told(endpoint, fact, now)
    owner = (endpoint.owner_id,)
    chunk = Chunk(chunk_name(told.cause, ToldAs.OWNER), told, owner, None, role=ToldAs.OWNER)
    new = await unit.chunks.add_new([chunk])
    await unit.plumbing.work.offer([publish_work(PUBLISH_ONE, one, now) for one in new])


def _told(endpoint: WebhookEndpoint, fact: FeedFact, now: datetime) -> Told:
    assert endpoint.disabled_because is not None and endpoint.last_failure is not None
    assert endpoint.failing_since is not None
    content = {
        "endpoint_id": endpoint.endpoint_id,
        "because": endpoint.disabled_because.value,
        "last_failure": endpoint.last_failure.value,
        "failing_since": endpoint.failing_since.isoformat(),
    }
    milliseconds = int(now.timestamp() * 1_000)
    subject = subject_within(endpoint.endpoint_id, str(milliseconds))
    return Told(CauseKind.WEBHOOK_DISABLED, subject, fact.campaign_id, now, content)
