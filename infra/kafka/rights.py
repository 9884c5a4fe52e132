"""Who may do what, read from the topic files: one user per service, and nothing beyond the files.

A producer writes, describes and reads its topic (what it has published is how it proves its books
and recovers), a consumer reads and describes it and reads its group. Operations are spelt out one
by one: Kafka's own bundles grant more (`stack.md` 1).
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from infra.kafka.topics import FOLDER

# A producer that is no user of ours stands in the files as words ("the platform's checkout").
USER = re.compile(r"[a-z][a-z0-9-]*")
READ, WRITE, DESCRIBE = "read", "write", "describe"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One operation that one user may do on one topic or group; the defaults are what we give."""

    user: str
    resource: str
    name: str
    operation: str
    pattern: str = "literal"
    host: str = "*"
    permission: str = "allow"

    def __str__(self) -> str:
        odd = {"literal", "*", "allow"}
        more = [part for part in (self.pattern, self.host, self.permission) if part not in odd]
        text = f"{self.user}: {self.operation} {self.resource} {self.name}"
        return " ".join([text, *more])


@dataclass(frozen=True, slots=True)
class RightChange:
    """One right to give, or one too many to take away; `refusal` says why it is not taken."""

    right: Right
    gives: bool
    refusal: str | None = None

    @property
    def text(self) -> str:
        return f"{'+' if self.gives else '-'} {self.right}"


def read_rights(folder: Path = FOLDER, prefix: str = "", service: str | None = None) -> list[Right]:
    """All rights that the files give, under physical names; only those of `service` if given."""
    logical = (right for path in sorted(folder.glob("*.yaml")) for right in _rights_of_file(path))
    return sorted(
        Right(prefix + right.user, right.resource, prefix + right.name, right.operation)
        for right in logical
        if service in (None, right.user)
    )


def differences(
    wanted: Collection[Right], present: Collection[Right], *, revoke: bool
) -> list[RightChange]:
    """What to give, then what to take: only when told to, since it may stop a service."""
    refusal = None if revoke else "no file gives this; --revoke takes it away"
    gives = [RightChange(right, gives=True) for right in sorted(set(wanted) - set(present))]
    takes = [RightChange(r, False, refusal) for r in sorted(set(present) - set(wanted))]
    return gives + takes


def _rights_of_file(path: Path) -> Iterable[Right]:
    content = yaml.safe_load(path.read_text())
    topic = content["topic"]
    for producer in content["producers"]:
        if USER.fullmatch(producer):
            yield Right(producer, "topic", topic, WRITE)
            yield Right(producer, "topic", topic, DESCRIBE)
            yield Right(producer, "topic", topic, READ)
    for consumer in content["consumers"]:
        yield Right(consumer["service"], "topic", topic, READ)
        yield Right(consumer["service"], "topic", topic, DESCRIBE)
        yield Right(consumer["service"], "group", consumer["group"], READ)
