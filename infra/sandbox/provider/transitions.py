"""Changes that time brings, by the sandbox's clock."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from infra.sandbox.provider import ledger, refunds, transfers
from infra.sandbox.provider.book import Session

KINDS = (
    "available",
    "refund_succeeded",
    "refund_referenced",
    "refund_failed",
    "payout_paid",
    "payout_failed",
)


def run_due(session: Session) -> int:
    """Make every due transition, in order of its time; answers how many."""
    rows = session.connection.execute(
        "SELECT * FROM transitions WHERE due <= ? ORDER BY due, sequence", (session.now,)
    ).fetchall()
    return _run(session, rows)


def settle(session: Session, kinds: Collection[str]) -> int:
    """Make these kinds of transition now, due or not."""
    rows = session.connection.execute("SELECT * FROM transitions ORDER BY due, sequence").fetchall()
    return _run(session, [row for row in rows if row["kind"] in kinds])


def _run(session: Session, rows: list[sqlite3.Row]) -> int:
    for row in rows:
        session.connection.execute("DELETE FROM transitions WHERE sequence = ?", (row["sequence"],))
        _apply(session, row["kind"], row["object"], row["detail"])
    if rows:
        refunds.pay_waiting(session)
    return len(rows)


def _apply(session: Session, kind: str, identifier: str, detail: str) -> None:
    match kind:
        case "available":
            ledger.make_available(session, identifier)
        case "refund_succeeded":
            refunds.succeed(session, identifier)
        case "refund_referenced":
            refunds.show_reference(session, identifier)
        case "refund_failed":
            refunds.fail(session, identifier, detail)
        case "payout_paid":
            transfers.pay_payout(session, identifier)
        case "payout_failed":
            transfers.fail_payout(session, identifier, detail)
