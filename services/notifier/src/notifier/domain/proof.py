"""Proof of notice: who of a cause was told how, by channel, or why not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from notifier.domain.chunk import Chunk, ChunkState
from notifier.domain.delivery import Channel, Delivery
from notifier.domain.kind import ToldAs
from notifier.domain.notification import NotificationIds
from notifier.domain.unreached import OTHERWISE, Unreached

INBOX = "inbox"
REASON_GONE = "reason-gone"
# In front of the notification in whose mail this one went.
MERGED = "merged-into"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one person's notification on one channel; `reason` is a word of ours."""

    person_id: str
    role: ToldAs
    notification_id: str
    channel: str
    outcome: str
    reason: str = ""


def outcomes_of(
    chunk: Chunk,
    deliveries: Mapping[Channel, Delivery],
    otherwise: Sequence[Unreached] = (),
) -> Iterator[Outcome]:
    """Return each person's outcome in the inbox, and on each channel that has this chunk.

    `otherwise` are those of the chunk whom no mail reached, though it is decisive for them.
    """
    ids = NotificationIds(chunk.told.cause, chunk.told.caused_at)
    unreached = {one.person_id: one for one in otherwise}
    for place, person_id in enumerate(chunk.recipients):
        known = person_id, chunk.role, ids.of(person_id)
        yield Outcome(*known, INBOX, *_in_the_inbox(chunk, person_id))
        for channel, delivery in deliveries.items():
            standing = delivery.standings[place]
            merged = f"{MERGED} {standing.inside}" if standing.inside else ""
            reason = standing.reason or merged
            yield Outcome(*known, channel.value, standing.state.value, reason)
        if (left := unreached.get(person_id)) is not None:
            reason = left.ended.how.value if left.ended else left.reason
            yield Outcome(*known, OTHERWISE, left.outcome.value, reason)


def _in_the_inbox(chunk: Chunk, person_id: str) -> tuple[str, str]:
    if chunk.state is ChunkState.WITHDRAWN:
        return "suppressed", REASON_GONE
    if chunk.state is not ChunkState.DONE:
        return "pending", ""
    reason = chunk.suppressed.get(person_id, "")
    return ("suppressed", reason) if reason else ("delivered", "")
