"""Chunks: up to a thousand recipients of one cause, all of one partition (`stack.md` 6).

The audience as of N never changes and is read in a fixed order, so planning again makes the same
chunks with the same ids: a plan that was interrupted between two of them loses nobody (trap 24).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from notifier.domain.cause import Told

RECIPIENTS_MAX = 1_000


class ChunkState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The durable record that these people are told of this cause.

    `partition` is None for a chunk of one person, which is published beside others. Withdrawn is
    one whose reason was gone before anybody was told; where it was told, `reason_gone` says so.
    """

    chunk_id: str
    told: Told
    recipients: tuple[str, ...]
    partition: int | None
    state: ChunkState = ChunkState.PENDING
    reason_gone: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A backer and the hash from which the partition follows."""

    backer_id: str
    key_hash: int


def without(members: Iterable[Member], left: Counter[str]) -> list[Member]:
    """Return the members without those that left; `left` is counted down as they are met.

    A backer is there once for each pledge, so one who withdrew one of two is still there once.
    """
    staying = []
    for member in members:
        if left[member.backer_id] > 0:
            left[member.backer_id] -= 1
        else:
            staying.append(member)
    return staying


class ChunkPlanner:
    """Cuts a stream of members into chunks; feed it in the order of their ids."""

    def __init__(self, told: Told, partitions: int, recipients_max: int = RECIPIENTS_MAX) -> None:
        self.audience = 0
        self._told = told
        self._partitions = partitions
        self._recipients_max = recipients_max
        self._open: dict[int, list[str]] = {}
        self._ordinals: dict[int, int] = {}
        self._last: str | None = None

    def feed(self, members: Iterable[Member]) -> Iterator[Chunk]:
        """Take members; yield the chunks that became full. A backer of several pledges is one."""
        for member in members:
            if member.backer_id == self._last:
                continue
            self._last = member.backer_id
            self.audience += 1
            partition = member.key_hash % self._partitions
            recipients = self._open.setdefault(partition, [])
            recipients.append(member.backer_id)
            if len(recipients) == self._recipients_max:
                yield self._cut(partition)

    def rest(self) -> Iterator[Chunk]:
        """Yield what is left in open chunks."""
        for partition in sorted(self._open):
            yield self._cut(partition)

    def _cut(self, partition: int) -> Chunk:
        ordinal = self._ordinals.get(partition, 0)
        self._ordinals[partition] = ordinal + 1
        recipients = tuple(self._open.pop(partition))
        chunk_id = f"{self._told.cause}|{partition:03}|{ordinal:06}"
        return Chunk(chunk_id, self._told, recipients, partition)


def withdraw(chunk: Chunk) -> Chunk:
    """Return the chunk of a reminder whose reason is gone; whoever was told was told."""
    told = chunk.state is ChunkState.DONE
    state = ChunkState.DONE if told else ChunkState.WITHDRAWN
    return replace(chunk, state=state, reason_gone=True)


def chunk_of_one(told: Told, recipient_id: str) -> Chunk:
    """Return the chunk of a cause that concerns one person; it needs no plan."""
    return Chunk(told.cause, told, (recipient_id,), None)
