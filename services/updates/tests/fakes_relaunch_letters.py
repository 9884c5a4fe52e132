"""Letters of relaunches in memory; `test_relaunch_letters.py` holds both kinds to one suite."""

from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.relaunch_letter import RelaunchLetter


class MemoryRelaunchLetters:
    def __init__(self, database: MemoryDatabase) -> None:
        self._letters: dict[str, RelaunchLetter] = database.table("relaunch_letters")

    async def load(self, campaign_id: str) -> RelaunchLetter | None:
        return self._letters.get(campaign_id)

    async def save(self, letter: RelaunchLetter) -> None:
        save_versioned(self._letters, letter.campaign_id, letter)
