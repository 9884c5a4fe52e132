"""What the README says of settings and states is what the code has."""

from pathlib import Path

from servicekit.settings import settings_table
from updates.domain.update import TRANSITIONS
from updates.settings import UpdatesSettings

README = (Path(__file__).parents[1] / "README.md").read_text()


def between(name: str) -> str:
    """Return what stands between the markers."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    return README.split(begin)[1].split(end)[0]


def test_the_settings_table_is_fresh() -> None:
    """Every variable stands in the README with its default and meaning."""
    assert between("settings") == settings_table(UpdatesSettings)


def test_the_states_are_those_of_the_transition_table() -> None:
    """The diagram is made from the table."""
    moves = [f"  {a.value} --> {b.value}" for a, targets in TRANSITIONS.items() for b in targets]
    lines = ["```mermaid", "stateDiagram-v2", *sorted(moves), "```"]
    assert between("states") == "\n".join(lines) + "\n"
