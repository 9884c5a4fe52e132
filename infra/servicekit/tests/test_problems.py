"""Errors over HTTP: problem+json whatever was sent, and every answer counted."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from pydantic import BaseModel

from servicekit.errors import Conflict, DependencyAway, Unsaveable
from servicekit.problems import MeasureRequests, Problem, install_problems


class Lamp(BaseModel):
    height: int


@pytest.fixture
def api() -> FastAPI:
    app = FastAPI()
    install_problems(app)
    app.add_middleware(MeasureRequests)
    errors: dict[str, Exception] = {
        "refused": Problem(409, "already-lit", "It is lit", "since noon", since=12),
        "often": Problem(429, "too-many-lamps", "Slow", retry_after=timedelta(seconds=1.2)),
        "at once": Problem(429, "too-many-lamps", "Slow", retry_after=timedelta()),
        "away": DependencyAway("MongoDB"),
        "unsaveable": Unsaveable("parts"),
        "busy": Conflict("a row"),
        "bug": ZeroDivisionError("secret value"),
    }

    @app.post("/lamps")
    async def make(lamp: Lamp) -> None: ...

    @app.get("/errors/{name}")
    async def fail(name: str) -> None:
        raise errors[name]

    return app


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/errors/refused", 409, "already-lit"),
        ("GET", "/errors/away", 503, "dependency-away"),
        ("GET", "/errors/busy", 503, "busy"),
        ("GET", "/errors/unsaveable", 500, "internal"),
        ("GET", "/errors/bug", 500, "internal"),
        ("GET", "/nowhere", 404, "not-found"),
        ("PUT", "/lamps", 405, "method-not-allowed"),
        ("POST", "/lamps", 422, "invalid-request"),
    ],
)
async def test_every_error_is_a_problem(
    api: FastAPI, method: str, path: str, status: int, name: str
) -> None:
    """problem+json with a stable type, and nothing of a bug's message."""
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lamp") as client:
        response = await client.request(method, path, json={"height": "tall"})
    body: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, body["status"]) == (status, status)
    assert body["type"] == f"/problems/{name}"
    assert "secret" not in response.text


async def ask(api: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lamp") as client:
        return await client.request(method, path, **options)


async def test_a_refusal_says_what_and_brings_its_own_members(api: FastAPI) -> None:
    """Type, title, status and detail of RFC 9457, and what the refusal adds."""
    assert (await ask(api, "GET", "/errors/refused")).json() == {
        "type": "/problems/already-lit",
        "title": "It is lit",
        "status": 409,
        "detail": "since noon",
        "since": 12,
    }


async def test_a_passing_trouble_says_when_to_come_again(api: FastAPI) -> None:
    """503 carries Retry-After, and what is asked too often, in whole seconds that are enough."""
    for name, seconds in (("away", "1"), ("often", "2"), ("at once", "1")):
        assert (await ask(api, "GET", f"/errors/{name}")).headers["retry-after"] == seconds
    assert "retry-after" not in (await ask(api, "GET", "/errors/refused")).headers


BODIES = {
    "nothing": b"",
    "not UTF-8": b"\xff\xfe",
    "half": b'{"height":',
    "an array": b"[]",
    "a float": b'{"height": 1.5}',
    "not a number": b'{"height": NaN}',
    "endless": b'{"height": 1e999}',
    "too long": b'{"height": ' + b"9" * 5_000 + b"}",
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_no_body_is_more_than_a_bad_request(api: FastAPI, body: bytes) -> None:
    """Whatever the bytes, the answer is a problem of the caller's and says where."""
    headers = {"content-type": "application/json"}
    response = await ask(api, "POST", "/lamps", content=body, headers=headers)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code in (400, 422) and response.json()["type"].startswith("/problems/")


def counted(method: str, route: str, code: str) -> float:
    labels = {"method": method, "route": route, "code": code}
    return REGISTRY.get_sample_value("sosst_http_requests_total", labels) or 0


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/errors/refused", ("GET", "/errors/{name}", "409")),
        ("GET", "/errors/bug", ("GET", "/errors/{name}", "500")),
        ("GET", "/nowhere/17", ("GET", "none", "404")),
        ("BREW", "/nowhere/17", ("other", "none", "404")),
    ],
)
async def test_every_answer_is_counted_by_its_route(
    api: FastAPI, method: str, path: str, labels: tuple[str, str, str]
) -> None:
    """A bug counts as 500; ids and invented methods never become labels."""
    before = counted(*labels)
    await ask(api, method, path)
    assert counted(*labels) == before + 1
