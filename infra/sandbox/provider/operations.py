"""The table of everything the provider can be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from infra.sandbox.provider import (
    accounts,
    charges,
    disputes,
    ledger,
    lists,
    refunds,
    transfers,
)
from infra.sandbox.provider.book import PLATFORM, Body, Session
from infra.sandbox.provider.calls import Call
from infra.sandbox.provider.errors import missing_resource

PAGE = ("limit", "starting_after", "ending_before")


@dataclass(frozen=True, slots=True)
class Operation:
    """`name` is what faults call it; `allowed` are the parameters it takes, others are refused."""

    name: str
    method: str
    path: str
    run: Callable[[Session, Call], Body]
    allowed: tuple[str, ...] = ()
    decline_code: str = "request_declined"


def _funding(run: Callable[[Session, Call], Body]) -> Callable[[Session, Call], Body]:
    """Work that brings money in, after which waiting refunds may be paid."""

    def create(session: Session, call: Call) -> Body:
        body = run(session, call)
        refunds.pay_waiting(session)
        return body

    return create


def _retrieve(kind: str) -> Callable[[Session, Call], Body]:
    def run(session: Session, call: Call) -> Body:
        body = session.find(kind, str(call.identifier), call.account)
        if body is None:
            raise missing_resource(kind, str(call.identifier))
        return body

    return run


def _list(kind: str, parent: str | None = None, *fields: str) -> Callable[[Session, Call], Body]:
    """`parent` is the parameter that the index of parents answers."""

    def run(session: Session, call: Call) -> Body:
        values = call.parameters
        filters = {name: values.optional(name) for name in fields}
        if parent is not None:
            filters["parent"] = values.optional(parent)
        return lists.list_objects(session, call.path, kind, call.account, values.page(), filters)

    return run


def _reversals(session: Session, call: Call) -> Body:
    _retrieve("transfer")(session, call)
    of_transfer: dict[str, str | None] = {"parent": call.identifier}
    page = call.parameters.page()
    kind = "transfer_reversal"
    return lists.list_objects(session, call.path, kind, call.account, page, of_transfer)


def _balance(session: Session, call: Call) -> Body:
    return ledger.balance(session, call.account)


def _balance_transactions(session: Session, call: Call) -> Body:
    values = call.parameters
    filters = {name: values.optional(name) for name in ("source", "type", "currency")}
    return lists.list_balance_transactions(
        session, call.account, values.page(), filters, values.group("created")
    )


def _balance_transaction(session: Session, call: Call) -> Body:
    row = session.connection.execute(
        "SELECT * FROM balance_transactions WHERE id = ? AND account = ?",
        (call.identifier, call.account),
    ).fetchone()
    if row is None:
        raise missing_resource("balance_transaction", str(call.identifier))
    return ledger.as_object(row)


def _endpoints(session: Session, call: Call) -> Body:
    rows = session.connection.execute(
        "SELECT body FROM objects WHERE kind = 'webhook_endpoint' AND account = ?"
        " ORDER BY sequence DESC",
        (PLATFORM,),
    )
    data = [json.loads(row["body"]) for row in rows]
    for endpoint in data:
        del endpoint["secret"]
    return {"object": "list", "url": call.path, "has_more": False, "data": data}


OPERATIONS = (
    Operation(
        "charges.create", "POST", "/v1/charges", _funding(charges.create),
        ("amount", "currency", "source", "metadata", "transfer_group"), "card_declined",
    ),
    Operation("charges.list", "GET", "/v1/charges",
              _list("charge", "transfer_group"), ("transfer_group", *PAGE)),
    Operation("charges.retrieve", "GET", "/v1/charges/{identifier}", charges.retrieve),
    Operation(
        "refunds.create", "POST", "/v1/refunds", refunds.create,
        ("charge", "amount", "metadata", "reason"), "refund_declined",
    ),
    Operation("refunds.list", "GET", "/v1/refunds", _list("refund", "charge"), ("charge", *PAGE)),
    Operation("disputes.list", "GET", "/v1/disputes",
              _list("dispute", "charge"), ("charge", *PAGE)),
    Operation("disputes.retrieve", "GET", "/v1/disputes/{identifier}", disputes.retrieve),
    Operation("refunds.retrieve", "GET", "/v1/refunds/{identifier}", refunds.retrieve),
    Operation(
        "accounts.create", "POST", "/v1/accounts", accounts.create,
        ("country", "email", "default_currency", "metadata", "type"), "account_declined",
    ),
    Operation("accounts.retrieve", "GET", "/v1/accounts/{identifier}", accounts.retrieve),
    Operation("account.retrieve", "GET", "/v1/account", accounts.retrieve),
    Operation(
        "transfers.create", "POST", "/v1/transfers", transfers.create_transfer,
        ("amount", "currency", "destination", "transfer_group", "metadata"), "transfer_declined",
    ),
    Operation(
        "transfers.list", "GET", "/v1/transfers",
        _list("transfer", "transfer_group", "destination"),
        ("transfer_group", "destination", *PAGE),
    ),
    Operation("transfers.retrieve", "GET", "/v1/transfers/{identifier}", _retrieve("transfer")),
    Operation("transfer_reversals.list", "GET", "/v1/transfers/{identifier}/reversals",
              _reversals, PAGE),
    Operation(
        "payouts.create", "POST", "/v1/payouts", transfers.create_payout,
        ("amount", "currency", "metadata"), "payout_declined",
    ),
    Operation("payouts.list", "GET", "/v1/payouts",
              _list("payout", None, "status"), ("status", *PAGE)),
    Operation("payouts.retrieve", "GET", "/v1/payouts/{identifier}", _retrieve("payout")),
    Operation("topups.create", "POST", "/v1/topups", _funding(transfers.create_topup),
              ("amount", "currency", "metadata"), "topup_declined"),
    Operation("balance.retrieve", "GET", "/v1/balance", _balance),
    Operation("balance_transactions.list", "GET", "/v1/balance_transactions",
              _balance_transactions, ("source", "type", "currency", "created", *PAGE)),
    Operation("balance_transactions.retrieve", "GET", "/v1/balance_transactions/{identifier}",
              _balance_transaction),
    Operation("webhook_endpoints.create", "POST", "/v1/webhook_endpoints",
              accounts.create_endpoint, ("url", "enabled_events", "metadata", "secret")),
    Operation("webhook_endpoints.list", "GET", "/v1/webhook_endpoints", _endpoints, PAGE),
    Operation("webhook_endpoints.delete", "DELETE", "/v1/webhook_endpoints/{identifier}",
              accounts.delete_endpoint),
)  # fmt: skip

OPERATION_NAMES = frozenset(operation.name for operation in OPERATIONS)
