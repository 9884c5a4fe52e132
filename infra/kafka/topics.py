"""The topic files of contracts/topics, as far as a broker must know them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "contracts" / "topics"
T = TypeVar("T")
KEPT_FOR_EVER = -1
# How many copies a record needs before it is acknowledged; a matter of the cluster, not the file.
IN_SYNC = "min.insync.replicas"
# Letters, digits, dashes and one dot, never underscores (architecture.md 1).
NAME = re.compile(r"[A-Za-z0-9-]+\.[A-Za-z0-9-]+")


class MalformedTopicFile(ValueError):
    """A topic file lacks a key or has a value that no broker could take."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: logical name, owner, number of partitions, topic settings as Kafka names them."""

    name: str
    owner: str
    partitions: int
    settings: tuple[tuple[str, str], ...]


def read_topics(folder: Path = FOLDER, owner: str | None = None) -> list[Topic]:
    """Every topic file's topic, by name; only those of `owner` if given.

    Raises:
        MalformedTopicFile: naming the file and the key.
    """
    topics = (_read(path) for path in sorted(folder.glob("*.yaml")))
    return [topic for topic in topics if owner in (None, topic.owner)]


def with_prefix(topics: Iterable[Topic], prefix: str) -> list[Topic]:
    """The same topics under their physical names."""
    return [Topic(prefix + t.name, t.owner, t.partitions, t.settings) for t in topics]


def with_in_sync(topics: Iterable[Topic], replicas: int | None) -> list[Topic]:
    """The same topics with this many copies needed for an acknowledgement, if a number is given."""
    own = ((IN_SYNC, str(replicas)),) if replicas is not None else ()
    return [Topic(t.name, t.owner, t.partitions, t.settings + own) for t in topics]


def _read(path: Path) -> Topic:
    content = yaml.safe_load(path.read_text())
    if not isinstance(content, dict):
        raise MalformedTopicFile(f"{path.name}: not a mapping")
    name = _value(path, content, "topic", str)
    if not NAME.fullmatch(name):
        raise MalformedTopicFile(
            f"{path.name}: topic {name!r} is not letters, digits, dashes, a dot"
        )
    partitions = _value(path, content, "partitions", int)
    if partitions < 1:
        raise MalformedTopicFile(f"{path.name}: partitions must be at least 1")
    settings = {
        "cleanup.policy": _value(path, content, "cleanup", str),
        "retention.ms": str(_value(path, content, "retention_ms", int)),
    }
    if "delete_retention_ms" in content:
        settings["delete.retention.ms"] = str(_value(path, content, "delete_retention_ms", int))
    owner = _value(path, content, "owner", str)
    return Topic(name, owner, partitions, tuple(sorted(settings.items())))


def _value(path: Path, content: dict[str, Any], key: str, kind: type[T]) -> T:
    value = content.get(key)
    if type(value) is not kind:
        raise MalformedTopicFile(f"{path.name}: {key} must be a {kind.__name__}, not {value!r}")
    return value
