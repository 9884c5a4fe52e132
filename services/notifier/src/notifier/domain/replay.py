"""Replaying a cause: two people of the staff want it, each with a reason of their own.

Nobody is told twice by it, so it may be wanted again and again, each time under another name.
"""

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Word:
    """Who wants it, why and since when."""

    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Missing:
    """What a replay found missing and had made good, in chunks and in people."""

    chunks: int = 0
    people: int = 0
    mails: int = 0

    def __add__(self, other: "Missing") -> "Missing":
        return Missing(
            self.chunks + other.chunks, self.people + other.people, self.mails + other.mails
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay of a cause; `second` is None until another person wants it too.

    `found` is None until it has been done. `so_far` is saved with each part that is made good: who
    goes on behind a crash finds nothing missing of that.
    """

    cause: str
    replay_id: str
    first: Word
    second: Word | None = None
    found: Missing | None = None
    so_far: Missing = Missing()

    @property
    def state(self) -> str:
        """Return how far it has come, in a word."""
        if self.found is not None:
            return "done"
        return "asked" if self.second is None else "agreed"


def want(known: Replay | None, cause: str, replay_id: str, word: Word) -> Replay:
    """Take a person's word; the same person's again, or a third one, changes nothing."""
    if known is None:
        return Replay(cause, replay_id, word)
    if known.second is not None or known.first.by == word.by:
        return known
    return replace(known, second=word)


def found_more(known: Replay, missing: Missing) -> Replay:
    """Return the replay with what it has made good now."""
    return replace(known, so_far=known.so_far + missing)


def done(known: Replay) -> Replay:
    """Return the replay as it ended."""
    return replace(known, found=known.so_far)
