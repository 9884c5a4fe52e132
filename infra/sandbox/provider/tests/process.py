"""The real sandbox process, and a real receiver of its webhooks."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

ROOT = Path(__file__).resolve().parents[4]
DEADLINE_SECONDS = 20.0


class SandboxProcess:
    """One sandbox on a free port; `restart` brings it back on the same port and book."""

    def __init__(self, book: Path) -> None:
        self.book = book
        self.port = 0
        self.address = ""

    async def start(self, seed: int = 7) -> None:
        arguments = ["run", "--port", str(self.port), "--book", str(self.book)]
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "infra.sandbox.provider", *arguments, "--seed", str(seed)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE_SECONDS)
        self.address = line.decode().split()[-1]
        self.port = int(self.address.rsplit(":", 1)[1])

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), DEADLINE_SECONDS)


@dataclass
class Receiver:
    """Keeps what arrives; `answer` decides the status of each delivery (default 200)."""

    arrived: list[tuple[str, bytes]] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], Awaitable[int]] | None = None
    url: str = ""

    def events(self, type: str) -> list[dict[str, Any]]:
        events = [json.loads(body) for _, body in self.arrived]
        return [event for event in events if event["type"] == type]

    async def take(self, request: Request) -> Response:
        body = await request.body()
        self.arrived.append((request.headers["stripe-signature"], body))
        status = 200 if self.answer is None else await self.answer(json.loads(body))
        return Response(status_code=status)

    async def serve(self) -> tuple[uvicorn.Server, asyncio.Task[None]]:
        app = FastAPI()
        app.add_route("/hooks", self.take, methods=["POST"])
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/hooks"
        return server, serving


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition, with a deadline; the condition may be async."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            answer = condition()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.01)
