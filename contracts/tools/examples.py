"""Named examples: at least two per version, each a value as it stands on the topic."""

import json
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator

from contracts.tools.folders import Folders
from contracts.tools.freeze import schema_path
from sosst_contracts.event import Event

EXAMPLES_MIN = 2


def examples_of(folders: Folders, event_type: type[Event]) -> list[Path]:
    """Return the example files of the present version, sorted by name."""
    name = f"{event_type.owner()}.{event_type.name}"
    return sorted((folders.examples / name / event_type.version).glob("*.json"))


def faults_of_examples(folders: Folders, event_types: tuple[type[Event], ...]) -> list[str]:
    """Return what is wrong with the examples; nothing if all are there and hold."""
    return [fault for event_type in event_types for fault in _faults(folders, event_type)]


def _faults(folders: Folders, event_type: type[Event]) -> Iterator[str]:
    paths = examples_of(folders, event_type)
    if len(paths) < EXAMPLES_MIN:
        yield f"{event_type.__name__}: {len(paths)} examples, at least {EXAMPLES_MIN} are needed"
    validator = Draft202012Validator(json.loads(schema_path(folders, event_type).read_text()))
    for path in paths:
        where = f"{event_type.__name__}/{path.name}"
        value = json.loads(path.read_text())
        yield from (f"{where}: {error.message}" for error in validator.iter_errors(value))
        try:
            event = event_type.model_validate_json(path.read_bytes())
        except ValueError as error:
            yield f"{where}: the model refuses it: {error}"
            continue
        if json.loads(event.model_dump_json(exclude_none=True)) != value:
            yield f"{where}: does not come back the same"
