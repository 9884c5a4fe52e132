"""The HTTP application: routes from the table of operations, plus the control API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from fastapi import FastAPI, Request, Response

from infra.sandbox.provider import control, transitions
from infra.sandbox.provider.book import PLATFORM, Session, dump
from infra.sandbox.provider.calls import Answer, Call
from infra.sandbox.provider.connections import close_unanswered
from infra.sandbox.provider.delivery import Deliverer
from infra.sandbox.provider.errors import ApiError, internal_error
from infra.sandbox.provider.execution import execute
from infra.sandbox.provider.limit import Limit
from infra.sandbox.provider.operations import OPERATIONS, Operation
from infra.sandbox.provider.parameters import Parameters
from infra.sandbox.provider.writer import Writer

logger = logging.getLogger(__name__)


def build_app(connection: sqlite3.Connection, seed: int) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.writer = Writer(connection, seed, transitions.run_due)
        app.state.deliverer = Deliverer(app.state.writer)
        app.state.keys_in_use = set()
        app.state.limit = Limit()
        # The deliverer's poll is also the tick that makes due transitions happen.
        delivering = asyncio.create_task(app.state.deliverer.run())
        yield
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        app.state.writer.stop()

    app = FastAPI(title="Sandbox payment provider", lifespan=lifespan, openapi_url=None)
    app.include_router(control.router)
    app.add_api_route("/healthz", _health, methods=["GET"])
    for operation in OPERATIONS:
        app.add_route(operation.path, _endpoint(operation), methods=[operation.method])
    app.add_route("/v1/{rest:path}", _unknown_route, methods=["GET", "POST", "DELETE"])
    return app


async def _health(request: Request) -> dict[str, str]:
    await control.writer_of(request).submit(lambda session: session.now)
    return {"status": "ok"}


async def _unknown_route(request: Request) -> Response:
    error = ApiError(404, "url_unknown", f"Unrecognized request URL: {request.url.path}")
    return _response(Answer(error.status, error.body()))


def _endpoint(operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            answer = await _answer(request, operation)
        except ApiError as error:
            answer = Answer(error.status, error.body())
        except Exception:
            logger.exception("%s failed", operation.name)
            answer = Answer(500, internal_error().body())
        if answer.hang_seconds is not None:
            await close_unanswered(request, answer.hang_seconds)
        return _response(answer)

    return endpoint


async def _answer(request: Request, operation: Operation) -> Answer:
    call = await _read(request, operation)
    with _key_in_use(request.app.state.keys_in_use, call):
        answer = await control.writer_of(request).submit(
            lambda session: _taken(request.app.state.limit, session, operation, call)
        )
        deliverer: Deliverer = request.app.state.deliverer
        if answer.early:
            await deliverer.wait_for_first_attempt(answer.early)
        elif answer.emitted:
            deliverer.wake()
    return answer


def _taken(limit: Limit, session: Session, operation: Operation, call: Call) -> Answer:
    refusal = limit.refusal(session.settings["requests_per_second"])
    return refusal or execute(session, operation, call)


async def _read(request: Request, operation: Operation) -> Call:
    _check_secret_key(request.headers.get("authorization", ""))
    posted = operation.method == "POST"
    encoded = await request.body() if posted else request.url.query.encode()
    return Call(
        operation=operation.name,
        method=operation.method,
        path=request.url.path,
        account=request.headers.get("stripe-account", PLATFORM),
        parameters=Parameters.decode(encoded),
        identifier=request.path_params.get("identifier"),
        key=request.headers.get("idempotency-key") if posted else None,
    )


def _check_secret_key(authorization: str) -> None:
    if not authorization.startswith("Bearer sk_"):
        raise ApiError(401, "api_key_missing", "Give a secret key: Authorization: Bearer sk_…")


@contextlib.contextmanager
def _key_in_use(keys: set[tuple[str, str]], call: Call) -> Iterator[None]:
    """A key is in use until its answer leaves, or, unanswered, until its work is committed."""
    if call.key is None:
        yield
        return
    mine = (call.account, call.key)
    if mine in keys:
        message = "There is currently another in-progress request using this idempotent key."
        raise ApiError(409, "idempotency_key_in_use", message, type="idempotency_error")
    keys.add(mine)
    try:
        yield
    finally:
        keys.discard(mine)


def _response(answer: Answer) -> Response:
    return Response(
        dump(answer.body), answer.status, dict(answer.headers), media_type="application/json"
    )
