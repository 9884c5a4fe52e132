"""What the pages say of settings and states is what the code has."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from servicekit.settings import settings_table
from updates.domain import claim, hiding, media, milestone, report, survey, tracking
from updates.domain.update import TRANSITIONS
from updates.settings import UpdatesSettings

SERVICE = Path(__file__).parents[1]
PAGES = "".join((SERVICE / name).read_text() for name in ("README.md", "HOW-IT-WORKS.md"))


def between(name: str) -> str:
    """Return what stands between the markers."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    return PAGES.split(begin)[1].split(end)[0]


def test_the_settings_table_is_fresh() -> None:
    """Every variable stands in the README with its default and meaning."""
    assert between("settings") == settings_table(UpdatesSettings)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("states", TRANSITIONS),
        ("hiding states", hiding.TRANSITIONS),
        ("report states", report.TRANSITIONS),
        ("media states", media.TRANSITIONS),
        ("claim states", claim.TRANSITIONS),
        ("survey states", survey.TRANSITIONS),
        ("tracking states", tracking.TRANSITIONS),
        ("evidence states", milestone.TRANSITIONS),
    ],
)
def test_the_states_are_those_of_the_transition_table(
    name: str, table: Mapping[StrEnum, frozenset[StrEnum]]
) -> None:
    """Each diagram is made from its table."""
    moves = [f"  {a.value} --> {b.value}" for a, targets in table.items() for b in targets]
    lines = ["```mermaid", "stateDiagram-v2", *sorted(moves), "```"]
    assert between(name) == "\n".join(lines) + "\n"
