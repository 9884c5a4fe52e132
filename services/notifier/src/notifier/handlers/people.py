"""Who people are: described by the platform or by themselves, and erased."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from notifier.domain.person import Person, describe, erase, forget, redescribe
from notifier.domain.unreached import Ended, HowEnded
from notifier.ports.unit import NotifierUnit

# Of whom nothing was ever said: whatever comes is newer.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


async def take_descriptions(unit: NotifierUnit, told: Sequence[Person]) -> None:
    """Keep how the platform describes people, each the last time only."""
    known = await unit.people.load({person.person_id for person in told})
    latest = dict(known)
    for person in told:
        latest[person.person_id] = describe(latest.get(person.person_id), person)
    await unit.people.save([one for key, one in latest.items() if one != known.get(key)])


async def take_own_description(unit: NotifierUnit, told: Person) -> Person:
    """Keep how people describe themselves; their roles stay what the platform said."""
    known = (await unit.people.load([told.person_id])).get(told.person_id)
    person = redescribe(known, told)
    if person != known:
        await unit.people.save([person])
    return person


async def take_erasures(unit: NotifierUnit, ids: Collection[str], now: datetime) -> None:
    """Forget people whom the platform erased; it may describe them again.

    Also who was never described here: other services may know something of them.
    """
    known = await unit.people.load(ids)
    there = [known.get(one) or Person(one, NEVER) for one in sorted(ids)]
    gone = [forget(person) for person in there if not person.erased]
    await _keep_erased(unit, gone, now)
    await _forget_words(unit, ids)


async def erase_person(unit: NotifierUnit, person_id: str, now: datetime) -> None:
    """Forget a person; a description of before, read late or again, brings nothing back.

    Whoever asks again is told of again: what they have said elsewhere since then goes, too.
    """
    known = (await unit.people.load([person_id])).get(person_id, Person(person_id, now))
    await _keep_erased(unit, [known if known.erased else erase(known, now)], now)
    await _forget_words(unit, [person_id])


async def erase_again(unit: NotifierUnit, person_id: str, at: datetime) -> bool:
    """Forget a person who was erased after the backup; that was told, and is not told again.

    Whom the platform has described since is described by its topic once that is read again.
    """
    known = (await unit.people.load([person_id])).get(person_id, Person(person_id, at))
    if known.erased or known.described_at > at:
        return False
    await unit.people.save([erase(known, at)])
    await _forget_words(unit, [person_id])
    return True


async def _keep_erased(unit: NotifierUnit, gone: Sequence[Person], now: datetime) -> None:
    if gone:
        await unit.people.save(gone)
        await unit.facts.erased([person.person_id for person in gone], now)


async def _forget_words(unit: NotifierUnit, ids: Collection[str]) -> None:
    """That somebody was told stays and is counted; what was said to them alone does not."""
    await unit.chunks.forget(ids)
    await unit.readers.forget(ids)
    await unit.consents.forget(ids)
    await unit.preferences.forget(ids)
    await unit.follows.forget(ids)
    await unit.unreached.end_of(ids, None, Ended(HowEnded.ERASED))
