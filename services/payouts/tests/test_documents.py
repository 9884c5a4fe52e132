"""What the README says of settings and states is what the code has."""

from pathlib import Path

from payouts.domain import book_state, dispute, payout_attempt, receivable, refund, stage
from payouts.settings import PayoutsSettings
from servicekit.settings import settings_table

README = (Path(__file__).parents[1] / "README.md").read_text()
TABLES = {
    "A refund": refund.TRANSITIONS,
    "A stage": stage.TRANSITIONS,
    "An attempt": payout_attempt.TRANSITIONS,
    "A dispute": dispute.TRANSITIONS,
    "A debt of a creator": receivable.TRANSITIONS,
    "A book": book_state.TRANSITIONS,
}


def between(name: str) -> str:
    """Return what stands between the markers."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    return README.split(begin)[1].split(end)[0]


def diagrams() -> str:
    """Return a diagram for each transition table."""
    parts = []
    for name, table in TABLES.items():
        moves = [f"  {a.value} --> {b.value}" for a, targets in table.items() for b in targets]
        lines = [f"{name}:", "", "```mermaid", "stateDiagram-v2", *sorted(moves), "```"]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def test_the_settings_table_is_fresh() -> None:
    """Every variable stands in the README with its default and meaning."""
    assert between("settings") == settings_table(PayoutsSettings)


def test_the_states_are_those_of_the_transition_tables() -> None:
    """The diagrams are made from the tables."""
    assert between("states") == diagrams()
