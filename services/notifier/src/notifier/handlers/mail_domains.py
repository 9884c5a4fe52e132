"""Mails go to each domain as it takes them, and nobody waits for a domain that takes none.

What is known of domains lives in the process that sends; another one that takes over finds it out.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from notifier.domain.mail_domain import (
    ABOUT_ONE_MAILBOX,
    DomainPaces,
    MailDomain,
    Reaction,
    domain_of,
)
from notifier.metrics import DOMAIN_RESTS
from notifier.ports.email import Answer, Answered, Mail
from servicekit.clock import Clock

log = structlog.get_logger()

# A server that is closing says so whomever one writes to.
NOT_AVAILABLE = 421
# So many domains in a row of which it says so: then it is itself what is not available.
DOMAINS_AWAY = 3
# What is known of more than so many is forgotten where it would change nothing.
KNOWN_MOST = 10_000


@dataclass(slots=True, eq=False)
class _Known:
    domain: MailDomain
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)


def last_leaves(
    now: datetime, mails: int, mails_per_second: float, *turns: datetime | None
) -> datetime:
    """Return when the last of so many mails leaves: by the account's pace, or a turn behind it."""
    by_account = now + timedelta(seconds=mails / mails_per_second)
    return max(by_account, *(turn or by_account for turn in turns))


class MailDomains:
    """All domains that one account writes to.

    `account_pace` is in mails a second, `at_once` how many are out to a domain of which nothing is
    known yet, `rest_most` the longest that one is left alone.
    """

    def __init__(
        self,
        clock: Clock,
        account_pace: float,
        rest_most: timedelta,
        paces: DomainPaces | None = None,
        at_once: int = 2,
    ) -> None:
        self._clock = clock
        self._account_pace = account_pace
        self._rest_most = rest_most
        self._paces = paces or DomainPaces()
        self._at_once = at_once
        self._known: dict[str, _Known] = {}
        self._away: set[str] = set()

    def held_until(self, address: str, *, urgent: bool, waited: bool) -> datetime | None:
        """Return None, and count the mail, if it may go to its domain now; else when to ask again.

        `waited` is whether it was held before, or is a try that was put off.
        """
        domain = self._of(domain_of(address)).domain
        return domain.held_until(self._clock.now(), urgent=urgent, waited=waited)

    def takes_nothing(self, address: str) -> bool:
        """Whether the domain has rested and has taken nothing since."""
        return self._of(domain_of(address)).domain.is_on_trial

    def last_turn(self, *, urgent: bool) -> datetime | None:
        """Return the last turn that any domain gave to what is as urgent, None where none did.

        It may be past: then nobody waits for a domain.
        """
        turns = (one.domain.last_turn(urgent=urgent) for one in self._known.values())
        return max(turns, default=None)

    async def send(
        self, mail: Mail, send: Callable[[Mail], Awaitable[Answer]], *, urgent: bool
    ) -> Answer:
        """Hand it over by `send` as soon as its domain has room.

        Where the domain rests, or comes to, it is held: nothing is tried, or what was tried says
        nothing of this mail.
        """
        name = domain_of(mail.recipient)
        known = self._of(name)
        if not await self._turn(known):
            return self._held(known, Answer(Answered.HELD), urgent)
        try:
            answer = await send(mail)
            return self._heard(name, known, answer, urgent)
        finally:
            self._leave(known)

    def _of(self, name: str) -> _Known:
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= KNOWN_MOST:
                self._forget()
            now, pace = self._clock.now(), self._paces.of(name)
            rules = pace, self._account_pace, self._at_once, self._rest_most
            known = self._known[name] = _Known(MailDomain(*rules, now))
        return known

    def _forget(self) -> None:
        now = self._clock.now()
        self._known = {
            name: one for name, one in self._known.items() if not one.domain.is_forgettable(now)
        }

    async def _turn(self, known: _Known) -> bool:
        """Return, when the domain has room, that there is; at once that there is none if it rests.

        Of one that takes nothing lately nobody waits for the answer to somebody else's mail.
        """
        domain = known.domain
        if domain.rests(self._clock.now()) or (domain.is_on_trial and not domain.has_room):
            return False
        if domain.has_room:
            domain.out += 1
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        known.waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self._leave(known)
            raise

    def _leave(self, known: _Known) -> None:
        """One less is out: give its room to the next ones, or say that there will be none."""
        domain = known.domain
        domain.out -= 1
        ends = domain.is_on_trial or domain.rests(self._clock.now())
        while known.waiting and (ends or domain.has_room):
            turn = known.waiting.popleft()
            if not turn.done():
                domain.out += not ends
                turn.set_result(not ends)

    def _heard(self, name: str, known: _Known, answer: Answer, urgent: bool) -> Answer:
        reaction = _reaction(answer)
        if reaction is not None and known.domain.heard(reaction, self._clock.now()):
            DOMAIN_RESTS.inc()
            log.warning("a mail domain rests", domain=name, code=answer.code, status=answer.status)
        if answer.answered is not Answered.AWAY:
            self._away.clear()
            return answer
        if answer.code != NOT_AVAILABLE:
            return answer
        self._away.add(name)
        return answer if len(self._away) >= DOMAINS_AWAY else self._held(known, answer, urgent)

    def _held(self, known: _Known, answer: Answer, urgent: bool) -> Answer:
        again = known.domain.turn(self._clock.now(), urgent=urgent)
        return replace(answer, answered=Answered.HELD, again_at=again)


def _reaction(answer: Answer) -> Reaction | None:
    """Return what an answer says of the domain, None for nothing."""
    match answer.answered:
        case Answered.TAKEN:
            return Reaction.TOOK
        case Answered.REFUSED:
            return Reaction.REFUSED
        case Answered.LATER if answer.status in ABOUT_ONE_MAILBOX:
            return None
        case Answered.LATER if answer.code:
            return Reaction.PUT_OFF
        case Answered.LATER | Answered.UNKNOWN:
            return Reaction.FELL_SILENT
        case Answered.AWAY if answer.code == NOT_AVAILABLE:
            return Reaction.FELL_SILENT
    return None
