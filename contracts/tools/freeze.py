"""Frozen schemas: written once, guarded by hashes; lines of the list are added, never changed."""

import hashlib
import json
from pathlib import Path

from contracts.tools.compare import breaks_of
from contracts.tools.folders import Folders
from contracts.tools.profile import faults_of
from contracts.tools.schemas import Schema, schema_of, text_of
from sosst_contracts.event import Event


class ContractBroken(Exception):
    """A released schema was edited, or a change is not additive; the message names it."""


def schema_path(folders: Folders, event_type: type[Event]) -> Path:
    name = f"{event_type.owner()}.{event_type.name}"
    return folders.schemas / name / f"{event_type.version}.json"


def freeze(folders: Folders, event_types: tuple[type[Event], ...]) -> list[str]:
    """Write what is new, refuse what breaks a promise; return the paths written.

    Raises `ContractBroken` for an edited release, a change under an old version number, a change
    that is not additive, and a schema outside the profile.
    """
    check_released(folders)
    written = []
    for event_type in event_types:
        path, text = schema_path(folders, event_type), text_of(schema_of(event_type))
        _check(folders, event_type, path, text)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            _release(folders, path)
            written.append(str(path.relative_to(folders.root)))
    return written


def check_released(folders: Folders) -> None:
    """Raise `ContractBroken` unless every released schema is what it was when it was released."""
    listed = released(folders)
    for name, expected in listed.items():
        path = folders.schemas / name
        if not path.exists():
            raise ContractBroken(f"{name} was released and is gone")
        if _hash(path.read_bytes()) != expected:
            raise ContractBroken(f"{name} was released and is edited; make a new version instead")
    for path in folders.schemas.glob("*/*.json"):
        if str(path.relative_to(folders.schemas)) not in listed:
            name = f"{path.parent.name}/{path.name}"
            raise ContractBroken(f"{name} is not in the list of releases")


def released(folders: Folders) -> dict[str, str]:
    """Return the hash of each released schema by its path below `schemas`."""
    if not folders.released.exists():
        return {}
    lines = folders.released.read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _check(folders: Folders, event_type: type[Event], path: Path, text: str) -> None:
    schema = json.loads(text)
    if path.exists() and path.read_text() != text:
        raise ContractBroken(
            f"{event_type.__name__} changed but still says version {event_type.version}"
        )
    if faults := faults_of(schema):
        raise ContractBroken(f"{event_type.__name__} is outside the profile: {faults[0]}")
    for version, earlier in _earlier(path, event_type).items():
        if breaks := breaks_of(earlier, schema):
            raise ContractBroken(f"{event_type.__name__} breaks version {version}: {breaks[0]}")


def _earlier(path: Path, event_type: type[Event]) -> dict[str, Schema]:
    """Return all earlier versions of the same major: full transitive, not only the last one."""
    found = {p.stem: json.loads(p.read_text()) for p in path.parent.glob("*.json")}
    major = str(event_type.major())
    return {
        version: schema
        for version, schema in found.items()
        if version.split(".")[0] == major and version != event_type.version
    }


def _release(folders: Folders, path: Path) -> None:
    line = f"{_hash(path.read_bytes())}  {path.relative_to(folders.schemas)}\n"
    with folders.released.open("a") as listing:
        listing.write(line)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
