"""Chunks: up to a thousand recipients of one cause, all of one partition (`stack.md` 6).

The audience as of N never changes and is read in a fixed order, so planning again makes the same
chunks with the same ids: a plan that was interrupted between two of them loses nobody (trap 24).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from operator import itemgetter

from notifier.domain.audience import Hushed
from notifier.domain.cause import Told, Totals
from notifier.domain.errors import Refused
from notifier.domain.kind import ToldAs

RECIPIENTS_MAX = 1_000


class ChunkState(StrEnum):
    UNADDRESSED = "unaddressed"
    PENDING = "pending"
    DONE = "done"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of a chunk whose people were forgotten: how many, and how many were hushed."""

    people: int
    hushed: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The durable record that these people are told of this cause.

    `partition` is None for a chunk that needs no plan and is published beside others. Withdrawn is
    one whose reason was gone before anybody was told; where it was told, `reason_gone` says so.
    Unaddressed is one that waits until it is known who has its role. `suppressed` says of whom the
    event tells and nothing else does, and why; it never changes. A supplement is somebody whose
    money had come by the time of the cause and was heard of after its N. `kept` is there once it
    is so old that who was told, and what, is forgotten: the counts stay. `as_of` is the N of the
    plan that cut it; it is None beside plans, and in what a release before kept.
    """

    chunk_id: str
    told: Told
    recipients: tuple[str, ...]
    partition: int | None
    state: ChunkState = ChunkState.PENDING
    reason_gone: bool = False
    role: ToldAs = ToldAs.BACKER
    suppressed: Mapping[str, str] = field(default_factory=dict)
    supplement: bool = False
    kept: Kept | None = None
    as_of: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether a plan cut it: in the order of their ids nobody else of its partition is between.

        Its people are backers of the campaign, of whom each stands in one chunk of the cause.
        """
        return self.partition is not None and not self.supplement

    @property
    def counts(self) -> Kept:
        """Return how many people it has, also once it is forgotten who they were."""
        return self.kept or Kept(len(self.recipients), len(self.suppressed))


# A backer, and the hash from which the partition follows. A plain pair: an audience has a million,
# and a class of our own costs as much for each as cutting it.
Member = tuple[str, int]


def without(members: Iterable[Member], left: Counter[str]) -> list[Member]:
    """Return the members without those that left; `left` is counted down as they are met.

    A backer is there once for each pledge, so one who withdrew one of two is still there once.
    """
    staying = []
    for member in members:
        backer_id, _ = member
        if left[backer_id] > 0:
            left[backer_id] -= 1
        else:
            staying.append(member)
    return staying


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody belongs to a campaign from one sequence of its pledges until before another."""

    joined: int
    left: int | None = None


def stays_of(joined: Iterable[int], left: Iterable[int]) -> list[Stay]:
    """Return when one backer belongs: as of exactly these sequences `without` keeps them.

    `joined` and `left` have a sequence for each of their pledges.
    """
    changes = sorted([*((at, 1) for at in joined), *((at, -1) for at in left)])
    stays: list[Stay] = []
    pledges = 0
    for at, same in groupby(changes, key=itemgetter(0)):
        before, pledges = pledges, pledges + sum(change for _, change in same)
        if before <= 0 < pledges:
            stays.append(Stay(at))
        elif pledges <= 0 < before:
            stays[-1] = replace(stays[-1], left=at)
    return stays


class ChunkPlanner:
    """Cuts a stream of members into chunks; feed it in the order of their ids."""

    def __init__(
        self,
        told: Told,
        as_of: int,
        partitions: int,
        recipients_max: int = RECIPIENTS_MAX,
        hushed: Hushed | None = None,
    ) -> None:
        self.audience = 0
        self._hushed = hushed
        self._told = told
        self._as_of = as_of
        self._partitions = partitions
        self._recipients_max = recipients_max
        self._open: defaultdict[int, list[str]] = defaultdict(list)
        self._ordinals: dict[int, int] = {}
        self._last: str | None = None

    def feed(self, members: Iterable[Member]) -> Iterator[Chunk]:
        """Take members; yield the chunks that became full. A backer of several pledges is one."""
        partitions, most = self._partitions, self._recipients_max
        for backer_id, key_hash in members:
            if backer_id == self._last:
                continue
            self._last = backer_id
            self.audience += 1
            recipients = self._open[key_hash % partitions]
            recipients.append(backer_id)
            if len(recipients) == most:
                yield self._cut(key_hash % partitions)

    def rest(self) -> Iterator[Chunk]:
        """Yield what is left in open chunks."""
        for partition in sorted(self._open):
            yield self._cut(partition)

    def _cut(self, partition: int) -> Chunk:
        ordinal = self._ordinals.get(partition, 0)
        self._ordinals[partition] = ordinal + 1
        recipients = tuple(self._open.pop(partition))
        chunk_id = f"{self._told.cause}|{partition:03}|{ordinal:06}"
        suppressed = self._hushed.among(recipients) if self._hushed else {}
        return Chunk(
            chunk_id, self._told, recipients, partition, suppressed=suppressed, as_of=self._as_of
        )


def withdraw(chunk: Chunk) -> Chunk:
    """Return the chunk of a reminder whose reason is gone; whoever was told was told."""
    told = chunk.state is ChunkState.DONE
    state = ChunkState.DONE if told else ChunkState.WITHDRAWN
    return replace(chunk, state=state, reason_gone=True)


def forget(chunk: Chunk) -> Chunk:
    """Return what stays of a chunk in which everybody has an outcome; refused for any other."""
    if chunk.state not in ENDED:
        raise Refused("not-ended", f"{chunk.chunk_id} is {chunk.state}")
    told = replace(chunk.told, content={})
    return replace(chunk, told=told, recipients=(), suppressed={}, kept=chunk.counts)


def is_first(chunk: Chunk) -> bool:
    """Whether it is the first of its partition: those of a small cause all are."""
    return chunk.partition is None or chunk.supplement or chunk.chunk_id.endswith("|000000")


# Nobody in these was told; who has a role may not be known yet.
UNTOLD = frozenset({ChunkState.UNADDRESSED, ChunkState.PENDING})
# Everybody in these has an outcome.
ENDED = frozenset({ChunkState.DONE, ChunkState.WITHDRAWN})


def totals_of(chunks: Iterable[Chunk]) -> Totals:
    """Sum the outcomes over the chunks; whoever is suppressed has that outcome from the start."""
    people: Counter[ChunkState] = Counter()
    hushed = supplements = 0
    for chunk in chunks:
        counts = chunk.counts
        people[chunk.state] += counts.people - counts.hushed
        hushed += counts.hushed
        supplements += counts.people if chunk.supplement else 0
    return Totals(
        delivered=people[ChunkState.DONE],
        pending=people[ChunkState.PENDING],
        suppressed=people[ChunkState.WITHDRAWN] + hushed,
        supplements=supplements,
    )


def chunk_of_some(told: Told, recipients: Iterable[str]) -> Chunk:
    """Return the chunk of a cause that concerns those whom it names; it needs no plan."""
    return Chunk(told.cause, told, tuple(dict.fromkeys(recipients)), None)


def chunk_of_supplement(
    told: Told, member: Member, partitions: int, suppressed: Mapping[str, str]
) -> Chunk:
    """Return the chunk of somebody who belonged before the cause and was heard of after its N.

    `suppressed` has the reasons of all such who are not told, by backer.
    """
    backer_id, key_hash = member
    own = {backer_id: suppressed[backer_id]} if backer_id in suppressed else {}
    return Chunk(
        chunk_id=f"{told.cause}|supplement|{backer_id}",
        told=told,
        recipients=(backer_id,),
        partition=key_hash % partitions,
        suppressed=own,
        supplement=True,
    )


def chunk_of_role(told: Told, role: ToldAs) -> Chunk:
    """Return the chunk of those who have a role; who that is, is found when it is known."""
    return Chunk(chunk_name(told.cause, role), told, (), None, ChunkState.UNADDRESSED, role=role)


def chunk_name(cause: str, role: ToldAs) -> str:
    """Return the id of the chunk that tells a role of a cause without a plan."""
    return cause if role is ToldAs.BACKER else f"{cause}|{role.value}"


def address(chunk: Chunk, recipients: Iterable[str]) -> list[Chunk]:
    """Fix who is told in this role: in this chunk, and in more where one does not hold them all."""
    named = list(dict.fromkeys(recipients))
    parts = range(0, max(1, len(named)), RECIPIENTS_MAX)
    return [
        page_of(chunk, named[begin : begin + RECIPIENTS_MAX], begin // RECIPIENTS_MAX)
        for begin in parts
    ]


def page_of(chunk: Chunk, recipients: Iterable[str], ordinal: int) -> Chunk:
    """Fix who is told in one of several; the one of ordinal 0 is the chunk itself."""
    chunk_id = f"{chunk.chunk_id}|{ordinal:06}" if ordinal else chunk.chunk_id
    pending = ChunkState.PENDING
    return replace(chunk, chunk_id=chunk_id, recipients=tuple(recipients), state=pending)
