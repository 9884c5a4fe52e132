"""Health and metrics on a port of their own (`operations.md` 1)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from servicekit import metrics
from servicekit.loops import Pulses

STUCK_AFTER_SECONDS = 60.0
CHECK_DEADLINE_SECONDS = 4.0

Check = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Health:
    """What the three questions are answered from.

    `ready` checks decide about traffic: MongoDB and the schema version, and nothing else, because
    the outbox makes HTTP independent of Kafka. `started` checks must pass once.
    """

    pulses: Pulses
    ready: Mapping[str, Check]
    started: Mapping[str, Check]
    stuck_after_seconds: float = STUCK_AFTER_SECONDS
    _has_started: bool = field(default=False, init=False)

    async def startup(self) -> dict[str, str]:
        """Return what is still missing for a start; once empty, it stays empty."""
        if self._has_started:
            return {}
        failing = await _failing(self.started)
        self._has_started = not failing
        return failing

    async def readiness(self) -> dict[str, str]:
        """Return the failing checks by name, empty when traffic is welcome."""
        failing = await _failing(self.ready)
        for name in self.ready:
            metrics.READY.labels(name).set(0 if name in failing else 1)
        return failing

    def liveness(self) -> dict[str, str]:
        """Return the loops that neither turned nor retried for too long."""
        silent = self.pulses.silent(self.stuck_after_seconds)
        return dict.fromkeys(silent, f"silent for more than {self.stuck_after_seconds:g} s")


def health_app(health: Health) -> FastAPI:
    """Build the application behind the health port."""
    app = FastAPI(title="health", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/startupz")
    async def startupz() -> Response:
        return _answer(await health.startup())

    @app.get("/readyz")
    async def readyz() -> Response:
        return _answer(await health.readiness())

    @app.get("/livez")
    async def livez() -> Response:
        return _answer(health.liveness())

    @app.get("/metrics")
    async def prometheus() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def _answer(failing: Mapping[str, str]) -> JSONResponse:
    status = "failing" if failing else "ok"
    return JSONResponse({"status": status, "failing": dict(failing)}, 503 if failing else 200)


async def _failing(checks: Mapping[str, Check]) -> dict[str, str]:
    failing: dict[str, str] = {}
    for name, check in checks.items():
        try:
            await asyncio.wait_for(check(), CHECK_DEADLINE_SECONDS)
        except Exception as error:
            failing[name] = str(error) or type(error).__name__
    return failing
