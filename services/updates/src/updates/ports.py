"""What the handlers need from outside, and what they may rely on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from servicekit.units import Unit
from updates.domain.project import Project
from updates.domain.update import Update, Visibility


class Projects(Protocol):
    """Project views, bound to one transaction."""

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Project]: ...

    async def save(self, projects: Sequence[Project]) -> None:
        """Insert new views (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class Backers(Protocol):
    """Who has, or had, a collected pledge in which campaign, bound to one transaction.

    Nobody is removed: whoever withdrew reads on what was told while he was a backer.
    """

    async def known(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return how many pledges each (campaign, backer) pair that is there holds now."""
        ...

    async def add(self, joined: Sequence[tuple[str, str, int]]) -> None:
        """Add (campaign, backer, sequence) of first pledges; `DuplicateKey` if one is there."""
        ...

    async def hold(self, pledges: Mapping[tuple[str, str], int]) -> None:
        """Keep how many pledges each pair that is there holds now."""
        ...


class Returns(Protocol):
    """Refunds that succeeded, so that one which comes back is taken out, in one transaction."""

    async def known(self, refund_ids: Collection[str]) -> set[str]: ...

    async def add(self, refund_ids: Sequence[str]) -> None: ...

    async def remove(self, refund_ids: Sequence[str]) -> None: ...


class Updates(Protocol):
    """Updates, bound to one transaction."""

    async def load(self, campaign_id: str, update_id: str) -> Update | None: ...

    async def save(self, update: Update) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...


class Facts(Protocol):
    """Where facts go, to be published after the transaction."""

    async def published(self, update: Update) -> None:
        """Keep "update published" in the outbox with the campaign's next sequence."""
        ...


@dataclass(frozen=True, slots=True)
class UpdatesUnit(Unit):
    """One transaction of this service."""

    projects: Projects
    backers: Backers
    returns: Returns
    updates: Updates
    facts: Facts


class Queries(Protocol):
    """Reads outside a transaction."""

    async def project(self, campaign_id: str) -> Project | None: ...

    async def update(self, campaign_id: str, update_id: str) -> Update | None: ...

    async def published(
        self,
        campaign_id: str,
        before: tuple[datetime, str] | None,
        limit: int,
        visible: Collection[Visibility],
    ) -> list[Update]:
        """Return published updates of these visibilities, newest first.

        They stand behind the place `before`; None is before the newest.
        """
        ...

    async def backs(self, campaign_id: str, person_id: str) -> bool:
        """Whether the person has, or had, a collected pledge in the campaign."""
        ...
