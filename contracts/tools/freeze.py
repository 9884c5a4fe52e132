"""Frozen schemas: written once, guarded by hashes; lines of the list are added, never changed."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from contracts.tools.compare import breaks_of
from contracts.tools.folders import Folders
from contracts.tools.profile import faults_of
from contracts.tools.schemas import Schema, schema_of, text_of
from sosst_contracts.event import Event

EventTypes = tuple[type[Event], ...]


def schema_path(folders: Folders, event_type: type[Event]) -> Path:
    name = f"{event_type.owner()}.{event_type.name}"
    return folders.schemas / name / f"{event_type.version}.json"


def released(folders: Folders) -> dict[str, str]:
    """Return the hash of each released schema by its path below `schemas`."""
    if not folders.released.exists():
        return {}
    lines = folders.released.read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def faults_of_releases(folders: Folders, event_types: EventTypes) -> list[str]:
    """Return which promise to readers is broken; nothing if all are kept."""
    faults = [*_edited(folders), *_unlisted(folders), *_orphaned(folders, event_types)]
    for event_type in event_types:
        faults += [f"{event_type.__name__}: {fault}" for fault in _faults(folders, event_type)]
    return faults


def unreleased(folders: Folders, event_types: EventTypes) -> dict[Path, str]:
    """Return the files that a release of all new versions writes; none if nothing is new."""
    texts = {schema_path(folders, one): text_of(schema_of(one)) for one in event_types}
    new = {path: text for path, text in texts.items() if not path.exists()}
    if not new:
        return {}
    listing = folders.released.read_text() if folders.released.exists() else ""
    for path, text in new.items():
        listing += f"{_hash(text.encode())}  {path.relative_to(folders.schemas)}\n"
    return new | {folders.released: listing}


def lines_taken_away(folders: Folders) -> list[str] | None:
    """Return the lines of the list that git knows and that are gone.

    None where there is no history to ask: outside a repository, or without git. It is what
    refuses an edit of a schema together with its hash.
    """
    command = ["git", "-C", str(folders.schemas), "log", "-p", "--format=", "--unified=0"]
    try:
        history = subprocess.run(
            [*command, "--", folders.released.name], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    ever = {line[1:] for line in history.stdout.splitlines() if line[:1] == "+" != line[1:2]}
    return sorted(ever - set(folders.released.read_text().splitlines()))


def _edited(folders: Folders) -> Iterator[str]:
    for name, expected in released(folders).items():
        path = folders.schemas / name
        if not path.exists():
            yield f"{name} was released and is gone"
        elif _hash(path.read_bytes()) != expected:
            yield f"{name} was released and is edited; make a new version instead"


def _unlisted(folders: Folders) -> Iterator[str]:
    listed = released(folders)
    for path in sorted(folders.schemas.glob("*/*.json")):
        name = str(path.relative_to(folders.schemas))
        if name not in listed:
            yield f"{name} is not in the list of releases"


def _orphaned(folders: Folders, event_types: EventTypes) -> Iterator[str]:
    """Topics are kept for ever, so an event that was once released stays readable."""
    known = {(f"{one.owner()}.{one.name}", one.major()) for one in event_types}
    for name in released(folders):
        event, version = name.removesuffix(".json").split("/")
        if (event, int(version.split(".")[0])) not in known:
            yield f"{name} was released and no model reads it any more"


def _faults(folders: Folders, event_type: type[Event]) -> Iterator[str]:
    path, schema = schema_path(folders, event_type), schema_of(event_type)
    if path.exists() and path.read_text() != text_of(schema):
        yield f"changed but still says version {event_type.version}"
    yield from (f"outside the wire profile: {fault}" for fault in faults_of(schema))
    for version, earlier in _earlier(path, event_type).items():
        yield from (f"breaks version {version}: {fault}" for fault in breaks_of(earlier, schema))


def _earlier(path: Path, event_type: type[Event]) -> dict[str, Schema]:
    """Return all other versions of the same major: full transitive, not only the last one."""
    major = str(event_type.major())
    return {
        one.stem: json.loads(one.read_text())
        for one in sorted(path.parent.glob("*.json"))
        if one.stem.split(".")[0] == major and one != path
    }


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
