"""Notifier's stores in memory; `test_stores.py` holds them and the real ones to one suite."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from notifier.adapters.facts import OutboxFacts
from notifier.domain.cause import Cause, CauseState, Told, Totals, Withdrawal
from notifier.domain.chunk import (
    ENDED,
    Chunk,
    ChunkState,
    Member,
    forget,
    totals_of,
    withdraw,
)
from notifier.domain.delivery import Channel, Delivery
from notifier.domain.kind import ToldAs, is_emergency
from notifier.domain.person import Person
from notifier.domain.receipt_question import ReceiptQuestion
from notifier.domain.suppression import Suppression, address_digest
from notifier.ports.queries import InboxEntry, OpenCauses, RoleTotals
from notifier.ports.unit import Departure, Membership, NotifierUnit
from notifier.wire import told
from notifier.wire.erasures import erased
from servicekit.clock import Clock
from servicekit.errors import Conflict
from servicekit.memory import MemoryDatabase
from servicekit.units import MemoryUnitsOfWork, Plumbing
from services.notifier.tests.fakes_audience import (
    MemoryConsents,
    MemoryEndings,
    MemoryReturnedPledges,
    MemorySieve,
)
from services.notifier.tests.fakes_edited_updates import MemoryEditedUpdates
from services.notifier.tests.fakes_email import (
    MemoryDeliveries,
    MemoryEmailQueries,
    MemoryMailed,
    MemorySuppressions,
    MemoryTitles,
    MemoryUnsubscriptions,
)
from services.notifier.tests.fakes_follows import MemoryFollows
from services.notifier.tests.fakes_hidden_updates import MemoryHiddenUpdates
from services.notifier.tests.fakes_people import MemoryPeople, MemoryReaders
from services.notifier.tests.fakes_personal_links import MemoryRevocations
from services.notifier.tests.fakes_preferences import MemoryPreferences
from services.notifier.tests.fakes_receipt_questions import MemoryReceiptQuestions
from services.notifier.tests.fakes_replays import MemoryReplays
from services.notifier.tests.fakes_unreached import (
    MemoryUnreachedMessages,
    MemoryUnreachedQueries,
)
from services.notifier.tests.fakes_webhooks import MemoryWebhookEndpoints
from services.notifier.tests.fakes_withdrawals import MemoryWithdrawals

PAGE = 2


class MemoryMemberships:
    def __init__(self, database: MemoryDatabase) -> None:
        self._memberships = database.table("memberships")
        self._departures = database.table("departures")

    async def add(self, memberships: Sequence[Membership]) -> None:
        for one in memberships:
            self._memberships.setdefault((one.campaign_id, one.pledge_id), one)

    async def has_backed(self, campaign_id: str, person_id: str) -> bool:
        mine = [m for m in self._memberships.values() if m.backer_id == person_id]
        return any(m.campaign_id == campaign_id for m in mine)

    async def belonging(self, campaign_id: str, backers: Collection[str], until: int) -> set[str]:
        gone = {place for place, one in self._departures.items() if one.left <= until}
        return {
            one.backer_id
            for place, one in self._memberships.items()
            if one.campaign_id == campaign_id
            and one.backer_id in backers
            and one.joined <= until
            and place not in gone
        }

    async def left_by(self, campaign_id: str, pledges: Collection[str], at: datetime) -> set[str]:
        return {
            one.pledge_id
            for one in self._departures.values()
            if one.campaign_id == campaign_id
            and one.pledge_id in pledges
            and one.left_at is not None
            and one.left_at <= at
        }

    async def behind(
        self, campaign_id: str, sequence: int, captured_until: datetime
    ) -> list[Membership]:
        joined = [m for m in self._memberships.values() if m.campaign_id == campaign_id]
        return [
            one
            for one in joined
            if one.joined > sequence
            and one.captured_at is not None
            and one.captured_at <= captured_until
        ]

    async def leave(self, departures: Sequence[Departure]) -> None:
        for one in departures:
            self._departures.setdefault((one.campaign_id, one.pledge_id), one)


class MemoryCauses:
    def __init__(self, database: MemoryDatabase) -> None:
        self._causes: dict[str, Cause] = database.table("causes")

    async def load(self, names: Collection[str]) -> dict[str, Cause]:
        return {name: self._causes[name] for name in names if name in self._causes}

    async def of_campaigns(self, campaign_ids: Collection[str], since: datetime) -> list[Cause]:
        mine = [c for c in self._causes.values() if c.told.campaign_id in campaign_ids]
        return [cause for cause in mine if cause.heard_at >= since]

    async def save(self, causes: Sequence[Cause]) -> None:
        for cause in causes:
            stored = self._causes.get(cause.name)
            if (stored.version if stored else 0) != cause.version:
                raise Conflict("a cause was saved by somebody else")
            self._causes[cause.name] = replace(cause, version=cause.version + 1)


class MemoryChunks:
    def __init__(self, database: MemoryDatabase) -> None:
        self._chunks: dict[str, Chunk] = database.table("chunks")
        self._erased: dict[str, set[str]] = database.table("erased")

    async def add_new(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        new = [chunk for chunk in chunks if chunk.chunk_id not in self._chunks]
        self._chunks.update({chunk.chunk_id: chunk for chunk in new})
        return new

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]:
        return {one: self._chunks[one] for one in chunk_ids if one in self._chunks}

    async def holding(
        self, chunk_ids: Collection[str], people: Collection[str]
    ) -> dict[str, Chunk]:
        found = await self.load(chunk_ids)
        return {one: c for one, c in found.items() if set(c.recipients) & set(people)}

    async def told_since(
        self, campaign_id: str, people: Collection[str], since: datetime, most: int
    ) -> list[str]:
        found = [
            one
            for one in self._chunks.values()
            if one.told.caused_at >= since and set(one.recipients) & set(people)
        ]
        newest = sorted(found, key=lambda one: one.told.caused_at, reverse=True)[:most]
        return [one.chunk_id for one in newest]

    async def done(self, chunk_ids: Collection[str], at: datetime) -> None:
        for one in chunk_ids:
            if self._chunks[one].state is ChunkState.PENDING:
                self._chunks[one] = replace(self._chunks[one], state=ChunkState.DONE)

    async def told_beside(self, told: Told, people: Collection[str]) -> set[str]:
        mine = [c for c in self._chunks.values() if c.told.cause == told.cause and not c.is_cut]
        told_of = {one for c in mine for one in {*c.recipients} - c.suppressed.keys()}
        return told_of & set(people)

    async def hushed_among(self, told: Told, people: Collection[str]) -> set[str]:
        mine = [c for c in self._chunks.values() if c.told.cause == told.cause]
        return {one for chunk in mine for one in chunk.suppressed} & set(people)

    async def address(self, chunk: Chunk) -> None:
        self._chunks[chunk.chunk_id] = chunk

    async def withdraw(self, withdrawals: Sequence[Withdrawal]) -> list[str]:
        concerned = [
            name
            for name, chunk in self._chunks.items()
            if any(one.concerns(name, chunk.told.caused_at) for one in withdrawals)
        ]
        for name in concerned:
            self._chunks[name] = withdraw(self._chunks[name])
        return concerned

    async def forget(self, recipients: Collection[str]) -> None:
        for name, chunk in list(self._chunks.items()):
            gone = set(recipients) & set(chunk.recipients)
            if chunk.partition is None and gone:
                self._erased[name] = self._erased.get(name, set()) | gone
                if self._erased[name] == set(chunk.recipients):
                    told = replace(chunk.told, content={})
                    self._chunks[name] = replace(chunk, told=told)

    async def shed(self, chunk_ids: Collection[str]) -> None:
        for name in chunk_ids:
            if self._chunks[name].state in ENDED:
                self._chunks[name] = forget(self._chunks[name])

    async def totals(self, cause: str) -> Totals:
        return totals_of(_planned_for(self._chunks, cause))


class MemoryCreators:
    def __init__(self, database: MemoryDatabase) -> None:
        self._creators: dict[str, str] = database.table("creators")
        self._teams: dict[str, Sequence[str]] = database.table("teams")

    async def add(self, creators: Mapping[str, str]) -> None:
        for campaign_id, creator_id in creators.items():
            self._creators.setdefault(campaign_id, creator_id)

    async def set_teams(self, teams: Mapping[str, Sequence[str]]) -> None:
        known = {one: members for one, members in teams.items() if one in self._creators}
        self._teams.update(known)

    async def team(self, campaign_id: str) -> list[str] | None:
        creator = self._creators.get(campaign_id)
        return None if creator is None else [creator, *self._teams.get(campaign_id, ())]


class MemoryAudience(MemorySieve):
    """`fail_after` stores lets a test crash the planner between two chunks."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self._chunks: dict[str, Chunk] = database.table("chunks")
        self.chunks_until_crash: int | None = None

    async def members(self, campaign_id: str, until: int) -> AsyncIterator[list[Member]]:
        standing = sorted(self._standing(campaign_id, until), key=lambda m: m.backer_id)
        found = [(m.backer_id, m.key_hash) for m in standing]
        for begin in range(0, len(found), PAGE):
            yield found[begin : begin + PAGE]

    async def store(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            if self.chunks_until_crash is not None:
                if self.chunks_until_crash == 0:
                    raise Crashed
                self.chunks_until_crash -= 1
            self._chunks.setdefault(chunk.chunk_id, chunk)

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]:
        return {one: self._chunks[one] for one in chunk_ids if one in self._chunks}


class Crashed(BaseException):
    """Stands for kill -9: no handler may catch it."""


class MemoryQueries(MemoryUnreachedQueries):
    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self._causes: dict[str, Cause] = database.table("causes")
        self._chunks: dict[str, Chunk] = database.table("chunks")
        self._email = MemoryEmailQueries(database)
        self._deliveries = MemoryDeliveries(database)
        self._readers: dict[str, datetime] = database.table("readers")
        self._people: dict[str, Person] = database.table("people")
        self._hidden: dict[tuple[str, str], datetime] = database.table("hidden")
        self._suppressions: dict[str, Suppression] = database.table("suppressions")
        self._creators: dict[str, str] = database.table("creators")
        self._teams: dict[str, Sequence[str]] = database.table("teams")
        self._hidden_updates = MemoryHiddenUpdates(database)
        self._receipt_questions = MemoryReceiptQuestions(database)

    async def updates_hidden(self, updates: Collection[str]) -> set[str]:
        return await self._hidden_updates.among(updates)

    async def questions_over(self, questions: Collection[ReceiptQuestion]) -> set[ReceiptQuestion]:
        return await self._receipt_questions.over_among(questions)

    async def inbox(
        self, person_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[InboxEntry]:
        entries = [
            InboxEntry(replace(c, recipients=(person_id,)), (c.told.caused_at, c.chunk_id))
            for c in self._chunks.values()
            if person_id in c.recipients
            and person_id not in c.suppressed
            and c.state is not ChunkState.WITHDRAWN
        ]
        entries.sort(key=lambda entry: entry.place, reverse=True)
        return [e for e in entries if before is None or e.place < before][:limit]

    async def told_at(self, person_id: str, at: datetime) -> list[Chunk]:
        entries = await self.inbox(person_id, None, len(self._chunks))
        return [
            one.chunk
            for one in entries
            if at <= one.chunk.told.caused_at < at + timedelta(milliseconds=1)
        ]

    async def unread(self, person_id: str, after: datetime | None, most: int) -> int:
        told = await self.inbox(person_id, None, len(self._chunks))
        later = [one for one in told if after is None or one.chunk.told.caused_at > after]
        hidden = [at for (who, _), at in self._hidden.items() if who == person_id]
        gone = [at for at in hidden if after is None or at > after]
        return min(most, len(later) - len(gone))

    async def hide(self, person_id: str, notification_id: str, at: datetime) -> None:
        self._hidden[person_id, notification_id] = at

    async def unhide(self, person_id: str, notification_id: str) -> None:
        self._hidden.pop((person_id, notification_id), None)

    async def hidden_among(self, person_id: str, notification_ids: Collection[str]) -> set[str]:
        return {one for one in notification_ids if (person_id, one) in self._hidden}

    async def suppression(self, person_id: str) -> Suppression | None:
        person = self._people.get(person_id)
        if person is None or not person.address:
            return None
        return self._suppressions.get(address_digest(person.address))

    async def read_until(self, person_id: str) -> datetime | None:
        return self._readers.get(person_id)

    async def mark_read(self, person_id: str, until: datetime) -> datetime:
        self._readers[person_id] = max(until, self._readers.get(person_id, until))
        return self._readers[person_id]

    async def causes(
        self, campaign_id: str, before: tuple[datetime, str] | None = None, limit: int = 200
    ) -> list[Cause]:
        mine = [c for c in self._causes.values() if c.told.campaign_id == campaign_id]
        found = [cause for cause in mine if before is None or _age(cause) < before]
        return sorted(found, key=_age, reverse=True)[:limit]

    async def cause(self, name: str) -> Cause | None:
        return self._causes.get(name)

    async def chunk(self, chunk_id: str) -> Chunk | None:
        return self._chunks.get(chunk_id)

    async def unplanned(self, cause: str) -> list[Chunk]:
        mine = [c for c in self._chunks.values() if c.told.cause == cause and c.partition is None]
        return sorted(mine, key=lambda chunk: chunk.chunk_id)

    async def totals(self, cause: str) -> Totals:
        return totals_of(_planned_for(self._chunks, cause))

    async def totals_of(self, causes: Collection[str]) -> dict[str, Totals]:
        return {name: await self.totals(name) for name in causes}

    async def role_totals(self, causes: Collection[str]) -> dict[str, list[RoleTotals]]:
        return {name: self._role_totals(name) for name in causes}

    def _role_totals(self, cause: str) -> list[RoleTotals]:
        beside = [c for c in self._chunks.values() if c.told.cause == cause]
        found = {role: [c for c in beside if c.role is role] for role in ToldAs}
        return [
            RoleTotals(role, totals_of(mine), all(one.state in ENDED for one in mine))
            for role, mine in sorted(found.items())
            if mine and role is not ToldAs.BACKER
        ]

    async def channel_totals(self, channel: Channel, cause: str) -> Totals | None:
        return await self._email.totals(channel, cause)

    async def last_due(self, channel: Channel, cause: str) -> datetime | None:
        return await self._email.last_due(channel, cause)

    async def queued(self, channel: Channel) -> dict[int, int]:
        return await self._email.queued(channel)

    async def chunks_of(self, cause: str, after: str, limit: int) -> list[Chunk]:
        found = sorted(name for name, one in self._chunks.items() if one.told.cause == cause)
        return [self._chunks[name] for name in found if name > after][:limit]

    async def deliveries(self, channel: Channel, chunk_ids: Collection[str]) -> dict[str, Delivery]:
        return await self._deliveries.load(channel, chunk_ids)

    async def old_chunks(
        self, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Chunk]:
        ended = [c for c in self._chunks.values() if c.recipients and c.state in ENDED]
        places = sorted((c.told.caused_at, c.chunk_id) for c in ended)
        found = [p for p in places if p[0] <= until and (after is None or p > after)]
        return [self._chunks[chunk_id] for _, chunk_id in found[:limit]]

    async def creator(self, campaign_id: str) -> str | None:
        return self._creators.get(campaign_id)

    async def team(self, campaign_id: str) -> list[str] | None:
        creator = self._creators.get(campaign_id)
        return None if creator is None else [creator, *self._teams.get(campaign_id, ())]

    async def incomplete(self, limit: int, after: Cause | None = None) -> list[Cause]:
        found = sorted(self._open(), key=_age)
        return [c for c in found if after is None or _age(c) > _age(after)][:limit]

    async def open_causes(self) -> list[OpenCauses]:
        groups: dict[tuple[CauseState, bool], list[datetime]] = {}
        for cause in self._open():
            mine = groups.setdefault((cause.state, is_emergency(cause.told)), [])
            mine.append(cause.heard_at)
        return [OpenCauses(*group, len(heard), min(heard)) for group, heard in groups.items()]

    def _open(self) -> list[Cause]:
        return [c for c in self._causes.values() if c.state is not CauseState.COMPLETED]


def _age(cause: Cause) -> tuple[datetime, str]:
    return cause.heard_at, cause.name


def _planned_for(chunks: dict[str, Chunk], cause: str) -> list[Chunk]:
    return [c for c in chunks.values() if c.told.cause == cause and c.partition is not None]


def memory_units(database: MemoryDatabase, clock: Clock) -> MemoryUnitsOfWork[NotifierUnit]:
    """Units over the fakes, with the same facts as the service's own."""

    def bind(database: MemoryDatabase, plumbing: Plumbing) -> NotifierUnit:
        return NotifierUnit(
            plumbing=plumbing,
            memberships=MemoryMemberships(database),
            causes=MemoryCauses(database),
            chunks=MemoryChunks(database),
            creators=MemoryCreators(database),
            people=MemoryPeople(database),
            endings=MemoryEndings(database),
            returned=MemoryReturnedPledges(database),
            consents=MemoryConsents(database),
            sieve=MemorySieve(database),
            follows=MemoryFollows(database),
            revocations=MemoryRevocations(database),
            preferences=MemoryPreferences(database),
            readers=MemoryReaders(database),
            titles=MemoryTitles(database),
            deliveries=MemoryDeliveries(database),
            suppressions=MemorySuppressions(database),
            unsubscriptions=MemoryUnsubscriptions(database),
            mailed=MemoryMailed(database),
            hidden_updates=MemoryHiddenUpdates(database),
            edited_updates=MemoryEditedUpdates(database),
            receipt_questions=MemoryReceiptQuestions(database),
            withdrawals=MemoryWithdrawals(database),
            facts=OutboxFacts(plumbing.outbox, told.planned, told.completed, erased),
            endpoints=MemoryWebhookEndpoints(database),
            replays=MemoryReplays(database),
            unreached=MemoryUnreachedMessages(database),
        )

    return MemoryUnitsOfWork(database, clock, bind)
