"""Disputes: a backer's bank asks, withdraws, decides; nobody asks whether the balance covers it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from infra.sandbox.provider import charges, ledger, refunds
from infra.sandbox.provider.book import PLATFORM, Body, Session
from infra.sandbox.provider.calls import Call
from infra.sandbox.provider.errors import missing_resource, refused
from infra.sandbox.provider.events import emit

INQUIRY = "warning_needs_response"
CLOSED = "warning_closed"
OPEN = "needs_response"
# What a dispute ends with, from where; a withdrawal that is prevented never happened.
ENDS = {"won": OPEN, "lost": OPEN, CLOSED: INQUIRY, "prevented": INQUIRY}


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the backer's bank says; `amount` may differ from the charge's."""

    charge: str
    amount: int | None = None
    fee: int = 0
    reason: str = "fraudulent"


def begin(session: Session, claimed: Claimed, status: str) -> Body:
    """An inquiry, a dispute that withdraws at once, or one that was prevented."""
    charge = charges.by_id(session, claimed.charge, PLATFORM)
    asked = charge["amount"] if claimed.amount is None else claimed.amount
    dispute = session.new_object(
        "dp", "dispute", PLATFORM, _fields(charge, asked, claimed.reason), charge["id"]
    )
    if status == OPEN:
        _withdraw(session, dispute, charge, claimed.fee)
    else:
        dispute |= {"status": status, "is_charge_refundable": status == INQUIRY}
    session.save(dispute)
    emit(session, "charge.dispute.created", dispute)
    if status == OPEN:
        emit(session, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def escalate(session: Session, identifier: str, fee: int) -> Body:
    """An inquiry becomes a chargeback; once more changes nothing."""
    dispute = _found(session, identifier)
    if dispute["status"] == OPEN:
        return dispute
    _check(dispute, INQUIRY)
    _withdraw(session, dispute, charges.by_id(session, dispute["charge"], PLATFORM), fee)
    session.save(dispute)
    emit(session, "charge.dispute.updated", dispute)
    emit(session, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def end(session: Session, identifier: str, status: str) -> Body:
    """Decide it; won brings the amount back, not the fee; the same again changes nothing."""
    dispute = _found(session, identifier)
    if dispute["status"] == status:
        return dispute
    _check(dispute, ENDS[status])
    dispute |= {"status": status, "is_charge_refundable": status != "lost"}
    if status == "won":
        _move(session, dispute, "dispute_reversal", dispute["amount"], 0)
    session.save(dispute)
    if status == "won":
        emit(session, "charge.dispute.funds_reinstated", dispute)
        refunds.pay_waiting(session)
    emit(session, "charge.dispute.closed", dispute)
    return dispute


def retrieve(session: Session, call: Call) -> Body:
    dispute = session.find("dispute", str(call.identifier), call.account)
    if dispute is None:
        raise missing_resource("dispute", str(call.identifier))
    return dispute


def _withdraw(session: Session, dispute: Body, charge: Body, fee: int) -> None:
    _fail_waiting_refunds(session, charge)
    _move(session, dispute, "dispute", -dispute["amount"], fee)
    dispute |= {"status": OPEN, "is_charge_refundable": False}
    charge["disputed"] = True
    session.save(charge)


def _fail_waiting_refunds(session: Session, charge: Body) -> None:
    rows = session.connection.execute(
        "SELECT body FROM objects WHERE parent = ? AND kind = 'refund' AND waiting = 1",
        (charge["id"],),
    ).fetchall()
    for row in rows:
        refunds.fail(session, json.loads(row["body"])["id"], "charge_for_pending_refund_disputed")
    # A failed refund lowers what the charge says is refunded.
    charge |= charges.by_id(session, charge["id"], PLATFORM)


def _move(session: Session, dispute: Body, type: str, amount: int, fee: int) -> None:
    moved = ledger.post(
        session, PLATFORM, type, dispute["id"], amount, dispute["currency"],
        fee=fee, charge=dispute["charge"], may_overdraw=True,
    )  # fmt: skip
    row = session.connection.execute(
        "SELECT * FROM balance_transactions WHERE id = ?", (moved,)
    ).fetchone()
    dispute["balance_transactions"] = [*dispute["balance_transactions"], ledger.as_object(row)]


def _found(session: Session, identifier: str) -> Body:
    dispute = session.find("dispute", identifier)
    if dispute is None:
        raise missing_resource("dispute", identifier)
    return dispute


def _check(dispute: Body, wanted: str) -> None:
    if dispute["status"] != wanted:
        raise refused("dispute_state", f"Dispute {dispute['id']} is {dispute['status']}.")


def _fields(charge: Body, amount: int, reason: str) -> Body:
    return {
        "amount": amount,
        "charge": charge["id"],
        "currency": charge["currency"],
        "status": OPEN,
        "reason": reason,
        "balance_transactions": [],
        "is_charge_refundable": False,
        "metadata": {},
    }
