"""What lies between the topic files and a cluster, as values that can be printed and refused."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.kafka.topics import IN_SYNC, KEPT_FOR_EVER, Topic


@dataclass(frozen=True, slots=True)
class Present:
    """A topic as the cluster has it; `settings` are only those set on the topic itself."""

    partitions: int
    settings: Mapping[str, str]
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One step from the cluster to the files; `refusal` says why it is never taken."""

    topic: Topic
    kind: str
    text: str
    refusal: str | None = None


def differences(
    wanted: list[Topic], present: Mapping[str, Present], copies: int | None = None
) -> list[Change]:
    """The changes in the order of the files; none when the cluster agrees.

    Topics that no file names are left alone: another team's topics live there too. `copies` is the
    replication factor, None where the brokers' own default will do.
    """
    changes: list[Change] = []
    for topic in wanted:
        found = present.get(topic.name)
        if found is None:
            settings = ", ".join(f"{name}={value}" for name, value in topic.settings)
            text = f"+ {topic.name}: {topic.partitions} partitions, {settings}"
            changes.append(Change(topic, "create", text))
        else:
            changes += _partitions(topic, found) + _copies(topic, found, copies)
            changes += _settings(topic, found)
    return changes


def _partitions(topic: Topic, found: Present) -> list[Change]:
    """Neither fewer nor more: both move keys to other partitions and break the order per key."""
    if topic.partitions == found.partitions:
        return []
    text = f"! {topic.name}: partitions {found.partitions} -> {topic.partitions}"
    refusal = "another number of partitions moves keys and breaks their order; make a new topic"
    return [Change(topic, "partitions", text, refusal)]


def _copies(topic: Topic, found: Present, copies: int | None) -> list[Change]:
    """Said and never made: copies are moved between brokers by Kafka's own tool, under watch."""
    if copies is None or copies == found.copies:
        return []
    text = f"! {topic.name}: replication factor {found.copies} -> {copies}"
    refusal = "copies are moved with kafka-reassign-partitions, partition by partition"
    return [Change(topic, "copies", text, refusal)]


def _settings(topic: Topic, found: Present) -> list[Change]:
    wanted = dict(topic.settings)
    changed = {name: value for name, value in wanted.items() if found.settings.get(name) != value}
    if not changed:
        return []
    text = f"~ {topic.name}: " + ", ".join(
        f"{name} {found.settings.get(name, '(default)')} -> {value}"
        for name, value in changed.items()
    )
    narrowing = [name for name in changed if _narrows(name, found.settings.get(name), wanted[name])]
    refusal = f"{', '.join(narrowing)} would {_harm(narrowing)}" if narrowing else None
    return [Change(topic, "settings", text, refusal)]


def _harm(narrowing: list[str]) -> str:
    return "lose records with a broker" if narrowing == [IN_SYNC] else "delete records"


def _narrows(name: str, before: str | None, after: str) -> bool:
    """Whether records that are kept now would be deleted, or later ones kept less safely.

    A topic without an own setting is on the broker's default, which keeps less than
    for ever: from there only "for ever" and only "delete" are certainly not narrower.
    """
    if name == "retention.ms":
        if int(after) == KEPT_FOR_EVER:
            return False
        return before is None or int(before) == KEPT_FOR_EVER or int(after) < int(before)
    if name == "cleanup.policy":
        return "compact" in after and "compact" not in (before or "")
    if name in (IN_SYNC, "delete.retention.ms"):
        return before is not None and int(after) < int(before)
    return True
