"""Every route × every kind of caller, asked of the four real applications over memory."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from servicekit.access import guarded_routes
from tests.access.__main__ import main
from tests.access.applications import Application, make, untouched
from tests.access.callers import KINDS, REFUSALS, Callers
from tests.access.document import SERVICES
from tests.access.expectations import ROWS, Row, signed_headers

CALLERS = Callers()
WRITES = ("PUT", "POST", "PATCH", "DELETE")
ABSENT = "absent-1"
# Whoever reads a comment may report it.
OF_WHOEVER_READS = "/comments/{comment_id}/report"
Place = tuple[str, str, str]


async def ask(
    row: Row, kind: str, *, absent: bool = False, bodies: tuple[Any, ...] = ()
) -> list[httpx.Response]:
    """Ask an untouched application once, or once for each body, as a caller of this kind."""
    application = await untouched(row.service, CALLERS.guard)
    ids: Mapping[str, str] = dict(application.ids)
    if absent:
        ids = {name: id if name in ("kind", "provider") else ABSENT for name, id in ids.items()}
    headers = CALLERS.headers(kind) | signed_headers(row)
    transport = httpx.ASGITransport(application.api)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return [
            await client.request(row.method, row.address(ids), headers=headers, **_sent(body))
            for body in bodies or (row.body,)
        ]


def _sent(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    return {"content": body} if isinstance(body, bytes) else {"json": body}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_every_caller_is_told_what_the_table_says(row: Row) -> None:
    """Thirteen kinds of callers; every refusal is a problem with the type of its reason."""
    seen = {kind: (await ask(row, kind))[0] for kind in KINDS}
    assert {kind: answer.status_code for kind, answer in seen.items()} == row.expected
    for kind, answer in seen.items():
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        if answer.status_code == 401 and not row.route.startswith(("/webhooks/", "/mail-reports")):
            assert answer.json()["type"] == f"/problems/{REFUSALS[kind]}"
            assert answer.headers["www-authenticate"].startswith("Bearer")
        if answer.status_code == 403:
            assert answer.json()["type"] == "/problems/role-missing"


@pytest.mark.parametrize(
    "row", [row for row in ROWS if 404 in row.expected.values()], ids=lambda row: row.name
)
async def test_somebody_elses_object_is_told_like_none(row: Row) -> None:
    """404 with the same bytes and headers, for each caller who may see some but not this one."""
    for kind, status in row.expected.items():
        if status == 404:
            (elses,), (none,) = await ask(row, kind), await ask(row, kind, absent=True)
            assert (elses.content, elses.headers) == (none.content, none.headers), kind


def in_one_only(routes: Iterable[Place], rows: Iterable[Row]) -> set[Place]:
    """Return the routes without a row and the rows without a route."""
    return set(routes) ^ {(row.service, row.method, row.route) for row in rows}


async def test_every_route_has_its_row_and_every_row_its_route() -> None:
    """A new route fails here until its row says what each caller is told; planted ones do."""
    routes: set[Place] = set()
    for service in SERVICES:
        application = await make(service, CALLERS.guard)
        routes |= {(service, r.method, r.path) for r in guarded_routes(application.api)}
    assert in_one_only(routes, ROWS) == set()
    planted = ("payouts", "DELETE", "/campaigns/{campaign_id}")
    assert in_one_only([*routes, planted], ROWS) == {planted}
    assert in_one_only(routes, ROWS[1:]) == {("funding", "PUT", "/campaigns/{campaign_id}")}


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.method in WRITES], ids=lambda row: row.name
)
async def test_a_repeat_is_known_by_its_natural_key(row: Row) -> None:
    """Whoever sends the same again gets the same answer, so no route needs a key of its own."""
    assert row.natural_key, "name what a repeat is known by, or let it take an idempotency key"
    for kind, status in row.expected.items():
        if status < 300:
            first, again = await ask(row, kind, bodies=(row.body, row.body))
            assert again.status_code < 300 and again.content == first.content, kind


@pytest.mark.parametrize("row", [row for row in ROWS if row.other], ids=lambda row: row.name)
async def test_other_content_under_a_natural_key_is_what_the_table_says(row: Row) -> None:
    """A refusal where the first word holds, a new version where one may think again."""
    assert row.other is not None
    body, status = row.other
    kind = next(kind for kind, answer in row.expected.items() if answer < 300)
    first, other = await ask(row, kind, bodies=(row.body, body))
    assert (first.status_code, other.status_code) == (row.expected[kind], status)


def other_content_untold(rows: Iterable[Row]) -> list[str]:
    """Return rows by which somebody writes a body, that do not say what becomes of another one."""
    writing = [row for row in rows if row.method in WRITES and row.body is not None]
    return [
        row.name
        for row in writing
        if min(row.expected.values()) < 400 and (row.other is None) != row.body_is_the_key
    ]


def test_every_body_has_its_answer_to_other_content() -> None:
    """A new row fails here until it says what other content is told; planted ones do."""
    assert other_content_untold(ROWS) == []
    row = next(row for row in ROWS if row.other)
    assert other_content_untold([replace(row, other=None)]) == [row.name]
    assert other_content_untold([replace(row, body_is_the_key=True)]) == [row.name]


def open_to_others(rows: Iterable[Row]) -> list[str]:
    """Return rows with an object in their path that is its owner's and yet everybody's of a role.

    What everybody may have, also without a token, is nobody's own. The body of a launch names its
    owner: there the others are told 403, for no object is there that they could be told of.
    """
    return [
        f"{row.name}: {other}"
        for row in rows
        if "{" in row.route and row.expected["nobody"] >= 400
        for owner, other in (("backer", "other backer"), ("creator", "other creator"))
        if row.expected[owner] < 400 and row.expected[other] not in (403, 404)
    ]


def test_whose_an_object_is_matters_where_it_is_somebodys() -> None:
    """Each route with an object in its path refuses who holds the same role and nothing of it."""
    found = {name for name in open_to_others(ROWS) if OF_WHOEVER_READS not in name}
    assert found == set()
    row = next(row for row in ROWS if row.expected["other creator"] == 404)
    planted = replace(row, answers=row.answers.replace("404", "200"))
    assert f"{row.name}: other creator" in open_to_others([planted])


async def read_all(application: Application, rows: Iterable[Row]) -> list[tuple[str, bytes]]:
    """Return what whoever comes furthest reads by each row; nothing is put back for it."""
    transport = httpx.ASGITransport(application.api)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        seen = []
        for row in rows:
            kind = min(row.expected, key=lambda kind: row.expected[kind])
            headers = CALLERS.headers(kind) | signed_headers(row)
            answer = await client.request(row.method, row.address(application.ids), headers=headers)
            seen.append((row.name, answer.content))
        return seen


@pytest.mark.parametrize("service", SERVICES)
async def test_what_a_caller_changed_is_gone_for_the_next_one(service: str) -> None:
    """All that can be read is as before once it is put back, and is not where it is left alone."""
    reads = [row for row in ROWS if (row.service, row.method) == (service, "GET")]
    writes = [row for row in ROWS if row.service == service and row.method in WRITES]
    application = await untouched(service, CALLERS.guard)
    before, changed = await read_all(application, reads), False
    for row in writes:
        await ask(row, min(row.expected, key=lambda kind: row.expected[kind]))
        changed = changed or await read_all(application, reads) != before
    assert changed
    assert await untouched(service, CALLERS.guard) is application
    assert await read_all(application, reads) == before


def test_the_page_is_fresh_and_a_stale_one_is_found(tmp_path: Path) -> None:
    """`make check` fails for a page that says something else, and writes nothing."""
    assert main(["--check"]) == 0
    stale = tmp_path / "ACCESS.md"
    stale.write_text("everybody may everything\n")
    assert main(["--check"], stale) == 1 and stale.read_text().startswith("everybody")
    assert main([], stale) == 0 and main(["--check"], stale) == 0


def test_a_row_without_thirteen_answers_is_none() -> None:
    """A table with a hole cannot pass."""
    with pytest.raises(ValueError, match="zip"):
        _ = Row("funding", "GET", "/campaigns", "200 200").expected
