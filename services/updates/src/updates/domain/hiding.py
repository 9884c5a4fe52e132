"""Hiding an update or a comment (`domain.md` 6): a statement, one appeal, another person.

Nothing is deleted: who wrote it and staff read it on, and each hiding stays in its history.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from updates.domain.errors import Refused


class HidingState(StrEnum):
    HIDDEN = "hidden"
    APPEALED = "appealed"
    UPHELD = "upheld"
    LIFTED = "lifted"


# One appeal: what was upheld stays hidden, what was lifted may be hidden again for another reason.
TRANSITIONS: dict[HidingState, frozenset[HidingState]] = {
    HidingState.HIDDEN: frozenset({HidingState.APPEALED}),
    HidingState.APPEALED: frozenset({HidingState.UPHELD, HidingState.LIFTED}),
    HidingState.UPHELD: frozenset(),
    HidingState.LIFTED: frozenset(),
}


class HidingReason(StrEnum):
    SPAM = "spam"
    ABUSE = "abuse"
    PERSONAL_DATA = "personal_data"
    ILLEGAL = "illegal"
    OFF_TOPIC = "off_topic"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Statement:
    """Why it is hidden; `facts` are words for who wrote it and staff, never for a topic."""

    reason: HidingReason
    facts: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Appeal:
    words: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ruling:
    """What another person than who hid it decided."""

    upheld: bool
    words: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hiding:
    """One hiding, from its statement to its end."""

    statement: Statement
    state: HidingState = HidingState.HIDDEN
    appeal: Appeal | None = None
    ruling: Ruling | None = None

    @property
    def hides(self) -> bool:
        return self.state is not HidingState.LIFTED


Hidings = tuple[Hiding, ...]


def is_hidden(hidings: Hidings) -> bool:
    """Whether the last of them still hides."""
    return bool(hidings) and hidings[-1].hides


def move(hiding: Hiding, state: HidingState) -> Hiding:
    """Return the hiding in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[hiding.state]:
        raise Refused("impossible-transition", f"{hiding.state} does not become {state}")
    return replace(hiding, state=state)


def hide(hidings: Hidings, statement: Statement) -> Hidings:
    """Hide it; hidden already is the same, whoever asks."""
    return hidings if is_hidden(hidings) else (*hidings, Hiding(statement))


def appeal(hidings: Hidings, made: Appeal) -> Hidings:
    """Ask another person to decide, once for each hiding; the same words again are the same."""
    last = _current(hidings)
    if last.appeal is not None:
        if last.appeal.words != made.words:
            raise Refused("appealed-already", "there is one appeal, and it was made")
        return hidings
    return (*hidings[:-1], replace(move(last, HidingState.APPEALED), appeal=made))


def rule(hidings: Hidings, ruling: Ruling) -> Hidings:
    """Decide the appeal, as another person than who hid it; the same again is the same."""
    if not hidings or hidings[-1].appeal is None:
        raise Refused("not-appealed", "nobody has appealed")
    last = hidings[-1]
    if ruling.by == last.statement.by:
        raise Refused("same-person", "another person decides than who hid it")
    if last.ruling is not None:
        if (last.ruling.upheld, last.ruling.words) != (ruling.upheld, ruling.words):
            raise Refused("ruled-already", "the appeal was decided")
        return hidings
    state = HidingState.UPHELD if ruling.upheld else HidingState.LIFTED
    return (*hidings[:-1], replace(move(last, state), ruling=ruling))


def forget_appeals(hidings: Hidings) -> Hidings:
    """Whoever appealed was erased: that there was an appeal stays, its words go."""
    return tuple(
        replace(one, appeal=replace(one.appeal, words="")) if one.appeal else one for one in hidings
    )


def _current(hidings: Hidings) -> Hiding:
    if not is_hidden(hidings):
        raise Refused("not-hidden", "it is not hidden")
    return hidings[-1]
