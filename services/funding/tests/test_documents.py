"""What the README says of settings and states is what the code has."""

from pathlib import Path

from funding.domain import campaign, pledge
from funding.settings import FundingSettings
from servicekit.settings import settings_table

README = (Path(__file__).parents[1] / "README.md").read_text()


def between(name: str) -> str:
    """Return what stands between the markers."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    return README.split(begin)[1].split(end)[0]


def diagram() -> str:
    """Return the diagram of both transition tables."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for name, table in (("campaign", campaign.TRANSITIONS), ("pledge", pledge.TRANSITIONS)):
        moves = [f"    {a.value} --> {b.value}" for a, targets in table.items() for b in targets]
        lines += [f"  state {name} {{", *sorted(moves), "  }"]
    return "\n".join([*lines, "```"]) + "\n"


def test_the_settings_table_is_fresh() -> None:
    """Every variable stands in the README with its default and meaning."""
    assert between("settings") == settings_table(FundingSettings)


def test_the_states_are_those_of_the_transition_tables() -> None:
    """The diagram is made from the tables."""
    assert between("states") == diagram()
