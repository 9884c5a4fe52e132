"""How far a reward is on its way to one backer: its states, its parcels, its receipt.

`domain.md` 6: what becomes of one backer's reward says nothing of another's (trap 12). The team
moves it, its backer says that it came, and may take that back for a while. Only what changes is
told (trap 17), and the number of a parcel is added to those before it (trap 18).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from updates.domain.errors import Refused

PARCELS_MAX = 50
HISTORY_MAX = 500
# Whoever says it over and over uses up no move of its team's.
RECEIPTS_MAX = 20
NUMBER_CHARACTERS_MAX = 100


class TrackingState(StrEnum):
    NOT_STARTED = "not_started"
    PREPARING = "preparing"
    SHIPPED = "shipped"
    PARTIALLY_SHIPPED = "partially_shipped"
    DELIVERED = "delivered"
    RECEIVED = "received"
    RETURNED = "returned"


_S = TrackingState
# A mistake is put right, and what came back is sent again; what is received is its backer's word.
TRANSITIONS: dict[TrackingState, frozenset[TrackingState]] = {
    _S.NOT_STARTED: frozenset(
        {_S.PREPARING, _S.PARTIALLY_SHIPPED, _S.SHIPPED, _S.DELIVERED, _S.RECEIVED}
    ),
    _S.PREPARING: frozenset(
        {_S.NOT_STARTED, _S.PARTIALLY_SHIPPED, _S.SHIPPED, _S.DELIVERED, _S.RECEIVED}
    ),
    _S.PARTIALLY_SHIPPED: frozenset(
        {_S.PREPARING, _S.SHIPPED, _S.DELIVERED, _S.RECEIVED, _S.RETURNED}
    ),
    _S.SHIPPED: frozenset(
        {_S.PREPARING, _S.PARTIALLY_SHIPPED, _S.DELIVERED, _S.RECEIVED, _S.RETURNED}
    ),
    _S.DELIVERED: frozenset({_S.SHIPPED, _S.RECEIVED, _S.RETURNED}),
    _S.RECEIVED: frozenset(TrackingState) - {_S.RECEIVED},
    _S.RETURNED: frozenset({_S.PREPARING, _S.PARTIALLY_SHIPPED, _S.SHIPPED, _S.DELIVERED}),
}
# Something of it has left.
SENT = frozenset({_S.SHIPPED, _S.PARTIALLY_SHIPPED, _S.DELIVERED})
# Of these its backer is asked whether it came.
ASKED_ABOUT = frozenset({_S.SHIPPED, _S.DELIVERED})


@dataclass(frozen=True, slots=True)
class TrackingTerms:
    """Until when a receipt is undone, when it is asked for, when the platform's notice goes out."""

    undo: timedelta = timedelta(days=14)
    question: timedelta = timedelta(days=14)
    notice: timedelta = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What was sent with whom, under which number."""

    carrier: str
    number: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TrackingMove:
    """One line of the history."""

    old: TrackingState
    new: TrackingState
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Tracking:
    """One backer's reward; one that nobody moved is not started and stands nowhere.

    `received_from` is the state that an undone receipt restores, there exactly while it is
    received. `batch` is that of the plan, where the team said it. `next_due` is when its backer is
    to be asked whether it came. `version` is the compare-and-set guard of every save.
    """

    campaign_id: str
    reward_id: str
    backer_id: str
    state: TrackingState = TrackingState.NOT_STARTED
    batch: int | None = None
    parcels: tuple[Parcel, ...] = ()
    history: tuple[TrackingMove, ...] = ()
    received_from: TrackingState | None = None
    next_due: datetime | None = None
    version: int = 0

    @property
    def changed_at(self) -> datetime | None:
        """When it came to where it is; None where it never moved."""
        return self.history[-1].at if self.history else None

    @property
    def received_at(self) -> datetime | None:
        """When its backer said that it came; None while it has not."""
        return self.changed_at if self.state is TrackingState.RECEIVED else None


def move(tracking: Tracking, state: TrackingState, by: str, now: datetime) -> Tracking:
    """Move it on, the only way in which a state changes; raises `Refused` for any other move."""
    if state not in TRANSITIONS[tracking.state]:
        why = f"a reward that is {tracking.state} is not {state} next"
        raise Refused("impossible-transition", why)
    line = TrackingMove(tracking.state, state, by, now)
    received_from = tracking.state if state is TrackingState.RECEIVED else None
    history = (*tracking.history, line)
    return replace(
        tracking, state=state, history=history, received_from=received_from, next_due=None
    )


def move_by_team(
    tracking: Tracking, state: TrackingState, by: str, now: datetime, terms: TrackingTerms
) -> Tracking:
    """Move it for who sends it; where it is already it stays, and nothing is told (trap 17)."""
    if state is tracking.state:
        return tracking
    if state is TrackingState.RECEIVED:
        raise Refused("backers-word", "that it came only its backer says")
    if tracking.state is TrackingState.RECEIVED and state is not TrackingState.RETURNED:
        raise Refused("received", "its backer has it; it can only have come back")
    # Its backer's word has a bound of its own: no team takes it from them by moving on and on.
    if len(tracking.history) >= HISTORY_MAX:
        raise Refused("too-many-moves", f"a reward moves at most {HISTORY_MAX} times")
    moved = move(tracking, state, by, now)
    return replace(moved, next_due=now + terms.question) if state in ASKED_ABOUT else moved


def open_digital(tracking: Tracking, now: datetime) -> Tracking:
    """Its backer opened it for the first time: it is delivered; opened again it stays."""
    if tracking.state in {TrackingState.DELIVERED, TrackingState.RECEIVED}:
        return tracking
    return move(tracking, TrackingState.DELIVERED, tracking.backer_id, now)


def was_opened(tracking: Tracking) -> bool:
    """Whether its backer has opened it, wherever it was moved since."""
    return any(
        line.by == tracking.backer_id and line.new is TrackingState.DELIVERED
        for line in tracking.history
    )


def receive(tracking: Tracking, now: datetime) -> Tracking:
    """Take its backer's word that it came, whatever its team has said; said again it is the same.

    So no team that tracks nothing keeps its backers from claiming what is wrong with it.
    """
    if tracking.state is TrackingState.RECEIVED:
        return tracking
    said = sum(line.new is TrackingState.RECEIVED for line in tracking.history)
    if said >= RECEIPTS_MAX:
        raise Refused("too-many-moves", f"that it came is said at most {RECEIPTS_MAX} times")
    return move(tracking, TrackingState.RECEIVED, tracking.backer_id, now)


def take_back_receipt(tracking: Tracking, now: datetime, terms: TrackingTerms) -> Tracking:
    """Put it back where it was before its backer's word, for a while; twice is once."""
    if tracking.received_from is None or tracking.received_at is None:
        return tracking
    if now >= tracking.received_at + terms.undo:
        raise Refused("receipt-final", "it was confirmed too long ago to be undone")
    return move(tracking, tracking.received_from, tracking.backer_id, now)


def add_parcel(tracking: Tracking, carrier: str, number: str, by: str, now: datetime) -> Tracking:
    """Add a parcel to those that were sent before; a known one stays as it is (trap 18)."""
    carrier, number = carrier.strip(), number.strip()
    for words in (carrier, number):
        if not 1 <= len(words) <= NUMBER_CHARACTERS_MAX or not words.isprintable():
            why = f"carrier and number have 1 to {NUMBER_CHARACTERS_MAX} printable characters"
            raise Refused("invalid-parcel", why)
    if any((one.carrier, one.number) == (carrier, number) for one in tracking.parcels):
        return tracking
    if len(tracking.parcels) >= PARCELS_MAX:
        raise Refused("too-many-parcels", f"a reward has at most {PARCELS_MAX} parcels")
    return replace(tracking, parcels=(*tracking.parcels, Parcel(carrier, number, by, now)))


def asked(tracking: Tracking) -> Tracking:
    """Its backer was asked whether it came: once for each time that it was sent."""
    return replace(tracking, next_due=None)


def forget(tracking: Tracking, at: datetime) -> Tracking:
    """Its backer was erased then: by what number a parcel is found is gone; that it left is not."""
    parcels = tuple(replace(one, number="") if one.at <= at else one for one in tracking.parcels)
    return tracking if parcels == tracking.parcels else replace(tracking, parcels=parcels)
