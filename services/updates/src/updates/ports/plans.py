"""Where delivery plans and the promise log are kept."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from updates.domain.delivery_plan import DeliveryPlan, PromiseMoved


class Plans(Protocol):
    """Delivery plans and the promise log, bound to one transaction."""

    async def load(self, campaign_id: str) -> DeliveryPlan | None: ...

    async def save(self, plan: DeliveryPlan) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...

    async def log(self, entries: Sequence[PromiseMoved]) -> None:
        """Append to the promise log; `DuplicateKey` if a campaign's number is taken."""
        ...

    async def log_page(
        self, campaign_id: str, before: int | None, limit: int
    ) -> list[PromiseMoved]:
        """Return entries of the log, the newest first, with numbers below `before`."""
        ...


class PromiseCounts(NamedTuple):
    """Open promises of plans that go on, and entries of all promise logs."""

    ahead: int
    past: int
    earlier: int
    later: int


class PlanQueries(Protocol):
    """Reads of plans outside a transaction."""

    async def due_plans(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        """Return campaigns in whose plans a question is due, the longest due first.

        Without the first `skip` of them.
        """
        ...

    async def promises(self, day: date) -> PromiseCounts:
        """Count the open promises of all plans by whether they are before this day, and moves."""
        ...

    async def oldest_due_plan(self) -> datetime | None:
        """Return when the first question of all falls, or fell, due."""
        ...
