"""Charges: gross to the platform's balance, the provider's fee out of it."""

from __future__ import annotations

from infra.sandbox.provider import ledger
from infra.sandbox.provider.book import Body, Session
from infra.sandbox.provider.calls import Call
from infra.sandbox.provider.errors import ApiError, missing_resource
from infra.sandbox.provider.events import emit

FEE_PER_THOUSAND = 29
FEE_FIXED = 30
DECLINED_SOURCE = "tok_chargeDeclined"


def provider_fee(amount: int) -> int:
    """2.9 % rounded half up, plus 30 minor units, never above the amount."""
    return min(amount, (FEE_PER_THOUSAND * amount + 500) // 1000 + FEE_FIXED)


def is_card(source: str) -> bool:
    return source.startswith(("tok_", "card"))


def create(session: Session, call: Call) -> Body:
    parameters = call.parameters
    amount, currency = parameters.amount(), parameters.currency()
    source = parameters.optional("source") or "tok_visa"
    metadata = parameters.metadata()
    if source == DECLINED_SOURCE:
        raise ApiError(
            402, "card_declined", "Your card was declined.", type="card_error", kept=True
        )
    charge = session.new_object(
        "ch",
        "charge",
        call.account,
        _fields(amount, currency, source, parameters.optional("transfer_group"), metadata),
        parameters.optional("transfer_group"),
    )
    charge["balance_transaction"] = ledger.post(
        session,
        call.account,
        "charge",
        charge["id"],
        amount,
        currency,
        fee=charge["fee"],
        available_after_seconds=session.settings["charge_available_seconds"],
        charge=charge["id"],
    )
    session.save(charge)
    emit(session, "charge.succeeded", charge, call.account)
    return charge


def retrieve(session: Session, call: Call) -> Body:
    return by_id(session, str(call.identifier), call.account)


def by_id(session: Session, identifier: str, account: str, parameter: str | None = None) -> Body:
    charge = session.find("charge", identifier, account)
    if charge is None:
        raise missing_resource("charge", identifier, parameter)
    return charge


def _fields(
    amount: int, currency: str, source: str, group: str | None, metadata: dict[str, str]
) -> Body:
    return {
        "amount": amount,
        "amount_refunded": 0,
        "currency": currency,
        "status": "succeeded",
        "paid": True,
        "captured": True,
        "refunded": False,
        "disputed": False,
        "fee": provider_fee(amount),
        "source": source,
        "payment_method_details": {"type": "card" if is_card(source) else "sepa_debit"},
        "balance_transaction": None,
        "transfer_group": group,
        "metadata": metadata,
    }
