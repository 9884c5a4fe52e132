"""Writing to a chunk's people by e-mail, a slice of them at a time.

A slice is read, its letters are written, it is marked as being sent, sent, and what became of it is
saved. Between two slices the work is let go of, so that what is more urgent, or another cause's
turn, comes first. A crash leaves at most the slices in hand marked: they are sent again with the
same Message-IDs and counted as possibly repeated.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from notifier.domain.bounce import BounceClass, class_of
from notifier.domain.chunk import Chunk
from notifier.domain.delivery import (
    OPEN,
    Channel,
    Delivery,
    DeliveryState,
    Standing,
    delivery_key,
    tried_again,
)
from notifier.domain.hidden_update import HIDDEN, update_told_of
from notifier.domain.kind import may_be_muted
from notifier.domain.notification import NotificationIds
from notifier.domain.person import Person
from notifier.domain.routing import Later, Preferences, Suppress, decide
from notifier.domain.suppression import Suppression, address_digest, after_bounce
from notifier.handlers.titles import title_of
from notifier.handlers.unreached import note_unreached
from notifier.metrics import BOUNCES, DELIVERIES, POSSIBLY_REPEATED, TOLD_DELAY
from notifier.ports.email import (
    Answer,
    Answered,
    Letter,
    LetterRefused,
    Letters,
    Mail,
    MailLinks,
    MailOutcomes,
    MailServer,
    Reader,
    ReturnPath,
)
from notifier.ports.unit import NotifierUnit
from servicekit.clock import Clock
from servicekit.switches import Switch
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

log = structlog.get_logger()

# While the server takes nothing from us, somebody asks so often whether it does again.
AWAY = timedelta(seconds=5)
UNKNOWN = "unknown"
ADDRESS_MARK_LETTERS = 8


@dataclass(frozen=True, slots=True)
class MailPace:
    """How fast the account may be written to: each mail is counted, and it may ask for a pause."""

    spend: Callable[[], None]
    pause: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Recipients:
    """Those of a chunk who are to be written to, and what is known before anything is."""

    chunk: Chunk
    delivery: Delivery
    places: list[int]
    mailed: Collection[int]
    people: Mapping[str, Person]
    suppressions: Mapping[str, Suppression]
    unsubscribed: Collection[str]
    preferences: Mapping[str, Preferences]
    campaign: str
    hidden: bool = False


@dataclass(slots=True)
class _Slice:
    """What is sent, and who is not sent to."""

    read: Recipients
    mails: dict[int, Mail] = field(default_factory=dict)
    settled: dict[int, Standing] = field(default_factory=dict)

    def before(self, place: int) -> Standing:
        return self.read.delivery.standings[place]

    def digest(self, place: int) -> str:
        person = self.read.people[self.read.chunk.recipients[place]]
        return address_digest(person.address or "")


@dataclass(frozen=True, slots=True)
class SendEmails:
    """Performs work of the kind `email`."""

    units: UnitsOfWork[NotifierUnit]
    letters: Letters
    links: MailLinks
    server: MailServer
    outcomes: MailOutcomes
    pace: MailPace
    clock: Clock
    slice_most: int
    first_pause: timedelta
    # The operators' switch that holds now, if any: mails wait under it and keep their turn.
    paused: Callable[[], Switch | None] = lambda: None

    async def __call__(self, claim: Claim) -> None:
        if self.paused() is not None:
            due = self.clock.now() + AWAY
            await self.units.run(lambda unit: unit.plumbing.work.postpone(claim, due))
            return
        chunk_id = str(claim.item.payload["chunk_id"])
        read = await self.units.run(lambda unit: self._read(unit, chunk_id))
        sliced = await self._written(read)
        await self.units.run(lambda unit: self._mark(unit, claim, sliced))
        if not sliced.mails:
            await self._tell(sliced, sliced.settled, {})
            return
        answers = await self._send(sliced)
        ended = await self.units.run(lambda unit: self._end(unit, claim, sliced, answers))
        await self._tell(sliced, sliced.settled | ended, answers)

    async def _read(self, unit: NotifierUnit, chunk_id: str) -> Recipients:
        chunk = (await unit.chunks.load([chunk_id]))[chunk_id]
        delivery = (await unit.deliveries.load(Channel.EMAIL, [chunk_id]))[chunk_id]
        return await read_recipients(unit, chunk, delivery, self.clock.now(), self.slice_most)

    async def _written(self, read: Recipients) -> _Slice:
        """Write a letter to everybody who may be written to."""
        ids = NotificationIds(read.chunk.told.cause, read.chunk.told.caused_at)
        sliced, now = _Slice(read), self.clock.now()
        for place in read.places:
            settled = not_written_to(read, place, now)
            if settled is not None:
                sliced.settled[place] = settled
                continue
            person = read.people[read.chunk.recipients[place]]
            letter = self._letter(read, place, person, ids, now)
            written = self._write(letter, sliced.before(place), now)
            if isinstance(written, Mail):
                sliced.mails[place] = written
            else:
                sliced.settled[place] = written
            # A slice of letters takes as long as a batch; who else waits has a turn between two.
            await asyncio.sleep(0)
        return sliced

    def _write(self, letter: Letter, before: Standing, now: datetime) -> Mail | Standing:
        """Return the mail, or why there is none.

        A letter that cannot be written is a bug of ours: it keeps nobody else waiting, and is
        tried again for as long as a server would be, in which a release can mend it.
        """
        try:
            return self.letters.write(letter)
        except LetterRefused as refusal:
            without = refusal.reason == "no-address"
            state = DeliveryState.SUPPRESSED if without else DeliveryState.FAILED
            return Standing(state, refusal.reason)
        except Exception as error:
            log.exception("a letter cannot be written", cause=letter.told.cause, error=repr(error))
            return _given_up(tried_again(before, "unwritten", now, self.first_pause))

    def _letter(
        self, read: Recipients, place: int, person: Person, ids: NotificationIds, now: datetime
    ) -> Letter:
        address = person.address or ""
        key = delivery_key(Channel.EMAIL, read.chunk.chunk_id)
        mark = address_digest(address)[:ADDRESS_MARK_LETTERS]
        return Letter(
            told=read.chunk.told,
            campaign=read.campaign,
            notification_id=ids.of(person.person_id),
            reader=Reader(
                person.person_id, address, person.display_name or "", person.language, person.zone
            ),
            return_path=self.links.return_path(ReturnPath(key, place, mark)),
            written_at=now,
            may_be_muted=may_be_muted(read.chunk.told, read.chunk.role),
            role=read.chunk.role,
        )

    async def _mark(self, unit: NotifierUnit, claim: Claim, sliced: _Slice) -> None:
        """Save who is not sent to, and who is being sent to from now on."""
        await unit.plumbing.work.confirm([claim])
        delivery = await _fresh(unit, sliced.read)
        sending = {
            place: Standing(DeliveryState.SENDING, attempts=sliced.before(place).attempts)
            for place in sliced.mails
        }
        delivery = await _moved(unit, delivery, sliced.settled | sending)
        await note_unreached(unit, sliced.read.chunk, sliced.settled, self.clock.now())
        if not sliced.mails:
            await self._let_go(unit, claim, delivery, None)

    async def _send(self, sliced: _Slice) -> dict[int, Answer]:
        async def one(place: int, mail: Mail) -> Answer:
            if place in sliced.read.mailed:
                return Answer(Answered.TAKEN)
            self.pace.spend()
            return await self.server.send(mail)

        answers = await asyncio.gather(*(one(*item) for item in sliced.mails.items()))
        if any(answer.answered is Answered.AWAY for answer in answers):
            self.pace.pause(AWAY.total_seconds())
        return dict(zip(sliced.mails, answers, strict=True))

    async def _end(
        self, unit: NotifierUnit, claim: Claim, sliced: _Slice, answers: Mapping[int, Answer]
    ) -> dict[int, Standing]:
        """Save what became of each, and whose address is not written to any more."""
        now = self.clock.now()
        await unit.plumbing.work.confirm([claim])
        delivery = await _fresh(unit, sliced.read)
        ended = {
            place: self._outcome(sliced.before(place), answer, now)
            for place, answer in answers.items()
            # A bounce may have come back before the server's own answer was saved.
            if delivery.standings[place].state is DeliveryState.SENDING
        }
        delivery = await _moved(unit, delivery, ended)
        await note_unreached(unit, sliced.read.chunk, ended, now)
        await _suppress(unit, sliced, answers, ended, now)
        away = any(answer.answered is Answered.AWAY for answer in answers.values())
        await self._let_go(unit, claim, delivery, now + AWAY if away else None)
        return ended

    def _outcome(self, before: Standing, answer: Answer, now: datetime) -> Standing:
        match answer.answered:
            case Answered.TAKEN:
                return Standing(DeliveryState.DELIVERED)
            case Answered.REFUSED:
                what = class_of(answer.code, answer.status)
                about_content = what is BounceClass.CONTENT
                reason = "content-refused" if about_content else "address-refused"
                return Standing(DeliveryState.FAILED, reason)
            case Answered.AWAY:
                if _may_have_been_sent(before):
                    return Standing(DeliveryState.LATER, UNKNOWN, now + AWAY, before.attempts)
                return before
            case Answered.UNKNOWN:
                return _given_up(tried_again(before, UNKNOWN, now, self.first_pause))
            case Answered.LATER:
                return _given_up(tried_again(before, "later", now, self.first_pause))

    async def _let_go(
        self, unit: NotifierUnit, claim: Claim, delivery: Delivery, not_before: datetime | None
    ) -> None:
        """Give the work back for its next slice, or end it when everybody has an outcome."""
        if not delivery.left:
            await unit.plumbing.work.finish([claim])
            return
        now = self.clock.now()
        due = now if delivery.has_more else (delivery.next_due or now)
        await unit.plumbing.work.postpone(claim, max(due, not_before or due))

    async def _tell(
        self, sliced: _Slice, outcomes: Mapping[int, Standing], answers: Mapping[int, Answer]
    ) -> None:
        self._observe(sliced, outcomes, answers)
        await self.outcomes.tell(sliced.read.chunk, outcomes, self.clock.now())

    def _observe(
        self, sliced: _Slice, outcomes: Mapping[int, Standing], answers: Mapping[int, Answer]
    ) -> None:
        for place in sliced.mails:
            if _may_have_been_sent(sliced.before(place)):
                POSSIBLY_REPEATED.inc()
        for place, answer in answers.items():
            if place in outcomes and (what := _bounce(outcomes[place], answer)) is not None:
                BOUNCES.labels(what).inc()
        delay = (self.clock.now() - sliced.read.chunk.told.caused_at).total_seconds()
        for standing in outcomes.values():
            if standing.state in OPEN:
                DELIVERIES.labels(Channel.EMAIL, DeliveryState.LATER).inc()
                continue
            DELIVERIES.labels(Channel.EMAIL, standing.state).inc()
            if standing.state is DeliveryState.DELIVERED:
                TOLD_DELAY.labels(Channel.EMAIL).observe(max(0.0, delay))


async def read_recipients(
    unit: NotifierUnit, chunk: Chunk, delivery: Delivery, now: datetime, most: int
) -> Recipients:
    """Read what is known of those of a chunk who are to be written to now."""
    told, places = chunk.told, delivery.ready(now, most)
    people = await unit.people.load({chunk.recipients[place] for place in places})
    digests = {address_digest(one.address) for one in people.values() if one.address}
    title = await title_of(unit, told.campaign_id)
    notifications = NotificationIds(told.cause, told.caused_at)
    ids = {notifications.of(chunk.recipients[place]): place for place in places}
    mailed = {ids[one] for one in await unit.mailed.among(ids)}
    unsubscribed: set[str] = set()
    preferences: dict[str, Preferences] = {}
    if may_be_muted(told, chunk.role):
        unsubscribed = await unit.unsubscriptions.of(told.campaign_id, people)
        preferences = await unit.preferences.load(people)
    update = update_told_of(told, chunk.role)
    return Recipients(
        chunk=chunk,
        delivery=delivery,
        places=places,
        mailed=mailed,
        people=people,
        suppressions=await unit.suppressions.load(digests),
        unsubscribed=unsubscribed,
        preferences=preferences,
        campaign=title,
        hidden=update is not None and bool(await unit.hidden_updates.among([update])),
    )


def not_written_to(read: Recipients, place: int, now: datetime) -> Standing | None:
    """Return how somebody stands who is not written to, or not now; None for who is."""
    person = read.people.get(read.chunk.recipients[place])
    reason = _why_not(read, person, now)
    if reason or person is None:
        return Standing(DeliveryState.SUPPRESSED, reason)
    return _as_asked(read, person, read.delivery.standings[place], now)


def _why_not(read: Recipients, person: Person | None, now: datetime) -> str:
    """Return why this person is not written to, empty if nothing speaks against it."""
    if read.chunk.reason_gone:
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
    return "unsubscribed" if person.person_id in read.unsubscribed else ""


def _as_asked(read: Recipients, person: Person, before: Standing, now: datetime) -> Standing | None:
    """Return how somebody stands who asked not to be written to, or not now; else None.

    Who may have the mail already is not asked: their outcome is to be found out.
    """
    if _may_have_been_sent(before):
        return None
    preferences = read.preferences.get(person.person_id, Preferences())
    match decide(read.chunk.told, preferences, person.clock_zone, now, read.chunk.role):
        case Suppress(reason):
            return Standing(DeliveryState.SUPPRESSED, reason, attempts=before.attempts)
        case Later(at, reason):
            return Standing(DeliveryState.LATER, reason, at, before.attempts)
    return None


def _may_have_been_sent(before: Standing) -> bool:
    return before.state is DeliveryState.SENDING or before.reason == UNKNOWN


def _given_up(standing: Standing) -> Standing:
    if standing.state is DeliveryState.FAILED:
        return Standing(DeliveryState.FAILED, "expired", attempts=standing.attempts)
    return standing


async def _fresh(unit: NotifierUnit, read: Recipients) -> Delivery:
    """Return the delivery as it is now: a bounce may have moved somebody since it was read."""
    chunk_id = read.chunk.chunk_id
    return (await unit.deliveries.load(Channel.EMAIL, [chunk_id]))[chunk_id]


async def _moved(
    unit: NotifierUnit, delivery: Delivery, standings: Mapping[int, Standing]
) -> Delivery:
    moved = delivery.moved(standings)
    await unit.deliveries.save(moved, standings.keys())
    return moved


async def _suppress(
    unit: NotifierUnit,
    sliced: _Slice,
    answers: Mapping[int, Answer],
    ended: Mapping[int, Standing],
    now: datetime,
) -> None:
    bounced = {
        sliced.digest(place): what
        for place, standing in ended.items()
        if (what := _bounce(standing, answers[place])) not in (None, BounceClass.CONTENT)
    }
    known = await unit.suppressions.load(bounced) if bounced else {}
    await unit.suppressions.save(
        [after_bounce(known.get(one), one, what, now) for one, what in bounced.items()]
    )


def _bounce(standing: Standing, answer: Answer) -> BounceClass | None:
    """Return what a failure says, None where nothing failed."""
    if standing.state is not DeliveryState.FAILED:
        return None
    if answer.answered is Answered.REFUSED:
        return class_of(answer.code, answer.status)
    return BounceClass.SOFT
