"""Lists of rewards on their way: judged row by row, added and never replacing, inert as cells."""

import csv
import io
from itertools import product
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import creator
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_tracking_handlers import (
    CAMPAIGN,
    REWARD,
    TEAM,
    TERMS,
    changes,
    met,
    moved,
    states,
    told,
)
from updates.domain.cells import kept, meant
from updates.domain.errors import Refused
from updates.domain.tracking import TrackingState
from updates.domain.tracking_list import ROWS_MAX, Wanted, read_list
from updates.handlers import import_tracking as handlers
from updates.handlers.import_tracking import Imported, ImportTracking, import_tracking
from updates.handlers.tracking import load_trackings

PATH = f"/campaigns/{CAMPAIGN}/delivery-lists"
HEAD = "backer_id,reward_id,state,carrier,tracking_number,note\n"
LIST = HEAD + (
    "b1,reward-1,shipped,Poste,1,x\n"
    "b2,reward-1,shipped,,,\n"
    "b9,reward-1,shipped,,,\n"
    "b1,reward-1,,Poste,2,\n"
    "b1,reward-1,,Poste,1,\n"
    "b3,reward-1,sent,,,\n"
    "\n"
    "b3,reward-1,,DHL,,\n"
    "b3,reward-1,,,,\n"
)


async def imported(service: UpdatesService, text: str = LIST, **asked: bool) -> Imported:
    command = ImportTracking(CAMPAIGN, text, TEAM, **asked)
    return await import_tracking(service.units, command, NOW, TERMS)


async def numbers(service: UpdatesService) -> list[str]:
    (first, *_) = await service.units.run(
        lambda unit: load_trackings(unit, CAMPAIGN, REWARD, "", 50)
    )
    return [one.number for one in first.parcels]


@pytest.mark.row("S11")
@pytest.mark.trap(17)
@pytest.mark.trap(18)
async def test_a_list_adds_numbers_and_tells_those_whose_reward_moved(
    service: UpdatesService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run says the same and keeps nothing; nor is a list with errors kept unless asked."""
    monkeypatch.setattr(handlers, "PAGE", 2)
    await met(service)
    await moved(service, Wanted(REWARD, "b1", parcel=("Poste", "0")), Wanted(REWARD, "b2", S))
    before = await changes(service)
    outcomes = ["changed", "unchanged", "refused", "changed", "unchanged", *["refused"] * 3]
    for asked in ({}, {"write": True}, {"write": True, "with_errors": True}):
        report = await imported(service, **asked)
        assert [row.outcome for row in report.rows] == outcomes
        assert report.ignored == ("note",) and report.written == ("with_errors" in asked)
        if not report.written:
            assert await changes(service) == before and await numbers(service) == ["0"]
    assert [row.line for row in report.rows] == [2, 3, 4, 5, 6, 7, 9, 10]
    assert await numbers(service) == ["0", "1", "2"]
    assert (await changes(service))[len(before) :] == [("shipped", ["b1"])]
    again = await imported(service, write=True, with_errors=True)
    assert (again.count("changed"), len(await changes(service))) == (0, len(before) + 1)
    assert "Poste" not in str(await told(service))


S = TrackingState.SHIPPED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "backer_id\nb1\n",
        "backer_id,reward_id,reward_id\nb1,r,r\n",
        "backer_id,reward_id,state,state\nb1,r,shipped,shipped\n",
        'backer_id,reward_id\n"b1,r\n',
        "backer_id,reward_id,state\n" + "b,r,shipped\n" * (ROWS_MAX + 1),
    ],
    ids=("empty", "no reward", "twice", "state twice", "open quote", "too long"),
)
def test_what_is_no_list_is_refused_as_a_whole(text: str) -> None:
    """A column that is missing or there twice could be taken for another one."""
    with pytest.raises(Refused) as refused:
        read_list(text)
    assert refused.value.reason == "unreadable-list"


def test_a_list_by_a_spreadsheet_is_read() -> None:
    """With its mark at the beginning, its line ends, spaces, and our own apostrophes."""
    text = "\ufeffreward_id, backer_id ,state,batch\r\nlamp,'=b1, shipped ,2\r\nlamp,b2,,1000\r\n"
    first, second, third = read_list(text + "'s lamp,b3,shipped,\r\n").rows
    assert first.read == Wanted("lamp", "=b1", S, batch=2)
    assert third.read == Wanted("'s lamp", "b3", S)
    assert isinstance(second.read, Refused) and second.read.reason == "invalid-row"


CELLS = ["=x", "'=x", "''=x", " '=x", "' =x", "'x", "''", "o'neil", "@x"]
# Blanks are stripped of what somebody wrote by hand, and no two people are one for that.
BLANKS = [" ann", "ann ", "ann\u00a0", "\u3000ann", " =x", "=x ", "\u00a0=x", "' ann", "'\u00a0=x"]


@pytest.mark.parametrize("cell", [*CELLS, *BLANKS], ids=repr)
def test_a_cell_is_taken_back_as_it_was(cell: str) -> None:
    """Whatever apostrophes and blanks it had: two backers never become one by way of a list."""
    written = io.StringIO()
    csv.writer(written).writerow([kept(cell), "lamp", "shipped"])
    (row,) = read_list(f"backer_id,reward_id,state\r\n{written.getvalue()}").rows
    assert (row.backer_id, meant(kept(cell))) == (cell, cell)
    assert not kept(cell).lstrip().startswith(("=", "@"))


def test_no_two_short_cells_are_written_alike() -> None:
    """All of up to five of the characters that matter."""
    alphabet = "' =a\u00a0\t"
    cells = ["".join(one) for size in range(1, 6) for one in product(alphabet, repeat=size)]
    assert [meant(kept(cell)) for cell in cells] == cells
    assert len({kept(cell) for cell in cells}) == len(cells)


@pytest.mark.row("S11")
async def test_a_list_that_is_read_is_taken_back_and_computes_nothing() -> None:
    """What stands in a cell is no formula; a list that cannot be read is a 422."""
    service = await met(memory_service())
    await moved(service, Wanted(REWARD, "b1", S, ("=HYPERLINK(1)", "+1"), 2))
    await moved(service, Wanted(REWARD, "b1", parcel=("Poste", "2")))
    async with client_of(api_of(service)) as client:

        async def ask(method: str, path: str, body: object = None) -> httpx.Response:
            headers = bearer(creator("creator-1"))
            return await client.request(method, f"{PATH}{path}", json=body, headers=headers)

        listed = await ask("GET", f"/{REWARD}")
        assert listed.headers["content-type"].startswith("text/csv")
        assert listed.text.splitlines() == [
            "backer_id,reward_id,state,batch,carrier,tracking_number",
            "b1,reward-1,shipped,2,'=HYPERLINK(1),'+1",
            "b1,reward-1,shipped,2,Poste,2",
            "b2,reward-1,not_started,,,",
            "b3,reward-1,not_started,,,",
        ]
        body: dict[str, Any] = {"csv": listed.text}
        report = (await ask("POST", "?dry_run=false", body)).json()
        assert (report["changed"], report["unchanged"], report["refused"]) == (0, 4, 0)
        assert report["written"] and not (await ask("POST", "", body)).json()["written"]
        unreadable = await ask("POST", "", {"csv": "nothing"})
        assert unreadable.status_code == 422
        assert unreadable.json()["type"] == "/problems/unreadable-list"
    assert await states(service) == ["shipped", "not_started", "not_started"]
