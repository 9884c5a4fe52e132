"""The parts of paths and queries that routes share."""

from typing import Annotated

from fastapi import Path, Query

from notifier.http.models import Identifier

# Any id that the topics allow and a path can hold: a slash, also an encoded one, parts paths.
PersonId = Annotated[
    str, Path(min_length=1, max_length=200, pattern=r"^[^/\x00-\x1f\x7f]+$", examples=["person-1"])
]
CampaignId = Annotated[Identifier, Path()]
# What stands behind the slash of a cause, which is not always an id.
Subject = Annotated[str, Path(min_length=1, max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=500, description="`next_cursor` of the page before.")]
