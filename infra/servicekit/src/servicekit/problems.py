"""Errors over HTTP: RFC 9457 problem+json with a stable `type` for every refusal."""

import math
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit import metrics
from servicekit.errors import Conflict, DependencyAway, Unsaveable

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
Refused = TypeVar("Refused", bound=Exception)


class Problem(Exception):
    """A refusal with a stable type (`/problems/<name>`), a title for people, and details.

    `retry_after` is in how long the same request is worth sending again; 503 without one says a
    second. `extra` members become members of the JSON object.
    """

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        retry_after: timedelta | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{name}: {detail or title}")
        self.status = status
        self.name = name
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra
        if retry_after is None and status == 503:
            retry_after = timedelta(seconds=1)
        if retry_after is not None:
            # Rounded up: who comes by then is let in.
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after.total_seconds())))

    def response(self) -> JSONResponse:
        body = {"type": f"/problems/{self.name}", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        metrics.REFUSALS.labels(self.name).inc()
        return JSONResponse(body | self.extra, self.status, self.headers, MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Make every error of the application a problem+json answer."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DependencyAway, _away)
    app.add_exception_handler(Conflict, _busy)
    app.add_exception_handler(Unsaveable, _unsaveable)
    app.add_exception_handler(Exception, _unexpected)


def answer_refusals(
    app: FastAPI, refused: type[Refused], problem_of: Callable[[Refused], Problem]
) -> None:
    """Answer what the rules refuse, so that no route has to say it."""

    async def answer(_: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, refused)
        return problem_of(refusal).response()

    app.add_exception_handler(refused, answer)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"where": "/".join(str(part) for part in one["loc"]), "what": one["msg"]}
        for one in error.errors()
    ]
    return Problem(422, "invalid-request", "The request is not valid", errors=errors).response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}.get(
        error.status_code, "refused"
    )
    return Problem(error.status_code, name, str(error.detail)).response()


async def _away(_: Request, error: Exception) -> Response:
    log.warning("answered 503", error=repr(error))
    title = "A dependency does not answer; try the same request again"
    return Problem(503, "dependency-away", title).response()


async def _busy(_: Request, error: Exception) -> Response:
    title = "Too many writers at once; try the same request again"
    return Problem(503, "busy", title).response()


async def _unsaveable(_: Request, error: Exception) -> Response:
    log.error("a write was refused by the database", error=repr(error))
    return Problem(500, "internal", "The request could not be saved").response()


async def _unexpected(_: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return Problem(500, "internal", "Something went wrong on our side").response()


_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS")


class MeasureRequests:
    """Counts and times each answer by route template, so that ids never become labels.

    Plain ASGI: Starlette's middleware of functions costs as much again as the route behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        code = "500"  # An unexpected error passes here as an exception and is answered further out.

        async def noted(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics.HTTP_REQUESTS.labels(method, route, code).inc()
            metrics.HTTP_DURATION.labels(method, route).observe(time.monotonic() - began)
