"""No day and no instant that can be written is an accident: whoever names one is told so."""

import asyncio
import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.access.applications import untouched
from tests.access.expectations import ROWS, Row, signed_headers
from tests.access.test_openapi import CALLERS, of_row, one_row_a_route, sent, who

DAY, INSTANT = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d{4}-\d\d-\d\dT.*")
DAYS = ("0001-01-01", "9999-12-31")
INSTANTS = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-12:00",
)


def odd_bodies(body: Any) -> Iterator[Any]:
    """Yield the body with one of its days or instants at an end of time, each in turn."""
    if isinstance(body, str):
        yield from DAYS if DAY.fullmatch(body) else INSTANTS if INSTANT.fullmatch(body) else ()
    elif isinstance(body, dict | list):
        for place in body if isinstance(body, dict) else range(len(body)):
            for odd in odd_bodies(body[place]):
                changed = copy.copy(body)
                changed[place] = odd
                yield changed


DATED = [row for row in one_row_a_route() if list(odd_bodies(row.body))]


@pytest.mark.parametrize("row", DATED, ids=lambda row: row.name)
def test_the_ends_of_time_are_refused(row: Row) -> None:
    """By 4xx, as a problem; what is refused for another reason first is refused all the same."""
    headers = CALLERS.headers(who(row)) | signed_headers(row)
    with asyncio.Runner() as runner:
        application = runner.run(untouched(row.service, CALLERS.guard))
        for body in odd_bodies(row.body):
            request = of_row(replace(row, body=body), application.ids, headers)
            answer = runner.run(sent(application.api, request))
            assert 400 <= answer.status_code < 500, (body, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


def test_every_service_that_takes_days_is_asked() -> None:
    """The look finds days and instants wherever they stand in a body, and nothing else."""
    assert {row.service for row in DATED} == {row.service for row in ROWS} - {"payouts"}
    found = list(odd_bodies({"a": [{"at": "2026-03-01T12:00:00Z"}, "2026-03-01"], "b": "2026"}))
    assert len(found) == len(INSTANTS) + len(DAYS)
    assert found[-1] == {"a": [{"at": "2026-03-01T12:00:00Z"}, DAYS[-1]], "b": "2026"}
