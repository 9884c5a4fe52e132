"""What needs a second person is a setting: nobody changes it by a call or a command, or unseen."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from payouts import commands
from payouts.settings import PayoutsSettings
from services.payouts.tests.conftest import memory_payouts
from services.payouts.tests.test_http import api_of

DESCRIBED = [one for name, one in vars(commands).items() if name.startswith("describe_")]
SETTINGS = PayoutsSettings.model_construct()
THRESHOLDS = set(SETTINGS.thresholds())


class Raise(BaseModel):
    approval_limit: int


def taken(api: FastAPI) -> set[str]:
    """Return the names of all that the routes take, in paths, queries and bodies."""
    described = api.openapi()
    asked = [p for path in described["paths"].values() for p in path.values()]
    parameters = {p["name"] for route in asked for p in route.get("parameters", [])}
    bodies = [name for route in asked for name in _named(route.get("requestBody", {}))]
    schemas = described["components"]["schemas"]
    fields = {field for name in bodies for field in schemas[name].get("properties", {})}
    return parameters | fields


def _named(body: Mapping[str, Any]) -> Iterator[str]:
    for media in body.get("content", {}).values():
        if "$ref" in media["schema"]:
            yield media["schema"]["$ref"].rpartition("/")[2]


def options(describe: Callable[[ArgumentParser], None]) -> set[str]:
    parser = ArgumentParser()
    describe(parser)
    return {action.dest for action in parser._actions}


def test_no_route_takes_a_threshold() -> None:
    """Two people act on money; nobody of the staff acts on how many are needed."""
    assert taken(api_of(memory_payouts())) & THRESHOLDS == set()
    offender = FastAPI()

    @offender.put("/planted/{name}")
    async def planted(name: str, limit: int, body: Raise) -> str:
        return f"{name} {limit} {body}"

    assert taken(offender) >= {"name", "limit", "approval_limit"}


@pytest.mark.parametrize(
    "describe", [one for one in DESCRIBED if list(one.__annotations__) == ["parser", "return"]]
)
def test_no_command_takes_a_threshold(describe: Callable[[ArgumentParser], None]) -> None:
    """An operator with a shell changes none either."""
    assert options(describe) & THRESHOLDS == set()


def test_each_threshold_is_a_setting_that_may_be_given_at_the_start_only() -> None:
    """What is shown is what the process was started with."""
    fields = PayoutsSettings.model_fields
    assert set(fields) >= THRESHOLDS
    assert SETTINGS.thresholds() == {name: fields[name].default for name in THRESHOLDS}
    limits = {name for name in fields if name.endswith("_limit") or "basis_points" in name}
    assert limits <= THRESHOLDS, "a new limit is a threshold too, or has another name"
