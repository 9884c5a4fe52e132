"""A batch becomes one transaction; what cannot be used is set aside and takes nobody with it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from infra.servicekit.tests.conftest import Kept, Plumbed, on_mongodb
from infra.servicekit.tests.reader import (
    Reader,
    fact,
    payment,
    retyped,
    spoilt,
    with_field,
    with_header,
)
from servicekit import consume
from servicekit.consume import Refusal
from servicekit.errors import Conflict, ConsumerStopped, DependencyAway, Outlasted
from servicekit.mongo import Database
from servicekit.ordering import Incoming
from servicekit.units import Unit
from sosst_contracts.codec import Decoded, Record, decode
from sosst_contracts.event import Event


def counted(reason: str) -> float:
    """Return how often a fact was set aside for this reason."""
    return REGISTRY.get_sample_value("sosst_set_aside_total", {"reason": reason}) or 0


def decoded(record: Record) -> Decoded:
    read = decode(record)
    assert isinstance(read, Decoded)
    return read


async def test_facts_are_handed_on_once_and_in_order(plumbed: Plumbed) -> None:
    """Doubled and read again from the beginning, each fact is handled once."""
    reader = Reader(plumbed)
    await reader.read(fact(1), fact(1), fact(2))
    await reader.read(fact(1), fact(2), fact(3))
    assert reader.saved == [("k", 1), ("k", 2), ("k", 3)] and await reader.kept() == []


async def test_a_gap_waits_and_fills_itself(plumbed: Plumbed) -> None:
    """Later facts of the key wait in order; other keys go on; the missing one releases them."""
    reader = Reader(plumbed)
    await reader.read(fact(1), fact(3), fact(1, "other"))
    await reader.read(fact(4))
    assert reader.saved == [("k", 1), ("other", 1)]
    assert [(one.sequence, one.reason) for one in await reader.kept()] == [(3, "gap"), (4, "gap")]
    await reader.read(fact(2))
    assert reader.saved[2:] == [("k", 2), ("k", 3), ("k", 4)] and await reader.kept() == []


POISON: dict[str, tuple[Record, str]] = {
    "null value": (spoilt(fact(2), None), "null-value"),
    "undecodable bytes": (spoilt(fact(2), b"\xff\x00"), "undecodable-value"),
    "half an object": (spoilt(fact(2), b"{"), "undecodable-value"),
    "an array": (spoilt(fact(2), b"[]"), "schema-mismatch"),
    "fields missing": (spoilt(fact(2), b'{"campaign_id": "k"}'), "schema-mismatch"),
    "oversized": (spoilt(fact(2), b" " * 300_000), "oversized"),
    "negative amount": (with_field(fact(2), "amount", "-1"), "schema-mismatch"),
    "float amount": (with_field(fact(2), "amount", "19.99"), "schema-mismatch"),
    "amount in words": (with_field(fact(2), "amount", '"1999"'), "schema-mismatch"),
    "endless amount": (with_field(fact(2), "amount", "9" * 5_000), "undecodable-value"),
    "unknown currency": (with_field(fact(2), "currency", '"XYZ"'), "schema-mismatch"),
    "no currency": (with_field(fact(2), "currency", "null"), "schema-mismatch"),
    "header not UTF-8": (with_header(fact(2), "ce_source", b"\xff"), "undecodable-header"),
    "null header": (with_header(fact(2), "ce_id", None), "missing-header"),
    "odd time": (with_header(fact(2), "ce_time", b"noon"), "malformed-header"),
    "odd type": (with_header(fact(2), "ce_type", b"pledge"), "malformed-header"),
    "someone else's campaign": (with_field(fact(2), "campaign_id", '"m"'), "key-mismatch"),
}


@pytest.mark.parametrize(("poison", "reason"), POISON.values(), ids=POISON)
async def test_a_poison_record_costs_its_key_and_nobody_else(
    plumbed: Plumbed, poison: Record, reason: str
) -> None:
    """It is kept with place and reason, its key waits, and a readable copy heals it."""
    reader = Reader(plumbed)
    await reader.read(fact(1), poison, fact(3), fact(1, "other"))
    assert sorted(reader.saved) == [("k", 1), ("other", 1)]
    kept, behind = await reader.kept()
    assert (kept.sequence, behind.sequence, behind.reason) == (2, 3, "gap")
    assert (kept.record, kept.partition, kept.offset) == (poison, 0, 1)
    assert kept.reason == reason
    await reader.read(fact(2))
    assert reader.saved[-2:] == [("k", 2), ("k", 3)] and await reader.kept() == []


NOBODYS: dict[str, Record] = {
    "key not UTF-8": Record(fact(1).topic, b"\xff", fact(1).value, fact(1).headers),
    "no key": Record(fact(1).topic, None, fact(1).value, fact(1).headers),
    "no headers at all": Record(fact(1).topic, b"k", fact(1).value, ()),
    "no sequence": with_header(fact(1), "ce_sequence", None),
    "sequence 0": with_header(fact(1), "ce_sequence", b"0".rjust(20, b"0")),
    "sequence in words": with_header(fact(1), "ce_sequence", b"first"),
    "sequence not UTF-8": with_header(fact(1), "ce_sequence", b"\xff"),
}


@pytest.mark.parametrize("record", NOBODYS.values(), ids=NOBODYS)
async def test_what_has_no_place_in_a_key_blocks_no_key(
    plumbed: Plumbed, everything_kept: Kept, record: Record
) -> None:
    """It is kept for a person with its bytes, and every key goes on."""
    reader = Reader(plumbed)
    await reader.read(record, fact(1))
    assert reader.saved == [("k", 1)]
    (kept,) = await everything_kept()
    assert (kept.record, kept.partition, kept.offset) == (record, 0, 0)


async def test_a_nameless_record_takes_the_place_of_no_other(
    plumbed: Plumbed, everything_kept: Kept
) -> None:
    """Set aside by partition and offset, it cannot be mistaken for a key and its sequence."""
    reader = Reader(plumbed)
    nameless = Incoming(NOBODYS["no key"], partition=3, offset=7)
    await reader.consumer.process([nameless, Incoming(fact(7, "3"), 0, 0)])
    assert len(await everything_kept()) == 2


async def test_bad_facts_without_a_sequence_stand_aside_alone(
    plumbed: Plumbed, everything_kept: Kept
) -> None:
    """A topic without sequences has no order to hold: neighbours of the same key go on."""
    reader = Reader(plumbed, sequenced=False)
    bad = with_field(payment(2), "amount", "-1")
    await reader.read(payment(1), bad, spoilt(payment(3), None), payment(4))
    assert len(reader.saved) == 2
    reasons = sorted(kept.reason for kept in await everything_kept())
    assert reasons == ["null-value", "schema-mismatch"]


async def test_an_unknown_type_is_skipped_and_the_next_fact_goes_on(plumbed: Plumbed) -> None:
    """A topic may carry events that this release does not know."""
    reader = Reader(plumbed)
    await reader.read(retyped(fact(1), "sosst.funding.pledge-framed.v1"), fact(2))
    assert reader.saved == [("k", 2)] and await reader.kept() == []


async def test_an_unknown_major_stops_the_consumer_after_what_stood_before(
    plumbed: Plumbed,
) -> None:
    """The deploy is wrong; nothing behind the record is touched."""
    reader = Reader(plumbed)
    newer = retyped(fact(2), "sosst.funding.pledge-placed.v2")
    with pytest.raises(ConsumerStopped, match="unknown-major"):
        await reader.read(fact(1), newer, fact(3))
    assert reader.saved == [("k", 1)] and await reader.kept() == []


async def test_a_refused_fact_waits_with_its_later_ones(plumbed: Plumbed) -> None:
    """The handler's refusal parks a sequenced key at that fact; nothing of it was saved."""
    reader = Reader(plumbed, refuse=lambda e: "bad" if getattr(e, "amount", 0) == 13 else None)
    await reader.read(fact(1), fact(2, amount=13), fact(3), fact(1, "other"))
    assert sorted(reader.saved) == [("k", 1), ("other", 1)]
    assert [one.reason for one in await reader.kept()] == ["bad", "gap"]


async def test_a_refusal_that_another_fact_heals_is_tried_again(plumbed: Plumbed) -> None:
    """Without a sequence nothing waits behind it, and it is accepted once it can be."""
    reader = Reader(plumbed, sequenced=False, retryable=True)
    reader.refuse = lambda event: "unknown" if getattr(event, "amount", 0) == 13 else None
    await reader.read(payment(1, 13), payment(2), payment(1, 13))
    assert len(reader.saved) == 1 and await reader.count("k") == 1
    assert await reader.consumer.retry_set_aside() == 1 and await reader.count("k") == 1
    reader.refuse = lambda event: None
    await reader.consumer.retry_set_aside()
    assert len(reader.saved) == 2 and await reader.count("k") == 0


async def test_where_facts_have_a_sequence_what_waits_behind_is_tried_with_it(
    plumbed: Plumbed,
) -> None:
    """No later fact need come, and nobody need replay it: in order, once another topic heals it."""
    reader = Reader(plumbed, retryable=True)
    reader.refuse = lambda event: "unknown" if getattr(event, "amount", 0) == 13 else None
    await reader.read(fact(1), fact(2, amount=13), fact(3), fact(1, "other"))
    assert await reader.consumer.retry_set_aside() == 1
    await reader.read(fact(4), fact(2, amount=13))
    assert await reader.consumer.retry_set_aside() == 1
    assert sorted(reader.saved) == [("k", 1), ("other", 1)]
    reader.refuse = lambda event: None
    await reader.consumer.retry_set_aside()
    assert [one for one in reader.saved if one[0] == "k"] == [("k", n) for n in (1, 2, 3, 4)]
    assert await reader.count("k") == 0 and await reader.consumer.retry_set_aside() == 0


async def test_a_refusal_that_is_for_good_is_not_tried_again_by_itself(plumbed: Plumbed) -> None:
    """Where facts have a sequence, too: what stood still for another topic may be refused then."""
    reader = Reader(plumbed, retryable=True, refuse=lambda event: "unknown")
    await reader.read(fact(1), fact(2))
    reader.refuse, reader.retryable = lambda event: "for good", False
    assert await reader.consumer.retry_set_aside() == 1
    assert await reader.consumer.retry_set_aside() == 0
    assert [one.reason for one in await reader.kept()] == ["for good", "gap"]


async def test_a_handler_that_raises_costs_one_fact(plumbed: Plumbed) -> None:
    """Narrowed down to keys and facts, only the one that cannot be saved is set aside."""
    reader = Reader(plumbed)
    reader.fail = lambda e: KeyError("bug") if getattr(e, "amount", 0) == 13 else None
    await reader.read(fact(1), fact(2, amount=13), fact(1, "other"), fact(2, "other"))
    assert sorted(reader.saved) == [("k", 1), ("other", 1), ("other", 2)]
    (kept,) = await reader.kept()
    assert (kept.sequence, kept.reason) == (2, "unsaveable:KeyError")
    await reader.read(fact(3))
    assert len(await reader.kept()) == 2  # It stays aside, and what comes behind waits.


GAP_FILLERS = {
    "a fact": fact(2),
    "an unknown type": retyped(fact(2), "sosst.funding.pledge-framed.v1"),
}


@pytest.mark.parametrize("filler", GAP_FILLERS.values(), ids=GAP_FILLERS)
@pytest.mark.parametrize("bad", [3, 4, 7])
async def test_a_gap_is_filled_though_a_fact_behind_it_cannot_be_saved(
    plumbed: Plumbed, filler: Record, bad: int
) -> None:
    """Only that one is set aside, with its reason; what fills the gap and what waited is saved."""
    reader = Reader(plumbed)
    reader.fail = lambda event: KeyError("bug") if getattr(event, "amount", 0) == 13 else None
    waiting = [fact(n, amount=13) if n == bad else fact(n) for n in range(3, 8)]
    await reader.read(fact(1), *waiting)
    await asyncio.wait_for(reader.read(filler), 10)
    filled = [2] if filler == fact(2) else []
    assert reader.saved == [("k", n) for n in (1, *filled, *range(3, bad))]
    kept = [(one.sequence, one.reason) for one in await reader.kept()]
    assert kept[0] == (bad, "unsaveable:KeyError")
    assert kept[1:] == [(n, "gap") for n in range(bad + 1, 8)]
    reader.fail = lambda event: None
    await reader.read(fact(8))
    assert len(await reader.kept()) == len(kept) + 1, "only a person tries it again"


async def test_a_gap_filler_that_cannot_be_saved_is_the_one_to_blame(plumbed: Plumbed) -> None:
    """What waited behind it goes on waiting, unblamed."""
    reader = Reader(plumbed)
    reader.fail = lambda event: KeyError("bug") if getattr(event, "amount", 0) == 13 else None
    await reader.read(fact(1), fact(3), fact(4))
    await reader.read(fact(2, amount=13))
    kept = [(one.sequence, one.reason) for one in await reader.kept()]
    assert kept == [(2, "unsaveable:KeyError"), (3, "gap"), (4, "gap")]
    assert reader.saved == [("k", 1)]


BEHIND_A_REFUSED_ONE = {
    "one batch": [[1, 2, 3, 4]],
    "one by one": [[1], [2], [3], [4]],
    "waiting for the first": [[2, 3, 4], [1]],
}


@pytest.mark.parametrize("retryable", [False, True])
@pytest.mark.parametrize("batches", BEHIND_A_REFUSED_ONE.values(), ids=BEHIND_A_REFUSED_ONE)
async def test_a_refused_fact_and_one_behind_it_whose_handler_raises_come_to_an_end(
    plumbed: Plumbed, batches: list[list[int]], retryable: bool
) -> None:
    """The refused one is kept with its own reason, once; what is behind it only waits."""
    reader = Reader(plumbed, retryable=retryable)
    reader.refuse = lambda event: "unknown" if getattr(event, "amount", 0) == 7 else None
    reader.fail = lambda event: KeyError("bug") if getattr(event, "amount", 0) == 13 else None
    records = {1: fact(1), 2: fact(2, amount=7), 3: fact(3, amount=13), 4: fact(4)}
    before = counted("unknown")
    for batch in batches:
        await asyncio.wait_for(reader.read(*(records[number] for number in batch)), 30)
    for _ in range(2):
        await asyncio.wait_for(reader.consumer.retry_set_aside(), 30)
    assert reader.saved == [("k", 1)] and counted("unknown") == before + 1
    kept = await reader.kept_of("k")
    assert [(one.sequence, one.reason) for one in kept] == [(2, "unknown"), (3, "gap"), (4, "gap")]
    assert [one.retryable for one in kept] == [retryable, False, False]
    reader.refuse = lambda event: None
    await asyncio.wait_for(reader.consumer.replay(kept[:1]), 30)
    assert reader.saved == [("k", 1), ("k", 2)]
    kept = await reader.kept_of("k")
    assert [(one.sequence, one.reason) for one in kept] == [(3, "unsaveable:KeyError"), (4, "gap")]


async def test_a_handler_that_refuses_what_it_was_not_given_costs_what_it_was_given(
    plumbed: Plumbed,
) -> None:
    """Its bug is set aside with the fact that shows it, and the topic goes on."""
    reader = Reader(plumbed)

    async def mistaken(unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        if any(getattr(one.event, "amount", 0) == 13 for one in facts):
            return [Refusal(decoded(fact(9)), "no", "never given")]
        return await reader.handle(unit, facts)

    reader.subscribe(mistaken)
    batch = reader.read(fact(1), fact(2, amount=13), fact(1, "other"), fact(2, "other"))
    await asyncio.wait_for(batch, 30)
    assert sorted(reader.saved) == [("k", 1), ("other", 1), ("other", 2)]
    (kept,) = await reader.kept()
    assert (kept.sequence, kept.reason) == (2, "unsaveable:ValueError")


async def test_what_waited_and_is_itself_of_no_use_says_so_once_its_turn_comes(
    plumbed: Plumbed,
) -> None:
    """A person reads what is wrong with it, not that it waits for a fact that has come."""
    reader = Reader(plumbed, refuse=lambda e: "bad" if getattr(e, "amount", 0) == 13 else None)
    await reader.read(fact(1), fact(3, amount=13), fact(1, "other"), spoilt(fact(3, "other"), b"{"))
    assert [one.reason for one in await reader.kept()] == ["gap", "gap"]
    await reader.read(fact(2), fact(2, "other"))
    assert [one.reason for one in await reader.kept()] == ["bad", "undecodable-value"]
    assert sorted(reader.saved) == [("k", 1), ("k", 2), ("other", 1), ("other", 2)]


async def test_an_absent_dependency_is_waited_for_in_place(plumbed: Plumbed) -> None:
    """Nothing is set aside while MongoDB or another party is away."""
    reader, misses = Reader(plumbed), iter([1, 2])
    reader.fail = lambda event: DependencyAway("away") if next(misses, None) else None
    await reader.read(fact(1))
    assert reader.saved == [("k", 1)] and await reader.kept() == []


async def test_endless_refusals_stop_the_consumer(
    plumbed: Plumbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but refusals means a wrong deploy, not wrong facts."""
    monkeypatch.setattr(consume, "REFUSALS_IN_A_ROW_MAX", 3)
    reader = Reader(plumbed, sequenced=False, refuse=lambda event: "no")
    with pytest.raises(ConsumerStopped, match="refusals"):
        await reader.read(*(payment(number) for number in range(5)))


async def test_facts_that_only_wait_do_not_stop_the_consumer(
    plumbed: Plumbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One poison fact in a busy campaign costs that campaign, however many come behind it."""
    monkeypatch.setattr(consume, "REFUSALS_IN_A_ROW_MAX", 3)
    reader = Reader(plumbed)
    await reader.read(spoilt(fact(1), None), *(fact(number) for number in range(2, 8)))
    await reader.read(*(fact(number) for number in range(8, 12)))
    await reader.read(fact(1))
    assert reader.saved == [("k", number) for number in range(1, 12)]


async def test_retrying_the_same_facts_does_not_stop_the_consumer(
    plumbed: Plumbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact refused again and again was refused once."""
    monkeypatch.setattr(consume, "REFUSALS_IN_A_ROW_MAX", 3)
    reader = Reader(plumbed, sequenced=False, retryable=True, refuse=lambda event: "unknown")
    await reader.read(payment(1))
    for _ in range(5):
        assert await reader.consumer.retry_set_aside() == 1
    await reader.read(retyped(payment(2), "sosst.platform.payment-framed.v1"))
    assert await reader.count("k") == 1


@pytest.mark.parametrize("first", ["the retry", "the later fact"])
async def test_a_fact_that_comes_beside_the_retry_of_its_key_goes_on_with_it(
    database: Database, first: str
) -> None:
    """Whichever is saved first: the other one looks again, and nothing waits for later facts."""
    plumbed = on_mongodb(database)

    def unheard(event: Event) -> str | None:
        return "unknown" if getattr(event, "amount", 0) == 13 else None

    retrying = Reader(plumbed, refuse=unheard, retryable=True)
    reading = Reader(plumbed, refuse=unheard, retryable=True)
    await retrying.read(fact(1), fact(2, amount=13))
    retrying.refuse = lambda event: None

    async def read() -> None:
        # The fact of another key is what is handed on where the refused one only waits.
        await reading.read(fact(3), fact(1, "other"))

    async def retry() -> None:
        await retrying.consumer.retry_set_aside()
        reading.refuse = lambda event: None

    outer, inner = (read, retry) if first == "the retry" else (retry, read)
    interrupted = reading if first == "the retry" else retrying
    saved_by = "other" if first == "the retry" else "k"
    meanwhile = [inner]

    async def interrupting(unit: Unit, facts: Sequence[Decoded]) -> Sequence[Refusal]:
        if {one.key for one in facts} == {saved_by} and meanwhile:
            await meanwhile.pop()()
        return await interrupted.handle(unit, facts)

    interrupted.subscribe(interrupting)
    await outer()
    assert not meanwhile
    saved = {*retrying.saved, *reading.saved}
    assert saved == {("k", 1), ("k", 2), ("k", 3), ("other", 1)}
    assert await reading.kept_of("k") == []


@pytest.mark.parametrize("sequenced", [False, True])
async def test_what_was_set_aside_before_marks_existed_is_marked_by_its_replay(
    plumbed: Plumbed, everything_kept: Kept, sequenced: bool
) -> None:
    """From then on it is tried again by itself; it was set aside once, and is counted once."""
    reader = Reader(plumbed, sequenced=sequenced, refuse=lambda event: "unmarked")
    record = fact(1) if sequenced else payment(1)
    await reader.read(record)
    before = counted("unmarked")
    (kept,) = await everything_kept()
    reader.retryable = True
    assert await reader.consumer.retry_set_aside() == 0
    await reader.consumer.replay([kept])
    assert await everything_kept() == [replace(kept, retryable=True)]
    reader.refuse = lambda event: None
    assert await reader.consumer.retry_set_aside() == 1
    assert len(reader.saved) == 1 and await everything_kept() == []
    assert counted("unmarked") == before


async def test_without_a_sequence_too_a_refusal_for_good_is_not_tried_again(
    plumbed: Plumbed, everything_kept: Kept
) -> None:
    """What waited for another topic may be refused for good once that is known."""
    reader = Reader(plumbed, sequenced=False, retryable=True, refuse=lambda event: "unknown")
    await reader.read(payment(1))
    reader.refuse, reader.retryable = lambda event: "for good", False
    assert await reader.consumer.retry_set_aside() == 1
    assert await reader.consumer.retry_set_aside() == 0
    assert [one.reason for one in await everything_kept()] == ["for good"]


async def test_facts_that_nothing_heals_do_not_keep_others_from_being_tried(
    plumbed: Plumbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than a page: the younger one behind is tried and accepted all the same."""
    monkeypatch.setattr(consume, "RETRYABLE_PAGE", 2)
    reader = Reader(plumbed, sequenced=False, retryable=True, refuse=lambda event: "unknown")
    await reader.read(*(payment(number) for number in range(4)))
    plumbed.clock.advance(seconds=1)
    await reader.read(payment(9, amount=7))
    reader.refuse = lambda event: None if getattr(event, "amount", 0) == 7 else "unknown"
    tried = [await reader.consumer.retry_set_aside() for _ in range(4)]
    assert tried == [2, 2, 1, 2]
    assert len(reader.saved) == 1 and await reader.count("k") == 4


async def test_a_conflict_is_narrowed_down_to_keys(plumbed: Plumbed) -> None:
    """A key that others write all the time does not keep its neighbours from being saved."""
    reader = Reader(plumbed)
    misses = iter(range(2))
    tried: list[set[str]] = []

    async def contended(unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        keys = {one.key for one in facts}
        tried.append(keys)
        if len(keys) > 1 or ("k" in keys and next(misses, None) is not None):
            raise Conflict("somebody else wrote first")
        return await reader.handle(unit, facts)

    reader.subscribe(contended)
    await reader.read(fact(1), fact(1, "other"))
    assert sorted(reader.saved) == [("k", 1), ("other", 1)] and await reader.kept() == []
    assert tried[0] == {"k", "other"} and {"other"} in tried and tried.count({"k"}) > 1


@pytest.mark.parametrize("error", [Conflict, Outlasted])
@pytest.mark.parametrize("keys", [1, 8])
async def test_what_is_too_much_at_once_is_saved_in_halves(
    plumbed: Plumbed, error: type[Exception], keys: int
) -> None:
    """Single facts or keys would be as many transactions, each with conflicts of its own."""
    reader = Reader(plumbed)
    given: list[int] = []

    async def crowded(unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        given.append(len(facts))
        if len(facts) > 2:
            raise error("too much at once")
        return await reader.handle(unit, facts)

    reader.subscribe(crowded)
    await reader.read(*(fact(1 + place // keys, f"k{place % keys}") for place in range(8)))
    assert len(reader.saved) == 8 and await reader.kept() == []
    # Each may be tried a few times as it is before it is halved.
    sizes = [size for place, size in enumerate(given) if place == 0 or given[place - 1] != size]
    assert sizes == [8, 4, 2, 4, 2]


@pytest.mark.parametrize("waiting", [False, True])
async def test_what_outlasts_its_transaction_is_saved_by_less(
    plumbed: Plumbed, waiting: bool
) -> None:
    """A batch, or what waited behind a gap, may be more than one transaction takes."""
    reader = Reader(plumbed)
    given: list[int] = []

    async def slow(unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        given.append(len(facts))
        if len(facts) > 2:
            raise Outlasted("too long")
        return await reader.handle(unit, facts)

    reader.subscribe(slow)
    facts = [fact(number) for number in range(1, 8)]
    batches = [facts[1:], facts[:1]] if waiting else [facts]
    for batch in batches:
        await asyncio.wait_for(reader.read(*batch), 30)
    assert reader.saved == [("k", number) for number in range(1, 8)]
    assert await reader.kept() == [] and given[0] == 7


async def test_what_was_held_for_the_next_save_goes_on_though_its_process_ended(
    plumbed: Plumbed,
) -> None:
    """No record is read again for it: the key was brought on by a retry, and died in between."""
    reader = Reader(plumbed, retryable=True, refuse=lambda event: "unknown")
    await reader.read(*(fact(number) for number in range(1, 8)))
    saves = [0]

    async def dying(unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        if len(facts) > 4:
            raise Outlasted("too long")
        saves[0] += 1
        if saves[0] > 1:
            raise asyncio.CancelledError
        return await reader.handle(unit, facts)

    reader.refuse = lambda event: None
    reader.subscribe(dying)
    with pytest.raises(asyncio.CancelledError):
        await reader.consumer.retry_set_aside()
    assert reader.saved == [("k", 1), ("k", 2), ("k", 3)]
    reader.subscribe(reader.handle)
    await reader.consumer.retry_set_aside()
    assert reader.saved == [("k", number) for number in range(1, 8)]
    assert await reader.kept() == []


async def test_one_fact_that_outlasts_its_transaction_is_not_to_blame(plumbed: Plumbed) -> None:
    """The server may be slow: it is tried in place, and is never set aside for it."""
    reader, misses = Reader(plumbed), iter([1, 2])
    reader.fail = lambda event: Outlasted("too long") if next(misses, None) else None
    await reader.read(fact(1))
    assert reader.saved == [("k", 1)] and await reader.kept() == []


async def test_what_stands_behind_an_unknown_major_in_other_partitions_is_saved(
    plumbed: Plumbed,
) -> None:
    """The record stops its partition; the others were read as far as they came."""
    reader = Reader(plumbed)
    newer = retyped(fact(1), "sosst.funding.pledge-placed.v2")
    batch = [Incoming(newer, 0, 0), Incoming(fact(1, "other"), 1, 0), Incoming(fact(2), 0, 1)]
    with pytest.raises(ConsumerStopped):
        await reader.consumer.process(batch)
    assert reader.saved == [("other", 1)] and await reader.kept() == []
