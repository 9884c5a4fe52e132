"""Who follows which campaign."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from notifier.domain.follow import Follow


class Follows(Protocol):
    """Followings, bound to one transaction."""

    async def load(self, campaign_id: str, who: str) -> Follow | None:
        """Return what is known of whoever asks, by address's digest or by person's id."""
        ...

    async def of_person(self, person_id: str) -> list[Follow]:
        """Return what the person follows or was asked about, by campaign."""
        ...

    async def save(self, follow: Follow) -> None:
        """Keep it in the place of what was known of whoever asks about this campaign."""
        ...

    async def remove(self, follow: Follow) -> None: ...

    async def asked_at(self, who: str, asks_ago: int) -> datetime | None:
        """Return when this address, or person, was asked for the last time but so many."""
        ...

    async def unconfirmed_asked_at(self, asks_ago: int) -> datetime | None:
        """Return the same of all together who have not confirmed; None where there are fewer."""
        ...

    async def unconfirmed(self, asked_until: datetime, limit: int) -> list[Follow]:
        """Return who was asked by then and has not confirmed."""
        ...

    async def page(
        self, campaign_id: str, confirmed_until: datetime, after: str, limit: int
    ) -> list[str]:
        """Return the ids of who followed by then, in order, behind `after`."""
        ...

    async def forget(self, people: Collection[str]) -> None: ...
