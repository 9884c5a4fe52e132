"""A place in a queue of updates and comments, as a cursor."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from servicekit.cursors import cursor_of, not_ours, place_of
from updates.domain.report import Thing

# A place in the queue names an update or a comment with its campaign.
QueueCursor = Annotated[str, Query(max_length=400, description="`next_cursor` of the page before.")]


def thing_cursor(at: datetime, thing: Thing) -> str:
    """Return the cursor of the page behind this thing."""
    names = (thing.campaign_id, thing.update_id, thing.comment_id or "")
    return cursor_of((at, "~".join(names)))


def thing_place(cursor: str) -> tuple[datetime, Thing] | None:
    """Read a cursor back; raises a problem for one that is not ours. No id holds its sign."""
    place = place_of(cursor)
    if place is None:
        return None
    at, names = place
    try:
        campaign_id, update_id, comment_id = names.split("~")
    except ValueError:
        raise not_ours() from None
    return at, Thing(campaign_id, update_id, comment_id or None)
