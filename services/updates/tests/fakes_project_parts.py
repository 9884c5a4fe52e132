"""What the project view shows of this service's own subjects, in memory."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from servicekit.memory import MemoryDatabase
from updates.domain.claim import Claim
from updates.domain.delivery_plan import DeliveryPlan, PromiseMoved
from updates.domain.survey import Survey, SurveyState
from updates.domain.update import Update, UpdateState
from updates.ports.project_parts import Counts, Promised


class MemoryProjectParts:
    def __init__(self, database: MemoryDatabase) -> None:
        self._told: dict[str, Update] = database.table("updates")
        self._asked: dict[tuple[str, str], Survey] = database.table("surveys")
        self._claimed: dict[tuple[str, str], Claim] = database.table("claims")
        self._plans: dict[str, DeliveryPlan] = database.table("plans")
        self._log: dict[tuple[str, int], PromiseMoved] = database.table("promise_log")
        self._whole: dict[str, datetime] = database.table("view_sources")

    async def counts(self, campaign_id: str) -> Counts:
        told = [one for one in self._told.values() if one.campaign_id == campaign_id]
        asked = [one for one in self._asked.values() if one.campaign_id == campaign_id]
        claims = [one.open for one in self._claimed.values() if one.campaign_id == campaign_id]
        return Counts(
            updates=_counted(
                one.content.kind.value for one in told if one.state is UpdateState.PUBLISHED
            ),
            surveys=_counted(
                one.state.value for one in asked if one.state is not SurveyState.DRAFT
            ),
            claims_open=claims.count(True),
            claims_ended=claims.count(False),
        )

    async def promised(self, campaign_id: str, moves: int) -> Promised:
        log = [one for (campaign, _), one in self._log.items() if campaign == campaign_id]
        newest = sorted(log, key=lambda one: -one.number)[:moves]
        return Promised(self._plans.get(campaign_id), newest)

    async def whole_at(self) -> dict[str, datetime]:
        return dict(self._whole)


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
