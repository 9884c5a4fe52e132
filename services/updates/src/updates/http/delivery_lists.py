"""Routes of lists of rewards on their way: read as CSV, and taken as CSV after a dry run."""

import csv
import io
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.descriptions import files
from servicekit.units import UnitsOfWork
from updates.domain.cells import kept
from updates.domain.tracking import Tracking, TrackingTerms
from updates.domain.tracking_list import OPTIONAL, REQUIRED
from updates.handlers.import_tracking import Imported, ImportTracking, RowResult, import_tracking
from updates.handlers.tracking import PAGE, load_trackings
from updates.http.callers import Callers, unknown_campaign
from updates.http.models import Body
from updates.http.paths import CampaignId, RewardId
from updates.ports.unit import UpdatesUnit

CHARACTERS_MAX = 2_000_000
DryRun = Annotated[bool, Query(description="Judge the rows and keep nothing.")]


class DeliveryListBody(Body):
    """A list as CSV; `with_errors` keeps the good rows of one that has refused ones."""

    csv: Annotated[str, Field(min_length=1, max_length=CHARACTERS_MAX)]
    with_errors: bool = False


class RowView(BaseModel):
    line: int
    backer_id: str
    reward_id: str
    outcome: str = Field(description="`changed`, `unchanged` or `refused`.")
    reason: str | None
    detail: str | None


class DeliveryListReport(BaseModel):
    """What became, or would become, of each row."""

    written: bool
    changed: int
    unchanged: int
    refused: int
    ignored_columns: list[str]
    rows: list[RowView]


def add_delivery_list_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    clock: Clock,
    terms: TrackingTerms,
) -> None:
    """Add them."""
    sender = guard.allow(callers.fulfilment, unknown=unknown_campaign)
    readers = guard.allow(Role.STAFF, callers.fulfilment, unknown=unknown_campaign)

    @api.post("/campaigns/{campaign_id}/delivery-lists")
    async def post_list(
        caller: Annotated[Principal, sender],
        campaign_id: CampaignId,
        body: DeliveryListBody,
        dry_run: DryRun = True,
    ) -> DeliveryListReport:
        """Take states, batches and tracking numbers from a list; no number replaces another."""
        command = ImportTracking(
            campaign_id, body.csv, caller.subject, not dry_run, body.with_errors
        )
        return _report(await import_tracking(units, command, clock.now(), terms))

    @api.get(
        "/campaigns/{campaign_id}/delivery-lists/{reward_id}",
        dependencies=[readers],
        response_class=StreamingResponse,
        responses=files("text/csv"),
    )
    async def read_list(campaign_id: CampaignId, reward_id: RewardId) -> StreamingResponse:
        """Return a row for each parcel, or backer without one, in the shape that is taken back."""

        async def rows() -> AsyncIterator[str]:
            yield _line([*REQUIRED, *OPTIONAL])
            after = ""
            while True:
                page = await units.run(
                    partial(
                        load_trackings,
                        campaign_id=campaign_id,
                        reward_id=reward_id,
                        after=after,
                        limit=PAGE,
                    )
                )
                for line in (line for one in page for line in _lines(one)):
                    yield line
                if len(page) < PAGE:
                    return
                after = page[-1].backer_id

        headers = {"Content-Disposition": 'attachment; filename="deliveries.csv"'}
        return StreamingResponse(rows(), media_type="text/csv; charset=utf-8", headers=headers)


def _lines(one: Tracking) -> Iterator[str]:
    batch = "" if one.batch is None else str(one.batch)
    about = [one.backer_id, one.reward_id, one.state.value, batch]
    for carrier, number in [(p.carrier, p.number) for p in one.parcels] or [("", "")]:
        yield _line([*about, carrier, number])


def _line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([kept(cell) for cell in cells])
    return line.getvalue()


def _report(imported: Imported) -> DeliveryListReport:
    return DeliveryListReport(
        written=imported.written,
        changed=imported.count("changed"),
        unchanged=imported.count("unchanged"),
        refused=imported.count("refused"),
        ignored_columns=list(imported.ignored),
        rows=[_row_view(row) for row in imported.rows],
    )


def _row_view(row: RowResult) -> RowView:
    return RowView(
        line=row.line,
        backer_id=row.backer_id,
        reward_id=row.reward_id,
        outcome=row.outcome,
        reason=row.refused.reason if row.refused else None,
        detail=row.refused.detail if row.refused else None,
    )
