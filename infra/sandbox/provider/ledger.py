"""Balance transactions and balances: sum of net = available + pending, per account, currency."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Any

from infra.sandbox.provider.book import Body, Session

REPORTING_CATEGORIES = {
    "payment": "transfer",
    "payment_refund": "refund",
    "payout_failure": "payout_reversal",
    "transfer_refund": "transfer_reversal",
}
# What Stripe calls them; only the category says which adjustment it is.
TYPES = {"dispute": "adjustment", "dispute_reversal": "adjustment"}


def post(
    session: Session,
    account: str,
    type: str,
    source: str,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    available_after_seconds: float = 0,
    charge: str | None = None,
    may_overdraw: bool = False,
) -> str:
    """Book one movement and its balance; answers its id.

    Only what a bank takes may overdraw: a caller that forgets to look first gets an error, not a
    negative balance.
    """
    identifier = f"txn_{secrets.token_hex(12)}"
    now = int(session.now)
    pending = available_after_seconds > 0
    session.connection.execute(
        "INSERT INTO balance_transactions (id, account, type, source, charge, amount, fee, net,"
        " currency, created, available_on, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (identifier, account, type, source, charge, amount, fee, amount - fee, currency, now,
         now + int(available_after_seconds), "pending" if pending else "available"),
    )  # fmt: skip
    net = amount - fee
    if net < 0 and not may_overdraw and available(session, account, currency) + net < 0:
        raise ValueError(f"{type} {source} would overdraw {account}")
    _move(session, account, currency, 0 if pending else net, net if pending else 0)
    if pending:
        session.plan("available", identifier, available_after_seconds)
    return identifier


def make_available(session: Session, identifier: str) -> None:
    row = session.connection.execute(
        "SELECT * FROM balance_transactions WHERE id = ? AND status = 'pending'", (identifier,)
    ).fetchone()
    if row is None:
        return
    session.connection.execute(
        "UPDATE balance_transactions SET status = 'available' WHERE id = ?", (identifier,)
    )
    _move(session, row["account"], row["currency"], row["net"], -row["net"])


def available(session: Session, account: str, currency: str) -> int:
    row = session.connection.execute(
        "SELECT available FROM balances WHERE account = ? AND currency = ?", (account, currency)
    ).fetchone()
    return int(row["available"]) if row else 0


def balance(session: Session, account: str) -> Body:
    rows = session.connection.execute(
        "SELECT * FROM balances WHERE account = ? ORDER BY currency", (account,)
    ).fetchall()

    def side(name: str) -> list[dict[str, Any]]:
        return [{"amount": row[name], "currency": row["currency"]} for row in rows]

    return {
        "object": "balance",
        "livemode": False,
        "available": side("available"),
        "pending": side("pending"),
    }


def as_object(row: sqlite3.Row) -> Body:
    return {
        "id": row["id"],
        "object": "balance_transaction",
        "amount": row["amount"],
        "fee": row["fee"],
        "net": row["net"],
        "currency": row["currency"],
        "type": TYPES.get(row["type"], row["type"]),
        "reporting_category": REPORTING_CATEGORIES.get(row["type"], row["type"]),
        "source": row["source"],
        "status": row["status"],
        "created": row["created"],
        "available_on": row["available_on"],
        "description": None,
    }


def _move(session: Session, account: str, currency: str, available: int, pending: int) -> None:
    # Not an upsert: SQLite checks the row to insert before it looks for the conflict.
    session.connection.execute(
        "INSERT OR IGNORE INTO balances VALUES (?, ?, 0, 0)", (account, currency)
    )
    session.connection.execute(
        "UPDATE balances SET available = available + ?, pending = pending + ?"
        " WHERE account = ? AND currency = ?",
        (available, pending, account, currency),
    )
