"""How far a chunk's people have been reached by one channel: a state for each of them.

Nobody waits for anybody: who has no address, is muted or must wait has a state of their own, and
the others go on. `sending` is marked before the send, so that a crash is seen afterwards: whoever
was being sent to is sent to again, with the same Message-ID, and counted as possibly repeated.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.domain.cause import Totals
from notifier.domain.errors import Refused

TRY_AGAIN_MOST = timedelta(hours=12)
# With a first pause of five minutes these are four and a half days.
ATTEMPTS_MAX = 14


class Channel(StrEnum):
    EMAIL = "email"


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    LATER = "later"
    DELIVERED = "delivered"
    SUPPRESSED = "suppressed"
    FAILED = "failed"


# Delivered becomes failed when a bounce comes back after the server had taken the mail.
TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset(
        {
            DeliveryState.SENDING,
            DeliveryState.SUPPRESSED,
            DeliveryState.LATER,
            DeliveryState.FAILED,
        }
    ),
    DeliveryState.SENDING: frozenset(
        {
            DeliveryState.PENDING,
            DeliveryState.SENDING,
            DeliveryState.LATER,
            DeliveryState.DELIVERED,
            DeliveryState.SUPPRESSED,
            DeliveryState.FAILED,
        }
    ),
    DeliveryState.LATER: frozenset(
        {
            DeliveryState.SENDING,
            DeliveryState.SUPPRESSED,
            DeliveryState.LATER,
            DeliveryState.FAILED,
        }
    ),
    DeliveryState.DELIVERED: frozenset({DeliveryState.FAILED}),
    DeliveryState.SUPPRESSED: frozenset(),
    DeliveryState.FAILED: frozenset(),
}
OPEN = frozenset({DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.LATER})


@dataclass(frozen=True, slots=True)
class Place:
    """One recipient of one chunk."""

    chunk_id: str
    place: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one recipient stands; `due` is when `later` is, `attempts` counts answers of `later`.

    `reason` is a word of ours, never what a server wrote. `carries` are the same person's other
    notices that go in this one's mail: fixed before it leaves, and kept for what comes back of it.
    `inside` is the notification in whose mail this one goes; the outcome of that mail is its own.
    """

    state: DeliveryState = DeliveryState.PENDING
    reason: str = ""
    due: datetime | None = None
    attempts: int = 0
    carries: tuple[Place, ...] = ()
    inside: str = ""

    @property
    def is_begun(self) -> bool:
        """Whether a mail of its own was being sent when this was saved."""
        return self.state is DeliveryState.SENDING and not self.inside

    def is_due(self, now: datetime) -> bool:
        """Whether its first mail, or its next try, may go now."""
        if self.state is DeliveryState.LATER:
            return self.due is None or self.due <= now
        return self.state is DeliveryState.PENDING


@dataclass(frozen=True, slots=True)
class Delivery:
    """One chunk by one channel; standings in the order of the chunk's recipients.

    `merged_as` is the name that it shares with what may go in one mail with it, empty where each
    notice goes alone.
    """

    chunk_id: str
    channel: Channel
    cause: str
    campaign_id: str
    priority: int
    standings: tuple[Standing, ...]
    merged_as: str = ""

    @property
    def key(self) -> str:
        """Return the short name by which a bounce finds it again."""
        return delivery_key(self.channel, self.chunk_id)

    @property
    def left(self) -> int:
        """Return how many have no outcome yet."""
        return sum(1 for standing in self.standings if standing.state in OPEN)

    @property
    def next_due(self) -> datetime | None:
        """Return when the first of those who wait is due; None if nobody waits."""
        return min(self._dues(), default=None)

    @property
    def last_due(self) -> datetime | None:
        """Return when the last of those who wait is due; None if nobody waits."""
        return max(self._dues(), default=None)

    @property
    def has_more(self) -> bool:
        """Whether somebody can be sent to at once; who is inside another mail waits for that."""
        return any(one.state is DeliveryState.PENDING or one.is_begun for one in self.standings)

    def _dues(self) -> Iterator[datetime]:
        for one in self.standings:
            if one.state is DeliveryState.LATER and one.due is not None:
                yield one.due

    def ready(self, now: datetime, most: int) -> list[int]:
        """Return the places of those who can be sent to now; whoever a crash left goes first.

        They are `most`, or all where fewer than half as many would be left: a few cost as much as
        many, what is read, marked and saved for a slice is the same.
        """
        places = range(len(self.standings))
        begun = [p for p in places if self.standings[p].is_begun]
        others = [p for p in places if self.standings[p].is_due(now)]
        ready = [*begun, *others]
        return ready if 2 * (len(ready) - most) < most else ready[:most]

    def moved(self, standings: Mapping[int, Standing]) -> "Delivery":
        """Return the delivery with these recipients moved; raises `Refused` for what cannot be."""
        moved = list(self.standings)
        for place, standing in standings.items():
            if standing.state not in TRANSITIONS[moved[place].state]:
                detail = f"{moved[place].state} does not become {standing.state}"
                raise Refused("impossible-transition", detail)
            moved[place] = standing
        return replace(self, standings=tuple(moved))

    def totals(self) -> Totals:
        """Count the outcomes anew from the standings: never counted up."""
        return totals_of(Counter(standing.state for standing in self.standings))


def delivery_key(channel: Channel, chunk_id: str) -> str:
    """Return twenty letters that name a delivery where a chunk's id is too long."""
    return hashlib.blake2b(f"{channel.value}|{chunk_id}".encode(), digest_size=10).hexdigest()


def totals_of(counts: Mapping[DeliveryState, int]) -> Totals:
    """Sum states to what completeness knows."""
    return Totals(
        delivered=counts.get(DeliveryState.DELIVERED, 0),
        pending=sum(counts.get(state, 0) for state in OPEN),
        suppressed=counts.get(DeliveryState.SUPPRESSED, 0),
        failed=counts.get(DeliveryState.FAILED, 0),
    )


def begin(
    chunk_id: str,
    channel: Channel,
    cause: str,
    campaign_id: str,
    priority: int,
    size: int,
    merged_as: str = "",
) -> Delivery:
    """Return the delivery of a chunk of which nobody was sent to."""
    nobody = (Standing(),) * size
    return Delivery(chunk_id, channel, cause, campaign_id, priority, nobody, merged_as)


def tried_again(before: Standing, reason: str, now: datetime, first_pause: timedelta) -> Standing:
    """Return who waits for the next try; after days of tries, who failed."""
    attempts = before.attempts + 1
    if attempts >= ATTEMPTS_MAX:
        return Standing(DeliveryState.FAILED, reason, attempts=attempts)
    pause = min(first_pause * 3 ** (attempts - 1), TRY_AGAIN_MOST)
    return Standing(DeliveryState.LATER, reason, now + pause, attempts)
