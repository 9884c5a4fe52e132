"""The route that says to a campaign's team in which languages an update would be read."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from notifier.domain.cause import CauseKind, Told
from notifier.domain.proof import INBOX
from notifier.domain.spoken import FEWEST, by_language
from notifier.handlers.would_be_told import WRITTEN, Counted, Page, WouldBeTold
from notifier.http.callers import team_of, unknown_campaign
from notifier.http.models import Identifier
from notifier.http.paths import CampaignId
from notifier.ports.queries import Queries
from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.clock import Clock

NOBODY = Page("", 0)


class LanguagesQuery(BaseModel):
    """What of the update decides who is told of it, in the words of its draft."""

    kind: Identifier = Field("progress_report", description="`failure_letter`, `news` …")
    visibility: Identifier = Field("public", description="`public`, `backers` or `rewards`.")
    rewards: list[Identifier] = Field([], max_length=200, description="With visibility `rewards`.")


class LanguagesView(BaseModel):
    """Counts of people. With `other_languages` those of `by_language` are all who would be told."""

    pledges_sequence: int = Field(description="N; the preview of the update says its own.")
    told: Mapping[str, int] = Field(description="By role: `backer`, and `follower` if public.")
    not_told: Mapping[str, int] = Field(description="Of the backers, by the reason.")
    by_language: Mapping[str, int]
    other_languages: int = Field(
        description=f"Who reads a language that fewer than {FEWEST} of them do, or an unknown one."
    )


def add_audience_language_routes(
    api: FastAPI, guard: Guard, queries: Queries, would_be_told: WouldBeTold, clock: Clock
) -> None:
    """Add it."""
    count = replace(would_be_told, writes_mail=False)

    @api.get(
        "/campaigns/{campaign_id}/would-be-told/update-published/languages",
        dependencies=[guard.allow(Role.STAFF, team_of(queries), unknown=unknown_campaign)],
    )
    async def count_languages(
        campaign_id: CampaignId, asked: Annotated[LanguagesQuery, Query()]
    ) -> LanguagesView:
        """Count in which languages an update would be read, were it published now.

        It completes the preview at `updates`, which knows no languages. There is no page of
        people and no moment but now: nobody's language is to be seen from the outside.
        """
        if await queries.creator(campaign_id) is None:
            raise unknown_campaign()
        content = {"kind": asked.kind, "visibility": asked.visibility, "rewards": asked.rewards}
        kind = CauseKind.UPDATE_PUBLISHED
        told = Told(kind, "would-be-told", campaign_id, clock.now(), content)
        return _view(await count(told, None, NOBODY))


def _view(counted: Counted) -> LanguagesView:
    named, others = by_language(counted.languages)
    inbox = counted.channels[INBOX]
    return LanguagesView(
        pledges_sequence=counted.pledges_sequence,
        told=+counted.roles,
        not_told={reason: number for reason, number in inbox.items() if reason != WRITTEN},
        by_language=named,
        other_languages=others,
    )
