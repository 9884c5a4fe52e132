"""The route that says who would be told of something, before it is published."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from notifier.domain.cause import CauseKind, Told
from notifier.handlers.would_be_told import Counted, Page, WouldBeTold
from notifier.http.callers import unknown_campaign
from notifier.http.models import Identifier
from notifier.http.paths import CampaignId
from notifier.ports.queries import Queries
from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.clock import Clock

PAGE_MOST = 1_000


class WouldBeToldQuery(BaseModel):
    """What is to be told, as far as it decides who is."""

    as_of: int | None = Field(None, ge=0, description="N; absent: as far as is known now.")
    update_kind: Identifier | None = Field(None, description="`emergency`, `failure_letter` …")
    visibility: Identifier | None = Field(None, description="`public`, `backers` or `rewards`.")
    rewards: list[Identifier] = Field([], max_length=200, description="With visibility `rewards`.")
    after: str = Field("", max_length=200, description="People behind this one.")
    limit: int = Field(100, ge=1, le=PAGE_MOST)


class WouldBeToldView(BaseModel):
    """Counts of people; of a channel by `told`, or the reason why not or why later."""

    kind: str
    pledges_sequence: int
    roles: Mapping[str, int]
    languages: Mapping[str, int]
    channels: Mapping[str, Mapping[str, int]]
    people: list[str] = Field(description="A page of those who would be told, by id.")
    next_after: str | None = Field(description="Where the next page begins; null: it is the last.")


def add_would_be_told_routes(
    api: FastAPI, guard: Guard, queries: Queries, would_be_told: WouldBeTold, clock: Clock
) -> None:
    """Add it."""

    @api.get(
        "/campaigns/{campaign_id}/would-be-told/{kind}",
        dependencies=[guard.allow(Role.STAFF, unknown=unknown_campaign)],
    )
    async def count_who_would_be_told(
        campaign_id: CampaignId, kind: CauseKind, asked: Annotated[WouldBeToldQuery, Query()]
    ) -> WouldBeToldView:
        """Count who would be told now, by role, channel and language; nothing is written."""
        if await queries.creator(campaign_id) is None:
            raise unknown_campaign()
        told = Told(kind, "would-be-told", campaign_id, clock.now(), _content(asked))
        counted = await would_be_told(told, asked.as_of, Page(asked.after, asked.limit + 1))
        return _view(kind, counted, asked.limit)


def _content(asked: WouldBeToldQuery) -> dict[str, object]:
    said = {"kind": asked.update_kind, "visibility": asked.visibility}
    return {name: one for name, one in said.items() if one} | {"rewards": asked.rewards}


def _view(kind: CauseKind, counted: Counted, limit: int) -> WouldBeToldView:
    people = counted.people[:limit]
    return WouldBeToldView(
        kind=kind.value,
        pledges_sequence=counted.pledges_sequence,
        roles=counted.roles,
        languages=counted.languages,
        channels=counted.channels,
        people=people,
        next_after=people[-1] if len(counted.people) > limit else None,
    )
