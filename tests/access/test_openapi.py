"""Each service's OpenAPI is what its routes keep: no 5xx, no answer that it does not tell of.

Schemathesis makes what the description allows, and what it forbids, for every route, asked for
an object that is really there. A run is like the one before; `make explore` makes others, and more.
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from servicekit.descriptions import PROBLEMS
from servicekit.problems import install_problems
from tests.access.applications import untouched
from tests.access.callers import Callers
from tests.access.expectations import ROWS, Row, signed_headers

CALLERS = Callers()
EXAMPLES, EXPLORED = 6, 25
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SENT = ("method", "url", "headers", "params", "json", "data", "content")
# As the profile says, which `make explore` chooses: the same ones each time, or those of a seed.
Asked = settings(
    max_examples=EXAMPLES if settings().derandomize else EXPLORED,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def readable(description: Any) -> Any:
    """Return the description without tuples, of which schemathesis makes what it then refuses."""
    if isinstance(description, list):
        return [readable(one) for one in description]
    if not isinstance(description, dict):
        return description
    read = {name: readable(value) for name, value in description.items()}
    if isinstance(places := read.pop("prefixItems", None), list):
        read["items"] = {"anyOf": places}
    return read


@cache
def described(service: str) -> Any:
    """Return the service's description as schemathesis reads it."""
    application = asyncio.run(untouched(service, CALLERS.guard))
    return schemathesis.openapi.from_dict(readable(application.api.openapi()))


def one_row_a_route() -> list[Row]:
    """Return for each route a row of which somebody is let in, where there is one."""
    by_success = sorted(ROWS, key=lambda row: min(row.expected.values()), reverse=True)
    return list({(row.service, row.method, row.route): row for row in by_success}.values())


def who(row: Row) -> str:
    """Return the kind of caller that comes furthest."""
    return min(reversed(row.expected), key=lambda kind: row.expected[kind])


def object_of(row: Row, ids: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the path that name the row's object."""
    path = row.address(ids).partition("?")[0]
    places = zip(row.route.split("/"), path.split("/"), strict=True)
    return {part[1:-1]: value for part, value in places if part.startswith("{")}


async def sent(api: FastAPI, request: Mapping[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.request(**request)


def of_case(case: Case, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the case as a request, by a caller with these headers."""
    made = case.as_transport_kwargs(base_url="http://service")
    made["headers"] = {**made["headers"], **headers}
    return {name: made[name] for name in SENT if name in made}


def of_row(row: Row, ids: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the row's own request, which is known to be good."""
    request = {"method": row.method, "url": row.address(ids), "headers": headers}
    kind = "content" if isinstance(row.body, bytes) else "json"
    return request if row.body is None else {**request, kind: row.body}


@pytest.mark.hypothesis
@pytest.mark.parametrize("row", one_row_a_route(), ids=lambda row: row.name)
def test_a_route_answers_as_it_is_described(row: Row) -> None:
    """A good request, the same again, and what may and may not be sent: no 5xx, nothing untold."""
    operation = described(row.service)[row.route][row.method]
    headers = CALLERS.headers(who(row)) | signed_headers(row)
    with asyncio.Runner() as runner:
        application = runner.run(untouched(row.service, CALLERS.guard))
        place = object_of(row, application.ids)
        for _ in range(2):
            good = runner.run(sent(application.api, of_row(row, application.ids, headers)))
            operation.Case(path_parameters=place).validate_response(good, checks=CHECKS)

        @Asked
        @given(
            st.one_of(
                operation.as_strategy(generation_mode=mode, path_parameters=place)
                for mode in GenerationMode
            )
        )
        def ask(case: Case) -> None:
            answer = runner.run(sent(application.api, of_case(case, headers)))
            case.validate_response(answer, checks=CHECKS)

        ask()


def test_what_is_not_described_is_found() -> None:
    """A crash, another status, another type and another shape: each of the four checks bites."""
    api = FastAPI(responses=PROBLEMS)
    install_problems(api)
    answers = {
        "/crash": None,
        "/status": JSONResponse(1, 202),
        "/type": JSONResponse(1, media_type="text/html"),
        "/shape": JSONResponse("one"),
    }

    def answering(answer: JSONResponse | None) -> Any:
        async def route() -> int:
            if answer is None:
                raise ValueError("planted")
            return answer  # type: ignore[return-value]

        return route

    for path, answer in answers.items():
        api.get(path)(answering(answer))
    schema = schemathesis.openapi.from_dict(readable(api.openapi()))
    for path, check in zip(answers, CHECKS, strict=True):
        case = schema[path]["GET"].Case()
        answer = asyncio.run(sent(api, of_case(case, {})))
        with pytest.raises(FailureGroup):
            case.validate_response(answer, checks=[check])
