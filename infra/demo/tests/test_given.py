"""What the user gives is refused with file, row and column before anything starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.demo.__main__ import EXAMPLES
from infra.demo.figures import Figure, all_agree
from infra.demo.given import COLUMNS, GivenRefused, read_campaign, read_pledges

HEAD = ",".join(COLUMNS)
GOOD = "p1,b1,lamp,4900,EUR"


def test_the_examples_can_be_used() -> None:
    """The files in the repository are valid; some of the few hundred backers pledge twice."""
    campaign = read_campaign(EXAMPLES / "campaign.json")
    rows = read_pledges(EXAMPLES / "pledges.csv", campaign)
    assert len(rows) > 200 and len({row.backer_id for row in rows}) < len(rows)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["p1,b1,lamp,-5,EUR"], "row 2, column amount_minor_units"),
        (["p1,b1,lamp,49.00,EUR"], "row 2, column amount_minor_units"),
        (["p1,b1,lamp,900000001,EUR"], "row 2, column amount_minor_units"),
        ([GOOD, "p2,b2,lamp,4900,XXX"], "row 3, column currency"),
        (["p1,b1,lamp,4900,JPY"], "row 2, column currency"),
        (["p1,,lamp,4900,EUR"], "row 2, column backer_id"),
        (["p1,b1,castle,4900,EUR"], "row 2, column reward_id"),
        ([GOOD, GOOD], "row 3, column pledge_id: same as in row 2"),
        ([], "0 rows"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, lines: list[str], told: str) -> None:
    """The message says which row and which column."""
    file = tmp_path / "pledges.csv"
    file.write_text("\n".join([HEAD, *lines]) + "\n")
    with pytest.raises(GivenRefused, match=told):
        read_pledges(file, read_campaign(EXAMPLES / "campaign.json"))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """A report of another platform is told what it lacks."""
    file = tmp_path / "pledges.csv"
    file.write_text("pledge_id,backer_id\np1,b1\n")
    with pytest.raises(GivenRefused, match="column reward_id is missing"):
        read_pledges(file, read_campaign(EXAMPLES / "campaign.json"))


def test_the_command_ends_with_64_and_one_line(tmp_path: Path) -> None:
    """Nothing is started for input that cannot be used."""
    command = [
        sys.executable,
        "-m",
        "infra.demo",
        "demo",
        "--campaign",
        str(tmp_path / "none.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 64 and len(done.stderr.splitlines()) == 1
    assert "none.json" in done.stderr


def test_a_difference_of_one_unit_is_found() -> None:
    """The comparison can fail."""
    same = Figure("a", "x", 5, "y", 5)
    assert all_agree([same]) and not all_agree([same, Figure("b", "x", 5, "y", 6)])
    assert not all_agree([])
