"""When somebody is written to: preferences against what a kind allows, in the person's own day."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.cause import CauseKind, Told
from notifier.domain.kind import RULES, rules_of
from notifier.domain.routing import (
    Frequency,
    Later,
    Mute,
    Preferences,
    QuietHours,
    SendNow,
    Suppress,
    decide,
    next_digest,
)
from services.notifier.tests.builders import CAMPAIGN

PARIS, ZONES = ZoneInfo("Europe/Paris"), ["Europe/Paris", "Asia/Kathmandu", "America/St_Johns"]
# A Thursday; in Paris it is 15:30.
THURSDAY = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
NIGHT = QuietHours(time(22), time(7))
NEWS = Told(CauseKind.UPDATE_PUBLISHED, "one", CAMPAIGN, THURSDAY, {"kind": "news"})
EMERGENCY = Told(CauseKind.UPDATE_PUBLISHED, "one", CAMPAIGN, THURSDAY, {"kind": "emergency"})


def told(kind: CauseKind) -> Told:
    return Told(kind, "one", CAMPAIGN, THURSDAY)


def test_who_asked_for_nothing_is_written_to_at_once() -> None:
    """At any hour, whatever it is."""
    for kind in CauseKind:
        assert decide(told(kind), Preferences(), PARIS, THURSDAY) == SendNow()


@pytest.mark.parametrize("kind", list(CauseKind))
def test_what_cannot_be_muted_waits_for_nothing(kind: CauseKind) -> None:
    """Muted in every way, weekly, at night: money is told at once, everything else is not."""
    everything = (Mute(CAMPAIGN), Mute(kind=kind), Mute(CAMPAIGN, kind))
    asked = Preferences(everything, Frequency.WEEKLY, QuietHours(time(0), time(23, 59)))
    decided = decide(told(kind), asked, PARIS, THURSDAY)
    assert decided == (Suppress("muted") if RULES[kind].mutable else SendNow())
    assert decide(EMERGENCY, asked, PARIS, THURSDAY) == SendNow()


def test_the_rules_that_nobody_may_mute_are_those_of_money_and_emergencies() -> None:
    """Refunds, payouts, one's own payment, what follows from an emergency; what was asked for."""
    fixed = {kind.value for kind, rules in RULES.items() if not rules.mutable}
    assert {name.split("-")[0] for name in fixed} == {
        "refund", "claimable", "pledge", "plan", "stage", "holding", "dispute",
        "problem", "recovery", "follow", "webhook",
    }  # fmt: skip
    assert not rules_of(EMERGENCY).mutable and rules_of(NEWS).mutable


@pytest.mark.parametrize(
    ("mute", "covered"),
    [
        (Mute(CAMPAIGN), True),
        (Mute("another"), False),
        (Mute(kind=CauseKind.UPDATE_PUBLISHED), True),
        (Mute(kind=CauseKind.VERDICT_REACHED), False),
        (Mute(CAMPAIGN, CauseKind.UPDATE_PUBLISHED), True),
        (Mute(CAMPAIGN, CauseKind.VERDICT_REACHED), False),
        (Mute("another", CauseKind.UPDATE_PUBLISHED), False),
    ],
    ids=str,
)
def test_a_mute_is_of_a_project_a_kind_or_both(mute: Mute, covered: bool) -> None:
    """What it does not name goes on."""
    decided = decide(NEWS, Preferences((mute,)), PARIS, THURSDAY)
    assert decided == (Suppress("muted") if covered else SendNow())


def test_digests_go_out_at_eight_by_the_readers_clock() -> None:
    """Daily the next morning, weekly the next Monday; what is due by then is sent."""
    friday = datetime(2026, 3, 6, 7, tzinfo=UTC)
    monday = datetime(2026, 3, 9, 7, tzinfo=UTC)
    for digest, at in ((Frequency.DAILY, friday), (Frequency.WEEKLY, monday)):
        asked = Preferences(digest=digest)
        assert decide(NEWS, asked, PARIS, THURSDAY) == Later(at, "digest")
        assert decide(NEWS, asked, PARIS, at) == SendNow()
    at_eight = friday.astimezone(PARIS)
    assert (at_eight.hour, at_eight.minute) == (8, 0)
    answer = told(CauseKind.CLAIM_ANSWERED)
    assert decide(answer, Preferences(digest=Frequency.WEEKLY), PARIS, THURSDAY) == SendNow()


def test_the_day_on_which_clocks_change_has_an_eight_too() -> None:
    """On 29 March 2026 the night in Paris has an hour less."""
    evening = datetime(2026, 3, 28, 20, tzinfo=UTC)
    assert next_digest(evening, Frequency.DAILY, PARIS) == datetime(2026, 3, 29, 6, tzinfo=UTC)
    before = datetime(2026, 3, 27, 20, tzinfo=UTC)
    assert next_digest(before, Frequency.DAILY, PARIS) == datetime(2026, 3, 28, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hour", "waits"), [(20, False), (21, True), (23, True), (0, True), (5, True), (6, False)]
)
def test_the_night_goes_past_midnight(hour: int, waits: bool) -> None:
    """22:00 to 7:00 in Paris; what falls into it waits for its end."""
    now = datetime(2026, 3, 5, hour, tzinfo=UTC)
    decided = decide(NEWS, Preferences(quiet=NIGHT), PARIS, now)
    morning = datetime(2026, 3, 6 if hour >= 12 else 5, 6, tzinfo=UTC)
    assert decided == (Later(morning, "quiet-hours") if waits else SendNow())


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.sampled_from(ZONES),
    st.sampled_from(list(Frequency)),
    st.times(),
    st.times(),
)
def test_whoever_waits_is_written_to_within_nine_days(
    now: datetime, zone: str, digest: Frequency, begin: time, end: time
) -> None:
    """Nobody waits for ever: what is later becomes now, soon, and is never in the past."""
    asked = Preferences(digest=digest, quiet=QuietHours(begin, end) if begin != end else None)
    news = Told(CauseKind.UPDATE_PUBLISHED, "one", CAMPAIGN, now, {"kind": "news"})
    at, steps = now, 0
    while isinstance(decided := decide(news, asked, ZoneInfo(zone), at), Later):
        assert decided.at > at
        at, steps = decided.at, steps + 1
        assert steps <= 3 and at - now < timedelta(days=9)
