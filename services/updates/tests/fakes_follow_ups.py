"""What campaigns owe in words, in memory; one suite holds it and the real thing."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.follow_up import FollowUp, SilenceStep
from updates.domain.problem import ProblemKind


class MemoryFollowUps:
    def __init__(self, database: MemoryDatabase) -> None:
        self._follow_ups: dict[str, FollowUp] = database.table("follow_ups")

    async def load(self, campaign_ids: Collection[str]) -> dict[str, FollowUp]:
        return {one: self._follow_ups[one] for one in campaign_ids if one in self._follow_ups}

    async def save(self, follow_ups: Sequence[FollowUp]) -> None:
        for one in follow_ups:
            save_versioned(self._follow_ups, one.campaign_id, one)


class MemoryAskers:
    def __init__(self, database: MemoryDatabase) -> None:
        self._askers: dict[tuple[str, datetime, str], bool] = database.table("askers")

    async def add(self, campaign_id: str, since: datetime, person_id: str) -> bool:
        asked = (campaign_id, since, person_id)
        if asked in self._askers:
            return False
        self._askers[asked] = True
        return True


class MemoryFollowUpQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._follow_ups: dict[str, FollowUp] = database.table("follow_ups")

    async def follow_up(self, campaign_id: str) -> FollowUp | None:
        return self._follow_ups.get(campaign_id)

    async def follow_ups_for_staff(
        self, after: tuple[datetime, str] | None, limit: int
    ) -> list[FollowUp]:
        found = self._follow_ups.values()
        waiting = {(one.staff_since, one.campaign_id): one for one in found if one.staff_since}
        return [waiting[place] for place in sorted(waiting) if not after or place > after][:limit]

    async def due_follow_ups(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        due = [(at, name) for at, name in self._waiting() if at <= now]
        return [name for _, name in due][skip : skip + limit]

    async def oldest_due_follow_up(self) -> datetime | None:
        return next((at for at, _ in self._waiting()), None)

    async def open_problems(self) -> Mapping[ProblemKind, int]:
        owing = [one for one in self._follow_ups.values() if not one.ended]
        return Counter(problem.kind for one in owing for problem in one.problems if problem.open)

    async def silent_projects(self) -> Mapping[SilenceStep, int]:
        silences = [one.silence for one in self._follow_ups.values() if one.silence]
        return Counter(silence.reached for silence in silences if silence.reached)

    def _waiting(self) -> list[tuple[datetime, str]]:
        found = self._follow_ups.values()
        return sorted((one.next_due, one.campaign_id) for one in found if one.next_due)
