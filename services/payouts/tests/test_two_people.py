"""What only two people can do: whose turn a word takes, and how long the first one waits."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from payouts.domain.errors import Refused
from payouts.domain.two_people import VALID, Turn, standing, turn_of
from services.payouts.tests.builders import NOW

FALLEN = NOW + VALID
LAST = FALLEN - timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Word:
    """What one said now, and perhaps a second."""

    by: str
    second_by: str | None = None
    at: datetime = NOW


@pytest.mark.parametrize(
    ("known", "by", "now", "turn"),
    [
        (None, "one", NOW, Turn.FIRST),
        (Word("one"), "one", NOW, Turn.AGAIN),
        (Word("one"), "two", NOW, Turn.SECOND),
        (Word("one"), "two", LAST, Turn.SECOND),
        (Word("one"), "two", FALLEN, Turn.FIRST),
        (Word("one"), "one", FALLEN, Turn.FIRST),
        (Word("one", "two"), "one", FALLEN, Turn.AGAIN),
        (Word("one", "two"), "two", FALLEN, Turn.AGAIN),
    ],
)
def test_whose_turn_it_is(known: Word | None, by: str, now: datetime, turn: Turn) -> None:
    """One person is never both; a word of a week ago has fallen, what two have said stands."""
    assert turn_of(known, by, now) is turn
    assert (standing(known, now) is not None) is (known is not None and now < FALLEN)


def test_what_two_have_decided_no_third_one_decides() -> None:
    """However long ago: nobody's word is lost, and none comes on top."""
    for now in (NOW, FALLEN):
        with pytest.raises(Refused) as found:
            turn_of(Word("one", "two"), "three", now)
        assert found.value.reason == "already-decided"
