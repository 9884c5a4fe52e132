"""A batch becomes one transaction; what cannot be used is set aside and takes nobody with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed
from servicekit import consume
from servicekit.consume import BatchConsumer, Refusal, Subscription
from servicekit.errors import ConsumerStopped, DependencyAway
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from servicekit.set_aside import SetAsideFact
from servicekit.units import Unit
from sosst_contracts.codec import Decoded, Draft, Record
from sosst_contracts.event import Event
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.platform import PaymentPending
from sosst_contracts.testing import sample

Refuse = Callable[[Event], str | None]


@dataclass
class Reader:
    """A consumer whose handler writes down what it saved; `refuse` and `fail` are set by tests."""

    plumbed: Plumbed
    sequenced: bool = True
    refuse: Refuse = lambda event: None
    retryable: bool = False
    fail: Callable[[Event], Exception | None] = lambda event: None
    saved: list[tuple[str, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        topic = PledgePlaced.topic if self.sequenced else PaymentPending.topic
        subscription = Subscription(topic, "readers", self.sequenced, self.handle)
        self.consumer = BatchConsumer(
            subscription, self.plumbed.units, self.plumbed.clock, Pulse("test")
        )
        self.topic = topic

    async def handle(self, unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        refusals, saved = [], []
        for fact in facts:
            if error := self.fail(fact.event):
                raise error
            if reason := self.refuse(fact.event):
                refusals.append(Refusal(fact, reason, "for a test", self.retryable))
            else:
                saved.append((fact.key, fact.envelope.sequence))
        if not refusals:
            self.saved += saved
        return refusals

    async def read(self, *records: Record) -> None:
        await self.consumer.process([Incoming(r, 0, n) for n, r in enumerate(records)])

    async def kept(self) -> list[SetAsideFact]:
        async def work(unit: Unit) -> list[SetAsideFact]:
            parts = unit.plumbing.set_aside
            waiting = await parts.waiting("readers", self.topic, ["k", "other"])
            loose = await parts.retryable("readers", self.topic, 100)
            return [*waiting["k"], *waiting["other"], *loose]

        return await self.plumbed.units.run(work)

    async def count(self, key: str) -> int:
        return await self.plumbed.units.run(lambda unit: unit.plumbing.set_aside.count(key))


def fact(sequence: int, key: str = "k", **changes: object) -> Record:
    return Draft(sample(PledgePlaced, campaign_id=key, **changes), NOW).seal(sequence)


def spoilt(record: Record, value: bytes | None) -> Record:
    return Record(record.topic, record.key, value, record.headers)


def retyped(record: Record, type_name: str) -> Record:
    headers = tuple((n, type_name.encode() if n == "ce_type" else v) for n, v in record.headers)
    return Record(record.topic, record.key, record.value, headers)


def payment(number: int, amount: int = 100) -> Record:
    event = sample(PaymentPending, campaign_id="k", pledge_id=f"p{number}", amount=amount)
    return Draft(event, NOW, identity=f"p{number}").seal()


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


@pytest.mark.parametrize(
    "value",
    [None, b"\xff\x00", b"{", b"[]", b'{"campaign_id": "k"}', b" " * 300_000],
    ids=["null", "bytes", "half", "array", "fields missing", "oversized"],
)
async def test_a_poison_record_costs_its_key_and_nobody_else(
    plumbed: Plumbed, value: bytes | None
) -> None:
    """It is kept with place and reason, its key waits, and a readable copy heals it."""
    reader = Reader(plumbed)
    await reader.read(fact(1), spoilt(fact(2), value), fact(3), fact(1, "other"))
    assert sorted(reader.saved) == [("k", 1), ("other", 1)]
    poison, behind = await reader.kept()
    assert (poison.sequence, behind.sequence, behind.reason) == (2, 3, "gap")
    assert poison.record.value == value and poison.offset == 1 and poison.reason != "gap"
    await reader.read(fact(2))
    assert reader.saved[-2:] == [("k", 2), ("k", 3)] and await reader.kept() == []


async def test_what_cannot_be_attributed_blocks_nothing(plumbed: Plumbed) -> None:
    """Without a readable key the record is kept, and every key goes on."""
    reader = Reader(plumbed)
    nameless = Record(reader.topic, b"\xff", fact(1).value, fact(1).headers)
    await reader.read(nameless, fact(1))
    assert reader.saved == [("k", 1)] and await reader.count("k") == 0


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
