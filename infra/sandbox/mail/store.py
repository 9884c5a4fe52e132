"""What came, durable before it is acknowledged: one SQLite file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sender TEXT NOT NULL, recipient TEXT NOT NULL, message_id TEXT NOT NULL, subject TEXT NOT NULL,
    content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS mails_by_recipient ON mails (recipient, number);
CREATE TABLE IF NOT EXISTS tried (place TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient, as it came."""

    sender: str
    recipient: str
    content: bytes

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=default)


class MailStore:
    """Mails, and whom the greylist has seen; every method returns when it is durable."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # What was acknowledged outlives kill -9 of this process; of the machine it need not.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.executescript(SCHEMA)

    def keep(self, mail: Mail) -> int:
        """Keep a mail; return its number."""
        parsed = mail.parsed
        fields = (
            mail.sender,
            mail.recipient,
            str(parsed.get("Message-ID", "")),
            str(parsed.get("Subject", "")),
            mail.content,
        )
        insert = (
            "INSERT INTO mails (sender, recipient, message_id, subject, content) "
            "VALUES (?, ?, ?, ?, ?)"
        )
        return int(self._connection.execute(insert, fields).lastrowid or 0)

    def first_try(self, sender: str, recipient: str) -> bool:
        """Whether this pair was never tried before; from now on it was."""
        insert = "INSERT OR IGNORE INTO tried (place) VALUES (?)"
        # Each mail has a sender of its own, so the pair is one mail.
        return self._connection.execute(insert, (f"{sender} {recipient}",)).rowcount == 1

    def listed(self, recipient: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """Return mails in the order in which they came."""
        query = (
            "SELECT number, sender, recipient, message_id, subject FROM mails "
            "WHERE number > ? AND (? IS NULL OR recipient = ?) ORDER BY number LIMIT ?"
        )
        rows = self._connection.execute(query, (after, recipient, recipient, limit))
        names = ("number", "sender", "recipient", "message_id", "subject")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def counted(self) -> dict[str, int]:
        """Return how many came, how many different ones, and to how many people."""
        query = (
            "SELECT count(*), count(DISTINCT recipient || ' ' || message_id), "
            "count(DISTINCT recipient) FROM mails"
        )
        mails, different, recipients = self._connection.execute(query).fetchone()
        return {"mails": mails, "different": different, "recipients": recipients}

    def content(self, number: int) -> bytes | None:
        """Return a mail as it came."""
        query = "SELECT content FROM mails WHERE number = ?"
        row = self._connection.execute(query, (number,)).fetchone()
        return row[0] if row else None
