"""Evidence of milestones in memory; `test_milestones.py` holds both kinds to one suite."""

from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.milestone import Milestone


class MemoryMilestones:
    def __init__(self, database: MemoryDatabase) -> None:
        self._milestones: dict[tuple[str, int], Milestone] = database.table("milestones")

    async def load(self, campaign_id: str, stage: int) -> Milestone | None:
        return self._milestones.get((campaign_id, stage))

    async def of_campaign(self, campaign_id: str) -> list[Milestone]:
        return [one for (name, _), one in sorted(self._milestones.items()) if name == campaign_id]

    async def save(self, milestone: Milestone) -> None:
        save_versioned(self._milestones, (milestone.campaign_id, milestone.stage), milestone)
