"""Named examples: at least two per version, each a value as it stands on the topic."""

import json
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator

from contracts.tools.folders import Folders
from contracts.tools.schemas import Schema, schema_of
from sosst_contracts.event import Event

EXAMPLES_MIN = 2


def examples_of(folders: Folders, event_type: type[Event]) -> list[Path]:
    """Return the example files of the present version: the typical one first, then by name."""
    folder = _folder(folders, event_type) / event_type.version
    return sorted(folder.glob("*.json"), key=lambda path: (path.stem != "typical", path.stem))


def faults_of_examples(folders: Folders, event_types: tuple[type[Event], ...]) -> list[str]:
    """Return what is wrong with the examples; nothing if all are there and hold."""
    faults = list(_strangers(folders, event_types))
    for event_type in event_types:
        named = f"{event_type.owner()}.{event_type.name}"
        faults += [f"{named}/{fault}" for fault in _present(folders, event_type)]
        faults += [f"{named}/{fault}" for fault in _earlier(folders, event_type)]
    return faults


def _folder(folders: Folders, event_type: type[Event]) -> Path:
    return folders.examples / f"{event_type.owner()}.{event_type.name}"


def _strangers(folders: Folders, event_types: tuple[type[Event], ...]) -> Iterator[str]:
    known = {_folder(folders, event_type) for event_type in event_types}
    for path in sorted(folders.examples.glob("*")):
        if path not in known:
            yield f"examples/{path.name} belongs to no event"


def _present(folders: Folders, event_type: type[Event]) -> Iterator[str]:
    paths = examples_of(folders, event_type)
    if len(paths) < EXAMPLES_MIN:
        yield f"{event_type.version}: {len(paths)} examples, at least {EXAMPLES_MIN} are needed"
    for path in paths:
        yield from _against_schema(path, schema_of(event_type))
        yield from _round_trip(path, event_type)


def _earlier(folders: Folders, event_type: type[Event]) -> Iterator[str]:
    """Today's model reads the examples of every earlier version of its major."""
    for path in sorted(_folder(folders, event_type).glob(f"{event_type.major()}.*/*.json")):
        version = path.parent.name
        if version == event_type.version:
            continue
        frozen = folders.schemas / path.parent.parent.name / f"{version}.json"
        yield from _against_schema(path, json.loads(frozen.read_text()))
        try:
            event_type.model_validate_json(path.read_bytes())
        except ValueError as error:
            yield f"{_name(path)}: version {event_type.version} does not read it: {error}"


def _against_schema(path: Path, schema: Schema) -> Iterator[str]:
    checker = Draft202012Validator.FORMAT_CHECKER
    validator = Draft202012Validator(schema, format_checker=checker)
    for error in validator.iter_errors(json.loads(path.read_text())):
        yield f"{_name(path)}: {error.message}"


def _round_trip(path: Path, event_type: type[Event]) -> Iterator[str]:
    try:
        event = event_type.model_validate_json(path.read_bytes())
    except ValueError as error:
        yield f"{_name(path)}: the model refuses it: {error}"
        return
    if json.loads(event.model_dump_json(exclude_none=True)) != json.loads(path.read_text()):
        yield f"{_name(path)}: does not come back the same"


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
