"""A compacted topic: of each key the latest record counts, and a tombstone erases."""

from collections.abc import Sequence

from infra.servicekit.tests.conftest import NOW, Plumbed
from infra.servicekit.tests.reader import spoilt
from servicekit.consume import BatchConsumer, Refusal, Subscription
from servicekit.errors import DependencyAway
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from servicekit.units import Unit
from sosst_contracts.codec import Decoded, Draft, Record, tombstone
from sosst_contracts.platform import PersonDescribed
from sosst_contracts.testing import sample


def described(person_id: str, language: str) -> Record:
    event = sample(PersonDescribed, person_id=person_id, language=language)
    return Draft(event, NOW, identity=f"{person_id}/{language}").seal()


def gone(person_id: str) -> Record:
    return tombstone(PersonDescribed, person_id)


class People:
    """A reader that keeps the language of each person."""

    def __init__(self, plumbed: Plumbed) -> None:
        self.known: dict[str, str] = {}
        self.erasures = 0
        self.failures = 0
        self._plumbed = plumbed
        subscription = Subscription(
            PersonDescribed.topic, "readers", False, self._handle, self._erase
        )
        self._consumer = BatchConsumer(subscription, plumbed.units, plumbed.clock, Pulse("test"))

    async def _handle(self, unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        events = [fact.event for fact in facts]
        self.known |= {e.person_id: e.language for e in events if isinstance(e, PersonDescribed)}
        return []

    async def _erase(self, unit: Unit, keys: Sequence[str]) -> None:
        if self.failures:
            self.failures -= 1
            raise DependencyAway("a test")
        self.erasures += len(keys)
        for key in keys:
            self.known.pop(key, None)

    async def read(self, *records: Record) -> None:
        await self._consumer.process([Incoming(r, 0, n) for n, r in enumerate(records)])

    async def set_aside(self, key: str) -> int:
        return await self._plumbed.units.run(lambda unit: unit.plumbing.set_aside.count(key))


async def test_the_latest_of_a_batch_counts(plumbed: Plumbed) -> None:
    """Described, erased and described again in one batch is described; the other is erased."""
    people = People(plumbed)
    await people.read(described("a", "fr"), described("b", "fr"))
    await people.read(gone("a"), described("a", "en"), described("b", "en"), gone("b"))
    assert people.known == {"a": "en"} and people.erasures == 1


async def test_an_erasure_takes_what_could_not_be_read_with_it(plumbed: Plumbed) -> None:
    """A description that was set aside holds an address too; another person's stays."""
    people = People(plumbed)
    await people.read(spoilt(described("a", "fr"), b"{"), spoilt(described("b", "fr"), b"{"))
    assert await people.set_aside("a") == 1
    await people.read(gone("a"))
    assert (await people.set_aside("a"), await people.set_aside("b")) == (0, 1)


async def test_an_erasure_is_tried_until_it_holds(plumbed: Plumbed) -> None:
    """Whatever fails, an erasure is never passed over."""
    people = People(plumbed)
    await people.read(described("a", "fr"))
    people.failures = 2
    await people.read(gone("a"))
    assert people.known == {}
