"""Following a campaign: asked for with an address, and only true once its reader has confirmed.

Whoever has no account follows as a person of their own for each campaign, so that nothing joins
what one address follows, and ending it leaves no address behind.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.domain.cause import CauseKind, Told, subject_within
from notifier.domain.errors import Refused

CONFIRMED_WITHIN = timedelta(hours=48)
# One address is asked so often within a day, whatever it is asked for.
ASKS_A_DAY = 5
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class FollowState(StrEnum):
    ASKED = "asked"
    CONFIRMED = "confirmed"


TRANSITIONS: dict[FollowState, frozenset[FollowState]] = {
    FollowState.ASKED: frozenset({FollowState.CONFIRMED}),
    FollowState.CONFIRMED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Follow:
    """One person's following of one campaign.

    `who` tells apart who asks: the digest of an address, or the id of a person who has an account.
    """

    campaign_id: str
    person_id: str
    who: str
    asked_at: datetime
    state: FollowState = FollowState.ASKED
    confirmed_at: datetime | None = None

    @property
    def has_account(self) -> bool:
        """Whether the person was there before it followed anything."""
        return self.who == self.person_id


@dataclass(frozen=True, slots=True)
class FollowWish:
    """What the link of a confirmation says: who was asked about which campaign when."""

    person_id: str
    campaign_id: str
    asked_at: int


def is_to_be_asked(known: Follow | None, now: datetime) -> bool:
    """Whether a confirmation goes out: once, and again when nobody answered the one before."""
    return known is None or is_over(known, now)


def is_over(follow: Follow, now: datetime) -> bool:
    """Whether it was asked for and not confirmed in time."""
    return follow.state is FollowState.ASKED and now - follow.asked_at >= CONFIRMED_WITHIN


def wait_after(earlier: datetime | None, window: timedelta, now: datetime) -> timedelta | None:
    """Return for how long that ask, the last but as many as may be, still lies in the window."""
    wait = earlier + window - now if earlier is not None else timedelta()
    return wait if wait > timedelta() else None


def check_pace(earlier: datetime | None, window: timedelta, now: datetime) -> None:
    """Raise `Refused` for what was asked for so often within the window."""
    if wait := wait_after(earlier, window, now):
        raise Refused("too-many-asks", "so many were asked lately; try again later", wait)


def confirm(follow: Follow | None, wish: FollowWish, now: datetime) -> Follow:
    """Follow, as the reader of the confirmation says; the same again is the same."""
    if follow is None or int(follow.asked_at.timestamp()) != wish.asked_at or is_over(follow, now):
        raise Refused("follow-link-over", "this was confirmed too late, or ended")
    if follow.state is FollowState.CONFIRMED:
        return follow
    if FollowState.CONFIRMED not in TRANSITIONS[follow.state]:
        raise Refused("impossible-transition", f"{follow.state} does not become confirmed")
    return replace(follow, state=FollowState.CONFIRMED, confirmed_at=now)


def asking(follow: Follow) -> Told:
    """Return what is told to whoever is asked to confirm."""
    at = f"{follow.person_id}-{int(follow.asked_at.timestamp())}"
    subject = subject_within(follow.campaign_id, at)
    return Told(CauseKind.FOLLOW_ASKED, subject, follow.campaign_id, follow.asked_at)
