"""What is left of uploads is removed: broken ones, what nothing shows, what was withdrawn."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from servicekit.errors import Conflict
from servicekit.sweeps import Turns
from servicekit.units import UnitsOfWork
from updates.domain.media import Media, MediaState
from updates.handlers.take_upload import remove_objects
from updates.metrics import ORPHAN_MEDIA
from updates.ports.media import MediaObjects, MediaQueries
from updates.ports.unit import UpdatesUnit

PAGE = 50
# The names of uploads are hexadecimal, and their first two characters are the folder.
FOLDERS = tuple(f"{number:02x}" for number in range(256))
# An upload's row is there before its objects: what has none for so long will have none.
ORPHAN_TIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RemoveDueMedia:
    """Removes what is due, its row first: what is lost in between has no row, and goes too."""

    units: UnitsOfWork[UpdatesUnit]
    queries: MediaQueries
    objects: MediaObjects
    turns: Turns[Media] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return of how many uploads something was due."""
        return await self.turns.take(partial(self.queries.due_media, now), self._remove)

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_media()

    async def _remove(self, media: Media) -> int:
        if media.state is MediaState.WITHDRAWN:
            # The marker stays, and its objects are looked for until they are gone.
            await remove_objects(self.objects, media.upload)
            await self._changed(lambda unit: unit.media.save(replace(media, next_due=None)))
        elif await self._changed(lambda unit: unit.media.remove(media)):
            await remove_objects(self.objects, media.upload)
        return 1

    async def _changed(self, change: Callable[[UpdatesUnit], Awaitable[None]]) -> bool:
        try:
            await self.units.run(change)
        except Conflict:
            return False  # It was attached, finished or withdrawn meanwhile; the next look sees.
        return True


@dataclass(slots=True)
class RemoveOrphans:
    """Looks for objects without a row, a folder at a time, all of them in turn."""

    queries: MediaQueries
    objects: MediaObjects
    _next: int = 0
    _found: dict[str, int] = field(default_factory=dict)

    async def __call__(self, now: datetime) -> int:
        """Look into the next folder; return 0, because no other one is due."""
        folder = FOLDERS[self._next % len(FOLDERS)]
        self._next += 1
        self._found[folder] = await self._clear(folder, now)
        ORPHAN_MEDIA.set(sum(self._found.values()))
        return 0

    async def _clear(self, folder: str, now: datetime) -> int:
        old = [o for o in await self.objects.under(folder) if o.changed_at < now - ORPHAN_TIME]
        uploads: Mapping[str, str] = {one.key: one.key.split("/")[1] for one in old}
        known = await self.queries.known_uploads(set(uploads.values()))
        orphans = [key for key, upload in uploads.items() if upload not in known]
        await self.objects.delete(orphans)
        return len(orphans)
