"""What operators switch off for a while: in the service's database, effective in every process.

Each process reads the table once a second, so a switch acts within two, in whichever process it
was turned, and what is in hand is finished. A switch ends by itself at its `until`. While the
database is away the last reading holds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from servicekit import metrics
from servicekit.audit import AuditEntry, MongoAudit
from servicekit.clock import Clock
from servicekit.documents import read_as
from servicekit.errors import DependencyAway
from servicekit.loops import Pulse, pause
from servicekit.mongo import Database, Document, Session, sorted_errors

log = structlog.get_logger()

READ_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that is switched on, for one subject or, where that is None, for all.

    `since` and `until` are aware instants; without `until` it holds until somebody turns it off.
    """

    name: str
    subject: str | None
    by: str
    why: str
    since: datetime
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until

    def __str__(self) -> str:
        ends = f" until {_shown(self.until)}" if self.until else ""
        about = f" for {self.subject}" if self.subject else ""
        return f"{self.name}{about} by {self.by} since {_shown(self.since)}{ends}: {self.why}"


@dataclass(frozen=True, slots=True)
class Known:
    """A switch that a service has; `subjects` says what it may be limited to, None for nothing.

    `is_known` says whether the service has heard of a subject, so that a typing error is found.
    """

    name: str
    meaning: str
    subjects: str | None = None
    is_known: Callable[[str], Awaitable[bool]] | None = None


def pause_of(topic: str) -> str:
    """Return the name of the switch that pauses reading a topic."""
    return f"pause-{topic}"


class MongoSwitches:
    """The collection `switches`."""

    def __init__(self, database: Database, session: Session | None = None) -> None:
        self._rows = database.collection("switches")
        self._session = session

    async def all(self) -> list[Switch]:
        with sorted_errors():
            rows = await self._rows.find({}, session=self._session).sort("_id", 1).to_list(None)
        return [_switch(row) for row in rows]

    async def turn_on(self, switch: Switch) -> None:
        """Turn it on; one that is on already takes the new person, reason and end."""
        with sorted_errors():
            await self._rows.replace_one(
                {"_id": _row_id(switch.name, switch.subject)},
                _document(switch),
                upsert=True,
                session=self._session,
            )

    async def turn_off(self, name: str, subject: str | None) -> bool:
        """Turn it off; return whether it was on."""
        with sorted_errors():
            result = await self._rows.delete_one(
                {"_id": _row_id(name, subject)}, session=self._session
            )
        return bool(result.deleted_count)


class Switches:
    """The switches as this process knows them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.known: dict[str, Known] = {}
        self._database = database
        self._rows = MongoSwitches(database)
        self._clock = clock
        self._on: Sequence[Switch] = ()

    def declare(self, known: Known) -> None:
        """Say that the service has this switch; its metric is there from the start."""
        self.known[known.name] = known
        metrics.SWITCH_ON.labels(known.name).set(0)

    def on(self, name: str, subject: str | None = None) -> Switch | None:
        """Return the switch that holds now, for all or for this subject."""
        subjects = {None, subject}
        return next((s for s in self._holding() if s.name == name and s.subject in subjects), None)

    async def turn_on(self, name: str, subject: str | None, by: str, why: str) -> None:
        """Turn one on, with its audit record, until a person turns it off; repeatable."""
        now = self._clock.now()
        what = {"switch": name, "campaign": subject}

        async def save(session: Session) -> None:
            rows = MongoSwitches(self._database, session)
            await rows.turn_on(Switch(name, subject, by, why, now))
            entry = AuditEntry(now, by, "switch on", what, why, "on")
            await MongoAudit(self._database, session).add(entry)

        await self._database.transaction(save)

    async def read(self) -> None:
        """Read the table; raises `DependencyAway`."""
        self._on = await self._rows.all()
        holding = {switch.name for switch in self._holding()}
        for name in self.known:
            metrics.SWITCH_ON.labels(name).set(1 if name in holding else 0)

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Read again and again until `stopping` is set."""
        while not stopping.is_set():
            pulse.beat()
            try:
                await self.read()
            except DependencyAway as error:
                log.warning("switches not read, the last reading holds", error=repr(error))
            await pause(stopping, READ_SECONDS)

    def _holding(self) -> Iterable[Switch]:
        now = self._clock.now()
        return [switch for switch in self._on if switch.holds(now)]


def _row_id(name: str, subject: str | None) -> str:
    return name if subject is None else f"{name}|{subject}"


def _document(switch: Switch) -> Document:
    return {
        "_id": _row_id(switch.name, switch.subject),
        "name": switch.name,
        "subject": switch.subject,
        "by": switch.by,
        "why": switch.why,
        "since": switch.since,
        "until": switch.until,
    }


def _switch(row: Document) -> Switch:
    return read_as(Switch, row)


def _shown(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
