"""Reads outside a transaction."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from notifier.domain.cause import Cause, CauseState, Totals
from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Channel, Delivery
from notifier.domain.kind import ToldAs
from notifier.domain.receipt_question import ReceiptQuestion
from notifier.domain.suppression import Suppression
from notifier.ports.unreached import UnreachedQueries


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """One notification of one person, with the place where the next page begins."""

    chunk: Chunk
    place: tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class OpenCauses:
    """How many causes of a state are not completed, emergencies apart from all else."""

    state: CauseState
    emergency: bool
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class RoleTotals:
    """Those who are told of a cause in another role than a backer's, and whether all are."""

    role: ToldAs
    totals: Totals
    complete: bool


class Queries(UnreachedQueries, Protocol):
    """What routes and sweeps ask."""

    async def inbox(
        self, person_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[InboxEntry]:
        """Return a page of the person's notifications, newest first."""
        ...

    async def told_at(self, person_id: str, at: datetime) -> list[Chunk]:
        """Return what the person was told that was caused in this millisecond."""
        ...

    async def unread(self, person_id: str, after: datetime | None, most: int) -> int:
        """Count what the person was told of later causes and did not hide, up to `most`."""
        ...

    async def hide(self, person_id: str, notification_id: str, at: datetime) -> None:
        """Keep that the person hid it; the same again changes nothing."""
        ...

    async def unhide(self, person_id: str, notification_id: str) -> None: ...

    async def hidden_among(self, person_id: str, notification_ids: Collection[str]) -> set[str]:
        """Return which of these the person hid."""
        ...

    async def updates_hidden(self, updates: Collection[str]) -> set[str]:
        """Return which of these updates, by the subjects of their publications, are hidden."""
        ...

    async def questions_over(self, questions: Collection[ReceiptQuestion]) -> set[ReceiptQuestion]:
        """Return which of these questions whether a reward came are over."""
        ...

    async def suppression(self, person_id: str) -> Suppression | None:
        """Return why the person's address is not written to, also if that is over by now."""
        ...

    async def read_until(self, person_id: str) -> datetime | None:
        """Return up to when the person has read the inbox."""
        ...

    async def mark_read(self, person_id: str, until: datetime) -> datetime:
        """Move the watermark, never back; return where it stands."""
        ...

    async def causes(
        self, campaign_id: str, before: tuple[datetime, str] | None = None, limit: int = 200
    ) -> list[Cause]:
        """Return a page of the campaign-wide causes of a campaign, newest first."""
        ...

    async def cause(self, name: str) -> Cause | None: ...

    async def chunk(self, chunk_id: str) -> Chunk | None: ...

    async def unplanned(self, cause: str) -> list[Chunk]:
        """Return the chunks of a cause that needed no plan, by role, backers first."""
        ...

    async def totals(self, cause: str) -> Totals: ...

    async def totals_of(self, causes: Collection[str]) -> dict[str, Totals]:
        """Sum the outcomes of several causes by their names; nobody's name is read."""
        ...

    async def role_totals(self, causes: Collection[str]) -> dict[str, list[RoleTotals]]:
        """Sum who is told of these in other roles than a backer's; nobody's name is read."""
        ...

    async def channel_totals(self, channel: Channel, cause: str) -> Totals | None:
        """Sum the outcomes of a cause on a channel; None where it tells nobody of it."""
        ...

    async def last_due(self, channel: Channel, cause: str) -> datetime | None:
        """Return to when the last of a cause's people is put off; None where nobody is.

        They wait for their mail domain, for the end of a night, a digest, or another try.
        """
        ...

    async def queued(self, channel: Channel) -> dict[int, int]:
        """Return how many recipients have no outcome yet on a channel, by priority."""
        ...

    async def chunks_of(self, cause: str, after: str, limit: int) -> list[Chunk]:
        """Return a page of all chunks of a cause, planned or not, by id."""
        ...

    async def deliveries(self, channel: Channel, chunk_ids: Collection[str]) -> dict[str, Delivery]:
        """Return how far these chunks have come on a channel, by chunk."""
        ...

    async def old_chunks(
        self, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Chunk]:
        """Return chunks that ended, of causes until then, whose people are known; oldest first."""
        ...

    async def creator(self, campaign_id: str) -> str | None:
        """Return who owns the campaign, None for one that nobody told of."""
        ...

    async def team(self, campaign_id: str) -> list[str] | None:
        """Return the owner and the team, None for a campaign that nobody told of."""
        ...

    async def incomplete(self, limit: int, after: Cause | None = None) -> list[Cause]:
        """Return causes that are not completed, oldest first, behind one where one is given."""
        ...

    async def open_causes(self) -> list[OpenCauses]:
        """Count all causes that are not completed, however many there are."""
        ...
