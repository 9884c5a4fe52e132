"""Taking an upload: from the line into the store, judged, and kept; or nothing of it.

Its row is there before its first byte, and its objects carry a name that is drawn for it: whatever
ends in the middle, the sweep knows what to remove.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import BinaryIO, TypeVar

from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.media import Media, MediaState, Stored, check_name, check_same
from updates.domain.media_type import USUAL_LIMITS, MediaKind, MediaType, UploadLimits
from updates.handlers.media import begin_upload, finish_upload, forget_upload, known_media
from updates.ports.media import MediaInspector, MediaObjects, MediaScanner, Picture
from updates.ports.unit import UpdatesUnit

T = TypeVar("T")
# Uploads under way at once: each has two parts of five MiB in memory. Others wait, unread.
UPLOADS_AT_ONCE = 8
# Images in memory at once, which are some hundred MiB where they are as large as they may be.
JUDGED_AT_ONCE = 1
# Below the time after which the sweep takes an upload for broken.
UPLOAD_SECONDS_MAX = 30 * 60
SILENCE_SECONDS_MAX = 30
# What was sent, and an image as it is shown.
SENT, SHOWN = "sent", "shown"


def key_of(upload: str, part: str) -> str:
    """Return the key of an object; nothing that anybody sent is in it."""
    return f"{upload[:2]}/{upload}/{part}"


async def remove_objects(objects: MediaObjects, upload: str) -> None:
    """Remove every object of an upload, also what came of one that is not whole."""
    folder = key_of(upload, "").rstrip("/")
    await objects.delete([one.key for one in await objects.under(folder)])


def served_key(media: Media, edge: int | None) -> str:
    """Return the key of what is served: the smallest copy that is not below `edge`, or all."""
    assert media.stored is not None
    if media.stored.type.kind is not MediaKind.IMAGE:
        return key_of(media.upload, SENT)
    edges = sorted(one.edge for one in media.stored.copies if edge and one.edge >= edge)
    return key_of(media.upload, str(edges[0]) if edges else SHOWN)


@dataclass(frozen=True, slots=True)
class Asked:
    """An upload as it is asked for."""

    campaign_id: str
    media_id: str
    name: str
    by: str


@dataclass(slots=True)
class _Line:
    """What comes over the line: counted and digested, its type known by its first bytes."""

    chunks: AsyncIterator[bytes]
    judge: Callable[[bytes], MediaType]
    head_bytes: int
    limits: UploadLimits
    type: MediaType | None = None
    length: int = 0
    digest: str = ""

    async def read(self) -> AsyncIterator[bytes]:
        """Yield everything; raises `Refused` at the first byte that is too much."""
        digest, head = hashlib.sha256(), b""
        async for chunk in _in_time(self.chunks):
            digest.update(chunk)
            self.length += len(chunk)
            if self.type is None:
                head += chunk
                if len(head) < self.head_bytes:
                    continue
                chunk, self.type = head, self.judge(head)
            self._check_length()
            yield chunk
        if self.type is None:
            self.type = self.judge(head)
            yield head
        self.digest = digest.hexdigest()

    def _check_length(self) -> None:
        assert self.type is not None
        most = self.limits.of(self.type.kind)
        if self.length > most:
            raise Refused("too-large", f"a {self.type.kind} has at most {most} bytes")


async def _in_time(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what comes, and refuse a line on which nothing comes for long."""
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                chunk = await anext(chunks)
            if chunk:
                yield chunk
    except StopAsyncIteration:
        pass
    except TimeoutError:
        raise Refused("upload-stalled", "nothing came for a while") from None


@dataclass(slots=True)
class UploadDesk:
    """Takes uploads, so many at once."""

    units: UnitsOfWork[UpdatesUnit]
    clock: Clock
    objects: MediaObjects
    inspector: MediaInspector
    head_bytes: int
    scanner: MediaScanner | None = None
    limits: UploadLimits = USUAL_LIMITS
    at_once: int = UPLOADS_AT_ONCE
    _lines: asyncio.Semaphore = field(init=False)
    _judging: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(JUDGED_AT_ONCE))

    def __post_init__(self) -> None:
        """Let so many be read at once."""
        self._lines = asyncio.Semaphore(self.at_once)

    async def take(self, asked: Asked, chunks: AsyncIterator[bytes]) -> Media:
        """Keep what is sent and return it; the same again under its id is the same.

        Raises `Refused`, or what `chunks` raises, and then leaves nothing.
        """
        name = check_name(asked.name)
        async with self._lines:
            begun = await self._begin(asked, name)
            if begun.state is not MediaState.UPLOADING:
                return check_same(begun, await _digest(chunks))
            try:
                async with asyncio.timeout(UPLOAD_SECONDS_MAX):
                    stored = await self._store(begun, chunks)
                return await self.units.run(
                    lambda unit: finish_upload(unit, begun, stored, self.clock.now())
                )
            except BaseException as error:
                # Also when the caller is gone, and this task with it.
                await asyncio.shield(self._undo(begun))
                if isinstance(error, TimeoutError):
                    raise Refused("upload-stalled", "it took too long") from None
                raise

    async def _begin(self, asked: Asked, name: str) -> Media:
        wanted = Media(
            campaign_id=asked.campaign_id,
            media_id=asked.media_id,
            name=name,
            uploaded_by=asked.by,
            upload=secrets.token_hex(16),
            begun_at=self.clock.now(),
        )

        async def work(unit: UpdatesUnit) -> Media:
            try:
                return await begin_upload(unit, wanted)
            except Refused as refusal:
                if refusal.reason != "media-exists":
                    raise
                return await known_media(unit, asked.campaign_id, asked.media_id)

        return await self.units.run(work)

    async def _store(self, begun: Media, chunks: AsyncIterator[bytes]) -> Stored:
        line = _Line(
            chunks,
            lambda head: self.inspector.type_of(head, begun.name),
            self.head_bytes,
            self.limits,
        )
        raw = key_of(begun.upload, SENT)
        await self.objects.put(raw, line.read())
        assert line.type is not None
        await self._scan(raw)
        stored = Stored(line.type, line.length, line.digest)
        if line.type.kind is MediaKind.IMAGE:
            return await self._store_picture(begun, stored)
        type = await self._judged(self.inspector.inspect, line.type, raw)
        return replace(stored, type=type)

    async def _store_picture(self, begun: Media, sent: Stored) -> Stored:
        raw = key_of(begun.upload, SENT)
        picture: Picture = await self._judged(self.inspector.picture, sent.type, raw)
        await self.objects.put(key_of(begun.upload, SHOWN), _once(picture.image))
        for copy, data in picture.copies:
            await self.objects.put(key_of(begun.upload, str(copy.edge)), _once(data))
        # What was sent says where it was taken.
        await self.objects.delete([raw])
        return replace(
            sent,
            bytes=len(picture.image),
            width=picture.width,
            height=picture.height,
            copies=tuple(copy for copy, _ in picture.copies),
        )

    async def _scan(self, key: str) -> None:
        part = await self.objects.get(key) if self.scanner else None
        if self.scanner is None or part is None:
            return
        if await self.scanner.scan(part.chunks):
            raise Refused("file-infected", "a virus was found in it")

    async def _judged(
        self, judge: Callable[[MediaType, BinaryIO], T], type: MediaType, key: str
    ) -> T:
        def look() -> T:
            with self.objects.open(key) as content:
                return judge(type, content)

        async with self._judging:
            return await asyncio.to_thread(look)

    async def _undo(self, begun: Media) -> None:
        await self.units.run(lambda unit: forget_upload(unit, begun))
        await remove_objects(self.objects, begun.upload)


async def _digest(chunks: AsyncIterator[bytes]) -> str:
    digest = hashlib.sha256()
    async for chunk in _in_time(chunks):
        digest.update(chunk)
    return digest.hexdigest()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
