"""Signed webhooks: an asynchronous, durable queue with retry and back-off."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import sqlite3
import time
from collections.abc import Iterable

import aiohttp

from infra.sandbox.provider.book import Session
from infra.sandbox.provider.writer import Writer

TIMEOUT_SECONDS = 5.0
ATTEMPTS_MAXIMUM = 20
BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_MAXIMUM_SECONDS = 60.0
POLL_SECONDS = 0.1
CONCURRENT_MAXIMUM = 32
EARLY_WAIT_SECONDS = 5.0

logger = logging.getLogger(__name__)


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """The `Stripe-Signature` header: HMAC-SHA256 of `<timestamp>.<body>`."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={digest.hexdigest()}"


def backoff_seconds(attempts: int) -> float:
    return float(min(BACKOFF_MAXIMUM_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** (attempts - 1)))


class Deliverer:
    """Sends waiting deliveries; one that was not answered 2xx is sent again, also after a kill."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._wake = asyncio.Event()
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._first_attempts: dict[str, asyncio.Event] = {}

    def wake(self) -> None:
        self._wake.set()

    async def wait_for_first_attempt(self, events: Iterable[str]) -> None:
        """Return once each event was tried once, or after `EARLY_WAIT_SECONDS`."""
        waits = [self._first_attempts.setdefault(event, asyncio.Event()) for event in events]
        self.wake()
        try:
            async with asyncio.timeout(EARLY_WAIT_SECONDS):
                for wait in waits:
                    await wait.wait()
        except TimeoutError:
            logger.warning("an early webhook was not taken in time")
        for event in events:
            self._first_attempts.pop(event, None)

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            while True:
                self._wake.clear()
                for row in await self._due():
                    self._sending[row["sequence"]] = asyncio.create_task(self._send(client, row))
                try:
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
                except TimeoutError:
                    continue

    async def _due(self) -> list[sqlite3.Row]:
        free = CONCURRENT_MAXIMUM - len(self._sending)
        if free <= 0:
            return []
        try:
            limit = CONCURRENT_MAXIMUM * 2
            rows = await self._writer.submit(lambda session: _read_due(session, limit))
        except sqlite3.Error:
            # The queue is durable: what could not be read now is read at the next poll.
            logger.exception("the delivery queue cannot be read")
            return []
        return [row for row in rows if row["sequence"] not in self._sending][:free]

    async def _send(self, client: aiohttp.ClientSession, row: sqlite3.Row) -> None:
        try:
            delivered = await _post(client, row)
            await self._writer.submit(lambda session: _record(session, row, delivered))
        finally:
            del self._sending[row["sequence"]]
            if row["event"] in self._first_attempts:
                self._first_attempts[row["event"]].set()
            self.wake()


def _read_due(session: Session, limit: int) -> list[sqlite3.Row]:
    return session.connection.execute(
        "SELECT deliveries.*, events.body AS event_body, objects.body AS endpoint_body"
        " FROM deliveries JOIN events ON events.id = deliveries.event"
        " JOIN objects ON objects.id = deliveries.endpoint"
        " WHERE state = 'waiting' AND due <= ? ORDER BY due LIMIT ?",
        (time.time(), limit),
    ).fetchall()


def _record(session: Session, row: sqlite3.Row, delivered: bool) -> None:
    attempts = row["attempts"] + 1
    over = "abandoned" if attempts >= ATTEMPTS_MAXIMUM else "waiting"
    session.connection.execute(
        "UPDATE deliveries SET state = ?, attempts = ?, due = ?"
        " WHERE sequence = ? AND state = 'waiting'",
        (
            "delivered" if delivered else over,
            attempts,
            time.time() + backoff_seconds(attempts),
            row["sequence"],
        ),
    )


async def _post(client: aiohttp.ClientSession, row: sqlite3.Row) -> bool:
    endpoint = json.loads(row["endpoint_body"])
    body = str(row["event_body"]).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": sign(endpoint["secret"], body, int(time.time())),
    }
    try:
        async with client.post(
            endpoint["url"], data=body, headers=headers, allow_redirects=False
        ) as response:
            return 200 <= response.status < 300
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
