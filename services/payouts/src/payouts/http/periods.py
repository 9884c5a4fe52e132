"""Routes of months: which are closed, and how two people close the next one."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import BaseModel, Field

from payouts.domain.period import Period
from payouts.handlers.periods import close_period
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork

Month = Annotated[str, Path(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


class PeriodView(BaseModel):
    month: str = Field(description="In UTC, as all days of the books.")
    digest: str = Field(description="SHA-256 over the trial balance at the month's end.")
    proposed_by: str
    proposed_at: datetime
    closed_by: str | None
    closed_at: datetime | None


class PeriodsView(BaseModel):
    items: list[PeriodView]


def add_period_routes(
    api: FastAPI, guard: Guard, units: UnitsOfWork[PayoutsUnit], queries: Queries, clock: Clock
) -> None:
    """Add them."""
    by_staff = guard.allow(Role.STAFF)

    @api.get("/ledger/periods", dependencies=[by_staff])
    async def list_periods() -> PeriodsView:
        """List the months that somebody proposed to close, or that are closed, in their order."""
        return PeriodsView(items=[_view(one) for one in await queries.periods()])

    @api.post("/ledger/periods/{month}/closings")
    async def post_closing(month: Month, caller: Annotated[Principal, by_staff]) -> PeriodView:
        """Say that a month may be closed; a second person's word of the same balance closes it."""
        period = await close_period(units, queries, month, caller.subject, clock.now())
        return _view(period)


def _view(period: Period) -> PeriodView:
    return PeriodView(
        month=period.month,
        digest=period.digest,
        proposed_by=period.proposed_by,
        proposed_at=period.proposed_at,
        closed_by=period.closed_by,
        closed_at=period.closed_at,
    )
