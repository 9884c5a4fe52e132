"""Settings, problems, relay and schema: small promises at the edges."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic_settings import SettingsConfigDict

from servicekit.errors import DependencyAway, Unsaveable
from servicekit.mongo import Database
from servicekit.problems import Problem, install_problems
from servicekit.schema import (
    CollectionSchema,
    Index,
    Schema,
    SchemaOutdated,
    check_version,
    migrate,
)
from servicekit.settings import ServiceSettings, SettingsRefused, load_settings


class LampSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="LAMP_")


GIVEN = {
    "LAMP_MONGODB_URI": "mongodb://secret@h",
    "LAMP_MONGODB_DATABASE": "lamp",
    "LAMP_KAFKA_BOOTSTRAP_SERVERS": "h:1",
    "LAMP_INSTANCE_ID": "lamp-1",
    "LAMP_HTTP_PORT": "1",
    "LAMP_HEALTH_PORT": "2",
}


@pytest.mark.parametrize("missing", GIVEN)
def test_a_missing_setting_is_named(missing: str) -> None:
    """One line names the variable and repeats no value of another one."""
    with pytest.raises(SettingsRefused) as refused:
        load_settings(LampSettings, {n: v for n, v in GIVEN.items() if n != missing})
    assert missing in str(refused.value) and "secret" not in str(refused.value)


def test_unknown_and_malformed_settings_are_refused() -> None:
    """A typing error in a variable's name does not go unnoticed, nor does a wrong value."""
    with pytest.raises(SettingsRefused, match="LAMP_COLOUR"):
        load_settings(LampSettings, GIVEN | {"LAMP_COLOUR": "red"})
    with pytest.raises(SettingsRefused, match="LAMP_HTTP_PORT"):
        load_settings(LampSettings, GIVEN | {"LAMP_HTTP_PORT": "eighty"})
    assert load_settings(LampSettings, GIVEN | {"OTHER_X": "1"}).http_port == 1


class Lamp(BaseModel):
    height: int


@pytest.fixture
def api() -> FastAPI:
    app = FastAPI()
    install_problems(app)
    errors: dict[str, Exception] = {
        "refused": Problem(409, "already-lit", "It is lit", "since noon", since=12),
        "away": DependencyAway("MongoDB"),
        "unsaveable": Unsaveable("parts"),
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


SCHEMA = Schema(2, (CollectionSchema("lamps", (Index([("height", 1)], unique=True),)),))


async def test_migrating_is_repeatable_and_a_dry_run_changes_nothing(database: Database) -> None:
    """Only `migrate` makes collections, and a release refuses a database that lacks them."""
    assert "create collection lamps" in await migrate(database, SCHEMA, dry_run=True)
    assert "lamps" not in await database.list_collection_names()
    with pytest.raises(SchemaOutdated):
        await check_version(database, SCHEMA)
    await migrate(database, SCHEMA)
    await migrate(database, SCHEMA)
    await check_version(database, SCHEMA)


async def test_a_transaction_that_cannot_reach_the_server_says_so() -> None:
    """Nothing listens there: the caller is told to retry in place."""
    nowhere = Database.connect(
        "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200&directConnection=true", "x", "t"
    )
    with pytest.raises(DependencyAway):
        await asyncio.wait_for(nowhere.ping(), 10)
    nowhere.close()
