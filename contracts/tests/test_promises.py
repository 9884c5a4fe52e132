"""What was promised to readers holds for the contracts as they are now."""

import ast
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.tools.__main__ import PAGES, faults_of_contracts, main, pending_files
from contracts.tools.examples import examples_of, faults_of_examples
from contracts.tools.folders import HERE
from contracts.tools.freeze import faults_of_releases, lines_taken_away, released
from contracts.tools.topic_files import faults_of_topics, read_topic_files
from sosst_contracts.event import Event
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample

SOURCE = HERE.root / "src" / "sosst_contracts"


@cache
def read_asyncapi() -> Any:
    """Return what asyncapi.yaml says; it is to be read only."""
    return yaml.load((HERE.root / "asyncapi.yaml").read_text(), Loader=yaml.CSafeLoader)


def test_releases_are_frozen_and_compatible() -> None:
    """Every schema is as it was released, in the wire profile, and additive within its major."""
    assert faults_of_releases(HERE, REGISTRY.event_types) == []
    assert len(released(HERE)) >= len(REGISTRY.event_types)


def test_no_line_of_the_releases_was_ever_changed() -> None:
    """Every line that git knows of the list of releases is still there."""
    gone = lines_taken_away(HERE)
    if gone is None:
        # Only a copy without history may come here; in a clone this is never silently left out.
        assert not (HERE.root.parent / ".git").exists()
        return
    assert gone == []


def test_examples_hold() -> None:
    """Every event has at least two examples that schema and model accept and give back."""
    assert faults_of_examples(HERE, REGISTRY.event_types) == []


def test_topic_files_agree_with_the_code() -> None:
    """There is one file per topic, and it says what the code does."""
    files = read_topic_files(HERE.topics)
    assert faults_of_topics(files, REGISTRY) == []
    assert [one.name for one in files] == REGISTRY.topics()


def test_generated_documents_are_fresh() -> None:
    """`make contracts` would change nothing."""
    assert pending_files(HERE, REGISTRY) == {}
    assert main(["--check"]) == 0


def test_every_event_is_in_the_documents() -> None:
    """EVENTS.md and asyncapi.yaml name each event, topic, group and example."""
    events = (HERE.root / "EVENTS.md").read_text()
    messages = read_asyncapi()["components"]["messages"]
    for event_type in REGISTRY.event_types:
        assert f"`{event_type.type_name()}`" in events
        cases = [path.stem for path in examples_of(HERE, event_type)]
        assert [one["name"] for one in messages[event_type.type_name()]["examples"]] == cases
    for one in read_topic_files(HERE.topics):
        assert f"## {one.name}\n" in events
        assert all(reader["group"] in events for reader in one.fields["consumers"])


def test_references_of_asyncapi_lead_somewhere() -> None:
    """Every `$ref` of asyncapi.yaml names a part of the same document."""
    document = read_asyncapi()
    references = list(_references(document))
    assert references
    for reference in references:
        part = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"]] if "$ref" in node else []
        return here + [one for child in node.values() for one in _references(child)]
    if isinstance(node, list):
        return [one for child in node for one in _references(child)]
    return []


@pytest.mark.parametrize("event_type", REGISTRY.event_types, ids=lambda e: e.type_name())
def test_samples(event_type: type[Event]) -> None:
    """`sample` makes every event without being told anything, and keeps what it is told."""
    assert sample(event_type).key
    name = event_type.key_field
    assert getattr(sample(event_type, **{name: "mine"}), name) == "mine"


def test_the_wheel_needs_pydantic_only() -> None:
    """Subscribers get pydantic and nothing else; amounts and proofs need not even that."""
    project = tomllib.loads((HERE.root / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["pydantic>=2.11"]
    allowed = {"pydantic", "pydantic_core", "sosst_contracts", *sys.stdlib_module_names}
    for path in SOURCE.glob("*.py"):
        assert _imports(path) <= allowed, path.name
    for pure in ("money.py", "chain.py"):
        assert _imports(SOURCE / pure) <= sys.stdlib_module_names
    assert (SOURCE / "py.typed").exists()


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_the_command() -> None:
    """`python -m contracts.tools --check` is what `make check` runs, and it ends with 0."""
    command = [sys.executable, "-m", "contracts.tools", "--check"]
    done = subprocess.run(command, cwd=HERE.root.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_nothing_is_broken() -> None:
    """All checks together find nothing, and there are as many pages as are promised."""
    assert faults_of_contracts(HERE, REGISTRY) == []
    assert set(PAGES) == {"EVENTS.md", "asyncapi.yaml"}
