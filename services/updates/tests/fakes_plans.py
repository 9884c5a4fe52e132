"""Delivery plans in memory; `test_plans.py` holds them and the real ones to one suite."""

from collections.abc import Sequence
from datetime import date, datetime

from servicekit.errors import DuplicateKey
from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.delivery_plan import DeliveryPlan, PromiseMoved, open_promises
from updates.ports.plans import PromiseCounts


class MemoryPlans:
    def __init__(self, database: MemoryDatabase) -> None:
        self._plans: dict[str, DeliveryPlan] = database.table("plans")
        self._log: dict[tuple[str, int], PromiseMoved] = database.table("promise_log")

    async def load(self, campaign_id: str) -> DeliveryPlan | None:
        return self._plans.get(campaign_id)

    async def save(self, plan: DeliveryPlan) -> None:
        save_versioned(self._plans, plan.campaign_id, plan)

    async def log(self, entries: Sequence[PromiseMoved]) -> None:
        for entry in entries:
            if (entry.campaign_id, entry.number) in self._log:
                raise DuplicateKey(f"{entry.campaign_id}|{entry.number}")
            self._log[entry.campaign_id, entry.number] = entry

    async def log_page(
        self, campaign_id: str, before: int | None, limit: int
    ) -> list[PromiseMoved]:
        found = [one for (campaign, _), one in self._log.items() if campaign == campaign_id]
        behind = [one for one in found if before is None or one.number < before]
        return sorted(behind, key=lambda one: -one.number)[:limit]


class MemoryPlanQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._plans: dict[str, DeliveryPlan] = database.table("plans")
        self._log: dict[tuple[str, int], PromiseMoved] = database.table("promise_log")

    async def promises(self, day: date) -> PromiseCounts:
        plans = [plan for plan in self._plans.values() if not plan.ended]
        days = [one.day for plan in plans for _, one in open_promises(plan)]
        past = sum(one < day for one in days)
        later = sum(one.new > one.old for one in self._log.values())
        return PromiseCounts(len(days) - past, past, len(self._log) - later, later)

    async def due_plans(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        return [campaign for at, campaign in self._dues() if at <= now][skip : skip + limit]

    async def oldest_due_plan(self) -> datetime | None:
        return next((at for at, _ in self._dues()), None)

    def _dues(self) -> list[tuple[datetime, str]]:
        dues = [(one.next_due, one.campaign_id) for one in self._plans.values()]
        return sorted((at, campaign) for at, campaign in dues if at is not None)
