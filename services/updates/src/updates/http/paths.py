"""The parts of paths and queries that routes share."""

from typing import Annotated

from fastapi import Path, Query

from updates.http.models import Identifier

CampaignId = Annotated[Identifier, Path()]
UpdateId = Annotated[Identifier, Path()]
CommentId = Annotated[Identifier, Path()]
ClaimId = Annotated[Identifier, Path()]
SurveyId = Annotated[Identifier, Path()]
QuestionId = Annotated[Identifier, Path()]
RewardId = Annotated[Identifier, Path()]
BackerId = Annotated[str, Path(min_length=1, max_length=200)]
EntryId = Annotated[Identifier, Path()]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=200, description="`next_cursor` of the page before.")]
