"""The rules of delivery: who moves where, who waits how long, whose address is written to."""

from datetime import timedelta
from itertools import product

import pytest

from notifier.domain.bounce import BounceClass, Stage, class_of, status_in
from notifier.domain.delivery import (
    ATTEMPTS_MAX,
    OPEN,
    TRANSITIONS,
    Channel,
    Delivery,
    DeliveryState,
    Standing,
    begin,
    tried_again,
)
from notifier.domain.errors import Refused
from notifier.domain.suppression import (
    SuppressionReason,
    address_digest,
    after_soft,
    for_ever,
)
from services.notifier.tests.builders import NOW

FIRST_PAUSE = timedelta(minutes=5)
ANNA = address_digest("anna@a.example")


def standing_as(*states: DeliveryState) -> Delivery:
    empty = begin("chunk", Channel.EMAIL, "cause", "campaign", 50, len(states))
    standings = tuple(Standing(state) for state in states)
    return Delivery(**{n: getattr(empty, n) for n in Delivery.__slots__} | {"standings": standings})


@pytest.mark.parametrize(("before", "after"), list(product(DeliveryState, DeliveryState)))
def test_every_pair_of_states(before: DeliveryState, after: DeliveryState) -> None:
    """A recipient moves as the table says and in no other way."""
    delivery = standing_as(before)
    if after in TRANSITIONS[before]:
        assert delivery.moved({0: Standing(after)}).standings[0].state is after
    else:
        with pytest.raises(Refused, match="does not become"):
            delivery.moved({0: Standing(after)})


def test_totals_are_counted_from_the_standings() -> None:
    """delivered + suppressed + failed + pending = everybody, whatever the states are."""
    delivery = standing_as(*DeliveryState, DeliveryState.DELIVERED)
    totals = delivery.totals()
    assert totals.people == len(delivery.standings)
    assert (totals.delivered, totals.suppressed, totals.failed) == (2, 1, 1)
    assert totals.pending == delivery.left == len(OPEN)


def test_whom_a_crash_left_goes_first_and_who_waits_is_not_sent_to() -> None:
    """Sending before pending; later only once it is due; nobody with an outcome."""
    states = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.DELIVERED)
    delivery = standing_as(*states, DeliveryState.SENDING)
    later = Standing(DeliveryState.LATER, "greylisted", NOW + FIRST_PAUSE, 1)
    delivery = delivery.moved({0: later})
    assert delivery.ready(NOW, 10) == [1, 3]
    assert delivery.ready(NOW + FIRST_PAUSE, 10) == [1, 3, 0]
    assert delivery.ready(NOW + FIRST_PAUSE, 1) == [1]
    assert delivery.next_due == NOW + FIRST_PAUSE


@pytest.mark.parametrize(
    ("people", "most", "sizes"),
    [
        (125, 100, [125]),
        (149, 100, [149]),
        (150, 100, [100, 50]),
        (1_000, 100, [100] * 10),
        (1_040, 100, [*[100] * 9, 140]),
        (3, 2, [2, 1]),
        (3, 1, [1, 1, 1]),
        (0, 100, []),
    ],
)
def test_the_last_few_go_with_the_slice_before_them(
    people: int, most: int, sizes: list[int]
) -> None:
    """No slice is half as large again as `most`, and none is small unless it is the only one."""
    delivery, found = begin("c|1", Channel.EMAIL, "c", "campaign-1", 1, people), []
    while slice_ := delivery.ready(NOW, most):
        found.append(len(slice_))
        sending = dict.fromkeys(slice_, Standing(DeliveryState.SENDING))
        done = dict.fromkeys(slice_, Standing(DeliveryState.DELIVERED))
        delivery = delivery.moved(sending).moved(done)
    assert found == sizes


def test_tries_grow_apart_over_days_and_end() -> None:
    """The pauses grow to half a day; the last try is four and a half days after the first."""
    standing, at, pauses = Standing(), NOW, []
    while True:
        standing = tried_again(standing, "greylisted", at, FIRST_PAUSE)
        if standing.state is DeliveryState.FAILED:
            break
        assert standing.due is not None
        pauses.append(standing.due - at)
        at = standing.due
    assert pauses == sorted(pauses) and pauses[0] == FIRST_PAUSE
    assert pauses[-1] == timedelta(hours=12) and standing.attempts == ATTEMPTS_MAX
    assert abs(at - NOW - timedelta(days=4.5)) < timedelta(hours=6)


HARD, SOFT, CONTENT = BounceClass.HARD, BounceClass.SOFT, BounceClass.CONTENT


@pytest.mark.parametrize(
    ("code", "words", "asked", "told"),
    [
        # With a status it is the status that counts, whatever the server was asked.
        (550, "5.1.1 no such user", HARD, HARD),
        (550, "5.1.2 no such domain", HARD, HARD),
        (553, "5.1.3 bad syntax", HARD, HARD),
        (551, "5.1.6 moved", HARD, HARD),
        (556, "5.1.10 the domain takes no mail", HARD, HARD),
        (550, "5.1.0 sender denied", SOFT, SOFT),
        (550, "5.2.1 mailbox disabled", SOFT, SOFT),
        (552, "5.2.2 mailbox full", SOFT, SOFT),
        (550, "5.4.1 access denied", SOFT, SOFT),
        (550, "5.5.0 mailbox unavailable", SOFT, SOFT),
        (550, "5.0.0 other", SOFT, SOFT),
        (553, "5.1.7 bad sender", CONTENT, CONTENT),
        (550, "5.1.8 the sender's domain is unknown", CONTENT, CONTENT),
        (552, "5.2.3 too long", CONTENT, CONTENT),
        (552, "5.3.4 too big for this system", CONTENT, CONTENT),
        (503, "5.5.1 bad sequence", CONTENT, CONTENT),
        (554, "5.6.0 cannot be converted", CONTENT, CONTENT),
        (554, "5.7.1 relay access denied", CONTENT, CONTENT),
        (550, "5.7.26 not authenticated", CONTENT, CONTENT),
        # Without one only what was asked of the recipient says something of them.
        (550, "no such user", HARD, CONTENT),
        (550, "Unrouteable address", HARD, CONTENT),
        (551, "user not local", HARD, CONTENT),
        (553, "mailbox name is wrong", HARD, CONTENT),
        (556, "domain does not accept mail", HARD, CONTENT),
        (552, "too much", SOFT, CONTENT),
        (550, "relay not permitted", CONTENT, CONTENT),
        (550, "Relaying denied", CONTENT, CONTENT),
        (550, "rejected because 192.0.2.1 is in the RBL of bl.example", CONTENT, CONTENT),
        (550, "Blocked for abuse", CONTENT, CONTENT),
        (550, "Sender verify failed", CONTENT, CONTENT),
        (550, "we take no SPAM", CONTENT, CONTENT),
        (550, "SPF check failed", CONTENT, CONTENT),
        (550, "rejected by local policy", CONTENT, CONTENT),
        # An address of the network that it begins with is no status.
        (550, "5.1.1.20 is on our block list", CONTENT, CONTENT),
        (554, "5.1.10.3: rejected, poor reputation", CONTENT, CONTENT),
        (554, "transaction failed", CONTENT, CONTENT),
        (503, "bad sequence of commands", CONTENT, CONTENT),
        # What was put off to the end is never for ever.
        (450, "4.2.1 mailbox is busy", SOFT, SOFT),
        (452, "4.2.2 mailbox full", SOFT, SOFT),
        (450, "5.1.1 no such user", SOFT, SOFT),
        (550, "4.1.1 no such user", SOFT, SOFT),
        (450, "mailbox unavailable", SOFT, CONTENT),
        (451, "4.7.1 greylisted", CONTENT, CONTENT),
        (450, "too many connections from your client", CONTENT, CONTENT),
    ],
)
def test_what_a_refusal_says_of_the_address(
    code: int, words: str, asked: BounceClass, told: BounceClass
) -> None:
    """Only a mailbox that is not there is given up; what is said of us or of the mail is not it."""
    assert class_of(code, words, Stage.RECIPIENT) is asked
    assert class_of(code, words, Stage.CONTENT) is told


def test_a_refusal_that_is_told_later_ends_no_address_without_a_status() -> None:
    """A report says not what the server was asked: its bare 550 rests an address, for days."""
    assert class_of(550, "smtp; 550 no such user", None) is SOFT
    assert class_of(550, "smtp; 550 we take no spam", None) is CONTENT
    assert class_of(500, "5.1.1", None) is HARD
    assert status_in("5.1.1-first") == "5.1.1" and status_in("see 5.1.1") == ""


def test_soft_bounces_add_up() -> None:
    """Five days; the third within ninety days a hundred and eighty; older ones do not count."""
    first = after_soft(None, ANNA, NOW)
    assert first.until == NOW + timedelta(days=5) and not first.holds(NOW + timedelta(days=5))
    second = after_soft(first, ANNA, NOW + timedelta(days=30))
    assert second.until == NOW + timedelta(days=35)
    third = after_soft(second, ANNA, NOW + timedelta(days=60))
    assert third.until == NOW + timedelta(days=240)
    spread = after_soft(second, ANNA, NOW + timedelta(days=100))
    assert spread.until == NOW + timedelta(days=105)


def test_for_ever_is_for_ever() -> None:
    """Nothing shortens a hard bounce or a complaint, and a complaint outweighs all others."""
    hard = for_ever(after_soft(None, ANNA, NOW), ANNA, SuppressionReason.HARD_BOUNCE)
    assert hard.holds(NOW + timedelta(days=100_000))
    assert after_soft(hard, ANNA, NOW) == hard
    complained = for_ever(hard, ANNA, SuppressionReason.COMPLAINT)
    assert complained.reason is SuppressionReason.COMPLAINT
    assert for_ever(complained, ANNA, SuppressionReason.HARD_BOUNCE) == complained


def test_an_address_is_known_in_any_case() -> None:
    """Capitals and spaces around make no other address, and the digest shows none."""
    assert address_digest(" Anna@A.example ") == ANNA
    assert "anna" not in ANNA and address_digest("ben@a.example") != ANNA
