"""The whole book in figures, for checkers: one read, one instant."""

from __future__ import annotations

import json
from typing import Any

from infra.sandbox.provider.book import Body, Session


def whole_book(session: Session, *, with_charges: bool) -> Body:
    """Shapes as in the README; `refunded` is cash, summed from balance transactions."""
    book: Body = {
        "now": session.now,
        "accounts": _accounts(session),
        "refunds": _by_status(session, "refund"),
        "payouts": _by_status(session, "payout"),
        "transfers": _by_status(session, "transfer"),
        "disputes": _by_status(session, "dispute"),
        "deliveries": _counts(session),
    }
    if with_charges:
        book["charges"] = _charges(session)
    return book


def _accounts(session: Session) -> Body:
    accounts: dict[str, dict[str, Any]] = {}
    for row in session.connection.execute("SELECT * FROM balances"):
        accounts.setdefault(row["account"], {})[row["currency"]] = {
            "available": row["available"],
            "pending": row["pending"],
            "net": 0,
            "fees": 0,
            "by_type": {},
        }
    rows = session.connection.execute(
        "SELECT account, currency, type, COUNT(*) AS count, SUM(amount) AS amount,"
        " SUM(fee) AS fee, SUM(net) AS net FROM balance_transactions"
        " GROUP BY account, currency, type"
    )
    for row in rows:
        figures = accounts[row["account"]][row["currency"]]
        figures["net"] += row["net"]
        figures["fees"] += row["fee"]
        names = ("count", "amount", "fee", "net")
        figures["by_type"][row["type"]] = {name: row[name] for name in names}
    return accounts


def _by_status(session: Session, kind: str) -> Body:
    rows = session.connection.execute(
        "SELECT COALESCE(json_extract(body, '$.status'), 'succeeded') AS status,"
        " COUNT(*) AS count, SUM(json_extract(body, '$.amount')) AS amount"
        " FROM objects WHERE kind = ? GROUP BY 1",
        (kind,),
    )
    return {row["status"]: {"count": row["count"], "amount": row["amount"]} for row in rows}


def _charges(session: Session) -> Body:
    charges: Body = {}
    for row in session.connection.execute("SELECT body FROM objects WHERE kind = 'charge'"):
        charge = json.loads(row["body"])
        names = ("amount", "currency", "fee", "amount_refunded", "metadata")
        charges[charge["id"]] = {name: charge[name] for name in names}
        charges[charge["id"]] |= {"refunded": 0, "refunds": {}}
    for row in session.connection.execute(
        "SELECT charge, -SUM(amount) AS refunded FROM balance_transactions"
        " WHERE type IN ('refund', 'refund_failure') GROUP BY charge"
    ):
        charges[row["charge"]]["refunded"] = row["refunded"]
    for row in session.connection.execute(
        "SELECT parent, json_extract(body, '$.status') AS status, COUNT(*) AS count"
        " FROM objects WHERE kind = 'refund' GROUP BY 1, 2"
    ):
        charges[row["parent"]]["refunds"][row["status"]] = row["count"]
    return charges


def _counts(session: Session) -> Body:
    rows = session.connection.execute(
        "SELECT state, COUNT(*) AS count FROM deliveries GROUP BY state"
    )
    return {row["state"]: row["count"] for row in rows}
