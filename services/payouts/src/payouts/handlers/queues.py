"""The queues of refunds over all campaigns, page by page, for people and for the command line."""

from datetime import datetime, timedelta

from payouts.domain.refund import Refund
from payouts.domain.waiting import QueueName, state_of
from payouts.ports.queries import Queries

Place = tuple[datetime, str]


async def page_of(
    queries: Queries,
    name: QueueName,
    after: Place | None,
    limit: int,
    now: datetime,
    warning: timedelta,
) -> list[Refund]:
    """Return refunds that wait there, oldest first; of closing windows the first to close first."""
    state = state_of(name)
    if state is None:
        return await queries.windows_closing(now + warning, after, limit)
    return await queries.refund_queue(state, after, limit)


def place_in(name: QueueName, refund: Refund) -> Place:
    """Return where the page behind this refund begins."""
    closes = refund.refundable_until if name is QueueName.WINDOW_CLOSING else None
    return closes or refund.created_at, refund.refund_id
