"""Where evidence of milestones is kept."""

from typing import Protocol

from updates.domain.milestone import Milestone


class Milestones(Protocol):
    """Milestones with their evidence, bound to one transaction."""

    async def load(self, campaign_id: str, stage: int) -> Milestone | None: ...

    async def of_campaign(self, campaign_id: str) -> list[Milestone]:
        """Return those of a campaign, by stage."""
        ...

    async def save(self, milestone: Milestone) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...
