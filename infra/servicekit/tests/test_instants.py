"""Instants and days that callers give: far from both ends of time, instants with a zone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from servicekit.instants import Day, Instant

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
DAY: TypeAdapter[date] = TypeAdapter(Day)


@pytest.mark.parametrize(
    "given",
    ["2026-03-01T13:00:00+01:00", "1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z"],
)
def test_an_instant_is_taken_in_utc_and_can_be_added_to(given: str) -> None:
    """Whatever zone it came in."""
    instant = INSTANT.validate_python(given)
    assert instant == datetime.fromisoformat(given) and instant.tzinfo is UTC
    assert instant - timedelta(days=365) < instant < instant + timedelta(days=365)


@pytest.mark.parametrize(
    "given",
    [
        "2026-03-01T12:00:00",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "3000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        10**30,
    ],
)
def test_an_instant_without_zone_or_at_an_end_of_time_is_refused(given: str | int) -> None:
    """What cannot be kept in UTC is the caller's error, not ours."""
    with pytest.raises(ValidationError):
        INSTANT.validate_python(given)


def test_a_day_at_an_end_of_time_is_refused() -> None:
    """Weeks before the first one, and behind the last, there is no day to be reckoned with."""
    for given in ("1970-01-01", "2999-12-31"):
        day = DAY.validate_python(given)
        assert day - timedelta(days=365) < day < day + timedelta(days=365)
    for given in ("0001-01-01", "1969-12-31", "3000-01-01", "9999-12-31", "soon"):
        with pytest.raises(ValidationError):
            DAY.validate_python(given)
