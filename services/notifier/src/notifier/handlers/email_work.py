"""The work of the channel e-mail: what is offered once a chunk's people were told."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Channel, Delivery, DeliveryState, Standing, begin
from notifier.domain.kind import is_written, merged_as, rules_of, waits_for_more
from notifier.ports.unit import NotifierUnit
from servicekit.work import WorkItem

EMAIL = "email"


AT_ONCE = timedelta(0)


async def begin_emails(
    unit: NotifierUnit, chunks: Sequence[Chunk], now: datetime, window: timedelta = AT_ONCE
) -> None:
    """Keep that these chunks' people are to be written to, and offer the work that does it.

    News wait for the window to end: what else comes until then goes in their mail.
    """
    written = [chunk for chunk in chunks if is_written(chunk.told.kind, chunk.role)]
    await unit.deliveries.add_new([new_delivery(chunk) for chunk in written])
    await unit.plumbing.work.offer(
        [email_work(chunk, _due(chunk, now, window)) for chunk in written]
    )


def _due(chunk: Chunk, now: datetime, window: timedelta) -> datetime:
    return now + window if waits_for_more(chunk.told, chunk.role) else now


def new_delivery(chunk: Chunk) -> Delivery:
    """Return the delivery of a chunk of which nobody was written to."""
    told = chunk.told
    size, priority = len(chunk.recipients), rules_of(told).priority
    begun = begin(
        chunk.chunk_id,
        Channel.EMAIL,
        told.cause,
        told.campaign_id,
        priority,
        size,
        merged_as(told, chunk.role),
    )
    if not chunk.suppressed:
        return begun
    places = {one: place for place, one in enumerate(chunk.recipients)}
    return begun.moved(
        {
            places[one]: Standing(DeliveryState.SUPPRESSED, reason)
            for one, reason in chunk.suppressed.items()
        }
    )


def email_work_id(chunk_id: str) -> str:
    """Return the id of the work that writes to a chunk's people."""
    return f"email/{chunk_id}"


def email_work(chunk: Chunk, due: datetime) -> WorkItem:
    """Return the work that writes to a chunk's people; each cause has its turn at the server."""
    return WorkItem(
        id=email_work_id(chunk.chunk_id),
        kind=EMAIL,
        due=due,
        priority=rules_of(chunk.told).priority,
        payload={"chunk_id": chunk.chunk_id},
        group=chunk.told.cause,
    )
