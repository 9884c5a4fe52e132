"""What is known of uploads, in memory; objects are the library's own store in memory."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from obstore.store import MemoryStore

from servicekit.errors import Conflict
from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.adapters.content_types import HEAD_BYTES
from updates.adapters.inspection import ContentInspector
from updates.adapters.media_links import SignedMediaLinks
from updates.adapters.media_objects import StoredObjects
from updates.domain.media import Media, MediaState
from updates.domain.media_type import USUAL_LIMITS, UploadLimits
from updates.handlers.take_upload import UPLOADS_AT_ONCE, UploadDesk
from updates.ports.media import MediaScanner

if TYPE_CHECKING:
    from services.updates.tests.conftest import UpdatesService

LINKS = SignedMediaLinks(["a secret of tests, long enough"], 3_600)


class MemoryMediaRows:
    def __init__(self, database: MemoryDatabase) -> None:
        self._media: dict[tuple[str, str], Media] = database.table("media")

    async def load(self, campaign_id: str, media_ids: Collection[str]) -> dict[str, Media]:
        names = {one: (campaign_id, one) for one in media_ids}
        return {one: self._media[name] for one, name in names.items() if name in self._media}

    async def attached(self, campaign_id: str, places: Collection[str]) -> dict[str, list[Media]]:
        found: dict[str, list[Media]] = {}
        for _, one in sorted(self._media.items()):
            place = one.attached_to
            if one.campaign_id == campaign_id and place is not None and place in places:
                found.setdefault(place, []).append(one)
        return found

    async def unattached(self, campaign_id: str) -> int:
        waiting = [
            one
            for one in self._media.values()
            if one.campaign_id == campaign_id and one.state is not MediaState.WITHDRAWN
        ]
        return sum(one.attached_to is None for one in waiting)

    async def save(self, media: Media) -> None:
        save_versioned(self._media, (media.campaign_id, media.media_id), media)

    async def remove(self, media: Media) -> None:
        name = (media.campaign_id, media.media_id)
        known = self._media.get(name)
        if known is None or known.version != media.version:
            raise Conflict(str(name))
        del self._media[name]


class MemoryMediaQueries(MemoryMediaRows):
    async def media(self, campaign_id: str, media_ids: Collection[str]) -> dict[str, Media]:
        return await self.load(campaign_id, media_ids)

    async def due_media(self, now: datetime, limit: int, skip: int = 0) -> list[Media]:
        return [one for at, one in self._dues() if at <= now][skip : skip + limit]

    async def oldest_due_media(self) -> datetime | None:
        return next((at for at, _ in self._dues()), None)

    async def known_uploads(self, uploads: Collection[str]) -> set[str]:
        return set(uploads) & {one.upload for one in self._media.values()}

    def _dues(self) -> list[tuple[datetime, Media]]:
        dues = [(one.next_due, one) for one in self._media.values() if one.next_due]
        return sorted(dues, key=lambda due: due[0])


def memory_desk(
    service: "UpdatesService",
    scanner: MediaScanner | None = None,
    limits: UploadLimits = USUAL_LIMITS,
    at_once: int = UPLOADS_AT_ONCE,
) -> UploadDesk:
    """Return a desk that takes uploads for a service, with a store in memory of its own."""
    objects = StoredObjects(MemoryStore())
    return UploadDesk(
        service.units,
        service.clock,
        objects,
        ContentInspector(),
        HEAD_BYTES,
        scanner,
        limits,
        at_once,
    )
