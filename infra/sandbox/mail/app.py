"""The HTTP side: what came, and what is to go wrong."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from infra.sandbox.mail.faults import Fault, FaultKind, Faults
from infra.sandbox.mail.store import MailStore


class FaultBody(BaseModel):
    """A rule; without `remaining` it holds until all are forgotten."""

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    recipient: Annotated[str, Field(max_length=320)] = "*"
    remaining: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(ge=0, le=3_600)] = 1.0
    code: Annotated[int, Field(ge=400, le=599)] = 550
    status: Annotated[str, Field(pattern=r"^[45]\.\d{1,3}\.\d{1,3}$")] = "5.1.1"


class ReportsBody(BaseModel):
    """Where reports of bounces and complaints are posted, and with which secret."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(pattern=r"^https?://")]
    secret: Annotated[str, Field(min_length=1)]


class Reporting:
    """Where reports go; nowhere until somebody says it."""

    def __init__(self) -> None:
        self.to: ReportsBody | None = None


def build_app(store: MailStore, faults: Faults, reporting: Reporting) -> FastAPI:
    app = FastAPI(title="Mail sandbox", openapi_url=None)

    @app.get("/mails")
    async def mails(
        recipient: str | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    ) -> dict[str, Any]:
        return {"items": store.listed(recipient, after, limit)}

    @app.get("/mails/count")
    async def count() -> dict[str, int]:
        return store.counted()

    @app.get("/mails/{number}")
    async def mail(number: int) -> Response:
        content = store.content(number)
        if content is None:
            raise HTTPException(404, "no such mail")
        return Response(content, media_type="message/rfc822")

    @app.get("/control/faults")
    async def listed() -> list[Fault]:
        return faults.rules

    @app.post("/control/faults", status_code=201)
    async def plant(body: FaultBody) -> None:
        faults.rules.append(Fault(**body.model_dump()))

    @app.delete("/control/faults", status_code=204)
    async def forget() -> None:
        faults.rules.clear()

    @app.put("/control/reports", status_code=204)
    async def report_to(body: ReportsBody) -> None:
        reporting.to = body

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
