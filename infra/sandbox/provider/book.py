"""The durable book: one SQLite file, its schema, and the session a request works in."""

from __future__ import annotations

import fcntl
import json
import secrets
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Body = dict[str, Any]
PLATFORM = "acct_platform"

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, account TEXT NOT NULL,
    parent TEXT, waiting INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, account, sequence);
CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (parent, kind, account, sequence);
CREATE INDEX IF NOT EXISTS objects_waiting ON objects (sequence) WHERE waiting = 1;
CREATE TABLE IF NOT EXISTS balance_transactions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL,
    charge TEXT, amount INTEGER NOT NULL, fee INTEGER NOT NULL, net INTEGER NOT NULL,
    currency TEXT NOT NULL, created INTEGER NOT NULL, available_on INTEGER NOT NULL,
    status TEXT NOT NULL, CHECK (net = amount - fee), UNIQUE (source, type));
CREATE INDEX IF NOT EXISTS balance_transactions_by_account
    ON balance_transactions (account, sequence);
CREATE INDEX IF NOT EXISTS balance_transactions_by_charge ON balance_transactions (charge);
CREATE TABLE IF NOT EXISTS balances (
    account TEXT NOT NULL, currency TEXT NOT NULL,
    available INTEGER NOT NULL,
    pending INTEGER NOT NULL CHECK (pending >= 0), PRIMARY KEY (account, currency)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS idempotency (
    account TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL,
    body TEXT NOT NULL, created REAL NOT NULL, PRIMARY KEY (account, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transitions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, object TEXT NOT NULL, due REAL NOT NULL, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS transitions_by_due ON transitions (due);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, operation TEXT NOT NULL, probability REAL, remaining INTEGER, ids TEXT,
    draws INTEGER NOT NULL DEFAULT 0, fired INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (due) WHERE state = 'waiting';
"""

SETTINGS: dict[str, Any] = {
    "clock_offset_seconds": 0,
    "charge_available_seconds": 0,
    "refund_processing_seconds": 0,
    "refund_reference_seconds": 0,
    "payout_arrival_seconds": 0,
    "payout_interval": "manual",
    # 0: as many as come.
    "requests_per_second": 0,
}


class BookUnavailable(Exception):
    """The book cannot be opened, or another process has it."""


def dump(body: object) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def open_book(path: Path) -> sqlite3.Connection:
    """Open the book for this process alone; raises `BookUnavailable`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The lock lives as long as the process, so its file is left open on purpose.
        lock = path.with_name(path.name + ".lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _locks.append(lock)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(SCHEMA)
    except (OSError, sqlite3.Error) as error:
        raise BookUnavailable(f"cannot open the book {path}: {error}") from error
    return connection


_locks: list[Any] = []


@dataclass(slots=True)
class Session:
    """What one request sees of the book, inside its savepoint; `now` is the sandbox's clock."""

    connection: sqlite3.Connection
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)
    emitted: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = self.connection.execute("SELECT name, value FROM settings")
        self.settings = SETTINGS | {row["name"]: json.loads(row["value"]) for row in rows}

    @property
    def now(self) -> float:
        return time.time() + float(self.settings["clock_offset_seconds"])

    def change_settings(self, changes: dict[str, Any]) -> None:
        self.settings |= changes
        self.connection.executemany(
            "INSERT OR REPLACE INTO settings VALUES (?, ?)",
            [(name, dump(value)) for name, value in changes.items()],
        )

    def new_object(
        self, prefix: str, kind: str, account: str, fields: Body, parent: str | None = None
    ) -> Body:
        """Insert an object under a fresh id; answers its body."""
        body: Body = {
            "id": f"{prefix}_{secrets.token_hex(12)}",
            "object": kind,
            "created": int(self.now),
            "livemode": False,
            **fields,
        }
        self.connection.execute(
            "INSERT INTO objects (id, kind, account, parent, body) VALUES (?, ?, ?, ?, ?)",
            (body["id"], kind, account, parent, dump(body)),
        )
        return body

    def find(self, kind: str, identifier: str, account: str | None = None) -> Body | None:
        row = self.connection.execute(
            "SELECT body, account FROM objects WHERE id = ? AND kind = ?", (identifier, kind)
        ).fetchone()
        if row is None or account not in (None, row["account"]):
            return None
        body: Body = json.loads(row["body"])
        return body

    def save(self, body: Body, *, waiting: bool = False) -> None:
        self.connection.execute(
            "UPDATE objects SET body = ?, waiting = ? WHERE id = ?",
            (dump(body), waiting, body["id"]),
        )

    def plan(self, kind: str, identifier: str, after_seconds: float, detail: str = "") -> None:
        """Schedule a transition by the sandbox's clock."""
        self.connection.execute(
            "INSERT INTO transitions (kind, object, due, detail) VALUES (?, ?, ?, ?)",
            (kind, identifier, self.now + after_seconds, detail),
        )

    def account_of(self, identifier: str) -> str:
        row = self.connection.execute(
            "SELECT account FROM objects WHERE id = ?", (identifier,)
        ).fetchone()
        return str(row["account"])
