"""When somebody is written to, or why not: what they asked for, against what a kind allows.

Read at the send, so that whoever changes their mind is believed at once. The inbox always has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum

from notifier.domain.cause import CauseKind, Told
from notifier.domain.kind import ToldAs, is_gathered, may_be_muted, rules_of

# When a digest goes out, by the clock of whoever reads it; a weekly one on Mondays.
DIGEST_AT = time(8)
MONDAY = 0
MUTED, DIGEST, NIGHT = "muted", "digest", "quiet-hours"


class Frequency(StrEnum):
    AT_ONCE = "at_once"
    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True)
class Mute:
    """What somebody does not want: of a project, of a kind, or of a kind in a project."""

    campaign_id: str | None = None
    kind: CauseKind | None = None

    def covers(self, told: Told) -> bool:
        """Return whether this is something of the kind, in the project."""
        here = self.campaign_id in (None, told.campaign_id)
        return here and self.kind in (None, told.kind)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of the day to another, past midnight where the second is the earlier one."""

    begin: time
    end: time

    def hold(self, local: time) -> bool:
        """Return whether it is quiet at this time of the day."""
        if self.begin <= self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person asked for; who asked for nothing is written to at once, at any hour."""

    mutes: tuple[Mute, ...] = ()
    digest: Frequency = Frequency.AT_ONCE
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class SendNow:
    """Nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not before this instant."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Suppress:
    """Never."""

    reason: str


Decision = SendNow | Later | Suppress


def decide(
    told: Told,
    preferences: Preferences,
    zone: tzinfo,
    now: datetime,
    role: ToldAs = ToldAs.BACKER,
) -> Decision:
    """Return what becomes of a message for somebody with these preferences in this zone.

    What cannot be muted waits for nothing. What somebody waits for an answer to, no digest holds.
    """
    rules = rules_of(told)
    if not may_be_muted(told, role):
        return SendNow()
    if any(mute.covers(told) for mute in preferences.mutes):
        return Suppress(MUTED)
    digest = preferences.digest
    if digest is Frequency.AT_ONCE and is_gathered(told.kind, role):
        digest = Frequency.DAILY
    if rules.digestible and digest is not Frequency.AT_ONCE:
        at = next_digest(told.caused_at, digest, zone)
        if now < at:
            return Later(at, DIGEST)
    quiet = preferences.quiet
    if quiet is not None and quiet.hold(now.astimezone(zone).time()):
        return Later(_next(now, quiet.end, zone), NIGHT)
    return SendNow()


def next_digest(after: datetime, digest: Frequency, zone: tzinfo) -> datetime:
    """Return when the digest goes out that holds what happened then."""
    at = _next(after, DIGEST_AT, zone)
    while digest is Frequency.WEEKLY and at.astimezone(zone).weekday() != MONDAY:
        at = _next(at, DIGEST_AT, zone)
    return at


def _next(after: datetime, clock: time, zone: tzinfo) -> datetime:
    """Return the next instant at which it is this time in the zone, whatever its days are long."""
    return next(at for at in _daily(after, clock, zone) if at > after)


def _daily(after: datetime, clock: time, zone: tzinfo) -> Iterator[datetime]:
    day = after.astimezone(zone).date()
    for days in range(3):
        local = datetime.combine(day + timedelta(days=days), clock, tzinfo=zone)
        yield local.astimezone(after.tzinfo)
