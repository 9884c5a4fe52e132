"""Comments in memory."""

from collections.abc import Collection
from datetime import datetime

from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.comment import Comment


class MemoryComments:
    def __init__(self, database: MemoryDatabase) -> None:
        self._comments: dict[tuple[str, str, str], Comment] = database.table("comments")

    async def load(self, campaign_id: str, update_id: str, comment_id: str) -> Comment | None:
        return self._comments.get((campaign_id, update_id, comment_id))

    async def comment(self, campaign_id: str, update_id: str, comment_id: str) -> Comment | None:
        return await self.load(campaign_id, update_id, comment_id)

    async def written_at(
        self, campaign_id: str, author_id: str, comments_ago: int
    ) -> datetime | None:
        mine = [c for c in self._comments.values() if c.author_id == author_id]
        times = sorted(c.written_at for c in mine if c.campaign_id == campaign_id)
        return times[-1 - comments_ago] if comments_ago < len(times) else None

    async def of_authors(self, authors: Collection[str]) -> list[Comment]:
        return [one for one in self._comments.values() if one.author_id in authors]

    async def save(self, comment: Comment) -> None:
        name = (comment.campaign_id, comment.update_id, comment.comment_id)
        save_versioned(self._comments, name, comment)

    async def comments(
        self, campaign_id: str, update_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Comment]:
        found = [
            comment
            for name, comment in self._comments.items()
            if name[:2] == (campaign_id, update_id)
            and (before is None or (comment.written_at, comment.comment_id) < before)
        ]
        found.sort(key=lambda comment: (comment.written_at, comment.comment_id), reverse=True)
        return found[:limit]
