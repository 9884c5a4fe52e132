"""Faults ordered through the control API: which one hits this call."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from infra.sandbox.provider.book import Session, dump

TRANSPORT_KINDS = ("rate_limited", "timeout_after", "unavailable_before", "unavailable_after")
EXECUTION_KINDS = ("error_before", "error_after", "decline")
LATE_KINDS = ("late_failure",)
WEBHOOK_KINDS = ("webhook_lost", "webhook_doubled", "webhook_early")
KINDS = (*TRANSPORT_KINDS, *EXECUTION_KINDS, *LATE_KINDS, *WEBHOOK_KINDS)


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    detail: dict[str, Any]


def draw(
    session: Session, kinds: tuple[str, ...], operation: str, tokens: frozenset[str]
) -> Fault | None:
    """The first ordered fault of these kinds that fires; what it used up is booked with the call.

    The nth draw of a fault is a function of seed, fault and n alone: a book that was killed goes
    on with the same series.
    """
    rows = session.connection.execute("SELECT * FROM faults ORDER BY id").fetchall()
    for row in rows:
        named = row["kind"] in kinds and row["operation"] in (operation, "*")
        if named and _fires(session, row, tokens):
            return Fault(row["kind"], json.loads(row["detail"]))
    return None


def _fires(session: Session, row: sqlite3.Row, tokens: frozenset[str]) -> bool:
    ids = None if row["ids"] is None else json.loads(row["ids"])
    if row["remaining"] == 0 or (ids is not None and not tokens & set(ids)):
        return False
    fires = row["probability"] is None or (
        _fraction(session.seed, row["id"], row["draws"]) < row["probability"]
    )
    if fires and ids is not None:
        ids.remove(min(tokens & set(ids)))
    remaining = row["remaining"]
    session.connection.execute(
        "UPDATE faults SET draws = draws + 1, fired = fired + ?, remaining = ?, ids = ?"
        " WHERE id = ?",
        (
            fires,
            remaining - 1 if fires and remaining is not None else remaining,
            None if ids is None else dump(ids),
            row["id"],
        ),
    )
    return fires


def _fraction(seed: int, fault: int, number: int) -> float:
    digest = hashlib.sha256(f"{seed}:{fault}:{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
