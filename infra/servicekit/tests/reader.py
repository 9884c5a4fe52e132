"""A consumer to feed by hand, and the records to feed it with: good ones and every bad one."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from infra.servicekit.tests.conftest import NOW, Plumbed
from servicekit.consume import BatchConsumer, Refusal, Subscription
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from servicekit.set_aside import SetAsideFact
from servicekit.units import Unit
from sosst_contracts.codec import Decoded, Draft, Record
from sosst_contracts.event import Event
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.platform import PaymentPending
from sosst_contracts.testing import sample

Handle = Callable[[Unit, Sequence[Decoded]], Awaitable[Sequence[Refusal]]]
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
        self.topic = PledgePlaced.topic if self.sequenced else PaymentPending.topic
        self.subscribe(self.handle)

    def subscribe(self, handle: Handle) -> None:
        """Begin anew as another process would, with this handler."""
        subscription = Subscription(self.topic, "readers", self.sequenced, handle)
        plumbed = self.plumbed
        self.consumer = BatchConsumer(subscription, plumbed.units, plumbed.clock, Pulse("test"))

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

    async def kept_of(self, key: str) -> list[SetAsideFact]:
        """Return what is kept of one key, in its order."""
        waiting = await self.plumbed.units.run(
            lambda unit: unit.plumbing.set_aside.waiting("readers", self.topic, [key])
        )
        return waiting[key]

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


def with_header(record: Record, name: str, value: bytes | None) -> Record:
    kept = tuple(header for header in record.headers if header[0] != name)
    return Record(record.topic, record.key, record.value, (*kept, (name, value)))


def with_field(record: Record, name: str, text: str) -> Record:
    """Put another JSON text in the place of one field's value."""
    fields = json.loads(record.value or b"{}")
    whole = json.dumps(fields | {name: "@"}).replace('"@"', text)
    return spoilt(record, whole.encode())
