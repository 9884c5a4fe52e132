"""Refunds: out of the available balance, never above the charge, possibly failing late."""

from __future__ import annotations

import json

from infra.sandbox.provider import charges, ledger
from infra.sandbox.provider.book import Body, Session
from infra.sandbox.provider.calls import Call
from infra.sandbox.provider.errors import missing_resource, refused
from infra.sandbox.provider.events import emit

FINAL = ("failed", "canceled")
# Without `reference`, as Stripe leaves it out until the acquirer has told it.
NO_REFERENCE = {"reference_status": "pending", "reference_type": "acquirer_reference_number"}


def create(session: Session, call: Call) -> Body:
    parameters = call.parameters
    metadata, reason = parameters.metadata(), parameters.optional("reason")
    asked = parameters.optional_amount()
    charge = charges.by_id(session, parameters.required("charge"), call.account, "charge")
    _check_disputes(session, charge)
    left = charge["amount"] - charge["amount_refunded"]
    amount = left if asked is None else asked
    _check_left(charge, left, amount)
    covered = ledger.available(session, call.account, charge["currency"]) >= amount
    if not covered and not charges.is_card(charge["source"]):
        raise refused("balance_insufficient", "Insufficient funds in your account.")
    refund = session.new_object(
        "re", "refund", call.account, _fields(charge, amount, reason, metadata), charge["id"]
    )
    _count(session, charge, amount)
    if covered:
        _pay(session, call.account, refund)
    session.save(refund, waiting=not covered)
    emit(session, "refund.created", refund, call.account)
    return refund


def retrieve(session: Session, call: Call) -> Body:
    refund = session.find("refund", str(call.identifier), call.account)
    if refund is None:
        raise missing_resource("refund", str(call.identifier))
    return refund


def pay_waiting(session: Session) -> None:
    """Pay refunds that wait for funds, oldest first; in each currency the first too big one stops
    the rest, so that a large refund is not starved by small ones."""
    rows = session.connection.execute(
        "SELECT body, account FROM objects WHERE waiting = 1 ORDER BY sequence"
    ).fetchall()
    stopped = set()
    for row in rows:
        refund, account = json.loads(row["body"]), row["account"]
        purse = (account, refund["currency"])
        if purse in stopped or ledger.available(session, *purse) < refund["amount"]:
            stopped.add(purse)
            continue
        _pay(session, account, refund)
        session.save(refund)
        emit(session, "refund.updated", refund, account)


def succeed(session: Session, identifier: str) -> None:
    """The end of `refund_processing_seconds`."""
    refund = session.find("refund", identifier)
    if refund is None or refund["pending_reason"] != "processing":
        return
    refund |= {"status": "succeeded", "pending_reason": None}
    session.save(refund)
    emit(session, "refund.updated", refund, session.account_of(identifier))


def show_reference(session: Session, identifier: str) -> None:
    """The end of `refund_reference_seconds`; a refund that came back meanwhile stays without."""
    refund = session.find("refund", identifier)
    if refund is None or refund["status"] in FINAL:
        return
    _refer(refund)
    session.save(refund)
    emit(session, "refund.updated", refund, session.account_of(identifier))


def fail(session: Session, identifier: str, reason: str) -> Body:
    """Late failure: the money comes back to the balance; a second failure changes nothing."""
    refund = session.find("refund", identifier)
    if refund is None:
        raise missing_resource("refund", identifier)
    if refund["status"] in FINAL:
        return refund
    account = session.account_of(identifier)
    if refund["balance_transaction"] is not None:
        refund["failure_balance_transaction"] = ledger.post(
            session, account, "refund_failure", refund["id"], refund["amount"],
            refund["currency"], charge=refund["charge"],
        )  # fmt: skip
    refund |= {"status": "failed", "failure_reason": reason, "pending_reason": None}
    session.save(refund)
    _count(session, charges.by_id(session, refund["charge"], account), -refund["amount"])
    emit(session, "refund.failed", refund, account)
    return refund


def _check_disputes(session: Session, charge: Body) -> None:
    rows = session.connection.execute(
        "SELECT body FROM objects WHERE parent = ? AND kind = 'dispute'", (charge["id"],)
    ).fetchall()
    if not all(json.loads(row["body"])["is_charge_refundable"] for row in rows):
        raise refused("charge_disputed", f"Charge {charge['id']} has been charged back.", "charge")


def _check_left(charge: Body, left: int, amount: int) -> None:
    if left == 0:
        raise refused(
            "charge_already_refunded", f"Charge {charge['id']} has already been refunded.", "charge"
        )
    if amount > left:
        raise refused(
            "amount_too_large", f"Refund amount {amount} is greater than {left} left.", "amount"
        )


def _count(session: Session, charge: Body, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    session.save(charge)


def _pay(session: Session, account: str, refund: Body) -> None:
    refund["balance_transaction"] = ledger.post(
        session, account, "refund", refund["id"], -refund["amount"], refund["currency"],
        charge=refund["charge"],
    )  # fmt: skip
    seconds = session.settings["refund_processing_seconds"]
    if seconds > 0:
        refund |= {"status": "pending", "pending_reason": "processing"}
        session.plan("refund_succeeded", refund["id"], seconds)
    else:
        refund |= {"status": "succeeded", "pending_reason": None}
    seconds = session.settings["refund_reference_seconds"]
    if seconds > 0:
        session.plan("refund_referenced", refund["id"], seconds)
    else:
        _refer(refund)


def _refer(refund: Body) -> None:
    known = {"reference": f"arn{refund['id'][3:]}", "reference_status": "available"}
    refund["destination_details"]["card"] |= known


def _fields(charge: Body, amount: int, reason: str | None, metadata: dict[str, str]) -> Body:
    return {
        "amount": amount,
        "charge": charge["id"],
        "currency": charge["currency"],
        "status": "pending",
        "pending_reason": "insufficient_funds",
        "balance_transaction": None,
        "failure_balance_transaction": None,
        "failure_reason": None,
        "reason": reason,
        "destination_details": {"card": dict(NO_REFERENCE), "type": "card"},
        "metadata": metadata,
    }
