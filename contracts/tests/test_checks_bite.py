"""Each check is shown an offender, in a copy of the contracts, and refuses it."""

import json
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
import yaml
from pydantic import Field

from contracts.tools.__main__ import faults_of_contracts, main
from contracts.tools.compare import breaks_of
from contracts.tools.folders import Folders
from contracts.tools.profile import FORBIDDEN, faults_of
from contracts.tools.schemas import schema_of
from sosst_contracts import funding, notifier
from sosst_contracts.event import Event, Identifier, Vocabulary
from sosst_contracts.registry import REGISTRY, Registry

ERRORED = "funding.pledge-errored"


def registry_with(event_type: type[Event], replaced: type[Event] | None) -> Registry:
    """Return the registry with one event replaced, or without it."""
    kept = [replaced if one is event_type else one for one in REGISTRY.event_types]
    return Registry(one for one in kept if one is not None)


def made(fields: dict[str, Any], version: str = "1.1", base: type[Event] | None = None) -> Any:
    """Return another version of PledgeErrored: `fields` as annotation, or (annotation, default)."""
    parent = base or funding.PledgeErrored
    space: dict[str, Any] = {"__doc__": parent.__doc__, "__module__": __name__}
    space |= {"name": parent.name, "version": version}
    space["__annotations__"] = {"name": ClassVar[str], "version": ClassVar[str]}
    for name, (annotation, field) in fields.items():
        space["__annotations__"][name] = annotation
        space[name] = field
    return type("PledgeErrored", (parent,), space)


def described(default: Any = ..., **rules: Any) -> Any:
    return Field(default, description="Something.", **rules)


class Shortened(Event):
    """The payment of a pledge was refused."""

    topic: ClassVar = "funding.pledges"
    name: ClassVar = "pledge-errored"
    version: ClassVar = "1.1"

    campaign_id: Identifier = Field(description="Campaign that the money is for.")


ADDED = (Identifier | None, described(None))
CHANGES: list[tuple[str, str, type[Event] | None]] = [
    ("changed in place", "changed but still says version 1.0", made({"channel": ADDED}, "1.0")),
    ("required field", "/channel: became required", made({"channel": (Identifier, described())})),
    ("made optional", "/reason: is no longer required", made({"reason": ADDED})),
    ("other type", "/reason: type changed", made({"reason": (int, described(ge=0, le=9))})),
    ("narrower", "/reason: maxLength changed", made({"reason": (str, described(max_length=9))})),
    ("field gone", "/pledge_id: was removed", Shortened),
    ("no description", "a field has a description", made({"channel": (Identifier | None, None)})),
    ("a float", "integers", made({"channel": (float | None, described(None))})),
    ("event gone", "no model reads it any more", None),
]


@pytest.mark.parametrize(("fault", "model"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_models(copy: Folders, fault: str, model: type[Event] | None) -> None:
    """A model that breaks a reader, or leaves the profile, is refused."""
    refuses(copy, fault, registry_with(funding.PledgeErrored, model))


def test_word_taken_away(copy: Folders) -> None:
    """A word of a vocabulary stays."""
    kind = (Annotated[str, Vocabulary("verdict-reached")], described())
    model = made({"kind": kind}, base=notifier.NoticePlanned)
    refuses(copy, "/kind: words were taken away", registry_with(notifier.NoticePlanned, model))


def test_addition_is_no_break(copy: Folders) -> None:
    """The counterpart: an optional field under a new minor version is released."""
    before = copy.released.read_text().splitlines()
    release(copy, made({"channel": ADDED}))
    assert (copy.schemas / ERRORED / "1.1.json").exists()
    assert copy.released.read_text().splitlines()[: len(before)] == before
    assert len(copy.released.read_text().splitlines()) == len(before) + 1


def test_comparison_is_transitive(copy: Folders) -> None:
    """A version that fits 1.0 and the latest, but not the one between, is refused."""
    release(copy, made({"channel": ADDED}, "1.1"))
    schema = json.loads((copy.schemas / ERRORED / "1.1.json").read_text())
    assert breaks_of(schema, schema_of(funding.PledgeErrored)) == ["/channel: was removed"]
    number = (int | None, described(None, ge=0, le=9))
    later = registry_with(funding.PledgeErrored, made({"channel": number}, "1.2"))
    refuses(copy, "breaks version 1.1: /channel: type changed", later)


def test_older_examples_are_read(copy: Folders) -> None:
    """Today's model must read the examples of every earlier version of its major."""
    release(copy, made({"channel": ADDED}))
    old = copy.examples / ERRORED / "1.0" / "typical.json"
    change_json(old, pledge_id="p" * 300)
    refuses(
        copy, "1.0/typical.json", registry_with(funding.PledgeErrored, made({"channel": ADDED}))
    )


def edit_schema(copy: Folders) -> None:
    change_json(copy.schemas / ERRORED / "1.0.json", description="Edited.")


def remove_schema(copy: Folders) -> None:
    (copy.schemas / ERRORED / "1.0.json").unlink()


def add_schema(copy: Folders) -> None:
    (copy.schemas / ERRORED / "0.9.json").write_text("{}")


def remove_example(copy: Folders) -> None:
    folder = copy.examples / ERRORED / "1.0"
    for path in sorted(folder.glob("*.json"))[1:]:
        path.unlink()


def add_strange_example(copy: Folders) -> None:
    (copy.examples / "funding.pledge-forgotten").mkdir()


def example_with(**changes: object) -> Callable[[Folders], None]:
    def plant(copy: Folders) -> None:
        change_json(copy.examples / ERRORED / "1.0" / "typical.json", **changes)

    return plant


def topic_with(topic: str = "funding.pledges", **changes: object) -> Callable[[Folders], None]:
    def plant(copy: Folders) -> None:
        path = copy.topics / f"{topic}.yaml"
        fields = yaml.safe_load(path.read_text()) | changes
        path.write_text(yaml.safe_dump({k: v for k, v in fields.items() if v is not None}))

    return plant


def reader(**changes: str) -> list[dict[str, str]]:
    group = "payouts-funding-pledges"
    return [{"service": "payouts", "group": group, "kind": "reaction"} | changes]


def remove_topic(copy: Folders) -> None:
    (copy.topics / "funding.pledges.yaml").unlink()


def add_topic(copy: Folders) -> None:
    text = (copy.topics / "funding.pledges.yaml").read_text()
    (copy.topics / "funding.old_pledges.yaml").write_text(text)


FILES: list[tuple[str, str, Callable[[Folders], None]]] = [
    ("schema edited", "is edited", edit_schema),
    ("schema gone", "was released and is gone", remove_schema),
    ("schema unlisted", "not in the list of releases", add_schema),
    ("one example", "1 examples, at least 2 are needed", remove_example),
    ("example of nothing", "belongs to no event", add_strange_example),
    ("example against schema", "greater than the maximum", example_with(amount=900_000_001)),
    ("example against model", "the model refuses it", example_with(currency="XXX")),
    ("example with null", "does not come back the same", example_with(reward_id=None)),
    ("example with more", "does not come back the same", example_with(more=1)),
    ("topic without file", "funding.pledges: has no file", remove_topic),
    ("file of no topic", "funding.old_pledges", add_topic),
    ("name with underscore", "one dot", add_topic),
    ("field missing", "audience is missing", topic_with(audience=None)),
    ("audience", "unknown audience everybody", topic_with(audience="everybody")),
    ("cleanup", "unknown cleanup never", topic_with(cleanup="never")),
    ("partitions", "partitions is not a whole number", topic_with(partitions="12")),
    ("event missing", "the code has", topic_with(events=["pledge-placed"])),
    ("other key", "is keyed by campaign_id", topic_with(key="pledge_id")),
    ("other owner", "belongs to funding", topic_with(owner="payouts")),
    ("order", "disagree about a gap-free sequence", topic_with(ordering="none")),
    ("retention", "are kept for ever", topic_with(retention_ms=1000)),
    ("personal data", "names people", topic_with(personal_data="none")),
    ("forgetting", "what a record without a value means", topic_with(cleanup="compact")),
    ("people", "not restricted and compacted", topic_with("platform.people", audience="company")),
    ("told of nothing", "is told and is no event", topic_with(told={"pledge-lost": ["backer"]})),
    ("told to somebody", "known are", topic_with(told={"pledge-placed": ["everybody"]})),
    ("kind of group", "neither projection nor reaction", topic_with(consumers=reader(kind="x"))),
    ("name of group", "not named for its", topic_with(consumers=reader(group="payouts"))),
    (
        "word glued to a group",
        "not named for its",
        topic_with(consumers=reader(group="payouts-funding-pledges2")),
    ),
    ("group twice", "stands twice", topic_with(consumers=reader() * 2)),
]


@pytest.mark.parametrize(("fault", "plant"), [f[1:] for f in FILES], ids=[f[0] for f in FILES])
def test_files(copy: Folders, fault: str, plant: Callable[[Folders], None]) -> None:
    """A file that is edited, missing, superfluous or untrue is refused."""
    plant(copy)
    refuses(copy, fault, REGISTRY)


@pytest.mark.parametrize("page", ["EVENTS.md", "asyncapi.yaml"])
def test_stale_page(copy: Folders, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A document that differs from what would be generated fails the check, then is written."""
    path = copy.root / page
    fresh = path.read_text()
    path.write_text(fresh + "edited\n")
    assert main(["--check"], copy) == 1
    assert f"{page} is stale" in capsys.readouterr().err
    assert main([], copy) == 0
    assert path.read_text() == fresh


def test_unreleased_version(copy: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    """A model whose version has no frozen schema fails the check."""
    examples_for(copy, "1.1")
    assert (
        main(["--check"], copy, registry_with(funding.PledgeErrored, made({"channel": ADDED}))) == 1
    )
    assert "1.1.json is stale" in capsys.readouterr().err


def test_edit_together_with_its_hash(copy: Folders) -> None:
    """Editing a schema and its line in the list is refused, because git knows the line."""
    git(copy, "init", "-q")
    git(copy, "add", "schemas")
    git(copy, "commit", "-q", "-m", "released")
    assert faults_of_contracts(copy, REGISTRY) == []
    lines = copy.released.read_text().splitlines(keepends=True)
    copy.released.write_text("".join(["0" * 64 + lines[0][64:], *lines[1:]]))
    refuses(copy, f"a line was changed or removed: {lines[0].strip()}", REGISTRY)


@pytest.mark.parametrize("keyword", FORBIDDEN)
def test_profile_keywords(keyword: str) -> None:
    """Each keyword that generators stumble over is refused wherever it stands."""
    field = {"type": "string", "description": "x", "x-personal-data": "none"}
    whole = {"$id": "urn:x", "title": "X", "type": "object", "properties": {"inner": field}}
    assert faults_of(whole) == []
    assert any(keyword in fault for fault in faults_of(whole | {keyword: {}}))
    spoiled = whole | {"properties": {"inner": field | {keyword: {}}}}
    assert any(f"/inner: {keyword}" in fault for fault in faults_of(spoiled))


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ({"type": ["string", "null"]}, "exactly one type"),
        ({"type": None}, "exactly one type"),
        ({"type": "number"}, "integers"),
        ({"type": "integer", "minimum": 0, "maximum": 9}, "int64"),
        ({"type": "integer", "format": "int64", "minimum": 0}, "both bounds"),
        ({"x-personal-data": "address"}, "x-personal-data is one of"),
        ({"x-personal-data": None}, "x-personal-data is one of"),
    ],
    ids=str,
)
def test_profile_fields(field: dict[str, object], fault: str) -> None:
    """Null, floats, unbounded integers and fields without a statement on persons are refused."""
    good = {"type": "string", "description": "x", "x-personal-data": "none"}
    inner = {"type": "object", "properties": {"it": good | field}}
    listed = {"type": "array", "items": inner, "description": "x", "x-personal-data": "none"}
    whole = {"$id": "urn:x", "title": "X", "type": "object", "properties": {"listed": listed}}
    assert any("/listed[]/it" in one and fault in one for one in faults_of(whole))


def refuses(copy: Folders, fault: str, registry: Registry) -> None:
    """Assert that the fault is told, that the command fails, and that it wrote nothing."""
    before = contents(copy)
    for arguments in (["--check"], []):
        told = StringIO()
        with redirect_stderr(told):
            assert main(arguments, copy, registry) == 1
        assert fault in told.getvalue(), told.getvalue()
    assert contents(copy) == before


def contents(copy: Folders) -> dict[Path, bytes]:
    files = [path for path in copy.root.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path: path.read_bytes() for path in files}


def release(copy: Folders, model: type[Event]) -> None:
    examples_for(copy, model.version)
    assert main([], copy, registry_with(funding.PledgeErrored, model)) == 0


def examples_for(copy: Folders, version: str) -> None:
    folder = copy.examples / ERRORED
    (folder / version).mkdir()
    for path in (folder / "1.0").glob("*.json"):
        (folder / version / path.name).write_bytes(path.read_bytes())


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def git(copy: Folders, *arguments: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "core.hooksPath="]
    subprocess.run(["git", "-C", str(copy.root), *who, *arguments], check=True)
