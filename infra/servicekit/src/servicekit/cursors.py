"""Where a page ends and the next one begins: an instant, and what tells its things apart."""

from datetime import UTC, datetime

from servicekit.problems import Problem


def cursor_of(place: tuple[datetime, str]) -> str:
    """Return what a caller hands back to go on behind this place."""
    at, name = place
    return f"{at.isoformat()}~{name}"


def place_of(cursor: str) -> tuple[datetime, str] | None:
    """Return the place that a cursor names, None for the beginning; raises for what is none."""
    if not cursor:
        return None
    at, _, name = cursor.partition("~")
    try:
        found = datetime.fromisoformat(at)
        # The database keeps UTC, where the first and the last hours of all time have no place.
        instant = found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None or not name:
        raise not_ours()
    return instant, name


def not_ours() -> Problem:
    """Return what is said of a cursor that we never gave."""
    detail = "give `next_cursor` of the page before, as it came, or none for the first page"
    return Problem(422, "invalid-cursor", "The cursor is not one of ours", detail)
