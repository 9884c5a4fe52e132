"""What the user gives is refused with file, row and column before anything starts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.demo.__main__ import EXAMPLES, EXIT_USAGE
from infra.demo.given import COLUMNS, ROWS_MAX, GivenRefused, read_campaign, read_pledges
from infra.native.folders import REPOSITORY
from sosst_contracts.money import MAXIMUM_AMOUNT

HEAD = ",".join(COLUMNS)
GOOD = "p1,b1,lamp,4900,EUR"


def refusal_of_rows(folder: Path, lines: list[str], *, head: str = HEAD) -> str:
    """Return what is said about these rows."""
    file = folder / "pledges.csv"
    file.write_text("\n".join([head, *lines]) + "\n")
    with pytest.raises(GivenRefused) as refused:
        read_pledges(file, read_campaign(EXAMPLES / "campaign.json"))
    return str(refused.value)


def test_the_examples_can_be_used() -> None:
    """The files in the repository are valid; some of the few hundred backers pledge twice."""
    campaign = read_campaign(EXAMPLES / "campaign.json")
    rows = read_pledges(EXAMPLES / "pledges.csv", campaign)
    assert len(rows) > 200
    assert len({row.backer_id for row in rows}) < len(rows)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["p1,b1,lamp,-5,EUR"], "row 2, column amount_minor_units: '-5'"),
        (["p1,b1,lamp,0,EUR"], "row 2, column amount_minor_units: '0'"),
        (["p1,b1,lamp,49.00,EUR"], "row 2, column amount_minor_units: '49.00'"),
        (["p1,b1,lamp,٤٩,EUR"], "row 2, column amount_minor_units"),
        (["p1,b1,lamp,,EUR"], "row 2, column amount_minor_units"),
        ([f"p1,b1,lamp,{'9' * 5_000},EUR"], "row 2, column amount_minor_units"),
        ([f"p1,b1,lamp,{MAXIMUM_AMOUNT + 1},EUR"], "row 2, column amount_minor_units"),
        ([GOOD, "p2,b2,lamp,4900,XXX"], "row 3, column currency: unknown currency 'XXX'"),
        (["p1,b1,lamp,4900,JPY"], "row 2, column currency: JPY in a campaign of EUR"),
        (["p1,,lamp,4900,EUR"], "row 2, column backer_id: is empty"),
        (["p1,jane@example.org,lamp,4900,EUR"], "row 2, column backer_id"),
        (["p1,..,lamp,4900,EUR"], "row 2, column backer_id"),
        (["p1,b1,castle,4900,EUR"], "row 2, column reward_id: 'castle'"),
        ([GOOD, GOOD], "row 3, column pledge_id: same as in row 2"),
        ([GOOD, "", GOOD], "row 4, column pledge_id: same as in row 2"),
        (["p1,b1"], "row 2, column amount_minor_units"),
        ([f"{GOOD},more"], "row 2: more fields than columns"),
        ([], "0 rows"),
        (["p1,b1,lamp,5,EUR"], "column amount_minor_units: 5 in total"),
        (
            [f"p1,b1,,{MAXIMUM_AMOUNT},EUR", "p2,b2,,1,EUR"],
            f"column amount_minor_units: {MAXIMUM_AMOUNT + 1} in total",
        ),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, lines: list[str], told: str) -> None:
    """The message is one line that says which row, as an editor counts, and which column."""
    refusal = refusal_of_rows(tmp_path, lines)
    assert told in refusal
    assert len(refusal.splitlines()) == 1


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("pledge_id,backer_id", "row 1: column reward_id is missing"),
        (f"{HEAD},currency", "row 1: column currency is there twice"),
        ("", "row 1: column pledge_id is missing"),
    ],
)
def test_a_bad_head_is_named(tmp_path: Path, head: str, told: str) -> None:
    """A report of another platform is told which column it lacks."""
    assert told in refusal_of_rows(tmp_path, [GOOD], head=head)


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    """A demo is no import."""
    lines = [f"p{number},b1,lamp,4900,EUR" for number in range(ROWS_MAX + 1)]
    assert f"between 1 and {ROWS_MAX}" in refusal_of_rows(tmp_path, lines)


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    """A spreadsheet given by mistake is named, without a traceback."""
    file = tmp_path / "pledges.csv"
    file.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(GivenRefused, match=r"pledges\.csv: cannot be read"):
        read_pledges(file, read_campaign(EXAMPLES / "campaign.json"))


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    """What spreadsheets save as CSV can be used as it is, columns of their own included."""
    file = tmp_path / "pledges.csv"
    file.write_text(f"{HEAD},note\r\n{GOOD},thanks\r\n", encoding="utf-8-sig")
    rows = read_pledges(file, read_campaign(EXAMPLES / "campaign.json"))
    assert [row.amount for row in rows] == [4900]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"campaign_id": None}, "campaign_id: is missing"),
        ({"campaign_id": 7}, "campaign_id: 7 is no text"),
        ({"campaign_id": "a/b"}, "campaign_id: 'a/b'"),
        ({"campaign_id": "x" * 41}, "campaign_id: 'xxx"),
        ({"title": ""}, "title: has 0 characters"),
        ({"currency": "EURO"}, "currency: unknown currency 'EURO'"),
        ({"zone": "Mars/Olympus"}, "zone: 'Mars/Olympus' is no time zone"),
        ({"zone": "../secret"}, "zone: '../secret' is no time zone"),
        ({"rewards": "lamp"}, "rewards: is no list"),
        ({"rewards": ["lamp"]}, "rewards[0] is no object"),
        ({"rewards": [{"reward_id": "lamp"}]}, "rewards[0].title: is missing"),
        ({"rewards": [{"reward_id": "lamp", "title": "A"}] * 2}, "the same reward_id"),
    ],
)
def test_a_bad_field_of_the_campaign_is_named(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    """The message says which field of the campaign."""
    file = tmp_path / "campaign.json"
    file.write_text(json.dumps(json.loads((EXAMPLES / "campaign.json").read_text()) | change))
    with pytest.raises(GivenRefused) as refused:
        read_campaign(file)
    assert told in str(refused.value)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "null"])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    """Other shapes than an object are refused with the file's name."""
    file = tmp_path / "campaign.json"
    file.write_text(text)
    with pytest.raises(GivenRefused, match=r"campaign\.json"):
        read_campaign(file)


@pytest.mark.parametrize("option", ["--campaign", "--pledges"])
def test_the_command_ends_with_64_and_one_line(tmp_path: Path, option: str) -> None:
    """Nothing is started for input that cannot be used."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.demo", "demo", option, str(tmp_path / "none")],
        cwd=REPOSITORY,
        env={"SOSST_STATE": str(tmp_path / "state"), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_USAGE
    assert len(done.stderr.splitlines()) == 1 and "none" in done.stderr
    assert done.stdout == "" and not (tmp_path / "state").exists()
