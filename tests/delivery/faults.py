"""Holding a running suite still at one step, so that it can be killed exactly there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from pymongo import MongoClient

from infra.native import NativeStack

HOLD_MILLISECONDS = 4_000
WAIT_MILLISECONDS = 60_000


class HeldCommand:
    """One database command of one service (by its application name), held back for seconds.

    The command goes through afterwards, or never if the service is killed before.
    """

    def __init__(self, stack: NativeStack, entered_before: int) -> None:
        self._stack = stack
        self._entered_before = entered_before

    async def wait(self) -> None:
        """Return once the service stands at the command."""
        await asyncio.to_thread(self._wait)

    def _wait(self) -> None:
        with MongoClient(self._stack.addresses.mongodb_uri) as client:
            client.admin.command(
                "waitForFailPoint",
                "failCommand",
                timesEntered=self._entered_before + 1,
                maxTimeMS=WAIT_MILLISECONDS,
            )


@contextmanager
def held_command(
    stack: NativeStack, service: str, command: str, namespace: str | None = None
) -> Iterator[HeldCommand]:
    """Hold the command, on one collection (`database.collection`) or on all."""
    data: dict[str, Any] = {
        "failCommands": [command],
        "appName": service,
        "blockConnection": True,
        "blockTimeMS": HOLD_MILLISECONDS,
    }
    if namespace is not None:
        data["namespace"] = namespace
    switch = {"configureFailPoint": "failCommand"}
    with MongoClient(stack.addresses.mongodb_uri) as client:
        found = client.admin.command(switch | {"mode": "alwaysOn", "data": data})
        try:
            yield HeldCommand(stack, found["count"])
        finally:
            client.admin.command(switch | {"mode": "off"})


@asynccontextmanager
async def paused(server: Any) -> AsyncIterator[None]:
    """Let a server hang: connections stay open and nothing answers."""
    await asyncio.to_thread(server.pause)
    try:
        yield
    finally:
        await asyncio.to_thread(server.resume)
