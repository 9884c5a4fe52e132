"""What was acknowledged survives kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import httpx

from infra.sandbox.provider.book import open_book
from infra.sandbox.provider.client import SandboxClient
from infra.sandbox.provider.tests.process import ROOT, Receiver, SandboxProcess, until
from infra.sandbox.provider.tests.test_money import conserved

PRAGMAS = ("journal_mode", "synchronous")


async def test_killed_in_the_middle_it_keeps_every_acknowledged_refund(
    sandbox: SandboxProcess, client: SandboxClient
) -> None:
    """Killed under load: all acknowledged refunds are there, and each key then has one refund."""
    await client.top_up(1_000_000, "eur")
    charges = [(await client.charge(1000, "eur"))["id"] for _ in range(20)]
    acknowledged: dict[str, str] = {}

    async def refund(number: int) -> None:
        order = {"charge": charges[number % 20], "amount": 10}
        answer = await client.post("/v1/refunds", order, key=f"attempt-{number}")
        if answer.status_code == 200:
            acknowledged[f"attempt-{number}"] = answer.json()["id"]

    async def load() -> None:
        with contextlib.suppress(httpx.TransportError):
            async with asyncio.TaskGroup() as group:
                for lane in range(8):
                    group.create_task(one_lane(lane))

    async def one_lane(lane: int) -> None:
        for number in range(lane, 800, 8):
            with contextlib.suppress(httpx.TransportError):
                await refund(number)

    loading = asyncio.create_task(load())
    await until(lambda: len(acknowledged) >= 100)
    await sandbox.kill()
    await loading
    before = dict(acknowledged)
    assert 100 <= len(before) < 800
    await sandbox.start()
    for number in range(800):
        await refund(number)
    assert all(acknowledged[key] == identifier for key, identifier in before.items())
    book = await client.book()
    conserved(book)
    assert book["refunds"] == {"succeeded": {"count": 800, "amount": 8000}}
    assert {charge["refunded"] for charge in book["charges"].values()} == {400}


async def test_clock_faults_and_waiting_webhooks_survive(
    sandbox: SandboxProcess, client: SandboxClient, receiver: Receiver
) -> None:
    """Clock, faults, scheduled failures and undelivered events outlive the process."""
    refuse = asyncio.Event()

    async def refuse_at_first(_: object) -> int:
        return 200 if refuse.is_set() else 500

    receiver.answer = refuse_at_first
    await client.register_endpoint(receiver.url)
    await client.top_up(5000, "eur")
    charge = await client.charge(1000, "eur")
    await client.order_fault("late_failure", "refunds.create", count=1, after_seconds=600)
    await client.order_fault("rate_limited", "topups.create", count=1)
    refund = (await client.post("/v1/refunds", {"charge": charge["id"]})).json()
    now = (await client.advance_clock(300))["now"]
    await until(lambda: receiver.events("refund.created"))
    await sandbox.kill()
    refuse.set()
    await sandbox.start()
    assert (await client.book())["now"] >= now
    assert (await client.post("/v1/topups", {"amount": 1, "currency": "eur"})).status_code == 429
    await client.advance_clock(301)
    path = f"/v1/refunds/{refund['id']}"
    assert (await client.get(path)).json()["status"] == "failed"

    async def all_delivered() -> bool:
        return set((await client.book())["deliveries"]) == {"delivered"}

    await until(all_delivered)


async def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """The book is a write-ahead log with synchronous=FULL (2): a commit is on disk."""
    connection = open_book(tmp_path / "book.sqlite")
    pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS]
    connection.close()
    assert pragmas == ["wal", 2]


async def test_exit_codes(sandbox: SandboxProcess) -> None:
    """A book or a port in use by another process is 69, wrong arguments 64, SIGTERM 0."""
    book = ["--book", str(sandbox.book)]
    assert await exit_code("run", "--port", "0", *book) == 69
    other = ["--book", str(sandbox.book.with_name("other.sqlite"))]
    assert await exit_code("run", "--port", str(sandbox.port), *other) == 69
    assert await exit_code("run", *book) == 64
    assert await sandbox.stop() == 0


async def exit_code(*arguments: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.sandbox.provider", *arguments, cwd=ROOT
    )
    return await process.wait()
