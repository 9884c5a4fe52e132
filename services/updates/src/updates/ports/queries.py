"""Reads outside a transaction."""

from datetime import datetime
from typing import Protocol

from updates.domain.correction import Revision
from updates.domain.project import Project
from updates.domain.sight import Sight
from updates.domain.update import Update
from updates.ports.follow_ups import FollowUpQueries
from updates.ports.project_parts import ProjectParts


class Queries(FollowUpQueries, ProjectParts, Protocol):
    """Reads outside a transaction."""

    async def project(self, campaign_id: str) -> Project | None: ...

    async def update(self, campaign_id: str, update_id: str) -> Update | None: ...

    async def published(
        self,
        campaign_id: str,
        before: tuple[datetime, str] | None,
        limit: int,
        sight: Sight,
    ) -> list[Update]:
        """Return published updates that are shown to this sight, newest first.

        They stand behind the place `before`; None is before the newest.
        """
        ...

    async def drafts(
        self, campaign_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Update]:
        """Return what waits to be published, the youngest draft first, behind `before`."""
        ...

    async def due_updates(self, now: datetime, limit: int, skip: int = 0) -> list[tuple[str, str]]:
        """Return (campaign, update) of what is to go out by now, the longest overdue first.

        Without the first `skip` of them.
        """
        ...

    async def oldest_due_update(self) -> datetime | None:
        """Return when the first scheduled update is due, None if nothing is scheduled."""
        ...

    async def overdue_updates(self, by: datetime) -> int:
        """Return how many updates are scheduled that were to go out by then."""
        ...

    async def rewards_of(self, campaign_id: str, person_id: str) -> frozenset[str] | None:
        """Return the rewards for which the person has, or had, a collected pledge.

        None for somebody who never backed the campaign; empty for who chose no reward.
        """
        ...

    async def revisions(
        self, campaign_id: str, update: str, before: int | None, limit: int, *, corrections: bool
    ) -> list[Revision]:
        """Return what an update said before, the latest first; of `corrections` only, or all."""
        ...
