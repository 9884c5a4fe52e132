"""Instants that callers give."""

from datetime import UTC, datetime
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


# In UTC, with a zone given, and so far from both ends of time that it can be kept and added to.
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
