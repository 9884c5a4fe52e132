"""Nothing runs on a database that is behind its own topics, until `recover` has brought it on.

The comparison is made before any loop runs, so a start needs a broker once: an instance that
starts while none answers waits for it, those that run go on (decision 0018).
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from servicekit import metrics
from servicekit.errors import DependencyAway, LeaseLost
from servicekit.loops import Pulse, pause
from servicekit.mongo import Database, Document, Session, sorted_errors
from servicekit.own_topics import OwnTopics, Unexplained
from servicekit.problems import Problem

log = structlog.get_logger()

LOOK_AGAIN_SECONDS = 1.0
# A recovery that was killed is taken for running so long.
LEASE_SECONDS = 30.0
RENEW_SECONDS = 5.0
_MARK = {"_id": "recovery"}


class RecoverRequired(Exception):
    """The database cannot explain what its own topics say; only `recover` may go on."""


class RecoveryRuns(Exception):
    """Another recovery of this database runs; two at once would each undo what the other knows."""


def _place() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


@dataclass(frozen=True, slots=True)
class Recoverer:
    """One run of `recover`: who started it and where; the token is of this run alone."""

    by: str
    place: str = field(default_factory=_place)
    token: str = field(default_factory=lambda: uuid4().hex)


class ServiceRecovery:
    """What `recover` does for one service; as it stands here, for one that needs nothing more.

    Both steps may be repeated after a crash at any point, and return lines for people: what was
    done, and what a person must do. `lost` says what no event holds.
    """

    lost: Sequence[str] = ()

    async def roll_forward(self, unexplained: Sequence[Unexplained]) -> list[str]:
        """Bring the state on by the service's own facts; publishes nothing."""
        return []

    async def reconcile(self) -> list[str]:
        """Bring the state on by what only others know, once the inputs are read again."""
        return []


class RecoveryMark:
    """Says that a recovery was begun and not yet finished, in whichever process."""

    def __init__(self, database: Database) -> None:
        self._marks = database.collection("recovery")

    async def unfinished(self) -> bool:
        with sorted_errors():
            mark = await self._marks.find_one(_MARK)
        return mark is not None and mark["finished_at"] is None

    async def begin(self, session: Session, now: datetime, who: Recoverer) -> None:
        """Begin, or take over a recovery that ended unfinished.

        Raises `RecoveryRuns` while another one holds the mark.
        """
        with sorted_errors():
            mark = await self._marks.find_one(_MARK, session=session)
        if mark is not None and mark["finished_at"] is None:
            _refuse_if_held(mark, now, who)
        change = {
            "begun_at": now,
            "finished_at": None,
            "by": who.by,
            "place": who.place,
            "token": who.token,
            "held_until": _lease_from(now),
        }
        with sorted_errors():
            await self._marks.update_one(_MARK, {"$set": change}, upsert=True, session=session)

    async def renew(self, now: datetime, who: Recoverer) -> None:
        """Hold the mark for another while; raises `LeaseLost` if it is not ours any more."""
        await self._change(who, {"held_until": _lease_from(now)})

    async def let_go(self, now: datetime, who: Recoverer) -> None:
        """Leave the recovery unfinished, for whoever goes on; nothing if it is not ours."""
        try:
            await self._change(who, {"held_until": now})
        except LeaseLost:
            log.warning("the recovery is somebody else's by now")

    async def finish(self, session: Session, now: datetime, who: Recoverer) -> None:
        """End it; raises `LeaseLost` if it is not ours any more."""
        await self._change(who, {"finished_at": now}, session)

    async def _change(
        self, who: Recoverer, change: Document, session: Session | None = None
    ) -> None:
        ours = _MARK | {"token": who.token, "finished_at": None}
        with sorted_errors():
            result = await self._marks.update_one(ours, {"$set": change}, session=session)
        if not result.matched_count:
            raise LeaseLost("another recovery took over")


def _lease_from(now: datetime) -> datetime:
    return now + timedelta(seconds=LEASE_SECONDS)


def _refuse_if_held(mark: Document, now: datetime, who: Recoverer) -> None:
    # A mark of an earlier release has no lease, and nobody holds it.
    until = mark.get("held_until", now)
    if until > now and mark["token"] != who.token:
        begun, free = (at.isoformat(timespec="seconds") for at in (mark["begun_at"], until))
        raise RecoveryRuns(
            f"{mark['by']} recovers since {begun}, {mark['place']}; "
            f"if that one is gone, run it again after {free}"
        )


class RecoveryGuard:
    """Keeps loops and HTTP shut while `recover` is required; opens by itself once it was run."""

    def __init__(self, service: str, topics: OwnTopics, mark: RecoveryMark) -> None:
        self._service = service
        self._topics = topics
        self._mark = mark
        self._reason: str | None = "the own topics are not yet compared with the database"

    async def look(self) -> None:
        """Compare; remember what is explained. Raises `DependencyAway` if that cannot be done."""
        reason = await self._found()
        if reason is not None and reason != self._reason:
            log.error(
                "recover required", reason=reason, command=f"python -m {self._service} recover"
            )
        metrics.RECOVER_REQUIRED.set(0 if reason is None else 1)
        self._reason = reason

    async def cleared(self, stopping: asyncio.Event) -> None:
        """Return once nothing is unexplained, or at the end of the process."""
        while self._reason is not None and not stopping.is_set():
            await pause(stopping, LOOK_AGAIN_SECONDS)
            try:
                await self.look()
            except DependencyAway as error:
                log.warning("own topics not compared", error=repr(error))

    async def leave_when_begun(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """End a running process in order once `recover` begins: started again it waits here.

        `recover` sees who reads topics; who only works or answers would go on under it.
        """
        while not stopping.is_set():
            pulse.beat()
            try:
                if await self._mark.unfinished():
                    log.warning("a recovery was begun, leaving")
                    stopping.set()
            except DependencyAway as error:
                log.warning("not known whether a recovery was begun", error=repr(error))
            await pause(stopping, LOOK_AGAIN_SECONDS)

    async def check(self) -> None:
        """Raise `RecoverRequired`, with the reason, while nothing may run."""
        if self._reason is not None:
            raise RecoverRequired(self._reason)

    def in_front_of(self, app: ASGIApp) -> ASGIApp:
        """Return an application that answers every request with 503 while nothing may run."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            answering = app
            if self._reason is not None and scope["type"] == "http":
                title = "This service was restored from a backup and waits for its operators"
                problem = Problem(503, "recover-required", title, self._reason)
                answering = problem.response()
            await answering(scope, receive, send)

        return answer

    async def _found(self) -> str | None:
        if await self._mark.unfinished():
            return f"a recovery was begun and not finished: run `python -m {self._service} recover`"
        comparison = await self._topics.compare(whole=False)
        if comparison.unexplained:
            first = comparison.unexplained[0]
            return (
                f"{first.topic} has {first.sequence} of {first.key}, {first.why}: "
                f"run `python -m {self._service} recover`"
            )
        await self._topics.settle(comparison.ends)
        return None
