"""The route of the file of entries that the French tax office asks for."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse

from payouts.domain.fec import Fec, Year, file_name
from payouts.handlers.export_fec import check_over, export_fec
from payouts.ports.queries import Queries
from payouts.ports.reconciliation import Reconciliation
from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.clock import Clock
from servicekit.descriptions import files
from servicekit.instants import Day

Ending = Annotated[Day, Query(description="Last day of the fiscal year, UTC.")]
Currency = Annotated[str, Query(pattern="^[A-Z]{3}$", description="Of the seller's books.")]
LEFT_OUT = "Left-Out-Currencies"


def add_fec_route(
    api: FastAPI,
    guard: Guard,
    store: Reconciliation,
    queries: Queries,
    clock: Clock,
    siren: str,
) -> None:
    """Add it."""

    @api.get(
        "/ledger/fec",
        dependencies=[guard.allow(Role.STAFF)],
        response_class=StreamingResponse,
        responses=files("text/plain"),
    )
    async def read_fec(ending: Ending, currency: Currency = "EUR") -> StreamingResponse:
        """Give all entries of a fiscal year that is over, in the form of article A47 A-1 LPF.

        Books in other currencies are left out; `Left-Out-Currencies` names them.
        """
        fec = Fec(Year(ending), currency)
        check_over(fec, clock.now())

        async def lines() -> AsyncIterator[str]:
            async for line in export_fec(store, fec):
                yield f"{line}\n"

        name = file_name(siren, fec.year)
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        }
        others = sorted(set(await queries.currencies()) - {currency})
        if others:
            headers[LEFT_OUT] = ", ".join(others)
        return StreamingResponse(lines(), media_type="text/plain; charset=utf-8", headers=headers)
