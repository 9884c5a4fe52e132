"""The queues over all campaigns, page by page, for people and for the command line."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from payouts.domain.refund import Refund
from payouts.domain.waiting import (
    REFUND_STATES,
    STAGE_STATES,
    QueueName,
    Waiting,
    id_of,
    waits_since,
)
from payouts.ports.queries import Queries

Place = tuple[datetime, str]


async def page_of(
    queries: Queries,
    name: QueueName,
    after: Place | None,
    limit: int,
    now: datetime,
    warning: timedelta,
) -> Sequence[Waiting]:
    """Return what waits there, the longest first; of closing windows the first to close first."""
    if name in REFUND_STATES:
        return await queries.refund_queue(REFUND_STATES[name], after, limit)
    if name in STAGE_STATES:
        return await queries.stage_queue(STAGE_STATES[name], after, limit)
    if name is QueueName.STAGES_UNKNOWN:
        return await queries.stages_unknown(after, limit)
    if name is QueueName.RECEIVABLES:
        return await queries.receivable_queue(after, limit)
    return await queries.windows_closing(now + warning, after, limit)


def place_in(name: QueueName, one: Waiting) -> Place:
    """Return where the page behind this one begins."""
    if name is QueueName.WINDOW_CLOSING and isinstance(one, Refund) and one.refundable_until:
        return one.refundable_until, one.refund_id
    return waits_since(one), id_of(one)
