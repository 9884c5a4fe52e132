"""The control API: faults, clock, settlements and figures, for tests and demos."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.sandbox.provider import (
    accounts,
    disputes,
    faults,
    refunds,
    totals,
    transfers,
    transitions,
)
from infra.sandbox.provider.book import Body, Session, dump
from infra.sandbox.provider.errors import ApiError
from infra.sandbox.provider.events import EVENT_TYPES
from infra.sandbox.provider.execution import LATE_TRANSITIONS
from infra.sandbox.provider.limit import Limit
from infra.sandbox.provider.operations import OPERATION_NAMES
from infra.sandbox.provider.parameters import AMOUNT_MAXIMUM
from infra.sandbox.provider.writer import Writer

router = APIRouter(prefix="/control")
Seconds = Field(default=0, ge=0)
Interval = Literal["manual", "daily", "weekly", "monthly"]
DISPUTE_STATUSES = {
    "inquiry": disputes.INQUIRY,
    "opened": disputes.OPEN,
    "closed": disputes.CLOSED,
    "won": "won",
    "lost": "lost",
    "prevented": "prevented",
}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaultOrder(Strict):
    kind: str
    operation: str
    probability: float | None = Field(default=None, ge=0, le=1)
    count: int | None = Field(default=None, ge=1)
    ids: list[str] | None = None
    hang_seconds: float = Seconds
    after_seconds: float = Seconds
    retry_after_seconds: int = Field(default=1, ge=0)
    code: str | None = None
    reason: str = "could_not_process"

    @model_validator(mode="after")
    def can_fire(self) -> FaultOrder:
        """A fault that can never fire is a mistake of the test that ordered it."""
        if self.kind not in faults.KINDS:
            raise ValueError(f"kind is one of {', '.join(faults.KINDS)}")
        allowed = frozenset(OPERATION_NAMES)
        if self.kind in faults.WEBHOOK_KINDS:
            allowed = EVENT_TYPES
        elif self.kind in faults.LATE_KINDS:
            allowed = frozenset(LATE_TRANSITIONS)
        if self.operation != "*" and self.operation not in allowed:
            raise ValueError(f"operation is * or one of {', '.join(sorted(allowed))}")
        return self


class ClockMove(Strict):
    advance_seconds: float = Field(gt=0)


class Settlement(Strict):
    kinds: list[Literal[transitions.KINDS]] = list(transitions.KINDS)  # type: ignore[valid-type]


class Reason(Strict):
    reason: str = "could_not_process"


class Reversal(Strict):
    """Of all that is left of the transfer where no amount is given."""

    amount: int | None = Field(default=None, ge=1, le=AMOUNT_MAXIMUM)


class DisputeOrder(Strict):
    """Of the whole charge where no amount is given."""

    charge: str
    status: Literal["inquiry", "opened", "prevented"] = "opened"
    amount: int | None = Field(default=None, ge=1, le=AMOUNT_MAXIMUM)
    fee: int = Field(default=0, ge=0, le=AMOUNT_MAXIMUM)
    reason: str = "fraudulent"


class DisputeMove(Strict):
    status: Literal["opened", "won", "lost", "closed", "prevented"]
    fee: int = Field(default=0, ge=0, le=AMOUNT_MAXIMUM)


class SettingsChange(Strict):
    charge_available_seconds: float | None = Field(default=None, ge=0)
    refund_processing_seconds: float | None = Field(default=None, ge=0)
    refund_reference_seconds: float | None = Field(default=None, ge=0)
    payout_arrival_seconds: float | None = Field(default=None, ge=0)
    payout_interval: Interval | None = None
    requests_per_second: float | None = Field(default=None, ge=0)


class AccountChange(Strict):
    """What is left out stays as it is."""

    payouts_enabled: bool | None = None
    disabled_reason: str | None = None
    payout_interval: Interval | None = None


@router.post("/faults")
async def order_fault(request: Request, order: FaultOrder) -> Body:
    names = ("hang_seconds", "after_seconds", "retry_after_seconds", "code", "reason")
    detail = {name: getattr(order, name) for name in names}

    def work(session: Session) -> int | None:
        return session.connection.execute(
            "INSERT INTO faults (kind, operation, probability, remaining, ids, detail)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (order.kind, order.operation, order.probability, order.count,
             None if order.ids is None else dump(order.ids), dump(detail)),
        ).lastrowid  # fmt: skip

    return {"id": await writer_of(request).submit(work), **order.model_dump()}


@router.get("/faults")
async def list_faults(request: Request) -> Body:
    def work(session: Session) -> list[Body]:
        rows = [dict(row) for row in session.connection.execute("SELECT * FROM faults")]
        for row in rows:
            row |= json.loads(row.pop("detail"))
            row["ids"] = None if row["ids"] is None else json.loads(row["ids"])
        return rows

    return {"data": await writer_of(request).submit(work)}


@router.delete("/faults")
async def clear_faults(request: Request) -> Body:
    def work(session: Session) -> int:
        return session.connection.execute("DELETE FROM faults").rowcount

    return {"deleted": await writer_of(request).submit(work)}


@router.delete("/faults/{identifier}")
async def clear_fault(request: Request, identifier: int) -> Body:
    def work(session: Session) -> int:
        return session.connection.execute("DELETE FROM faults WHERE id = ?", (identifier,)).rowcount

    return {"deleted": await writer_of(request).submit(work)}


@router.post("/clock")
async def move_clock(request: Request, move: ClockMove) -> Body:
    def work(session: Session) -> float:
        offset = session.settings["clock_offset_seconds"] + move.advance_seconds
        session.change_settings({"clock_offset_seconds": offset})
        transitions.run_due(session)
        return session.now

    return {"now": await writer_of(request).submit(work)}


@router.post("/settle")
async def settle(request: Request, settlement: Settlement | None = None) -> Body:
    kinds = (settlement or Settlement()).kinds
    settled = await writer_of(request).submit(lambda session: transitions.settle(session, kinds))
    return {"settled": settled}


@router.post("/refunds/{identifier}/fail")
async def fail_refund(request: Request, identifier: str, reason: Reason | None = None) -> Body:
    def work(session: Session) -> Body:
        refund = refunds.fail(session, identifier, (reason or Reason()).reason)
        refunds.pay_waiting(session)
        return refund

    return await _submit(request, work)


@router.post("/payouts/{identifier}/fail")
async def fail_payout(request: Request, identifier: str, reason: Reason | None = None) -> Body:
    text = (reason or Reason()).reason
    return await _submit(request, lambda session: transfers.fail_payout(session, identifier, text))


@router.post("/transfers/{identifier}/reverse")
async def reverse_transfer(
    request: Request, identifier: str, reversal: Reversal | None = None
) -> Body:
    def work(session: Session) -> Body:
        part = (reversal or Reversal()).amount
        transfer = transfers.reverse_transfer(session, identifier, part)
        refunds.pay_waiting(session)
        return transfer

    return await _submit(request, work)


@router.post("/disputes")
async def begin_dispute(request: Request, order: DisputeOrder) -> Body:
    claimed = disputes.Claimed(order.charge, order.amount, order.fee, order.reason)
    status = DISPUTE_STATUSES[order.status]
    return await _submit(request, lambda session: disputes.begin(session, claimed, status))


@router.post("/disputes/{identifier}")
async def move_dispute(request: Request, identifier: str, move: DisputeMove) -> Body:
    def work(session: Session) -> Body:
        if move.status == "opened":
            return disputes.escalate(session, identifier, move.fee)
        return disputes.end(session, identifier, DISPUTE_STATUSES[move.status])

    return await _submit(request, work)


@router.post("/settings")
async def change_settings(request: Request, change: SettingsChange) -> Body:
    def work(session: Session) -> Body:
        session.change_settings(change.model_dump(exclude_none=True))
        return session.settings

    return await _submit(request, work)


@router.post("/accounts/{identifier}")
async def change_account(request: Request, identifier: str, change: AccountChange) -> Body:
    def work(session: Session) -> Body:
        if change.payouts_enabled is not None:
            accounts.set_payouts_enabled(
                session, identifier, change.payouts_enabled, change.disabled_reason
            )
        if change.payout_interval is not None:
            accounts.set_payout_interval(session, identifier, change.payout_interval)
        return accounts.by_id(session, identifier)

    return await _submit(request, work)


@router.get("/book")
async def read_book(request: Request, charges: bool = True) -> Body:
    limit: Limit = request.app.state.limit
    requests = {"taken": limit.taken, "turned_away": limit.turned_away}

    def work(session: Session) -> Body:
        return totals.whole_book(session, with_charges=charges) | {"requests": requests}

    return await _submit(request, work)


def writer_of(request: Request) -> Writer:
    writer: Writer = request.app.state.writer
    return writer


async def _submit(request: Request, work: Callable[[Session], Body]) -> Body:
    try:
        body: Body = await writer_of(request).submit(work)
    except ApiError as error:
        raise HTTPException(error.status, error.message) from error
    return body
