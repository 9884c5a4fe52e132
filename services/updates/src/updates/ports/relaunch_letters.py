"""Where letters of relaunched campaigns are kept."""

from typing import Protocol

from updates.domain.relaunch_letter import RelaunchLetter


class RelaunchLetters(Protocol):
    """Letters, bound to one transaction."""

    async def load(self, campaign_id: str) -> RelaunchLetter | None: ...

    async def save(self, letter: RelaunchLetter) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...
