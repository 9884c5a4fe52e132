"""Writing to a chunk's people by e-mail, a slice of them at a time.

A slice is read, its letters are written, it is marked as being sent, sent, and what became of it is
saved. Between two slices the work is let go of, so that what is more urgent, or another cause's
turn, comes first. A crash leaves at most the slices in hand marked: they are sent again with the
same Message-IDs and counted as possibly repeated.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain

import structlog

from notifier.domain.audience import is_too_old
from notifier.domain.bounce import REASONS, BounceClass
from notifier.domain.cause import USUAL
from notifier.domain.chunk import Chunk
from notifier.domain.delivery import (
    OPEN,
    Channel,
    Delivery,
    DeliveryState,
    Place,
    Standing,
    delivery_key,
    tried_again,
)
from notifier.domain.kind import may_be_muted, rules_of
from notifier.domain.notification import NotificationIds
from notifier.domain.person import Person
from notifier.domain.suppression import address_digest, after_bounce
from notifier.handlers.bursts import Companion, Companions, read_companions, released, sort_out
from notifier.handlers.email_work import email_work_id
from notifier.handlers.mail_domains import MailDomains
from notifier.handlers.recipients import (
    HELD,
    UNKNOWN,
    Recipients,
    may_have_been_sent,
    not_written_to,
    read_recipients,
)
from notifier.handlers.unreached import note_unreached
from notifier.metrics import (
    BOUNCES,
    DELIVERIES,
    MERGED,
    POSSIBLY_REPEATED,
    TOLD_DELAY,
    WAITING,
)
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
from servicekit.errors import Conflict
from servicekit.loops import beat
from servicekit.switches import Switch
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

log = structlog.get_logger()

# While the server takes nothing from us, somebody asks so often whether it does again.
AWAY = timedelta(seconds=5)
ADDRESS_MARK_LETTERS = 8
ENDS_MOST = 10
END_AGAIN_SECONDS = 0.1
EXPIRED = "expired"
# So many letters are written before who else waits has a turn.
LETTERS_A_TURN = 10


@dataclass(frozen=True, slots=True)
class MailPace:
    """How fast the account may be written to: each mail is counted, and it may ask for a pause."""

    spend: Callable[[], None]
    pause: Callable[[float], None]


Outcomes = dict[str, dict[int, Standing]]


@dataclass(slots=True)
class _Slice:
    """What is sent, what else goes in each mail, and who is not sent to.

    `outcomes` are how people came to stand, by chunk and place, and are told once they are saved.
    """

    read: Recipients
    mails: dict[int, Mail] = field(default_factory=dict)
    inside: dict[int, Sequence[Companion]] = field(default_factory=dict)
    settled: dict[int, Standing] = field(default_factory=dict)
    aside: list[tuple[Companion, Standing]] = field(default_factory=list)
    outcomes: Outcomes = field(default_factory=dict)

    def before(self, place: int) -> Standing:
        return self.read.before(place)

    @property
    def is_urgent(self) -> bool:
        return rules_of(self.read.chunk.told).priority < USUAL

    def digest(self, place: int) -> str:
        person = self.read.people[self.read.chunk.recipients[place]]
        return address_digest(person.address or "")

    def chunks(self) -> dict[str, Chunk]:
        """Return the chunks in which somebody is moved, its own first."""
        companions = [*chain(*self.inside.values()), *(one for one, _ in self.aside)]
        own = {self.read.chunk.chunk_id: self.read.chunk}
        return own | {one.at.chunk_id: one.read.chunk for one in companions}

    def untried(self, answers: Mapping[int, Answer]) -> set[Place]:
        """Return who was not tried: no server said anything of them.

        They wait because they asked to (a digest, quiet hours), or for their mail domain.
        """
        own = self.read.chunk.chunk_id
        held = {place for place, one in answers.items() if one.answered is Answered.HELD}
        same = {p for p, one in self.settled.items() if one.attempts == self.before(p).attempts}
        inside = {one.at for place in held for one in self.inside.get(place, ())}
        return {Place(own, one) for one in held | same} | inside | {one.at for one, _ in self.aside}

    def drop_moved(self, fresh: Mapping[str, Delivery]) -> None:
        """Leave alone whoever another process, or a report, has moved since they were read.

        A mail that was written with somebody's notice in it waits for its next turn then.
        """
        own = fresh[self.read.chunk.chunk_id].standings
        moved = {p for p in [*self.mails, *self.settled] if own[p] != self.before(p)}
        moved |= {
            p for p, inside in self.inside.items() if any(_moved(one, fresh) for one in inside)
        }
        for place in moved:
            self.mails.pop(place, None)
            self.inside.pop(place, None)
            self.settled.pop(place, None)
        self.aside = [(one, after) for one, after in self.aside if not _moved(one, fresh)]


def _moved(companion: Companion, fresh: Mapping[str, Delivery]) -> bool:
    at = companion.at
    return at.chunk_id not in fresh or fresh[at.chunk_id].standings[at.place] != companion.before


@dataclass(frozen=True, slots=True)
class SendEmails:
    """Performs work of the kind `email`."""

    units: UnitsOfWork[NotifierUnit]
    letters: Letters
    links: MailLinks
    server: MailServer
    outcomes: MailOutcomes
    pace: MailPace
    domains: MailDomains
    clock: Clock
    slice_most: int
    first_pause: timedelta
    # Whether what waits for the same person of the same project goes in one mail.
    merges: bool = False
    # The operators' switch that holds now, if any: mails wait under it and keep their turn.
    paused: Callable[[], Switch | None] = lambda: None

    async def __call__(self, claim: Claim) -> None:
        if self.paused() is not None:
            due = self.clock.now() + AWAY
            await self.units.run(lambda unit: unit.plumbing.work.postpone(claim, due))
            return
        chunk_id = str(claim.item.payload["chunk_id"])
        read, companions = await self.units.run(lambda unit: self._read(unit, chunk_id))
        sliced = await self._written(read, companions)
        await self.units.run(lambda unit: self._mark(unit, claim, sliced))
        if not sliced.mails:
            await self._tell(sliced, {})
            return
        answers = await self._send(sliced)
        await self._ended(claim, sliced, answers)
        await self._tell(sliced, answers)

    async def _read(self, unit: NotifierUnit, chunk_id: str) -> tuple[Recipients, Companions]:
        chunk = (await unit.chunks.load([chunk_id]))[chunk_id]
        delivery = (await unit.deliveries.load(Channel.EMAIL, [chunk_id]))[chunk_id]
        now = self.clock.now()
        read = await read_recipients(unit, chunk, delivery, now, self.slice_most)
        return read, await read_companions(unit, read, now, also_new=self.merges)

    async def _written(self, read: Recipients, companions: Companions) -> _Slice:
        """Write a letter to everybody who may be written to."""
        ids = NotificationIds(read.chunk.told.cause, read.chunk.told.caused_at)
        sliced, now = _Slice(read), self.clock.now()
        for number, place in enumerate(read.places, 1):
            inside = companions.get(place, ())
            if read.before(place).carries:
                inside, gone = sort_out(inside, now)
                sliced.aside += gone
            settled = not_written_to(read, place, now) or self._held(sliced, place, now)
            if settled is None:
                person = read.people[read.chunk.recipients[place]]
                letter = self._letter(read, place, person, ids, now)
                settled, inside = self._write_all(sliced, place, letter, inside, now)
            if settled is not None:
                sliced.settled[place] = settled
                if read.before(place).carries and settled.state not in OPEN:
                    sliced.aside += released(inside, now)
            if number % LETTERS_A_TURN == 0:
                # A slice of letters takes as long as a batch.
                await asyncio.sleep(0)
        return sliced

    def _held(self, sliced: _Slice, place: int, now: datetime) -> Standing | None:
        """Return how somebody stands whose domain is not written to now, None where it is.

        For a domain that takes nothing nobody waits longer than anything is told.
        """
        read, before = sliced.read, sliced.before(place)
        if place in read.mailed:
            return None
        address = read.people[read.chunk.recipients[place]].address or ""
        waited = before.state is not DeliveryState.PENDING
        again_at = self.domains.held_until(address, urgent=sliced.is_urgent, waited=waited)
        if again_at is None:
            return None
        if is_too_old(read.chunk.told, now) and self.domains.takes_nothing(address):
            return Standing(DeliveryState.FAILED, EXPIRED, attempts=before.attempts)
        return _waiting(before, again_at)

    def _write_all(
        self,
        sliced: _Slice,
        place: int,
        letter: Letter,
        inside: Sequence[Companion],
        now: datetime,
    ) -> tuple[Standing | None, Sequence[Companion]]:
        """Keep the mail of a letter with what else goes in it; return why there is none, if so.

        What makes it too large, or cannot be written, goes in another mail: half of it is left out
        until the rest can be sent. A set that may have been sent before stays as it is.
        """
        before = sliced.before(place)
        while True:
            others = tuple(one.read.told for one in inside)
            written = self._write(replace(letter, others=others), before, now)
            if isinstance(written, Mail):
                sliced.mails[place] = written
                if inside:
                    sliced.inside[place] = inside
                return None, inside
            if before.carries or not inside:
                kept = before.carries if written.state in OPEN else ()
                return replace(written, carries=kept), inside
            inside = inside[: len(inside) // 2]

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
            return self._tried_again(before, "unwritten", now)

    def _letter(
        self, read: Recipients, place: int, person: Person, ids: NotificationIds, now: datetime
    ) -> Letter:
        address = person.address or ""
        key = delivery_key(Channel.EMAIL, read.chunk.chunk_id)
        mark = address_digest(address)[:ADDRESS_MARK_LETTERS]
        return Letter(
            told=read.told,
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
        """Save who is not sent to, and who is being sent to from now on, in whose mail."""
        await unit.plumbing.work.confirm([claim])
        fresh = await _fresh(unit, sliced)
        sliced.drop_moved(fresh)
        sending: Outcomes = defaultdict(dict)
        for place in sliced.mails:
            inside = sliced.inside.get(place, ())
            sending[sliced.read.chunk.chunk_id][place] = Standing(
                DeliveryState.SENDING,
                attempts=sliced.before(place).attempts,
                carries=tuple(one.at for one in inside),
            )
            for one in inside:
                sending[one.at.chunk_id][one.place] = Standing(
                    DeliveryState.SENDING,
                    attempts=one.before.attempts,
                    inside=sliced.read.notification_id(place),
                )
        sliced.outcomes = _settled(sliced)
        now = self.clock.now()
        delivery = await _save(unit, sliced, fresh, [sending, sliced.outcomes], now, now)
        if not sliced.mails:
            await self._let_go(unit, claim, delivery, now)

    async def _send(self, sliced: _Slice) -> dict[int, Answer]:
        async def hand_over(mail: Mail) -> Answer:
            self.pace.spend()
            answer = await self.server.send(mail)
            # A slow server may take minutes for all of a slice.
            beat()
            return answer

        async def one(place: int, mail: Mail) -> Answer:
            if place in sliced.read.mailed:
                return Answer(Answered.TAKEN)
            return await self.domains.send(mail, hand_over, urgent=sliced.is_urgent)

        answers = await asyncio.gather(*(one(*item) for item in sliced.mails.items()))
        if any(answer.answered is Answered.AWAY for answer in answers):
            self.pace.pause(AWAY.total_seconds())
        return dict(zip(sliced.mails, answers, strict=True))

    async def _ended(self, claim: Claim, sliced: _Slice, answers: Mapping[int, Answer]) -> None:
        """Save it though slices of other causes, with the same people, stand in the way.

        These mails have left: whoever gives up here sends them once more.
        """
        for attempt in range(1, ENDS_MOST + 1):
            try:
                await self.units.run(lambda unit: self._end(unit, claim, sliced, answers))
                return
            except Conflict:
                if attempt == ENDS_MOST:
                    raise
            await asyncio.sleep(END_AGAIN_SECONDS)

    async def _end(
        self, unit: NotifierUnit, claim: Claim, sliced: _Slice, answers: Mapping[int, Answer]
    ) -> None:
        """Save what became of each, and whose address is not written to any more."""
        now = self.clock.now()
        await unit.plumbing.work.confirm([claim])
        fresh = await _fresh(unit, sliced)
        own = sliced.read.chunk.chunk_id
        ended: Outcomes = defaultdict(dict)
        for place, answer in answers.items():
            # A bounce may have come back before the server's own answer was saved.
            if fresh[own].standings[place].state is DeliveryState.SENDING:
                ended[own][place], others = self._outcomes(sliced, place, answer, now)
                for one, standing in others:
                    ended[one.at.chunk_id][one.place] = standing
        away = any(answer.answered is Answered.AWAY for answer in answers.values())
        not_before = now + AWAY if away else now
        delivery = await _save(unit, sliced, fresh, [ended], now, not_before)
        await _suppress(unit, sliced, answers, ended[own], now)
        await self._let_go(unit, claim, delivery, not_before)
        sliced.outcomes = _together(_settled(sliced), ended)

    def _outcomes(
        self, sliced: _Slice, place: int, answer: Answer, now: datetime
    ) -> tuple[Standing, list[tuple[Companion, Standing]]]:
        """Return what became of a mail, and of each notice in it that does not wait on with it.

        Where it is certain that nothing was sent they part, and may find together again. Else they
        stay together until the end, which is the same for all.
        """
        before, inside = sliced.before(place), sliced.inside.get(place, ())
        own = self._outcome(before, answer, now)
        if answer.answered is Answered.HELD and is_too_old(sliced.read.chunk.told, now):
            own = Standing(DeliveryState.FAILED, EXPIRED, attempts=before.attempts)
        certain = answer.answered in (Answered.LATER, Answered.AWAY, Answered.HELD)
        if certain and not may_have_been_sent(before):
            return own, [(one, self._outcome(one.before, answer, now)) for one in inside]
        carries = tuple(one.at for one in inside)
        if own.state in OPEN:
            return replace(own, carries=carries), []
        shared = replace(own, inside=sliced.read.notification_id(place))
        return replace(own, carries=carries), [(one, shared) for one in inside]

    def _outcome(self, before: Standing, answer: Answer, now: datetime) -> Standing:
        match answer.answered:
            case Answered.TAKEN:
                return Standing(DeliveryState.DELIVERED)
            case Answered.REFUSED:
                return Standing(DeliveryState.FAILED, REASONS[answer.bounce])
            case Answered.AWAY:
                if may_have_been_sent(before):
                    return Standing(DeliveryState.LATER, UNKNOWN, now + AWAY, before.attempts)
                return before
            case Answered.UNKNOWN:
                return self._tried_again(before, UNKNOWN, now)
            case Answered.LATER:
                return self._tried_again(before, "later", now)
            case Answered.HELD:
                return _waiting(before, answer.again_at or now)

    def _tried_again(self, before: Standing, reason: str, now: datetime) -> Standing:
        """Return who waits for the next try, or was given up.

        What was perhaps sent once stays so, whatever is answered to its repeat: it goes in no
        other mail, and nothing new goes in it.
        """
        kept = UNKNOWN if may_have_been_sent(before) else reason
        return _given_up(tried_again(before, kept, now, self.first_pause))

    async def _let_go(
        self, unit: NotifierUnit, claim: Claim, delivery: Delivery, not_before: datetime
    ) -> None:
        """Give the work back for its next slice, or end it when everybody has an outcome."""
        if not delivery.left:
            await unit.plumbing.work.finish([claim])
            return
        now = self.clock.now()
        # Whoever else is left is inside another mail, and comes to an end with that.
        due = now if delivery.has_more else (delivery.next_due or now + self.first_pause)
        await unit.plumbing.work.postpone(claim, max(due, not_before))

    async def _tell(self, sliced: _Slice, answers: Mapping[int, Answer]) -> None:
        for place in sliced.mails:
            tried = place in answers and answers[place].answered is not Answered.HELD
            if tried and may_have_been_sent(sliced.before(place)):
                POSSIBLY_REPEATED.inc()
        own = sliced.outcomes.get(sliced.read.chunk.chunk_id, {})
        for place, answer in answers.items():
            if place in own and (what := _bounce(own[place], answer)) is not None:
                BOUNCES.labels(what).inc()
        untried = sliced.untried(answers)
        for chunk_id, chunk in sliced.chunks().items():
            standings = sliced.outcomes.get(chunk_id, {})
            self._observe(chunk, standings, untried)
            await self.outcomes.tell(chunk, standings, self.clock.now())

    def _observe(
        self, chunk: Chunk, standings: Mapping[int, Standing], untried: Collection[Place]
    ) -> None:
        """Count outcomes; a metric is looked up for a slice, not for each person of it."""
        delay = (self.clock.now() - chunk.told.caused_at).total_seconds()
        told, outcomes = TOLD_DELAY.labels(Channel.EMAIL), Counter[str]()
        for place, standing in standings.items():
            if standing.state in OPEN:
                waits = Place(chunk.chunk_id, place) in untried
                outcomes[WAITING if waits else DeliveryState.LATER] += 1
                continue
            outcomes[standing.state] += 1
            if standing.state is DeliveryState.DELIVERED:
                told.observe(max(0.0, delay))
                if standing.inside:
                    MERGED.inc()
        for outcome, count in outcomes.items():
            DELIVERIES.labels(Channel.EMAIL, outcome).inc(count)


def _waiting(before: Standing, until: datetime) -> Standing:
    """Return who waits for their mail domain: nothing is counted against them.

    What was perhaps sent once stays so, with all that its mail holds.
    """
    reason = UNKNOWN if may_have_been_sent(before) else HELD
    return Standing(DeliveryState.LATER, reason, until, before.attempts, before.carries)


def _given_up(standing: Standing) -> Standing:
    if standing.state is DeliveryState.FAILED:
        return Standing(DeliveryState.FAILED, EXPIRED, attempts=standing.attempts)
    return standing


async def _fresh(unit: NotifierUnit, sliced: _Slice) -> dict[str, Delivery]:
    """Return the deliveries as they are now: somebody may have been moved since they were read."""
    return await unit.deliveries.load(Channel.EMAIL, sliced.chunks())


def _settled(sliced: _Slice) -> Outcomes:
    """Return how those stand who are not sent to."""
    aside: Outcomes = defaultdict(dict)
    for one, standing in sliced.aside:
        aside[one.at.chunk_id][one.place] = standing
    return _together({sliced.read.chunk.chunk_id: sliced.settled}, aside)


def _together(*outcomes: Outcomes) -> Outcomes:
    return {
        chunk_id: {place: one for mine in outcomes for place, one in mine.get(chunk_id, {}).items()}
        for chunk_id in dict.fromkeys(chain(*outcomes))
    }


async def _save(
    unit: NotifierUnit,
    sliced: _Slice,
    fresh: Mapping[str, Delivery],
    outcomes: Sequence[Outcomes],
    now: datetime,
    not_before: datetime,
) -> Delivery:
    """Save how people stand; return their own chunk's delivery.

    Whoever goes by themselves again is looked for when they are due, but `not_before` that.
    """
    chunks, own = sliced.chunks(), sliced.read.chunk.chunk_id
    saved = fresh[own]
    for chunk_id, standings in _together(*outcomes).items():
        moved = fresh[chunk_id].moved(standings)
        await unit.deliveries.save(moved, standings.keys())
        await note_unreached(unit, chunks[chunk_id], standings, now)
        if chunk_id == own:
            saved = moved
        elif any(one.state in OPEN and not one.inside for one in standings.values()):
            due = now if moved.has_more else (moved.next_due or now)
            await unit.plumbing.work.hasten([email_work_id(chunk_id)], max(due, not_before))
    return saved


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
    """Return what a failure says of the address, None where nothing failed or it says nothing.

    Of whoever is given up while their mail domain takes nothing, only that domain has spoken, and
    where no answer came nobody has.
    """
    says_nothing = answer.answered is Answered.HELD or not answer.code
    return answer.bounce if standing.state is DeliveryState.FAILED and not says_nothing else None
