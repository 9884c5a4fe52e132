"""Instants that can be reckoned with, whichever way they come.

A topic may name any instant. What follows from one (a drop, a window, a verdict) is added to it,
here and by whoever hears of it. Behind the last instant there is none: the fact is set aside there,
and its campaign waits behind it.
"""

from datetime import datetime

from funding.domain.errors import Refused

# As of what comes over HTTP; a sentinel for "never" is no instant.
YEARS = range(1970, 3000)


def check_instant(at: datetime) -> None:
    """Raise `Refused` for an instant at an end of time.

    Asked of what is heard for the first time: what was told once is a fact, and is folded in.
    """
    if at.year not in YEARS:
        years = f"{YEARS.start} to {YEARS.stop - 1}"
        raise Refused("invalid-instant", f"{at.isoformat()} is in no year from {years}")
