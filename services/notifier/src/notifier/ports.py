"""What the handlers need from outside, and what they may rely on."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from notifier.domain.cause import Cause, Totals, Withdrawal
from notifier.domain.chunk import Chunk, Member
from servicekit.units import Unit


@dataclass(frozen=True, slots=True)
class Membership:
    """A collected pledge: since which sequence its backer belongs to the campaign."""

    campaign_id: str
    backer_id: str
    pledge_id: str
    joined: int
    key_hash: int


@dataclass(frozen=True, slots=True)
class Departure:
    """A withdrawn pledge: since which sequence it no longer makes its backer one."""

    campaign_id: str
    backer_id: str
    pledge_id: str
    left: int


class Memberships(Protocol):
    """Who backs what, bound to one transaction; append-only."""

    async def add(self, memberships: Sequence[Membership]) -> None: ...

    async def leave(self, departures: Sequence[Departure]) -> None:
        """Keep which pledges were withdrawn when; the same again changes nothing."""
        ...


class Causes(Protocol):
    """Causes, bound to one transaction."""

    async def load(self, names: Collection[str]) -> dict[str, Cause]: ...

    async def save(self, causes: Sequence[Cause]) -> None:
        """Insert new causes (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class Chunks(Protocol):
    """Chunks, bound to one transaction."""

    async def add_new(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Insert the chunks that are not there yet and return those."""
        ...

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]: ...

    async def done(self, chunk_ids: Collection[str], at: datetime) -> None:
        """Note that everybody in these chunks was told; the same again changes nothing."""
        ...

    async def withdraw(self, withdrawals: Sequence[Withdrawal]) -> None:
        """Note that the reason of these reminders is gone; who was not told is not told any more.

        The same again changes nothing. One that is being told meanwhile may still be told.
        """
        ...

    async def totals(self, cause: str) -> Totals:
        """Sum the outcomes over the chunks: recomputed, never counted up."""
        ...


class Creators(Protocol):
    """Who owns which campaign, bound to one transaction; the first word holds."""

    async def add(self, creators: Mapping[str, str]) -> None:
        """Keep the creator of each campaign; known campaigns stay as they are."""
        ...


class Facts(Protocol):
    """Where facts go, to be published after the transaction."""

    async def planned(self, cause: Cause) -> None: ...

    async def completed(self, cause: Cause, totals: Totals) -> None: ...


@dataclass(frozen=True, slots=True)
class NotifierUnit(Unit):
    """One transaction of this service."""

    memberships: Memberships
    causes: Causes
    chunks: Chunks
    creators: Creators
    facts: Facts


class Audience(Protocol):
    """Reads and writes of the planner, outside a transaction, because they stream."""

    def members(self, campaign_id: str, until: int) -> AsyncIterator[list[Member]]:
        """Stream the memberships as of the sequence, in pages, by backer's id.

        That is one for each pledge that was joined at or before it and had not left by then, so
        that whoever withdrew one of two pledges still belongs.
        """
        ...

    async def store(self, chunks: Sequence[Chunk]) -> None:
        """Keep the chunks; those that are there already stay as they are."""
        ...


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """One notification of one person, with the place where the next page begins."""

    chunk: Chunk
    place: tuple[datetime, str]


class Queries(Protocol):
    """Reads outside a transaction."""

    async def inbox(
        self, person_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[InboxEntry]:
        """Return a page of the person's notifications, newest first."""
        ...

    async def read_until(self, person_id: str) -> datetime | None:
        """Return up to when the person has read the inbox."""
        ...

    async def mark_read(self, person_id: str, until: datetime) -> datetime:
        """Move the watermark, never back; return where it stands."""
        ...

    async def causes(self, campaign_id: str) -> list[Cause]: ...

    async def cause(self, name: str) -> Cause | None: ...

    async def chunk(self, chunk_id: str) -> Chunk | None: ...

    async def totals(self, cause: str) -> Totals: ...

    async def creator(self, campaign_id: str) -> str | None:
        """Return who owns the campaign, None for one that nobody told of."""
        ...

    async def incomplete(self, limit: int) -> list[Cause]:
        """Return causes that are not completed, oldest first."""
        ...
