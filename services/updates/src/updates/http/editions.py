"""Editions of what is edited: an `ETag` goes out, `If-Match` comes back, a stale one is a 412."""

import re
from typing import Annotated

from fastapi import Header, Response

from servicekit.problems import Problem
from updates.domain.follow_up import FollowUp
from updates.domain.update import Update
from updates.http.models import UpdateView
from updates.http.views import update_view

IfMatch = Annotated[
    str, Header(max_length=50, description="`ETag` of what was read; absent: whatever is there.")
]
_TAG = re.compile(r'"([0-9]{1,18})"')


def edition_of(if_match: str) -> int | None:
    """Read the header; None where it does not matter which edition is there."""
    if if_match in ("", "*"):
        return None
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise Problem(412, "edition-stale", "This is no edition of ours; read it again")
    return int(tag.group(1))


def tagged(update: Update, response: Response, follow_up: FollowUp | None = None) -> UpdateView:
    """Show the update and name its edition."""
    response.headers["ETag"] = f'"{update.version}"'
    return update_view(update, follow_up)
