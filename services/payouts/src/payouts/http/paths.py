"""What stands in the addresses of routes."""

from typing import Annotated

from fastapi import Path, Query

from payouts.http.models import Identifier

CampaignId = Annotated[Identifier, Path()]
RefundId = Annotated[Identifier, Path()]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=200, description="`next_cursor` of the page before.")]
