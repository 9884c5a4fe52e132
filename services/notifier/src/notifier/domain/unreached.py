"""Decisive messages whose mail did not reach their person: somebody reaches them otherwise.

What concerns somebody's money, or cannot wait, is not left at a mail that came back. It is pinned
in their inbox and waits with staff, who write a letter or call, until it is read or ended.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from notifier.domain.cause import Totals
from notifier.domain.delivery import DeliveryState, Standing
from notifier.domain.errors import Refused

# The channel beyond mail, in a proof of notice: whatever staff can think of.
OTHERWISE = "otherwise"


class HowEnded(StrEnum):
    """Reached or not reached: by staff. The rest ends by itself."""

    REACHED = "reached"
    NOT_REACHED = "not-reached"
    READ = "read"
    REASON_GONE = "reason-gone"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended; `by` and `what` are whose act that was and what was done, empty without one."""

    how: HowEnded
    at: datetime | None = None
    by: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True)
class Unreached:
    """One person's decisive message; `reason` says why its mail did not come, `since` from when."""

    notification_id: str
    person_id: str
    campaign_id: str
    cause: str
    chunk_id: str
    caused_at: datetime
    reason: str
    since: datetime
    ended: Ended | None = None

    @property
    def outcome(self) -> DeliveryState:
        """Return what a proof of notice counts it as."""
        return DeliveryState.PENDING if self.ended is None else OUTCOMES[self.ended.how]


OUTCOMES = {
    HowEnded.REACHED: DeliveryState.DELIVERED,
    HowEnded.READ: DeliveryState.DELIVERED,
    HowEnded.NOT_REACHED: DeliveryState.FAILED,
    HowEnded.REASON_GONE: DeliveryState.SUPPRESSED,
    HowEnded.ERASED: DeliveryState.SUPPRESSED,
}
# Nobody reads there: known before anything was sent, or found out by sending.
_NOBODY_THERE = frozenset({"address-suppressed", "no-address"})


def leaves_unreached(standing: Standing) -> bool:
    """Whether a mail that came to this outcome reached nobody, against the reader's own will."""
    if standing.state is DeliveryState.SUPPRESSED:
        return standing.reason in _NOBODY_THERE
    return standing.state is DeliveryState.FAILED


def end(known: Unreached, ended: Ended) -> Unreached:
    """End it; the same word of the same person again is the same, another one is refused."""
    if known.ended is None:
        return replace(known, ended=ended)
    if replace(known.ended, at=ended.at) == ended:
        return known
    raise Refused("already-ended", f"it ended as {known.ended.how}, which nothing replaces")


def forget(known: Unreached) -> Unreached:
    """Return what stays when it is so old that it is forgotten who was told: how it ended."""
    ended = known.ended or Ended(HowEnded.NOT_REACHED)
    return replace(known, person_id="", ended=replace(ended, what=""))


def totals_of(people: Mapping[HowEnded | None, int]) -> Totals:
    """Sum how many ended how to what completeness knows; None are those who still wait."""
    counts: Counter[DeliveryState] = Counter()
    for how, count in people.items():
        counts[DeliveryState.PENDING if how is None else OUTCOMES[how]] += count
    return Totals(
        delivered=counts[DeliveryState.DELIVERED],
        pending=counts[DeliveryState.PENDING],
        suppressed=counts[DeliveryState.SUPPRESSED],
        failed=counts[DeliveryState.FAILED],
    )
