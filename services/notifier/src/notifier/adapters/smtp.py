"""The mail server over SMTP: a few kept connections that share what waits."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import cast

import structlog

from notifier.adapters.smtp_connection import (
    Connection,
    NotBegun,
    NotReached,
    SmtpAccount,
    check_envelope,
    opened,
)
from notifier.ports.email import Answer, Answered, Mail
from servicekit.errors import DependencyAway

log = structlog.get_logger()

# Servers end a connection after so many mails; we do it before them.
MAILS_PER_CONNECTION = 100


@dataclass(slots=True, eq=False)
class _Waiting:
    mail: Mail
    answer: asyncio.Future[Answer]

    def tell(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True, eq=False)
class _Used:
    """A connection, and how many mails it carried."""

    connection: Connection
    mails: int = 0


class SmtpServer:
    """`ports.email.MailServer`.

    Whatever waits goes out over as many connections as the account has, so that each of them can
    begin the next mail while it waits for the answer to one.
    """

    def __init__(self, account: SmtpAccount) -> None:
        self._account = account
        self._waiting: deque[_Waiting] = deque()
        self._carriers: set[asyncio.Task[None]] = set()
        self._in_use: set[_Used] = set()
        self._kept: list[_Used] = []

    async def send(self, mail: Mail) -> Answer:
        # Before it waits: in a group it would fail with the mail in front of it.
        check_envelope(mail)
        waiting = _Waiting(mail, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._carriers) < self._account.connections:
            self._carriers.add(asyncio.create_task(self._carry()))
        return await waiting.answer

    async def close(self) -> None:
        while self._kept:
            await self._kept.pop().connection.end()

    async def check(self) -> None:
        """Return when the server answers and knows us; raise `DependencyAway` otherwise."""
        try:
            await (await opened(self._account)).end()
        except NotReached as error:
            raise DependencyAway(f"the mail server takes nothing: {error}") from error

    async def _carry(self) -> None:
        """Hand over what waits, until nothing does."""
        waiting = self._next()
        try:
            while waiting is not None:
                waiting = await self._carry_from(waiting) or self._next()
        except NotReached as error:
            self._not_reached(error)
        finally:
            # At once: whoever sends from now on finds that nobody carries.
            self._carriers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _carry_from(self, waiting: _Waiting) -> _Waiting | None:
        """Hand over this mail and others over one connection; return one that it left behind.

        Raises `NotReached`, with that one back among those who wait, where a new one is no good.
        """
        try:
            used = await self._connection()
        except NotReached:
            self._waiting.appendleft(waiting)
            raise
        except Exception as error:
            # A bug of ours: nobody waits for an answer that nobody will give.
            waiting.fail(error)
            return None
        left = await self._carry_over(used, waiting)
        if left is not None and not used.mails:
            self._waiting.appendleft(left)
            raise NotReached("a new connection begins no mail")
        return left

    async def _carry_over(self, used: _Used, waiting: _Waiting) -> _Waiting | None:
        left: _Waiting | None = waiting
        self._in_use.add(used)
        try:
            while left is not None and used.connection.is_good:
                left = await self._handed_over(used, left)
        except NotBegun as error:
            log.info("a mail goes over another connection", error=str(error))
        finally:
            self._in_use.discard(used)
            await self._keep_or_end(used)
        return left

    async def _handed_over(self, used: _Used, waiting: _Waiting) -> _Waiting | None:
        """Hand over one mail; return the next one for this connection, which may have begun."""
        taken: list[_Waiting] = []

        def following() -> Mail | None:
            if used.mails + 1 < MAILS_PER_CONNECTION and (found := self._next()) is not None:
                taken.append(found)
                return found.mail
            return None

        try:
            answer = await used.connection.send(waiting.mail, following)
        except NotBegun:
            raise
        except Exception as error:
            # A bug of ours, heard by whoever sends this mail; the others go another way.
            waiting.fail(error)
            self._waiting.extendleft(taken)
            used.mails = MAILS_PER_CONNECTION
            return None
        used.mails += 1
        waiting.tell(answer)
        if taken:
            return taken[0]
        return self._next() if used.mails < MAILS_PER_CONNECTION else None

    def _next(self) -> _Waiting | None:
        """Take the first mail that somebody still waits for."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.answer.done():
                return waiting
        return None

    def _not_reached(self, error: NotReached) -> None:
        """Leave what waits to a connection that works; where none does, nothing is taken now."""
        log.warning("the mail server takes nothing", error=str(error))
        if any(used.mails for used in self._in_use):
            return
        while (waiting := self._next()) is not None:
            waiting.tell(Answer(Answered.AWAY))

    async def _connection(self) -> _Used:
        while self._kept:
            used = self._kept.pop()
            if used.connection.is_good:
                return used
            # It ended while nobody looked.
            await used.connection.end()
        return _Used(await opened(self._account))

    async def _keep_or_end(self, used: _Used) -> None:
        if used.connection.is_good and used.mails < MAILS_PER_CONNECTION:
            self._kept.append(used)
        else:
            await used.connection.end()
