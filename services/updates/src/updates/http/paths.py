"""The parts of paths and queries that routes share."""

from typing import Annotated

from fastapi import Path, Query

from updates.http.models import Identifier

# Any id that the topics allow and a path can hold: a slash, also an encoded one, parts paths.
PersonId = Annotated[
    str, Path(min_length=1, max_length=200, pattern=r"^[^/\x00-\x1f\x7f]+$", examples=["auth0|7"])
]
CampaignId = Annotated[Identifier, Path()]
UpdateId = Annotated[Identifier, Path()]
CommentId = Annotated[Identifier, Path()]
ClaimId = Annotated[Identifier, Path()]
SurveyId = Annotated[Identifier, Path()]
QuestionId = Annotated[Identifier, Path()]
RewardId = Annotated[Identifier, Path()]
EntryId = Annotated[Identifier, Path()]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=200, description="`next_cursor` of the page before.")]
