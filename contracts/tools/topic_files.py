"""Topic files: one per topic, agreeing with the events that the code knows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contracts.tools.schemas import Schema, schema_of
from sosst_contracts.event import Event
from sosst_contracts.registry import Registry

FIELDS = (
    "topic",
    "owner",
    "audience",
    "description",
    "events",
    "told",
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
RESTRICTED, COMPACT = "restricted", "compact"
AUDIENCES = ("suite", "company", RESTRICTED)
CLEANUPS = ("delete", COMPACT)
# Whom an event is told to, by the words of its topic's file (`events.md`, the told column).
TOLD = {
    "backers": "every backer of the campaign",
    "backer": "its backer",
    "list": "the backers that it names",
    "creator": "creator and team",
    "staff": "staff",
    "followers": "followers, if it is public",
    "former-backers": "backers of the campaign that it launches again, who agreed",
}
GROUP_KINDS = ("projection", "reaction")
FOR_EVER = -1
GAP_FREE = "gap-free"
_NAME = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class TopicFile:
    """What one file says."""

    name: str
    fields: dict[str, Any]


def read_topic_files(folder: Path) -> list[TopicFile]:
    """Return the files of the folder, sorted by topic."""
    return [
        TopicFile(path.stem, yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
        for path in sorted(folder.glob("*.yaml"))
    ]


def faults_of_topics(files: list[TopicFile], registry: Registry) -> list[str]:
    """Return what is missing in the files, or differs from the events; nothing if all is well."""
    named = {one.name for one in files}
    faults = [f"{topic}: has no file" for topic in registry.topics() if topic not in named]
    for one in files:
        missing = [f"{field} is missing" for field in FIELDS if field not in one.fields]
        found = missing or [
            *_faults_of_words(one),
            *_faults_of_told(one),
            *_faults_of_readers(one),
            *_faults_of_events(one, registry.on_topic(one.name)),
        ]
        faults += [f"{one.name}: {fault}" for fault in found]
    return faults


def _faults_of_words(one: TopicFile) -> Iterator[str]:
    if one.fields["topic"] != one.name:
        yield "the file is not named for its topic"
    if not _NAME.fullmatch(one.name):
        yield "a topic's name has letters, digits, dashes and one dot"
    if one.fields["audience"] not in AUDIENCES:
        yield f"unknown audience {one.fields['audience']}"
    if one.fields["cleanup"] not in CLEANUPS:
        yield f"unknown cleanup {one.fields['cleanup']}"
    for number in ("partitions", "retention_ms"):
        if type(one.fields[number]) is not int:
            yield f"{number} is not a whole number"


def _faults_of_told(one: TopicFile) -> Iterator[str]:
    for event, people in one.fields["told"].items():
        if event not in one.fields["events"]:
            yield f"{event} is told and is no event of this topic"
        if not people or not set(people) <= TOLD.keys():
            yield f"{event} is told to {people}; known are {', '.join(TOLD)}"


def _faults_of_readers(one: TopicFile) -> Iterator[str]:
    groups = [reader.get("group") for reader in one.fields["consumers"]]
    for reader in one.fields["consumers"]:
        if reader.get("kind") not in GROUP_KINDS:
            yield f"group {reader.get('group')} is neither projection nor reaction"
        # A service that reads a topic for two ends adds a word to the name of the second group.
        usual = f"{reader.get('service')}-{one.name.replace('.', '-')}"
        if not f"{reader.get('group')}-".startswith(f"{usual}-"):
            yield f"group {reader.get('group')} is not named for its service and topic"
    if len(set(groups)) != len(groups):
        yield "a group stands twice"


def _faults_of_events(one: TopicFile, events: list[type[Event]]) -> Iterator[str]:
    names = [event.name for event in events]
    if one.fields["events"] != names or not names:
        yield f"events are {one.fields['events']}, the code has {names}"
    for event in events:
        if event.key_field != one.fields["key"]:
            yield f"{event.name} is keyed by {event.key_field}"
        if event.owner() != one.fields["owner"]:
            yield f"{event.name} belongs to {event.owner()}"
        if event.sequenced != one.fields["ordering"].startswith(GAP_FREE):
            yield f"ordering and {event.name} disagree about a {GAP_FREE} sequence"
        if event.sequenced and one.fields["retention_ms"] != FOR_EVER:
            yield "facts with a sequence are kept for ever (`events.md` rule 4)"
        if one.fields["personal_data"] == "none" and _levels(schema_of(event)) > {"none"}:
            yield f"{event.name} names people, the file says there is no personal data"
        if event.compacted != (one.fields["cleanup"] == COMPACT):
            yield f"cleanup and {event.name} disagree about what a record without a value means"
        if "personal" in _levels(schema_of(event)) and not (
            event.compacted and one.fields["audience"] == RESTRICTED
        ):
            yield f"{event.name} says who people are, its topic is not restricted and compacted"


def _levels(schema: Schema) -> set[str]:
    """Return the levels of personal data of the fields, and `none`."""
    children = [*schema.get("properties", {}).values(), schema.get("items", {})]
    inner = (_levels(child) for child in children if child)
    return {schema.get("x-personal-data", "none"), "none"}.union(*inner)
