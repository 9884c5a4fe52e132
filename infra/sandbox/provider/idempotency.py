"""The key store: the first answer of a key, for 24 hours by the sandbox's clock."""

from __future__ import annotations

import hashlib
import json

from infra.sandbox.provider.book import Session, dump
from infra.sandbox.provider.calls import Answer, Call
from infra.sandbox.provider.errors import ApiError, malformed

KEPT_SECONDS = 24 * 60 * 60
KEY_LENGTH_MAXIMUM = 255
REPLAYED = {"Idempotent-Replayed": "true"}


def find(session: Session, call: Call) -> Answer | None:
    """The first answer of this key; raises `ApiError` 400 when the key was for something else."""
    if call.key is None:
        return None
    if len(call.key) > KEY_LENGTH_MAXIMUM:
        raise malformed("parameter_invalid", "Idempotency-Key is longer than 255 characters.")
    row = session.connection.execute(
        "SELECT * FROM idempotency WHERE account = ? AND key = ? AND created > ?",
        (call.account, call.key, session.now - KEPT_SECONDS),
    ).fetchone()
    if row is None:
        return None
    if row["fingerprint"] != _fingerprint(call):
        raise ApiError(
            400,
            "idempotency_key_reused",
            "Keys for idempotent requests can only be used with the same parameters they were"
            " first used with.",
            type="idempotency_error",
        )
    return Answer(row["status"], json.loads(row["body"]), REPLAYED)


def keep(session: Session, call: Call, answer: Answer) -> None:
    if call.key is not None:
        session.connection.execute(
            "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
            (call.account, call.key, _fingerprint(call), answer.status, dump(answer.body),
             session.now),
        )  # fmt: skip


def _fingerprint(call: Call) -> str:
    text = dump([call.method, call.path, sorted(call.parameters.pairs)])
    return hashlib.sha256(text.encode()).hexdigest()
