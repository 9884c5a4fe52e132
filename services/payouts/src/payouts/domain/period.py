"""A month of the books, closed by two people: from then on its trial balance does not move.

Everything is booked on the day on which it is booked, so a late fact lands in an open month by
itself; its own date stays with the provider's movement. What closing adds is that two people have
seen the balance, and that whoever puts a block into the past is found.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from payouts.domain.errors import Refused
from payouts.domain.trial_balance import TrialBalance

# As days that callers give: so far from both ends of time that there is a month behind each.
YEARS = range(1970, 3000)


@dataclass(frozen=True, slots=True)
class Period:
    """A month by its name (2026-03, UTC), who proposed its end, and who closed it.

    `digest` is over the trial balance at its end. `version` guards every save.
    """

    month: str
    digest: str
    proposed_by: str
    proposed_at: datetime
    closed_by: str | None = None
    closed_at: datetime | None = None
    version: int = 0


def last_day(month: str) -> date:
    """Return the last day of a month; raises `Refused` for what is no month."""
    try:
        first = datetime.strptime(f"{month}-01", "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise Refused("no-month", f"{month!r} is no month") from None
    if first.year not in YEARS:
        raise Refused("no-month", f"{month} is in no year from {YEARS.start} to {YEARS.stop - 1}")
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def after(month: str) -> str:
    """Return the name of the month behind this one."""
    return f"{last_day(month) + timedelta(days=1):%Y-%m}"


def digest_of(balances: Sequence[TrialBalance]) -> str:
    """Return the SHA-256 over every account that is not zero, by currency, in one form only."""
    shown = {
        one.currency: {account.value: n for account, n in one.balances.items() if n}
        for one in balances
    }
    text = json.dumps(shown, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def close(
    known: Period | None, last: str | None, month: str, digest: str, by: str, now: datetime
) -> Period:
    """Take one person's word that a month may be closed, or close it with a second one's.

    `last` is the month that was closed last, None for none. The same person's same word again
    changes nothing. Of a balance that moved since, nobody has said anything yet: whoever says it
    now is the first one, so that no month waits for somebody who is away. Raises `Refused` for a
    month that is not over, or is not the next one.
    """
    if known is not None and known.closed_by is not None:
        return known
    if now.astimezone(UTC).date() <= last_day(month):
        raise Refused("month-not-over", f"{month} is not over")
    if last is not None and month != after(last):
        raise Refused("not-the-next-month", f"after {last} comes {after(last)}")
    if known is None or known.digest != digest:
        version = known.version if known else 0
        return Period(month, digest, by, now, version=version)
    if known.proposed_by == by:
        return known
    return replace(known, closed_by=by, closed_at=now)
