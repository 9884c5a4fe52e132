"""Comments: their store in a transaction, and pages of them."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from updates.domain.comment import Comment


class Comments(Protocol):
    """Comments, bound to one transaction."""

    async def load(self, campaign_id: str, update_id: str, comment_id: str) -> Comment | None: ...

    async def written_at(
        self, campaign_id: str, author_id: str, comments_ago: int
    ) -> datetime | None:
        """Return when the person wrote their last but so many in the campaign, None for none."""
        ...

    async def of_authors(self, authors: Collection[str]) -> list[Comment]:
        """Return what these people wrote, in all campaigns."""
        ...

    async def save(self, comment: Comment) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...


class CommentQueries(Protocol):
    """Reads of comments outside a transaction."""

    async def comment(
        self, campaign_id: str, update_id: str, comment_id: str
    ) -> Comment | None: ...

    async def comments(
        self, campaign_id: str, update_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Comment]:
        """Return comments and answers, newest first, behind the place `before`."""
        ...
