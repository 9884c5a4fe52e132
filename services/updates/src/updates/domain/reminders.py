"""When a creator is asked about a promised day: so many days before it, as terms say, or on it.

A question is for the morning of the campaign's own zone. One whose time was over when the day was
promised is never asked.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MORNING = time(8)


@dataclass(frozen=True, slots=True)
class Question:
    """One that is due since `at`; `asked` is what counts as asked from now on."""

    days_before: int
    at: datetime
    asked: frozenset[int]


def asked_at(day: date, days_before: int, zone: str) -> datetime:
    """Return the instant of a question, in UTC."""
    local = datetime.combine(day - timedelta(days=days_before), MORNING, ZoneInfo(zone))
    return local.astimezone(UTC)


def next_question(
    day: date,
    asked: Collection[int],
    promised_at: datetime,
    zone: str,
    asked_before: Collection[int],
) -> datetime | None:
    """Return when the next question falls due; None where all were asked, or never will be."""
    left = _left(day, asked, promised_at, zone, asked_before)
    return min((at for _, at in left), default=None)


def question_due(
    day: date,
    asked: Collection[int],
    promised_at: datetime,
    zone: str,
    now: datetime,
    asked_before: Collection[int],
) -> Question | None:
    """Return the nearest question that is due; those before it count as asked with it."""
    left = _left(day, asked, promised_at, zone, asked_before)
    due = [(days, at) for days, at in left if at <= now]
    if not due:
        return None
    nearest, at = min(due)
    return Question(nearest, at, frozenset(asked) | {days for days, _ in due})


def today_in(zone: str, now: datetime) -> date:
    """Return the day that it is in a zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def _left(
    day: date,
    asked: Collection[int],
    promised_at: datetime,
    zone: str,
    asked_before: Collection[int],
) -> list[tuple[int, datetime]]:
    # Where the terms' days have changed meanwhile: what is further off than an earlier question is
    # answered with it.
    nearest = min(asked, default=None)
    open_days = [days for days in asked_before if nearest is None or days < nearest]
    times = [(days, asked_at(day, days, zone)) for days in open_days]
    return [(days, at) for days, at in times if at > promised_at]
