"""The pace of an account: so many requests a second, and none while it asks for rest."""

import pytest

from servicekit.pace import Pace


class Stopwatch:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def begin(pace: Pace) -> None:
    """One piece of work that asks once."""
    pace.promise(1)
    with pace.promised():
        pace.spend()


def begun_in(seconds: float, pace: Pace, watch: Stopwatch, step: float, spare: float = 0.0) -> int:
    """What hungry work does in so much time."""
    count = 0
    for _ in range(round(seconds / step)):
        while pace.room(spare):
            begin(pace)
            count += 1
        watch.seconds += step
    return count


@pytest.mark.parametrize("per_second", [0.5, 2, 7, 80, 1_000])
@pytest.mark.parametrize("step", [0.001, 0.05, 0.2])
def test_hungry_work_gets_nearly_all_and_never_more(per_second: float, step: float) -> None:
    """At least nine tenths of the pace, at most the pace and what had gathered."""
    watch = Stopwatch()
    pace = Pace(per_second, watch)
    begun = begun_in(100, pace, watch, step)
    assert 0.9 * 100 * per_second <= begun <= 100 * per_second + pace.gathered_most


def test_tokens_come_while_work_prepares_its_first_request() -> None:
    """What it waits for costs no pace, and never more than as much again gathers for it."""
    watch = Stopwatch()
    pace = Pace(80, watch)
    pace.promise(10)
    watch.seconds += 10 / 80
    assert pace.room() == 20
    pace.promise(20)
    watch.seconds += 100
    assert pace.room() == 10
    for _ in range(30):
        with pace.promised():
            pace.spend()
    assert pace.room() == 10
    watch.seconds += 100
    assert pace.room() == 20


def test_a_token_is_kept_until_the_request_leaves_or_the_work_ends() -> None:
    """Whoever looks meanwhile does not see it; what asks nothing gives it back."""
    watch = Stopwatch()
    pace = Pace(8, watch)
    pace.promise(2)
    assert pace.room() == 0
    with pace.promised():
        pass
    assert pace.room() == 1
    with pace.promised():
        pace.spend()
        assert pace.room() == 1
        pace.spend()
    assert pace.room() == 0


def test_what_is_asked_beside_the_work_is_not_counted() -> None:
    """A long reading never stops the sending."""
    pace = Pace(8, Stopwatch())
    for _ in range(1_000):
        pace.spend()
    assert pace.room() == 2


def test_nothing_begins_while_the_account_rests() -> None:
    """The longest rest that was asked for holds; afterwards no more than the usual has gathered."""
    watch = Stopwatch()
    pace = Pace(80, watch)
    pace.pause(7)
    pace.pause(1)
    watch.seconds = 6.9
    assert not pace.may_ask()
    pace.promise(1)
    with pace.promised():
        assert pace.may_ask()
    assert pace.room() == 0 and pace.wait_seconds() == pytest.approx(0.1)
    watch.seconds = 7.0
    assert pace.room() == 20 and pace.may_ask()


def test_spare_tokens_are_left_to_others_and_cost_no_pace() -> None:
    """Who leaves some has the whole pace alone, and whoever comes finds them at once."""
    watch = Stopwatch()
    pace = Pace(80, watch)
    assert begun_in(100, pace, watch, 0.01, spare=4) >= 0.9 * 8_000
    while pace.room(4):
        begin(pace)
    assert pace.room() == 4


@pytest.mark.parametrize("spare", [0.0, 0.4])
def test_the_wait_is_as_long_as_it_says(spare: float) -> None:
    """Just before there is no room, then there is."""
    watch = Stopwatch()
    pace = Pace(2, watch)
    while pace.room(spare):
        begin(pace)
    wait = pace.wait_seconds(spare)
    watch.seconds = wait - 0.01
    assert wait > 0.01 and pace.room(spare) == 0
    watch.seconds = wait + 0.001
    assert pace.room(spare) == 1
