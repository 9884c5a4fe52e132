"""What every HTTP request carries: the story it belongs to, its trace, and what it is about."""

import re
import secrets
from typing import Any

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from servicekit import traces
from servicekit.causes import Cause, Things, because_of
from sosst_contracts.registry import REGISTRY

CORRELATION_HEADER = "x-correlation-id"
# It is copied into facts that are kept for ever and into logs: an address or a name is not let in.
_CORRELATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
# The contracts say which ids are people's; no line of the log names a person for having looked.
PEOPLE = frozenset(
    name
    for event_type in REGISTRY.event_types
    for name, field in event_type.model_fields.items()
    if (field.json_schema_extra or {}) == {"x-personal-data": "pseudonym"}
)


class TellCauses:
    """Makes each request the cause of what it does; answers with its correlation id.

    A caller may bring `X-Correlation-Id` and `traceparent`; what cannot be used is made anew.
    It stands around the whole application: what answers for an unexpected error is inside.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        correlation_id = _correlation_id(headers.get(CORRELATION_HEADER, ""))
        route, things = self._place(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = (CORRELATION_HEADER.encode(), correlation_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), told]}
            await send(message)

        given = headers.get("traceparent")
        with traces.span(f"{scope['method']} {route}", "server", parent=given):
            known = given if traces.trace_id_of(given) else traces.new_traceparent()
            traceparent = traces.current_traceparent() or known
            with because_of([Cause(correlation_id, None, traceparent, things)]):
                await self._app(scope, receive, answer)

    def _place(self, scope: Scope) -> tuple[str, Things]:
        """Return the template of the route and what the path names, people left out."""
        for route in self._app.router.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                names: dict[str, Any] = found.get("path_params", {})
                things = tuple((n, str(v)) for n, v in names.items() if n not in PEOPLE)
                return getattr(route, "path", "none"), things
        return "none", ()


def _correlation_id(given: str) -> str:
    return given if _CORRELATION_ID.fullmatch(given) else secrets.token_hex(16)
