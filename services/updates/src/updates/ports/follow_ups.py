"""What is kept of what campaigns owe their backers in words."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from updates.domain.follow_up import FollowUp, SilenceStep
from updates.domain.problem import ProblemKind


class FollowUps(Protocol):
    """One per campaign, bound to one transaction."""

    async def load(self, campaign_ids: Collection[str]) -> dict[str, FollowUp]:
        """Return those that are there."""
        ...

    async def save(self, follow_ups: Sequence[FollowUp]) -> None:
        """Insert new ones (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class Askers(Protocol):
    """Who has asked during which silence, bound to one transaction; shown to nobody."""

    async def add(self, campaign_id: str, since: datetime, person_id: str) -> bool:
        """Keep that the person has asked; return False where it was kept before."""
        ...


class FollowUpQueries(Protocol):
    """Reads outside a transaction."""

    async def follow_up(self, campaign_id: str) -> FollowUp | None: ...

    async def follow_ups_for_staff(
        self, after: tuple[datetime, str] | None, limit: int
    ) -> list[FollowUp]:
        """Return those that wait for staff, the longest in front, equal ones by campaign.

        They stand behind the place `after`; None is before the first.
        """
        ...

    async def due_follow_ups(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        """Return campaigns of which something is due by now, the longest overdue first.

        Without the first `skip` of them.
        """
        ...

    async def oldest_due_follow_up(self) -> datetime | None:
        """Return when the first of them is due, None if nothing is."""
        ...

    async def open_problems(self) -> Mapping[ProblemKind, int]:
        """Return how many problems are open, but of campaigns that ended without their goal."""
        ...

    async def silent_projects(self) -> Mapping[SilenceStep, int]:
        """Return of how many projects the silence has reached each step, and none behind it."""
        ...
