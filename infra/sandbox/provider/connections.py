"""Connections that close without an answer."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from fastapi import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

Address = tuple[str, int]


class AbortableProtocol(H11Protocol):
    """uvicorn's protocol, which otherwise answers 500 for an application that says nothing.

    Remembers each open connection by its peer, so that a fault can drop it.
    """

    open_connections: ClassVar[dict[Address, Any]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            self.open_connections[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.client is not None:
            self.open_connections.pop(self.client, None)


async def close_unanswered(request: Request, hang_seconds: float) -> None:
    """Hold the request, then drop its connection."""
    await asyncio.sleep(hang_seconds)
    assert request.client is not None
    transport = AbortableProtocol.open_connections.get((request.client.host, request.client.port))
    if transport is not None:
        transport.abort()
    # The loss is told to the protocol on the next turn; only then is the answer swallowed.
    while (request.client.host, request.client.port) in AbortableProtocol.open_connections:
        await asyncio.sleep(0)
