"""What to do with the facts of one key, given how far the group has come: pure and total.

`events.md` rule 1: at or below the last sequence is a repeat, the next one is applied, anything
further waits. A fact that cannot be used holds its key at its place until it is healed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from servicekit.set_aside import SetAsideFact
from servicekit.streams import StreamRow
from sosst_contracts.codec import Decoded, Erased, Record, UnknownType, Unusable

# Why a fact is kept that only waits for the one before it.
GAP = "gap"

Outcome = Decoded | Erased | Unusable | UnknownType


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record as it was read, with the logical name of its topic."""

    record: Record
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record and what it decoded to.

    `sequence` is None where the topic has none. `parked` is the set-aside fact that the record
    was read from, None for a fresh one.
    """

    incoming: Incoming
    outcome: Outcome
    key: str | None
    sequence: int | None
    parked: SetAsideFact | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An arrival that is set aside, and why."""

    arrival: Arrival
    reason: str
    detail: str


@dataclass(slots=True)
class KeyPlan:
    """The decision for one key: what is applied, skipped, repeated, kept; where the row moves."""

    apply: list[Arrival] = field(default_factory=list)
    skip: list[Arrival] = field(default_factory=list)
    repeat: list[Arrival] = field(default_factory=list)
    keep: list[Kept] = field(default_factory=list)
    after: StreamRow = field(default_factory=StreamRow)

    def healed_ids(self) -> list[str]:
        """Return the ids of set-aside facts that need not be kept any longer."""
        kept = {one.arrival.parked.id for one in self.keep if one.arrival.parked is not None}
        done = (*self.apply, *self.skip, *self.repeat)
        return list({a.parked.id for a in done if a.parked is not None} - kept)


def plan_key(row: StreamRow, arrivals: Iterable[Arrival], before: int | None = None) -> KeyPlan:
    """Decide over all known facts of one key, fresh and set aside, in any order.

    With `before` only what stands before that sequence is applied; the rest waits.
    """
    plan = KeyPlan()
    candidates = _best_of_each_sequence(row, arrivals, plan)
    position = row.last_sequence
    for sequence in sorted(candidates):
        arrival = candidates[sequence]
        if sequence != position + 1:
            plan.keep.append(Kept(arrival, GAP, f"expected {position + 1}, came {sequence}"))
        elif sequence == before:
            plan.keep.append(Kept(arrival, GAP, "the facts before it are saved first"))
        elif isinstance(arrival.outcome, Unusable):
            plan.keep.append(Kept(arrival, arrival.outcome.reason, arrival.outcome.detail))
        else:
            applied = isinstance(arrival.outcome, Decoded)
            (plan.apply if applied else plan.skip).append(arrival)
            position = sequence
    plan.after = StreamRow(position, waiting=bool(plan.keep))
    return plan


def _best_of_each_sequence(
    row: StreamRow, arrivals: Iterable[Arrival], plan: KeyPlan
) -> dict[int, Arrival]:
    best: dict[int, Arrival] = {}
    for arrival in arrivals:
        sequence = arrival.sequence or 0
        known = best.get(sequence)
        if sequence <= row.last_sequence:
            plan.repeat.append(arrival)
        elif known is None:
            best[sequence] = arrival
        elif isinstance(known.outcome, Unusable) and not isinstance(arrival.outcome, Unusable):
            # A readable copy heals an unreadable one of the same sequence.
            plan.repeat.append(known)
            best[sequence] = arrival
        else:
            plan.repeat.append(arrival)
    return best
