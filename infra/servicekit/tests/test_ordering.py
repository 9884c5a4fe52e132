"""`events.md` rule 1 as a pure function: repeats drop, the next applies, the rest waits."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from servicekit.ordering import Arrival, Incoming, KeyPlan, Outcome, plan_key
from servicekit.set_aside import SetAsideFact
from servicekit.streams import StreamRow
from sosst_contracts.codec import Draft, Record, UnknownType, Unusable, decode
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample

AT = datetime(2026, 3, 1, tzinfo=UTC)
NOTHING = Incoming(Record("funding.pledges", b"k", None, ()), 0, 0)


def readable(sequence: int) -> Outcome:
    read = decode(Draft(sample(PledgePlaced), AT).seal(sequence))
    assert not isinstance(read, Unusable)
    return read  # type: ignore[return-value]


def arrival(sequence: int, outcome: Outcome | None = None, parked: bool = False) -> Arrival:
    return Arrival(
        NOTHING,
        outcome or readable(sequence),
        "k",
        sequence,
        set_aside(sequence) if parked else None,
    )


def set_aside(sequence: int) -> SetAsideFact:
    return SetAsideFact(
        id=f"parked-{sequence}",
        group="readers",
        topic=NOTHING.record.topic,
        key="k",
        sequence=sequence,
        record=NOTHING.record,
        partition=0,
        offset=0,
        reason="gap",
        detail="",
        retryable=False,
        set_aside_at=AT,
    )


def unusable(sequence: int) -> Unusable:
    return Unusable("schema-mismatch", "amount", "k", sequence)


def sequences(plan: KeyPlan) -> list[int | None]:
    return [one.sequence for one in plan.apply]


def test_a_repeat_is_dropped_the_next_is_applied_the_rest_waits() -> None:
    """At 2: 1 and 2 are repeats, 3 is applied, 5 waits for 4."""
    plan = plan_key(StreamRow(2), [arrival(n) for n in (1, 2, 3, 5)])
    assert sequences(plan) == [3] and [a.sequence for a in plan.repeat] == [1, 2]
    assert [(k.arrival.sequence, k.reason) for k in plan.keep] == [(5, "gap")]
    assert plan.after == StreamRow(3, waiting=True)


def test_the_first_fact_of_a_key_is_1() -> None:
    """Anything else is a gap."""
    plan = plan_key(StreamRow(), [arrival(2)])
    assert plan.apply == [] and plan.after == StreamRow(0, waiting=True)


def test_a_gap_fills_itself_and_the_flag_clears() -> None:
    """The missing fact comes, what was set aside follows it in order."""
    parked = [arrival(3, parked=True), arrival(2, parked=True)]
    plan = plan_key(StreamRow(0, waiting=True), [*parked, arrival(1)])
    assert sequences(plan) == [1, 2, 3] and plan.after == StreamRow(3, waiting=False)
    assert sorted(plan.healed_ids()) == ["parked-2", "parked-3"]


def test_an_unusable_fact_holds_its_key_at_its_place() -> None:
    """What comes behind it waits, whatever it is."""
    plan = plan_key(StreamRow(), [arrival(1), arrival(2, unusable(2)), arrival(3)])
    assert sequences(plan) == [1]
    assert [k.reason for k in plan.keep] == ["schema-mismatch", "gap"]


def test_a_readable_copy_heals_an_unusable_one() -> None:
    """The same sequence, written again as it should be, takes its place."""
    held = [arrival(1, unusable(1), parked=True), arrival(2, parked=True)]
    plan = plan_key(StreamRow(0, waiting=True), [*held, arrival(1)])
    assert sequences(plan) == [1, 2] and plan.after.waiting is False
    assert sorted(plan.healed_ids()) == ["parked-1", "parked-2"]


def test_an_unknown_type_is_skipped_and_its_sequence_advances() -> None:
    """A newer event of a known topic does not stop the key."""
    unknown = UnknownType("sosst.funding.pledge-framed.v1", "k", 1)
    plan = plan_key(StreamRow(), [arrival(1, unknown), arrival(2)])
    assert [a.sequence for a in plan.skip] == [1] and sequences(plan) == [2]


def test_a_key_is_taken_on_as_far_as_it_is_told() -> None:
    """What stands there and behind it waits; what is before it is applied."""
    plan = plan_key(StreamRow(1), [arrival(n) for n in (2, 3, 4)], before=3)
    assert sequences(plan) == [2] and plan.after == StreamRow(2, waiting=True)
    assert [(k.arrival.sequence, k.reason) for k in plan.keep] == [(3, "gap"), (4, "gap")]


@given(
    st.lists(st.lists(st.integers(1, 12), max_size=8), max_size=12),
    st.sets(st.integers(1, 12), max_size=3),
)
def test_any_order_with_repeats_applies_each_fact_once_in_order(
    batches: list[list[int]], spoilt: set[int]
) -> None:
    """Whatever arrives in whatever batches: applied is 1, 2, 3 … up to the first hole."""
    row = StreamRow()
    parked: dict[int, Arrival] = {}
    applied: list[int | None] = []
    for batch in batches:
        fresh = [arrival(n, unusable(n) if n in spoilt else None) for n in batch]
        known = list(parked.values()) if row.waiting else []
        plan = plan_key(row, [*known, *fresh])
        applied += sequences(plan)
        for healed in plan.healed_ids():
            parked = {n: a for n, a in parked.items() if a.parked and a.parked.id != healed}
        for kept in plan.keep:
            one = kept.arrival
            number = one.sequence or 0
            parked[number] = arrival(number, one.outcome, parked=True)
        row = plan.after
    heard = {n for batch in batches for n in batch} - spoilt
    reachable = [n for n in range(1, 13) if all(m in heard for m in range(1, n + 1))]
    assert applied == reachable
    assert row.last_sequence == len(reachable) and row.waiting == bool(parked)
