"""No value that can be written is an accident: what cannot be kept or reckoned with is refused."""

import copy
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.access.applications import untouched
from tests.access.expectations import ROWS, Row, signed_headers
from tests.access.test_openapi import CALLERS, of_row, one_row_a_route, sent, who

DAY, INSTANT = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d{4}-\d\d-\d\dT.*")
DAY_OR_MONTH = re.compile(r"\b\d{4}-\d\d(-\d\d)?(?![\d-])")
DAYS = ("0001-01-01", "9999-12-31")
INSTANTS = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-12:00",
)


# MongoDB holds neither half a character nor more than 64 bits.
UNKEPT = ("\ud800", 2**63, -(2**63) - 1)
ODD: Sequence[Any] = ("\x00", "", -1, 1e308, float("nan"), None, True, [], {})


def odd_bodies(body: Any, odd: Callable[[Any], Sequence[Any]]) -> Iterator[Any]:
    """Yield the body with another value in each of its places, one at a time."""
    yield from odd(body)
    if isinstance(body, dict | list):
        for place in body if isinstance(body, dict) else range(len(body)):
            for value in odd_bodies(body[place], odd):
                changed = copy.copy(body)
                changed[place] = value
                yield changed


def ends_of_time(value: Any) -> Sequence[Any]:
    """Return what a day or an instant could be at most, and at least; nothing for others."""
    if not isinstance(value, str):
        return ()
    return DAYS if DAY.fullmatch(value) else INSTANTS if INSTANT.fullmatch(value) else ()


async def answers(row: Row, bodies: Iterator[Any]) -> list[tuple[str, httpx.Response]]:
    """Send each of them as whoever comes furthest, and return it with its answer."""
    application = await untouched(row.service, CALLERS.guard)
    headers = CALLERS.headers(who(row)) | signed_headers(row)
    request = of_row(replace(row, body=b""), application.ids, headers)
    request["headers"] = {**headers, "Content-Type": "application/json"}
    texts = [json.dumps(body) for body in bodies]
    return [
        (text, await sent(application.api, request | {"content": text.encode()})) for text in texts
    ]


def odd_addresses(address: str) -> Iterator[str]:
    """Yield the address with a day or a month of it at each end of time."""
    for found in DAY_OR_MONTH.finditer(address):
        ends = [day[: len(found[0])] for day in DAYS]
        yield from (f"{address[: found.start()]}{end}{address[found.end() :]}" for end in ends)


SENT = [row for row in one_row_a_route() if isinstance(row.body, dict | list)]
DATED = [row for row in SENT if list(odd_bodies(row.body, ends_of_time))]
DATED_ADDRESSES = [row for row in one_row_a_route() if DAY_OR_MONTH.search(row.path or row.route)]


@pytest.mark.parametrize("row", DATED, ids=lambda row: row.name)
async def test_the_ends_of_time_are_refused(row: Row) -> None:
    """By 4xx, as a problem; what is refused for another reason first is refused all the same."""
    for text, answer in await answers(row, odd_bodies(row.body, ends_of_time)):
        assert 400 <= answer.status_code < 500, (text, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("row", DATED_ADDRESSES, ids=lambda row: row.name)
async def test_the_ends_of_time_are_no_accident_in_an_address(row: Row) -> None:
    """What is asked for by a day or a month is refused, or not there."""
    application = await untouched(row.service, CALLERS.guard)
    headers = CALLERS.headers(who(row)) | signed_headers(row)
    request = of_row(row, application.ids, headers)
    for address in odd_addresses(request["url"]):
        answer = await sent(application.api, {**request, "url": address})
        assert 400 <= answer.status_code < 500, (address, answer.text)


@pytest.mark.parametrize("row", SENT, ids=lambda row: row.name)
async def test_no_odd_value_is_an_accident(row: Row) -> None:
    """In whichever place of a body; what no store could keep is refused before one is asked."""
    for text, answer in await answers(row, odd_bodies(row.body, lambda _: UNKEPT)):
        assert 400 <= answer.status_code < 500, (text, answer.text)
    for text, answer in await answers(row, odd_bodies(row.body, lambda _: ODD)):
        assert answer.status_code < 500, (text, answer.text)


def test_every_place_of_a_body_is_asked_about() -> None:
    """Of all services those that take days; each place wherever it stands, and nothing else."""
    assert {row.service for row in SENT} == {row.service for row in ROWS}
    assert {row.service for row in DATED} == {row.service for row in ROWS} - {"payouts"}
    body = {"a": [{"at": "2026-03-01T12:00:00Z"}, "2026-03-01"], "b": "2026"}
    found = list(odd_bodies(body, ends_of_time))
    assert len(found) == len(INSTANTS) + len(DAYS)
    assert found[-1] == {"a": [{"at": "2026-03-01T12:00:00Z"}, DAYS[-1]], "b": "2026"}
    assert len(list(odd_bodies(body, lambda _: ("x",)))) == 6
    assert [row.service for row in DATED_ADDRESSES] == ["payouts"] * 3
    assert list(odd_addresses("/days/2026-03-01")) == [f"/days/{day}" for day in DAYS]
    assert list(odd_addresses("/months/2026-03/x")) == [f"/months/{day[:7]}/x" for day in DAYS]


async def test_an_accident_is_found() -> None:
    """A route that reckons with whatever day it is told: there is none before the first."""
    api = FastAPI()

    @api.put("/")
    async def month_before(body: dict[str, str]) -> str:
        return str(date.fromisoformat(body["day"]) - timedelta(days=30))

    request = {"method": "PUT", "url": "/"}
    bodies = odd_bodies({"day": "2026-03-01"}, ends_of_time)
    told = [(await sent(api, request | {"json": body})).status_code for body in bodies]
    assert told == [500, 200]
