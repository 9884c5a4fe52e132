"""Topic files: one per topic, agreeing with the events that the code knows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sosst_contracts.registry import Registry

FIELDS = (
    "topic",
    "owner",
    "audience",
    "description",
    "events",
    "key",
    "ordering",
    "partitions",
    "retention_ms",
    "cleanup",
    "producers",
    "consumers",
    "personal_data",
    "dead_letter",
)
AUDIENCES = ("suite", "company", "restricted")


@dataclass(frozen=True, slots=True)
class TopicFile:
    """What one file says."""

    name: str
    fields: dict[str, Any]


def read_topic_files(folder: Path) -> list[TopicFile]:
    return [
        TopicFile(path.stem, yaml.safe_load(path.read_text()))
        for path in sorted(folder.glob("*.yaml"))
    ]


def faults_of_topics(files: list[TopicFile], registry: Registry) -> list[str]:
    """Return what is missing in the files, or differs from the events; nothing if all is well."""
    faults = []
    named = {one.name for one in files}
    faults += [f"{topic}: has no file" for topic in registry.topics() if topic not in named]
    for one in files:
        faults += [f"{one.name}: {fault}" for fault in _faults(one, registry)]
    return faults


def _faults(one: TopicFile, registry: Registry) -> list[str]:
    missing = [f"{field} is missing" for field in FIELDS if field not in one.fields]
    if missing:
        return missing
    events = registry.on_topic(one.name)
    faults = []
    if one.fields["topic"] != one.name:
        faults.append("the file is not named for its topic")
    if one.fields["audience"] not in AUDIENCES:
        faults.append(f"unknown audience {one.fields['audience']}")
    if list(one.fields["events"]) != [event.name for event in events]:
        faults.append(f"events are {one.fields['events']}, the code has {[e.name for e in events]}")
    for event in events:
        if event.key_field != one.fields["key"]:
            faults.append(f"{event.name} is keyed by {event.key_field}")
        if event.owner() != one.fields["owner"]:
            faults.append(f"{event.name} belongs to {event.owner()}")
    return faults
