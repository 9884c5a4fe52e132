"""A person: how they are reached, in which language and zone, and what they are."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

from notifier.domain.spoken import primary

# What our own words are written in, the first where a person reads none of them.
LANGUAGES = ("fr", "en")
NO_ZONE = "UTC"


class PersonRole(StrEnum):
    BACKER = "backer"
    CREATOR = "creator"
    FOLLOWER = "follower"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Person:
    """A person as last described; an erased one keeps nothing but that.

    `described_at` is when it became so: nothing older replaces it.
    """

    person_id: str
    described_at: datetime
    address: str | None = None
    display_name: str | None = None
    language: str = LANGUAGES[0]
    zone: str = NO_ZONE
    roles: frozenset[PersonRole] = frozenset()
    erased: bool = False

    @property
    def our_language(self) -> str:
        """Return the language of our own words for this person."""
        spoken = primary(self.language)
        return spoken if spoken in LANGUAGES else LANGUAGES[0]

    @property
    def clock_zone(self) -> tzinfo:
        """Return the zone in which this person sleeps; one that nobody knows is UTC."""
        return zone_named(self.zone) or UTC


def zone_named(name: str) -> tzinfo | None:
    """Return the IANA zone of this name, None if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # Not there, no name of a zone, or a folder of them.
        return None


def describe(known: Person | None, told: Person) -> Person:
    """Return the person after this description; an older one, and any before an erasure, is none.

    Of two that became so at once the one that was heard last holds.
    """
    if known is None:
        return told
    newer = told.described_at > known.described_at
    again = told.described_at == known.described_at and not known.erased
    return told if newer or again else known


def redescribe(known: Person | None, told: Person) -> Person:
    """Return the person as they describe themselves: what they are is said by others."""
    return describe(known, replace(told, roles=known.roles if known else frozenset()))


def erase(known: Person, at: datetime) -> Person:
    """Forget everything; no description of before `at` is taken from then on."""
    return Person(known.person_id, max(known.described_at, at), erased=True)


def forget(known: Person) -> Person:
    """Forget everything; what is described after what was known is taken again."""
    return erase(known, known.described_at)
