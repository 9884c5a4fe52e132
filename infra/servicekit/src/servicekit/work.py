"""Work with effects outside the database: claimed under a lease, finished with its token.

One primitive for refunds, stages, notices (`architecture.md` 2.6). A claimed item is invisible
until its lease ends, then anybody may claim it again. What an abandoned attempt may have done
outside is the worker's business (`money.md` 6); what it may still *save* is refused here,
because finishing needs the token of the latest claim.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from pymongo import UpdateOne

from servicekit import metrics, traces
from servicekit.causes import Cause, Causes, Things, because_of, current
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway, LeaseLost
from servicekit.loops import Pulse, beating, pause_until_any
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Collection, Database, Document, Session, sorted_errors

log = structlog.get_logger()

# Offers of this process wake its workers; the poll finds what other processes offered, what falls
# due later, and leases that ran out.
POLL_SECONDS = 0.25
# Whoever performs an item shows more often that it goes on: it ends, ends a unit of work, or calls
# `loops.beat()`. Every single wait has a deadline far below this (a transaction's is 20 s).
HANGS_AFTER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Something to do: lower `priority` goes first, then earlier `due`; `payload` is BSON-safe.

    `cause` is why; where it is None, offering the item fills it in. `group` is whose work it is,
    where a dispatcher gives each group its turn.
    """

    id: str
    kind: str
    due: datetime
    priority: int = 100
    payload: dict[str, Any] = field(default_factory=dict)
    cause: Cause | None = None
    group: str = ""

    @property
    def things(self) -> Things:
        """Return what it is about, as its payload names it."""
        return tuple((name, str(value)) for name, value in self.payload.items())


@dataclass(frozen=True, slots=True)
class Claim:
    """An item that is ours until `lease_until`; `attempt` counts claims, from 1."""

    item: WorkItem
    token: str
    attempt: int
    lease_until: datetime


class WorkOffers(Protocol):
    """The side of the queue that is bound to a transaction."""

    async def offer(self, items: Sequence[WorkItem]) -> None:
        """Add the items; one whose id is already there stays as it is.

        An item is caused by the fact of this transaction that is about the same thing, else by
        what caused the transaction.
        """
        ...

    async def hasten(self, ids: Sequence[str], due: datetime) -> None:
        """Have the items looked at again at `due` at the latest; unknown ones stay unknown.

        Waiting ones are brought forward. A claimed one is marked: whoever holds it may have looked
        before there was something to see, so it comes back at `due`, however long it is let go of,
        and also where it is finished. A look that begins afterwards meets the wish.
        """
        ...

    async def confirm(self, claims: Sequence[Claim]) -> None:
        """Raise `LeaseLost` unless all claims are still ours, also at the commit."""
        ...

    async def finish(self, claims: Sequence[Claim]) -> None:
        """Remove finished items; raise `LeaseLost` if any was claimed by somebody else since.

        One that was hastened since it was claimed is let go of instead: it is looked at once more.
        """
        ...

    async def postpone(self, claim: Claim, due: datetime) -> None:
        """Let go of the item until `due`; raise `LeaseLost` if it is no longer ours.

        If it was hastened since it was claimed, it comes back when that asked for it, if earlier.
        """
        ...


@dataclass(frozen=True, slots=True)
class WorkBacklog:
    """How many items wait or are claimed, and the earliest due time, a lease's end included."""

    waiting: int
    in_hand: int
    earliest_due: datetime | None

    @property
    def items(self) -> int:
        return self.waiting + self.in_hand


@dataclass(frozen=True, slots=True)
class GivesWay:
    """Whom a claimer gives way to: items of this other kind of priorities before `before`.

    From when one of them is due until it is let go of, only what is of priorities before `before`
    too is claimed. For what is in hand at a crash that is until its lease ends. Of what is due once
    more (it waits for something, or fails again and again) only while it is in hand: nobody stands
    still until its turn comes.
    """

    kind: str
    before: int


class WorkQueue(Protocol):
    """The side of the queue that workers poll."""

    async def claim(
        self,
        kind: str,
        now: datetime,
        limit: int,
        lease_seconds: float,
        *,
        group: str | None = None,
        before: int | None = None,
        gives_way: GivesWay | None = None,
    ) -> list[Claim]:
        """Take up to `limit` due items, best first; two claimers never hold the same item.

        None at all only where nothing is due that nobody holds, or where way is given.
        Of one group only, where one is named (the earliest due first), and of priorities before
        `before`.
        """
        ...

    async def next_group(self, kind: str, now: datetime, after: str) -> str | None:
        """Return the first group behind `after`, by its name, with due work; None at the end."""
        ...

    async def extend(self, claims: Sequence[Claim], until: datetime) -> int:
        """Lengthen the leases that are still ours; return how many."""
        ...

    async def postpone(self, claim: Claim, due: datetime) -> bool:
        """Let go of the item until `due`, as in a transaction; return whether it was still ours."""
        ...

    async def backlog(self, kind: str) -> WorkBacklog:
        """Return what there is to do of this kind."""
        ...


class MongoWorkOffers:
    """Items in the collection `work`, bound to a transaction."""

    def __init__(self, database: Database, session: Session, made: Causes) -> None:
        self._items = database.collection("work")
        self._session = session
        self._made = made
        # Whether there may be something to do at once that was not there before.
        self.offered = False

    async def offer(self, items: Sequence[WorkItem]) -> None:
        if not items:
            return
        self.offered = True
        ids = [item.id for item in items]
        with sorted_errors():
            # Re-inserting costs 46 microseconds an item, reading first 3 (`stack.md` 2).
            cursor = self._items.find({"_id": {"$in": ids}}, {"_id": 1}, session=self._session)
            known = {row["_id"] for row in await cursor.to_list(None)}
            new = [_explained(item, self._made) for item in items if item.id not in known]
            missing = {item.id: _document(item) for item in new}
            if missing:
                await self._items.insert_many(list(missing.values()), session=self._session)

    async def hasten(self, ids: Sequence[str], due: datetime) -> None:
        self.offered = True
        waits = {"$eq": ["$token", None]}
        brought: Document = {
            "due": {"$cond": [waits, {"$min": ["$due", due]}, "$due"]},
            "wanted": {"$cond": [waits, "$$REMOVE", {"$min": ["$wanted", due]}]},
            # Always a write: whoever claims or lets go of it meanwhile conflicts with this
            # transaction, and has not seen what it saves.
            "hastened": {"$add": [{"$ifNull": ["$hastened", 0]}, 1]},
        }
        with sorted_errors():
            await self._items.update_many(
                {"_id": {"$in": list(ids)}}, [{"$set": brought}], session=self._session
            )

    async def confirm(self, claims: Sequence[Claim]) -> None:
        if not claims:
            return
        # A write, so that a new claim of the same item conflicts with this transaction.
        with sorted_errors():
            result = await self._items.update_many(
                _ours(claims), {"$inc": {"confirmed": 1}}, session=self._session
            )
        if result.matched_count != len(claims):
            raise LeaseLost(", ".join(claim.item.id for claim in claims))

    async def finish(self, claims: Sequence[Claim]) -> None:
        if not claims:
            return
        ours = _ours(claims)
        with sorted_errors():
            over = await self._items.delete_many(ours | {"wanted": None}, session=self._session)
            left = len(claims) - over.deleted_count
            if left:
                wanted = await self._items.update_many(
                    ours, _let_go_until("$wanted"), session=self._session
                )
                left -= wanted.matched_count
        if left:
            raise LeaseLost(", ".join(claim.item.id for claim in claims))

    async def postpone(self, claim: Claim, due: datetime) -> None:
        with sorted_errors():
            result = await self._items.update_one(*_letting_go(claim, due), session=self._session)
        if result.matched_count != 1:
            raise LeaseLost(claim.item.id)


@dataclass(frozen=True, slots=True)
class _Look:
    """What somebody who wants to claim looks for: so many of those due, in this order."""

    due: Document
    best: Mapping[str, int]
    limit: int

    def stages(self, place: int) -> list[Document]:
        return [
            {"$match": self.due},
            {"$sort": self.best},
            {"$limit": self.limit},
            {"$set": {"look": {"$literal": place}}},
        ]


class _Looks:
    """Those who look in the same turn of the event loop share one question to the server.

    A commit wakes the workers of all kinds at once, and nearly all of them find nothing. Each
    look keeps its own order and limit, and is answered from its index as if it were alone.
    """

    def __init__(self, items: Collection) -> None:
        self._items = items
        self._waiting: list[tuple[_Look, asyncio.Future[list[Document]]]] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def best(self, look: _Look) -> list[Document]:
        """Return the items, best first; raise what the driver raises."""
        answer: asyncio.Future[list[Document]] = asyncio.get_running_loop().create_future()
        self._waiting.append((look, answer))
        if len(self._waiting) == 1:
            asking = asyncio.create_task(self._ask())
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        return await answer

    async def _ask(self) -> None:
        # Lets others of the same turn of the loop join.
        await asyncio.sleep(0)
        asked, self._waiting = self._waiting, []
        try:
            found = await self._find([look for look, _ in asked])
        except BaseException as error:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for place, (_, answer) in enumerate(asked):
            if not answer.done():
                answer.set_result([row for row in found if row["look"] == place])

    async def _find(self, looks: Sequence[_Look]) -> list[Document]:
        return await self._items.aggregate(_together(looks, self._items.name)).to_list(None)


class MongoWorkQueue:
    """Items in the collection `work`, for workers."""

    def __init__(self, database: Database) -> None:
        self._items = database.collection("work")
        self._looks = _Looks(self._items)

    async def claim(
        self,
        kind: str,
        now: datetime,
        limit: int,
        lease_seconds: float,
        *,
        group: str | None = None,
        before: int | None = None,
        gives_way: GivesWay | None = None,
    ) -> list[Claim]:
        token = secrets.token_hex(12)
        until = now + timedelta(seconds=lease_seconds)
        due: Document = {"kind": kind, "due": {"$lte": now}}
        best = {"priority": 1, "due": 1}
        if group is not None:
            due["group"], best = group, {"due": 1}
        if before is not None:
            due["priority"] = {"$lt": before}
        taken: list[Document] = []
        with sorted_errors():
            # What somebody else took in this very moment says nothing of what is behind it.
            while not taken:
                found = await self._found(_Look(due, best, limit), now, gives_way)
                if not found:
                    return []
                ids = {"$in": [row["_id"] for row in found]}
                attempts = {row["attempt"] for row in found}
                # What a release before this one offered has no number of its own.
                offers = [row.get("offer") for row in found]
                changed = {"token": token, "due": until}
                claimed = await self._items.update_many(
                    due | {"_id": ids, "attempt": {"$in": [*attempts]}, "offer": {"$in": offers}},
                    {"$set": changed, "$inc": {"attempt": 1}, "$unset": {"wanted": ""}},
                )
                if claimed.matched_count == len(found) and len(attempts) == 1 and all(offers):
                    # Nobody claimed, or finished and offered anew, any of them since they were
                    # seen: they need not be read once more.
                    taken = [row | changed | {"attempt": row["attempt"] + 1} for row in found]
                else:
                    taken = await self._items.find({"_id": ids, "token": token}).to_list(None)
        expired = sum(1 for row in found if row["token"] is not None)
        metrics.WORK_LEASE_EXPIRED.labels(kind).inc(expired)
        # What was taken is all due at the end of the lease: the order is that of before.
        mine = {row["_id"]: row for row in taken}
        return [_claim(mine[row["_id"]]) for row in found if row["_id"] in mine]

    async def _found(
        self, look: _Look, now: datetime, gives_way: GivesWay | None
    ) -> list[Document]:
        """Return what is best, without what gives way."""
        if gives_way is None:
            return await self._looks.best(look)
        first: Document = {
            "kind": gives_way.kind,
            "priority": {"$lt": gives_way.before},
            "$or": [{"token": {"$ne": None}}, {"due": {"$lte": now}, "attempt": 0}],
        }
        urgent, found = await asyncio.gather(
            self._looks.best(_Look(first, look.best, 1)), self._looks.best(look)
        )
        if not found or not urgent:
            return found
        # Of a group what is urgent may stand behind what is not.
        urgent_too = look.due | {"$and": [{"priority": {"$lt": gives_way.before}}]}
        return await self._looks.best(replace(look, due=urgent_too))

    async def next_group(self, kind: str, now: datetime, after: str) -> str | None:
        due = {"kind": kind, "group": {"$gt": after}, "due": {"$lte": now}}
        with sorted_errors():
            row = await self._items.find_one(due, {"group": 1}, sort=[("group", 1)])
        return str(row["group"]) if row else None

    async def extend(self, claims: Sequence[Claim], until: datetime) -> int:
        if not claims:
            return 0
        writes = [
            UpdateOne({"_id": c.item.id, "token": c.token}, {"$set": {"due": until}})
            for c in claims
        ]
        with sorted_errors():
            return (await self._items.bulk_write(writes, ordered=False)).matched_count

    async def postpone(self, claim: Claim, due: datetime) -> bool:
        with sorted_errors():
            result = await self._items.update_one(*_letting_go(claim, due))
        return result.matched_count == 1

    async def backlog(self, kind: str) -> WorkBacklog:
        with sorted_errors():
            waiting = await self._items.count_documents({"kind": kind, "token": None})
            in_hand = await self._items.count_documents({"kind": kind, "token": {"$ne": None}})
            oldest = await self._items.find_one({"kind": kind}, sort=[("due", 1)])
        return WorkBacklog(waiting, in_hand, oldest["due"] if oldest else None)


def _together(looks: Sequence[_Look], collection: str) -> list[Document]:
    stages = looks[0].stages(0)
    for place, look in enumerate(looks[1:], 1):
        stages.append({"$unionWith": {"coll": collection, "pipeline": look.stages(place)}})
    return stages


def _ours(claims: Sequence[Claim]) -> Document:
    ids = [claim.item.id for claim in claims]
    tokens = list({claim.token for claim in claims})
    # Ids are unique, and a token belongs to one act of claiming: an item of ours under the token
    # of another claim of ours cannot be.
    return {"_id": {"$in": ids}, "token": {"$in": tokens}}


def _letting_go(claim: Claim, due: datetime) -> tuple[Document, list[Document]]:
    return {"_id": claim.item.id, "token": claim.token}, _let_go_until(due)


def _let_go_until(due: datetime | str) -> list[Document]:
    # What is absent is no minimum: only a wish brings the item back earlier.
    until = {"$min": ["$wanted", due]}
    return [{"$set": {"due": until, "token": None, "wanted": "$$REMOVE"}}]


def _document(item: WorkItem) -> Document:
    return {
        "_id": item.id,
        "kind": item.kind,
        "due": item.due,
        "priority": item.priority,
        "payload": item.payload,
        "cause": _cause_document(item.cause),
        "token": None,
        "attempt": 0,
        # Tells it from an item of the same id that was finished before.
        "offer": secrets.token_hex(8),
    } | ({"group": item.group} if item.group else {})


def _explained(item: WorkItem, made: Causes) -> WorkItem:
    cause = item.cause or made.of(item.things) or current().behind(item.things)
    return replace(item, cause=cause)


def _cause_document(cause: Cause | None) -> Document | None:
    if cause is None:
        return None
    return {
        "correlation_id": cause.correlation_id,
        "causation_id": cause.causation_id,
        "traceparent": cause.traceparent,
        "things": [list(thing) for thing in cause.things],
    }


def _cause(row: Document) -> Cause | None:
    # Items of a release before this one have none.
    found = row.get("cause")
    if found is None:
        return None
    things = tuple((name, value) for name, value in found["things"])
    return Cause(found["correlation_id"], found["causation_id"], found["traceparent"], things)


def _claim(row: Document) -> Claim:
    explained = row["payload"], _cause(row), row.get("group", "")
    item = WorkItem(row["_id"], row["kind"], row["due"], row["priority"], *explained)
    return Claim(item, row["token"], row["attempt"], row["due"])


@dataclass(frozen=True, slots=True)
class _Held:
    item: WorkItem
    token: str | None = None
    attempt: int = 0
    # When it shall come back, if it was hastened since it was claimed.
    wanted: datetime | None = None

    def brought_forward(self, due: datetime) -> "_Held":
        if self.token is None:
            return replace(self, item=replace(self.item, due=min(self.item.due, due)))
        return replace(self, wanted=min(self.wanted or due, due))

    def let_go(self, due: datetime) -> "_Held":
        until = min(self.wanted or due, due)
        return _Held(replace(self.item, due=until), None, self.attempt)


class MemoryWorkOffers:
    """Items in memory, bound to a transaction."""

    def __init__(self, database: MemoryDatabase, made: Causes | None = None) -> None:
        self._items: dict[str, _Held] = database.table("work")
        self._made = made if made is not None else Causes()

    async def offer(self, items: Sequence[WorkItem]) -> None:
        for item in items:
            self._items.setdefault(item.id, _Held(_explained(item, self._made)))

    async def hasten(self, ids: Sequence[str], due: datetime) -> None:
        for item_id in ids:
            held = self._items.get(item_id)
            if held is not None:
                self._items[item_id] = held.brought_forward(due)

    async def confirm(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            _must_be_ours(self._items, claim)

    async def finish(self, claims: Sequence[Claim]) -> None:
        ours = [_must_be_ours(self._items, claim) for claim in claims]
        for held in ours:
            if held.wanted is None:
                del self._items[held.item.id]
            else:
                self._items[held.item.id] = held.let_go(held.wanted)

    async def postpone(self, claim: Claim, due: datetime) -> None:
        self._items[claim.item.id] = _must_be_ours(self._items, claim).let_go(due)


class MemoryWorkQueue:
    """Items in memory, for workers; each call is a transaction of its own."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._items: dict[str, _Held] = database.table("work")

    async def claim(
        self,
        kind: str,
        now: datetime,
        limit: int,
        lease_seconds: float,
        *,
        group: str | None = None,
        before: int | None = None,
        gives_way: GivesWay | None = None,
    ) -> list[Claim]:
        token = secrets.token_hex(12)
        until = now + timedelta(seconds=lease_seconds)

        async def take() -> list[Claim]:
            limits = [before, self._way_given(now, gives_way)]
            due = [
                held
                for held in self._due(kind, now)
                if group in (None, held.item.group)
                and all(held.item.priority < limit for limit in limits if limit is not None)
            ]
            due.sort(key=lambda h: (h.item.priority if group is None else 0, h.item.due))
            claims = []
            for held in due[:limit]:
                taken = _Held(replace(held.item, due=until), token, held.attempt + 1)
                self._items[held.item.id] = taken
                claims.append(Claim(taken.item, token, taken.attempt, until))
            return claims

        return await self._database.transaction(take)

    async def next_group(self, kind: str, now: datetime, after: str) -> str | None:
        groups = {held.item.group for held in self._due(kind, now)}
        return min((group for group in groups if group > after), default=None)

    def _way_given(self, now: datetime, gives_way: GivesWay | None) -> int | None:
        if gives_way is None:
            return None
        urgent = any(
            held.item.kind == gives_way.kind
            and held.item.priority < gives_way.before
            and (held.token is not None or (held.item.due <= now and not held.attempt))
            for held in self._items.values()
        )
        return gives_way.before if urgent else None

    def _due(self, kind: str, now: datetime) -> list[_Held]:
        return [h for h in self._items.values() if h.item.kind == kind and h.item.due <= now]

    async def extend(self, claims: Sequence[Claim], until: datetime) -> int:
        async def lengthen() -> int:
            ours = [claim for claim in claims if _is_ours(self._items, claim)]
            for claim in ours:
                held = self._items[claim.item.id]
                self._items[claim.item.id] = replace(held, item=replace(held.item, due=until))
            return len(ours)

        return await self._database.transaction(lengthen)

    async def postpone(self, claim: Claim, due: datetime) -> bool:
        async def let_go() -> bool:
            if not _is_ours(self._items, claim):
                return False
            self._items[claim.item.id] = self._items[claim.item.id].let_go(due)
            return True

        return await self._database.transaction(let_go)

    async def backlog(self, kind: str) -> WorkBacklog:
        items = [held for held in self._items.values() if held.item.kind == kind]
        waiting = sum(1 for held in items if held.token is None)
        earliest = min((held.item.due for held in items), default=None)
        return WorkBacklog(waiting, len(items) - waiting, earliest)


def _is_ours(items: dict[str, _Held], claim: Claim) -> bool:
    held = items.get(claim.item.id)
    return held is not None and held.token == claim.token


def _must_be_ours(items: dict[str, _Held], claim: Claim) -> _Held:
    if not _is_ours(items, claim):
        raise LeaseLost(claim.item.id)
    return items[claim.item.id]


@dataclass(frozen=True, slots=True)
class _InHand:
    """A claim that is being performed, and the sign of life of who performs it."""

    claim: Claim
    pulse: Pulse

    @property
    def hangs(self) -> bool:
        return self.pulse.silent_seconds() > HANGS_AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class KeptFree:
    """So many of a worker's places are only for items of priorities before `before`.

    Where items may take long, what is urgent would else wait until one of them ends.
    """

    places: int
    before: int


class Worker:
    """Claims items of one kind and performs up to `concurrency` of them at once.

    `perform` does the outside effect and finishes the claim itself, in the transaction that saves
    the result. If it raises, the item is let go of and claimed again after a growing pause; if
    the process dies, after the lease. `nudge` cuts the wait for the next poll. Of the places of
    `concurrency` some may be `kept_free` for what is urgent.

    The loop's pulse falls silent while something in hand hangs: its lease is lengthened for as long
    as the process lives, so only the process's end gives the item to somebody else.
    """

    def __init__(
        self,
        queue: WorkQueue,
        kind: str,
        perform: Callable[[Claim], Awaitable[None]],
        clock: Clock,
        *,
        concurrency: int,
        lease_seconds: float,
        poll_seconds: float = POLL_SECONDS,
        kept_free: KeptFree | None = None,
    ) -> None:
        self.kind = kind
        self._kept_free = kept_free
        self._queue = queue
        self._perform = perform
        self._clock = clock
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._running: dict[asyncio.Task[None], _InHand] = {}

    def nudge(self) -> None:
        self._wake.set()

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then wait for what is in hand."""
        extending = asyncio.create_task(self._keep_leases())
        try:
            while not stopping.is_set():
                if not any(one.hangs for one in self._running.values()):
                    pulse.beat()
                if extending.done():
                    # Only an error ends it; without it leases run out under the work in hand.
                    extending.result()
                if not await self._claimed_more():
                    await pause_until_any((self._wake, stopping), self._poll_seconds)
                    self._wake.clear()
        finally:
            if self._running:
                await asyncio.wait(self._running)
            extending.cancel()

    async def _claimed_more(self) -> bool:
        free, before = self._free_places()
        if free <= 0:
            return False
        now, lease = self._clock.now(), self._lease_seconds
        try:
            claims = await self._queue.claim(self.kind, now, free, lease, before=before)
        except (DependencyAway, Conflict) as error:
            log.warning("nothing claimed", kind=self.kind, error=repr(error))
            return False
        for claim in claims:
            held = _InHand(claim, Pulse(claim.item.id))
            task = asyncio.create_task(self._attend(held))
            self._running[task] = held
            task.add_done_callback(self._settle)
        return bool(claims)

    def _free_places(self) -> tuple[int, int | None]:
        """Return how many items may be begun, and before which priority; None for any."""
        free, kept = self._concurrency - len(self._running), self._kept_free
        if kept is None:
            return free, None
        for_any = free - kept.places
        return (for_any, None) if for_any > 0 else (free, kept.before)

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._wake.set()

    async def _attend(self, held: _InHand) -> None:
        cause = held.claim.item.cause
        with because_of([cause] if cause else []), beating(held.pulse):
            await self._try(held.claim)

    async def _try(self, claim: Claim) -> None:
        cause = claim.item.cause
        try:
            with traces.span(f"work {self.kind}", links=[cause.traceparent] if cause else []):
                await self._perform(claim)
        except LeaseLost:
            log.warning("lease lost, left to its new holder", kind=self.kind, item=claim.item.id)
        except Exception as error:
            level = log.warning if isinstance(error, DependencyAway) else log.exception
            level(
                "work failed, tried again later",
                kind=self.kind,
                item=claim.item.id,
                attempt=claim.attempt,
                error=repr(error),
            )
            await self._let_go(claim)

    async def _let_go(self, claim: Claim) -> None:
        pause = min(60.0, 0.2 * 2 ** min(claim.attempt, 10))
        try:
            await self._queue.postpone(claim, self._clock.now() + timedelta(seconds=pause))
        except (DependencyAway, Conflict):
            pass  # The lease runs out by itself.

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            until = self._clock.now() + timedelta(seconds=self._lease_seconds)
            try:
                claims = [held.claim for held in self._running.values()]
                await self._queue.extend(claims, until)
            except (DependencyAway, Conflict) as error:
                log.warning("leases not extended", kind=self.kind, error=repr(error))
