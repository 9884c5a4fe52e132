"""Which personal links do not count any more."""

from datetime import datetime
from typing import Protocol


class Revocations(Protocol):
    """Up to when made links of a person and a campaign are revoked; bound to one transaction."""

    async def load(self, person_id: str, campaign_id: str) -> datetime | None:
        """Return until when made links are revoked, None if none are."""
        ...

    async def revoke(self, person_id: str, campaign_id: str, until: datetime) -> None:
        """Revoke what was made until then; an earlier instant takes nothing back."""
        ...
