"""Who of a chunk is written to now, and why somebody is not: read at each send."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from notifier.domain.cause import Told
from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Delivery, DeliveryState, Standing
from notifier.domain.edited_update import as_edited, quoted_update
from notifier.domain.hidden_update import HIDDEN, update_told_of
from notifier.domain.kind import may_be_muted
from notifier.domain.notification import NotificationIds
from notifier.domain.person import Person
from notifier.domain.receipt_question import question_of
from notifier.domain.routing import Later, Preferences, Suppress, decide
from notifier.domain.suppression import Suppression, address_digest
from notifier.handlers.titles import title_of
from notifier.ports.unit import NotifierUnit

UNKNOWN = "unknown"
# Why somebody waits whose mail domain takes no more now.
HELD = "domain-held"


@dataclass(frozen=True, slots=True)
class Recipients:
    """Those of a chunk who are to be written to, and what is known before anything is.

    `told` is what they are told, with the words of now; it has the chunk's name.
    """

    chunk: Chunk
    told: Told
    delivery: Delivery
    places: Sequence[int]
    mailed: Collection[int]
    people: Mapping[str, Person]
    suppressions: Mapping[str, Suppression]
    unsubscribed: Collection[str]
    preferences: Mapping[str, Preferences]
    campaign: str
    hidden: bool = False
    # Who has answered what this asks.
    answered: Collection[str] = ()

    def before(self, place: int) -> Standing:
        """Return how somebody stood when this was read."""
        return self.delivery.standings[place]

    def notification_id(self, place: int) -> str:
        told = self.chunk.told
        return NotificationIds(told.cause, told.caused_at).of(self.chunk.recipients[place])


async def read_recipients(
    unit: NotifierUnit, chunk: Chunk, delivery: Delivery, now: datetime, most: int
) -> Recipients:
    """Read what is known of those of a chunk who are to be written to now."""
    told, places = chunk.told, delivery.ready(now, most)
    people = await unit.people.load({chunk.recipients[place] for place in places})
    digests = {address_digest(one.address) for one in people.values() if one.address}
    title = await title_of(unit, told.campaign_id)
    unsubscribed: set[str] = set()
    preferences: dict[str, Preferences] = {}
    if may_be_muted(told, chunk.role):
        unsubscribed = await unit.unsubscriptions.of(told.campaign_id, people)
        preferences = await unit.preferences.load(people)
    return Recipients(
        chunk=chunk,
        told=await _told_now(unit, chunk),
        delivery=delivery,
        places=places,
        mailed=await _mailed(unit, chunk, places),
        people=people,
        suppressions=await unit.suppressions.load(digests),
        unsubscribed=unsubscribed,
        preferences=preferences,
        campaign=title,
        hidden=await _is_hidden(unit, chunk),
        answered=await _answered(unit, chunk, places),
    )


async def read_beside(
    unit: NotifierUnit, read: Recipients, chunk: Chunk, delivery: Delivery, places: Sequence[int]
) -> Recipients:
    """Return the same people's places in another chunk of the project, told in the same role."""
    return replace(
        read,
        chunk=chunk,
        told=await _told_now(unit, chunk),
        delivery=delivery,
        places=places,
        mailed=await _mailed(unit, chunk, places),
        hidden=await _is_hidden(unit, chunk),
        answered=await _answered(unit, chunk, places),
    )


async def _mailed(unit: NotifierUnit, chunk: Chunk, places: Sequence[int]) -> set[int]:
    notifications = NotificationIds(chunk.told.cause, chunk.told.caused_at)
    ids = {notifications.of(chunk.recipients[place]): place for place in places}
    return {ids[one] for one in await unit.mailed.among(ids)}


async def _is_hidden(unit: NotifierUnit, chunk: Chunk) -> bool:
    update = update_told_of(chunk.told, chunk.role)
    return update is not None and bool(await unit.hidden_updates.among([update]))


async def _answered(unit: NotifierUnit, chunk: Chunk, places: Sequence[int]) -> set[str]:
    people = (chunk.recipients[place] for place in places)
    asked = [one for who in people if (one := question_of(chunk.told, who)) is not None]
    return {one.backer_id for one in await unit.receipt_questions.over_among(asked)}


async def _told_now(unit: NotifierUnit, chunk: Chunk) -> Told:
    update = quoted_update(chunk.told, chunk.role)
    if update is None:
        return chunk.told
    words = await unit.edited_updates.words_of([update])
    return as_edited(chunk.told, words.get(update))


def not_written_to(read: Recipients, place: int, now: datetime) -> Standing | None:
    """Return how somebody stands who is not written to, or not now; None for who is."""
    person = read.people.get(read.chunk.recipients[place])
    settled = never_written_to(read, place, now)
    if settled is not None or person is None:
        return settled
    return _as_asked(read, person, read.before(place), now)


def never_written_to(read: Recipients, place: int, now: datetime) -> Standing | None:
    """Return how somebody stands who is not written to whatever they asked for, else None."""
    reason = _why_not(read, read.chunk.recipients[place], now)
    return Standing(DeliveryState.SUPPRESSED, reason) if reason else None


def _why_not(read: Recipients, person_id: str, now: datetime) -> str:
    """Return why this person is not written to, empty if nothing speaks against it."""
    person = read.people.get(person_id)
    if read.chunk.reason_gone or person_id in read.answered:
        return "reason-gone"
    if read.hidden:
        return HIDDEN
    if person is not None and person.erased:
        return "erased"
    if person is None or not person.address:
        return "no-address"
    suppression = read.suppressions.get(address_digest(person.address))
    if suppression is not None and suppression.holds(now):
        return "address-suppressed"
    return "unsubscribed" if person_id in read.unsubscribed else ""


def _as_asked(read: Recipients, person: Person, before: Standing, now: datetime) -> Standing | None:
    """Return how somebody stands who asked not to be written to, or not now; else None.

    Who may have the mail already is not asked: their outcome is to be found out.
    """
    if may_have_been_sent(before):
        return None
    preferences = read.preferences.get(person.person_id, Preferences())
    match decide(read.chunk.told, preferences, person.clock_zone, now, read.chunk.role):
        case Suppress(reason):
            return Standing(DeliveryState.SUPPRESSED, reason, attempts=before.attempts)
        case Later(at, reason):
            return Standing(DeliveryState.LATER, reason, at, before.attempts)
    return None


def may_have_been_sent(before: Standing) -> bool:
    """Whether its mail may have come: a set that is kept was on its way when that was saved."""
    begun = before.state is DeliveryState.SENDING
    return begun or before.reason == UNKNOWN or bool(before.carries)
