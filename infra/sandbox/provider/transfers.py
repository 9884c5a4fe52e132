"""Transfers (platform to connected account), payouts (account to bank) and top-ups."""

from __future__ import annotations

from infra.sandbox.provider import ledger
from infra.sandbox.provider.book import PLATFORM, Body, Session
from infra.sandbox.provider.calls import Call
from infra.sandbox.provider.errors import missing_resource, refused
from infra.sandbox.provider.events import emit

# A transfer shows the newest of its reversals only; the others are listed.
SHOWN_REVERSALS = 10


def create_transfer(session: Session, call: Call) -> Body:
    parameters = call.parameters
    amount, currency = parameters.amount(), parameters.currency()
    destination = parameters.required("destination")
    group, metadata = parameters.optional("transfer_group"), parameters.metadata()
    if session.find("account", destination) is None or destination == call.account:
        raise missing_resource("destination", destination, "destination")
    _need(session, call.account, currency, amount)
    fields = {
        "amount": amount,
        "amount_reversed": 0,
        "reversed": False,
        "reversals": {"object": "list", "data": [], "has_more": False},
        "currency": currency,
        "destination": destination,
        "destination_payment": None,
        "transfer_group": group,
        "balance_transaction": None,
        "metadata": metadata,
    }
    transfer = session.new_object("tr", "transfer", call.account, fields, group)
    arriving = f"py_{transfer['id'][3:]}"
    transfer["destination_payment"] = arriving
    transfer["balance_transaction"] = ledger.post(
        session, call.account, "transfer", transfer["id"], -amount, currency
    )
    ledger.post(session, destination, "payment", arriving, amount, currency)
    session.save(transfer)
    emit(session, "transfer.created", transfer, call.account)
    return transfer


def reverse_transfer(session: Session, identifier: str, amount: int | None) -> Body:
    """Take it back, all that is left of it where no amount is given; only what still lies there."""
    transfer = session.find("transfer", identifier)
    if transfer is None:
        raise missing_resource("transfer", identifier)
    left = transfer["amount"] - transfer["amount_reversed"]
    part = left if amount is None else amount
    if not 0 < part <= left:
        raise refused("amount_too_large", f"{left} is left of {identifier}.", "amount")
    account, destination = session.account_of(identifier), transfer["destination"]
    currency = transfer["currency"]
    _need(session, destination, currency, part)
    fields = {
        "amount": part,
        "currency": currency,
        "transfer": identifier,
        "balance_transaction": None,
        "destination_payment_refund": None,
        "metadata": {},
    }
    reversal = session.new_object("trr", "transfer_reversal", account, fields, identifier)
    leaving = f"pyr_{reversal['id'][4:]}"
    ledger.post(session, destination, "payment_refund", leaving, -part, currency)
    reversal |= {
        "destination_payment_refund": leaving,
        "balance_transaction": ledger.post(
            session, account, "transfer_refund", reversal["id"], part, currency
        ),
    }
    session.save(reversal)
    transfer["amount_reversed"] += part
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    newest = [reversal, *transfer["reversals"]["data"]]
    more = transfer["reversals"]["has_more"] or len(newest) > SHOWN_REVERSALS
    transfer["reversals"] |= {"data": newest[:SHOWN_REVERSALS], "has_more": more}
    session.save(transfer)
    emit(session, "transfer.reversed", transfer, account)
    return transfer


def create_payout(session: Session, call: Call) -> Body:
    parameters = call.parameters
    amount, currency = parameters.amount(), parameters.currency()
    metadata = parameters.metadata()
    account = session.find("account", call.account)
    if account is not None and not account["payouts_enabled"]:
        raise refused("payouts_not_allowed", "Payouts are not enabled on this account.")
    _need(session, call.account, currency, amount)
    seconds = session.settings["payout_arrival_seconds"]
    fields = {
        "amount": amount,
        "currency": currency,
        "status": "in_transit",
        "arrival_date": int(session.now + seconds),
        "automatic": False,
        "method": "standard",
        "balance_transaction": None,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "metadata": metadata,
    }
    payout = session.new_object("po", "payout", call.account, fields)
    payout["balance_transaction"] = ledger.post(
        session, call.account, "payout", payout["id"], -amount, currency
    )
    session.save(payout)
    session.plan("payout_paid", payout["id"], seconds)
    emit(session, "payout.created", payout, call.account)
    return payout


def pay_payout(session: Session, identifier: str) -> None:
    payout = session.find("payout", identifier)
    if payout is None or payout["status"] != "in_transit":
        return
    payout["status"] = "paid"
    session.save(payout)
    emit(session, "payout.paid", payout, session.account_of(identifier))


def fail_payout(session: Session, identifier: str, reason: str) -> Body:
    """Late failure, also after `paid`: the money is back on the account it came from."""
    payout = session.find("payout", identifier)
    if payout is None:
        raise missing_resource("payout", identifier)
    if payout["status"] == "failed":
        return payout
    account = session.account_of(identifier)
    payout["failure_balance_transaction"] = ledger.post(
        session, account, "payout_failure", identifier, payout["amount"], payout["currency"]
    )
    payout |= {"status": "failed", "failure_code": reason, "failure_message": reason}
    session.save(payout)
    emit(session, "payout.failed", payout, account)
    return payout


def create_topup(session: Session, call: Call) -> Body:
    parameters = call.parameters
    fields = {
        "amount": parameters.amount(),
        "currency": parameters.currency(),
        "status": "succeeded",
        "balance_transaction": None,
        "metadata": parameters.metadata(),
    }
    topup = session.new_object("tu", "topup", PLATFORM, fields)
    topup["balance_transaction"] = ledger.post(
        session, PLATFORM, "topup", topup["id"], topup["amount"], topup["currency"]
    )
    session.save(topup)
    emit(session, "topup.succeeded", topup)
    return topup


def _need(session: Session, account: str, currency: str, amount: int) -> None:
    if ledger.available(session, account, currency) < amount:
        raise refused("balance_insufficient", "Insufficient funds in your account.", "amount")
