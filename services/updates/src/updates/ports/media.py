"""Uploaded files: their rows in a transaction, reads of them, what keeps and judges them."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from updates.domain.media import Copy, Media
from updates.domain.media_type import MediaType


class MediaRows(Protocol):
    """What is known of uploads, bound to one transaction."""

    async def load(self, campaign_id: str, media_ids: Collection[str]) -> dict[str, Media]: ...

    async def attached(self, campaign_id: str, places: Collection[str]) -> dict[str, list[Media]]:
        """Return what these places of the campaign show, also what was withdrawn, by place."""
        ...

    async def unattached(self, campaign_id: str) -> int:
        """Return how many of the campaign are there, or on their way, and shown nowhere."""
        ...

    async def save(self, media: Media) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...

    async def remove(self, media: Media) -> None:
        """Forget the loaded one; `Conflict` if it was saved since."""
        ...


class MediaQueries(Protocol):
    """Reads of uploads outside a transaction."""

    async def media(self, campaign_id: str, media_ids: Collection[str]) -> dict[str, Media]: ...

    async def due_media(self, now: datetime, limit: int, skip: int = 0) -> list[Media]:
        """Return what the sweep has to look at by now, the longest due first.

        Without the first `skip` of them.
        """
        ...

    async def oldest_due_media(self) -> datetime | None:
        """Return when the first of them is due."""
        ...

    async def known_uploads(self, uploads: Collection[str]) -> set[str]:
        """Return which of these uploads have a row."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """One object as a listing has it."""

    key: str
    bytes: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of an object, from `start` to before `end`, of so many altogether."""

    start: int
    end: int
    whole: int
    chunks: AsyncIterator[bytes]


class MediaObjects(Protocol):
    """Where bytes are kept, by keys of our own making; raises `DependencyAway` while it is away."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Keep all of it under the key, or nothing where `chunks` raises, whose error it raises.

        A few parts of some MiB are in memory, however long it is.
        """
        ...

    async def get(self, key: str, start: int = 0, end: int | None = None) -> Part | None:
        """Return the bytes from `start` to before `end`, which is cut to what there is.

        None where there is no such object. Something of the object lies behind `start`.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Open it to be read from any place; blocks, so it is for a thread.

        Raises `FileNotFoundError` where there is no such object.
        """
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete them; one that is not there is deleted already."""
        ...

    async def under(self, folder: str) -> list[Kept]:
        """Return the objects in this folder, and what a killed process left of one.

        A bucket shows nothing of the latter: by its own rule it aborts what is not whole.
        """
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """An image written anew: nothing is left of what was sent but what is seen."""

    width: int
    height: int
    image: bytes
    copies: tuple[tuple[Copy, bytes], ...]


class MediaInspector(Protocol):
    """Says what content is, and refuses what is not what it seems or could do harm.

    Every refusal is `Refused`. All but `type_of` block, so they are for a thread.
    """

    def type_of(self, head: bytes, name: str) -> MediaType:
        """Return the type by the first bytes; the name only tells tables from other text."""
        ...

    def inspect(self, type: MediaType, content: BinaryIO) -> MediaType:
        """Look at a whole file, and return its type more exactly where that can be known."""
        ...

    def picture(self, type: MediaType, content: BinaryIO) -> Picture:
        """Write an image anew, in the sizes in which it is shown."""
        ...


class MediaScanner(Protocol):
    """Looks for viruses."""

    async def scan(self, chunks: AsyncIterator[bytes]) -> str | None:
        """Return the name of what was found; raises `DependencyAway` where nobody can say."""
        ...


class MediaLinks(Protocol):
    """Signs short-lived links, for what an image's element can bring no token for."""

    def sign(self, media: Media, now: datetime) -> str:
        """Return what makes its address readable for a while, whoever brings it."""
        ...

    def allows(self, media: Media, link: str, now: datetime) -> bool:
        """Whether the link is ours, for this, and not over."""
        ...
