"""The stores of one transaction, and what the planner streams outside of it."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from notifier.domain.cause import Cause, Told, Totals, Withdrawal
from notifier.domain.chunk import Chunk, Member
from notifier.ports.audience import Consents, Endings, ReturnedPledges, Sieve
from notifier.ports.edited_updates import EditedUpdates
from notifier.ports.email import Deliveries, Mailed, Suppressions, Unsubscriptions
from notifier.ports.follows import Follows
from notifier.ports.hidden_updates import HiddenUpdates
from notifier.ports.people import People
from notifier.ports.personal_links import Revocations
from notifier.ports.preferences import PreferenceStore
from notifier.ports.receipt_questions import ReceiptQuestions
from notifier.ports.replays import Replays
from notifier.ports.unreached import UnreachedMessages
from notifier.ports.webhooks import WebhookEndpoints
from notifier.ports.withdrawals import Withdrawals
from servicekit.units import Unit


@dataclass(frozen=True, slots=True)
class Membership:
    """A collected pledge: since which sequence its backer belongs to the campaign."""

    campaign_id: str
    backer_id: str
    pledge_id: str
    joined: int
    key_hash: int
    reward_id: str | None = None
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Departure:
    """A withdrawn pledge: since which sequence it no longer makes its backer one.

    `left_at` is when it was taken back, None where a release before this one kept it.
    """

    campaign_id: str
    backer_id: str
    pledge_id: str
    left: int
    left_at: datetime | None = None


class Memberships(Protocol):
    """Who backs what, bound to one transaction; append-only."""

    async def add(self, memberships: Sequence[Membership]) -> None: ...

    async def has_backed(self, campaign_id: str, person_id: str) -> bool:
        """Return whether this person ever joined the campaign, also one who left it again."""
        ...

    async def belonging(self, campaign_id: str, backers: Collection[str], until: int) -> set[str]:
        """Return who of these is in the audience as of the sequence.

        As in `Audience.members`: whose pledges joined at or before it are more than those that
        had left by then.
        """
        ...

    async def left_by(self, campaign_id: str, pledges: Collection[str], at: datetime) -> set[str]:
        """Return which of these pledges had been taken back by that time."""
        ...

    async def behind(
        self, campaign_id: str, sequence: int, captured_until: datetime
    ) -> list[Membership]:
        """Return who joined behind the sequence with money that had come by that time."""
        ...

    async def leave(self, departures: Sequence[Departure]) -> None:
        """Keep which pledges were withdrawn when; the same again changes nothing."""
        ...


class Causes(Protocol):
    """Causes, bound to one transaction."""

    async def load(self, names: Collection[str]) -> dict[str, Cause]: ...

    async def of_campaigns(self, campaign_ids: Collection[str], since: datetime) -> list[Cause]:
        """Return the campaign-wide causes of these campaigns that were heard since then."""
        ...

    async def save(self, causes: Sequence[Cause]) -> None:
        """Insert new causes (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class Chunks(Protocol):
    """Chunks, bound to one transaction."""

    async def add_new(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Insert the chunks that are not there yet and return those."""
        ...

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]: ...

    async def holding(
        self, chunk_ids: Collection[str], people: Collection[str]
    ) -> dict[str, Chunk]:
        """Return those of these chunks in which one of these people stands."""
        ...

    async def told_since(
        self, campaign_id: str, people: Collection[str], since: datetime, most: int
    ) -> list[str]:
        """Return the chunks of causes since then in which one of these people stands.

        All those of the campaign are among them, but of more than so many only the newest. Each is
        read whole: no index says which chunk it is.
        """
        ...

    async def done(self, chunk_ids: Collection[str], at: datetime) -> None:
        """Note that everybody in these chunks was told; the same again changes nothing."""
        ...

    async def told_beside(self, told: Told, people: Collection[str]) -> set[str]:
        """Return who of these is told by a chunk of this cause that no plan cut.

        Who stands in one of its plan is who belonged to the campaign as of its N.
        """
        ...

    async def hushed_among(self, told: Told, people: Collection[str]) -> set[str]:
        """Return of whom of these the cause's audience only counts that they are not told."""
        ...

    async def address(self, chunk: Chunk) -> None:
        """Keep the recipients of a chunk that waited for them."""
        ...

    async def withdraw(self, withdrawals: Sequence[Withdrawal]) -> list[str]:
        """Note that the reason of these reminders is gone; return the ids of their chunks.

        Who was not told is not told any more; one that is being told meanwhile may still be told.
        The same again changes nothing.
        """
        ...

    async def forget(self, recipients: Collection[str]) -> None:
        """Remove what was said to these people alone; that they were told stays and is counted.

        What was said to several without a plan goes with the last of them.
        """
        ...

    async def shed(self, chunk_ids: Collection[str]) -> None:
        """Forget who was told in these and what of; that so many were is kept, and counted.

        The same again changes nothing, and one that has not ended stays as it is.
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

    async def set_teams(self, teams: Mapping[str, Sequence[str]]) -> None:
        """Keep who works on each campaign; the last word holds, an unknown campaign is passed."""
        ...

    async def team(self, campaign_id: str) -> list[str] | None:
        """Return the owner and the team, None for a campaign that nobody told of."""
        ...


class Readers(Protocol):
    """What people have read of their inboxes, and hid there; bound to one transaction."""

    async def forget(self, ids: Collection[str]) -> None: ...


class Titles(Protocol):
    """What campaigns are called, bound to one transaction; the first word holds."""

    async def add(self, titles: Mapping[str, str]) -> None:
        """Keep the title of each campaign; known campaigns stay as they are."""
        ...

    async def load(self, campaign_ids: Collection[str]) -> dict[str, str]: ...


class Facts(Protocol):
    """Where facts go, to be published after the transaction."""

    async def planned(self, cause: Cause) -> None: ...

    async def completed(
        self, cause: Cause, totals: Totals, channels: Mapping[str, Totals]
    ) -> None: ...

    async def erased(self, people: Collection[str], at: datetime) -> None:
        """Tell that these people were erased."""
        ...


@dataclass(frozen=True, slots=True)
class NotifierUnit(Unit):
    """One transaction of this service."""

    memberships: Memberships
    causes: Causes
    chunks: Chunks
    creators: Creators
    people: People
    endings: Endings
    returned: ReturnedPledges
    consents: Consents
    sieve: Sieve
    follows: Follows
    revocations: Revocations
    preferences: PreferenceStore
    readers: Readers
    titles: Titles
    deliveries: Deliveries
    suppressions: Suppressions
    unsubscriptions: Unsubscriptions
    mailed: Mailed
    hidden_updates: HiddenUpdates
    edited_updates: EditedUpdates
    receipt_questions: ReceiptQuestions
    withdrawals: Withdrawals
    facts: Facts
    endpoints: WebhookEndpoints
    replays: Replays
    unreached: UnreachedMessages


class Audience(Sieve, Protocol):
    """Reads and writes of many people, outside a transaction: they stream, or change nothing."""

    def members(self, campaign_id: str, until: int) -> AsyncIterator[list[Member]]:
        """Stream the memberships as of the sequence, in pages, by backer's id.

        That is one for each pledge that was joined at or before it and had not left by then, so
        that whoever withdrew one of two pledges still belongs.
        """
        ...

    async def store(self, chunks: Sequence[Chunk]) -> None:
        """Keep the chunks; those that are there already stay as they are."""
        ...

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]:
        """Return those of the chunks that are there."""
        ...
