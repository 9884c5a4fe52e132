"""Revocations in memory; `test_personal_links.py` holds them and the real ones to one suite."""

from datetime import datetime

from servicekit.memory import MemoryDatabase


class MemoryRevocations:
    def __init__(self, database: MemoryDatabase) -> None:
        self._revocations: dict[tuple[str, str], datetime] = database.table("revocations")

    async def load(self, person_id: str, campaign_id: str) -> datetime | None:
        return self._revocations.get((person_id, campaign_id))

    async def revoke(self, person_id: str, campaign_id: str, until: datetime) -> None:
        known = self._revocations.get((person_id, campaign_id), until)
        self._revocations[person_id, campaign_id] = max(known, until)
