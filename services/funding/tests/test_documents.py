"""What the README says of settings and states is what the code has."""

import re
from pathlib import Path

import pytest

from funding.domain import campaign, pledge
from funding.settings import FundingSettings
from servicekit.settings import SettingsRefused, load_settings, settings_table

README = (Path(__file__).parents[1] / "README.md").read_text()
REQUIRED = {
    "FUNDING_MONGODB_URI": "mongodb://localhost",
    "FUNDING_MONGODB_DATABASE": "funding",
    "FUNDING_KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
    "FUNDING_INSTANCE_ID": "funding-1",
    "FUNDING_HTTP_PORT": "8001",
    "FUNDING_HEALTH_PORT": "9001",
    "FUNDING_AUTH_ISSUER": "https://sign-in.example",
    "FUNDING_AUTH_AUDIENCE": "sosst",
    "FUNDING_AUTH_JWKS_URL": "https://sign-in.example/keys",
}


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


def test_every_default_can_be_typed_as_it_is_shown() -> None:
    """Lists too: once no value of theirs was taken from the environment."""
    shown = dict(re.findall(r"^\| `(FUNDING_\w+)` \| `([^`]*)` \|", between("settings"), re.M))
    assert shown["FUNDING_STAGE_SHARES_BASIS_POINTS"] == "2000,3000,5000"
    typed, left_out = (load_settings(FundingSettings, e) for e in (REQUIRED | shown, REQUIRED))
    assert typed.model_dump() == left_out.model_dump()
    changed = {"FUNDING_STAGE_SHARES_BASIS_POINTS": "1000, 2000, 7000"}
    terms = load_settings(FundingSettings, REQUIRED | changed).standard_terms()
    assert terms.stage_shares_basis_points == (1_000, 2_000, 7_000)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("STAGE_SHARES_BASIS_POINTS", "2000,3000,6000", "three parts of 10000"),
        ("PLATFORM_FEE_BASIS_POINTS", "-5", "cannot be negative"),
        ("PLATFORM_FEE_BASIS_POINTS", "6000", "fees with tax"),
        ("ERRORED_REMINDERS_SECONDS", "5,1", "reminders come first"),
        ("ERRORED_DROP_SECONDS", "1", "reminders come first"),
    ],
)
def test_standard_terms_that_no_launch_could_have_are_refused_at_the_start(
    name: str, value: str, word: str
) -> None:
    """By the word that a launch with such terms gets, not by each creator's launch."""
    with pytest.raises(SettingsRefused, match=f"standard terms: .*{word}"):
        load_settings(FundingSettings, REQUIRED | {f"FUNDING_{name}": value})


def test_the_states_are_those_of_the_transition_tables() -> None:
    """The diagram is made from the tables."""
    assert between("states") == diagram()
