"""How fast one mail domain is written to: its own pace, so many at once, and the rests it needs.

A domain is what stands behind the @. As mail servers do among each other: as much is out to a
domain at once as it takes, more with each mail that it took, and one that takes nothing rests, ever
longer, until it takes one again. Nobody of another domain waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

FIRST_REST = timedelta(seconds=5)
# So often in a row a domain may say "later" before it rests: whoever greylists says so to each
# reader once, and takes the others meanwhile.
LATER_MOST = 10
# What a domain says of one full or closed mailbox says nothing of its others (RFC 3463).
ABOUT_ONE_MAILBOX = frozenset({"4.2.1", "4.2.2"})


@dataclass(frozen=True, slots=True)
class DomainPaces:
    """Mails a second that a domain is sent: those of `of_some` their own, all others `of_each`.

    0 is as many as the account may send.
    """

    of_each: float = 0.0
    of_some: Mapping[str, float] = field(default_factory=dict)

    def of(self, domain: str) -> float:
        """Return what holds for this domain, by its name as servers know it."""
        return self.of_some.get(domain, self.of_each)


class Reaction(Enum):
    """What a domain did with a mail: took or refused it, put it off, or gave no use of itself."""

    TOOK = auto()
    REFUSED = auto()
    PUT_OFF = auto()
    FELL_SILENT = auto()


class MailDomain:
    """One domain, and what it did lately; it knows no clock of its own.

    `pace` and `account_pace` are mails a second, `pace` 0 for as fast as the account; `at_once` is
    how many are out to it before it has shown what it takes.
    """

    def __init__(
        self, pace: float, account_pace: float, at_once: int, rest_most: timedelta, now: datetime
    ) -> None:
        self.out = 0
        self._pace = pace
        self._spacing = timedelta(seconds=1 / (pace or account_pace))
        self._gathered_most = max(1.0, pace)
        self._tokens = self._gathered_most
        self._counted_at = now
        self._opening = self._at_once = at_once
        self._rest_most = rest_most
        self._rests_until = now
        self._rests = 0
        self._put_off = 0
        # Behind the last of those who wait, of what is urgent and of all else.
        self._ends = {True: now, False: now}

    def rests(self, now: datetime) -> bool:
        return now < self._rests_until

    @property
    def is_on_trial(self) -> bool:
        """Whether it has rested and has taken nothing since."""
        return self._rests > 0

    @property
    def has_room(self) -> bool:
        """Whether one more may be out to it."""
        return self.out < self._at_once

    def last_turn(self, *, urgent: bool) -> datetime:
        """Return the turn of the last one that waits and is as urgent; past where nobody does."""
        return self._ends[urgent]

    def is_forgettable(self, now: datetime) -> bool:
        """Whether one that is never heard of would be sent no more than this one."""
        self._gather(now)
        gathers = self._tokens < self._gathered_most
        busy = self.out or self.is_on_trial or self.rests(now) or gathers
        return not busy and max(self._ends.values()) < now - timedelta(seconds=1)

    def held_until(self, now: datetime, *, urgent: bool, waited: bool) -> datetime | None:
        """Return None, and count the mail, if it may go now; else when its turn is.

        Whoever has `waited` for a turn, and what is urgent, goes before what has just come.
        """
        if self.rests(now):
            return self.turn(now, urgent=urgent)
        if not self._pace:
            return None
        self._gather(now)
        if waited:
            # Nobody looks in the very moment of a turn. Who comes to theirs before a token is whole
            # goes, and the next one waits for the rest of it: else they were behind all others.
            goes = self._tokens > 0
        else:
            goes = self._tokens >= 1 and (urgent or self._ends[False] <= now)
        if goes:
            self._tokens -= 1
            return None
        return self.turn(now, urgent=urgent)

    def turn(self, now: datetime, *, urgent: bool) -> datetime:
        """Return when it is the turn of one more, behind all that wait and are as urgent."""
        begin = max(self._ends[urgent], self._rests_until, now)
        self._ends[urgent] = begin + self._spacing
        return self._ends[urgent]

    def heard(self, reaction: Reaction, now: datetime) -> bool:
        """Take what it did with a mail; return whether it begins a rest."""
        match reaction:
            case Reaction.TOOK:
                self._at_once += 1
                self._rests = self._put_off = 0
            case Reaction.REFUSED:
                self._rests = self._put_off = 0
            case Reaction.PUT_OFF:
                self._at_once = max(min(self._opening, self._at_once), self._at_once // 2)
                self._put_off += 1
                return self._put_off >= LATER_MOST and self._begin_rest(now)
            case Reaction.FELL_SILENT:
                return self._begin_rest(now)
        return False

    def _begin_rest(self, now: datetime) -> bool:
        """Rest, twice as long each time; what was out already when a rest began prolongs none."""
        self._at_once, self._put_off = 1, 0
        if self.rests(now):
            return False
        self._rests_until = now + min(FIRST_REST * 2 ** min(self._rests, 10), self._rest_most)
        self._rests += 1
        return True

    def _gather(self, now: datetime) -> None:
        seconds = max(0.0, (now - self._counted_at).total_seconds())
        self._tokens = min(self._gathered_most, self._tokens + seconds * self._pace)
        self._counted_at = now


def domain_of(address: str) -> str:
    """Return the address's domain as servers know it; one that none would know stays as it is."""
    domain = address.strip().rpartition("@")[2]
    try:
        return domain.encode("idna").decode().casefold()
    except UnicodeError:
        return domain.casefold()
