"""Instants and days that callers give."""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

YEARS = range(1970, 3000)


def _in_utc(given: datetime) -> datetime:
    try:
        instant = given.astimezone(UTC)
    except OverflowError:
        raise ValueError("has no place in UTC") from None
    if instant.year not in YEARS:
        raise ValueError(f"must be in a year from {YEARS.start} to {YEARS.stop - 1}, in UTC")
    return instant


def _within_years(given: date) -> date:
    if given.year not in YEARS:
        raise ValueError(f"must be in a year from {YEARS.start} to {YEARS.stop - 1}")
    return given


# In UTC, with a zone given, and so far from both ends of time that it can be kept and added to.
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
# A day of whatever zone, as far from both ends.
Day = Annotated[date, AfterValidator(_within_years)]
