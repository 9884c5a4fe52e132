"""The route by which two people of the staff have a cause told again to whoever is missing."""

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import BaseModel, ConfigDict, Field

from notifier.domain.cause import CauseKind
from notifier.domain.replay import Replay, Word
from notifier.handlers.replay import want_replay
from notifier.http.found_notice import find_notice, unknown_notice
from notifier.http.models import Identifier, Why
from notifier.http.paths import CampaignId, Subject
from notifier.ports.queries import Queries
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


class ReplayBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    why: Why


class WordView(BaseModel):
    by: str
    why: str
    at: datetime


class FoundView(BaseModel):
    """What was missing and is told now: chunks that were not there, their people, mails."""

    chunks: int
    people: int
    mails: int


class ReplayView(BaseModel):
    """`asked` by one person, `agreed` by two, then `done`."""

    cause: str
    replay_id: str
    state: str
    first: WordView
    second: WordView | None
    found: FoundView | None = Field(description="Null until it is done.")


def add_replay_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[NotifierUnit],
    queries: Queries,
    clock: Clock,
) -> None:
    """Add it."""
    Caller = Annotated[Principal, guard.allow(Role.STAFF, unknown=unknown_notice)]

    @api.put("/campaigns/{campaign_id}/notices/{kind}/{subject}/replays/{replay_id}")
    async def replay_notice(
        campaign_id: CampaignId,
        kind: CauseKind,
        subject: Subject,
        replay_id: Annotated[Identifier, Path()],
        body: ReplayBody,
        caller: Caller,
    ) -> ReplayView:
        """Want a cause told again to whoever is missing; begun when a second person wants it.

        Nobody is told twice: ids follow from cause and recipient, and who has an outcome keeps it.
        """
        found = await find_notice(queries, campaign_id, kind, subject)
        word = Word(caller.subject, body.why, clock.now())
        want = partial(want_replay, cause=found.name, replay_id=replay_id, word=word)
        return _view(await units.run(want))


def _view(replay: Replay) -> ReplayView:
    return ReplayView.model_validate(replay, from_attributes=True)
