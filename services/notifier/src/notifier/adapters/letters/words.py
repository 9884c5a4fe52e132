"""Our words in the reader's language: templates, catalogues, amounts and instants.

English words stand in the templates themselves; every other language is a catalogue beside them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from unicodedata import bidirectional
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sosst_contracts.money import exponent

FOLDER = Path(__file__).parent
LANGUAGES = ("fr", "en")
# Where nothing else is known: the platform's first language, and nobody's zone.
FIRST_LANGUAGE, FIRST_ZONE = LANGUAGES[0], "UTC"
SOURCE_LANGUAGE = "en"
# A project's title in a subject or a sentence is no longer than this; it stands in full above it.
TITLE_LETTERS_MAX = 80
_QUOTES = {"fr": ("«\u00a0", "\u00a0»"), "en": ("“", "”")}
_DAY = "d MMMM y"
_FIRST_DAY = {"fr": "d'er' MMMM y"}
_TIME = {"fr": " 'à' HH:mm (zzzz)", "en": ", HH:mm (zzzz)"}


def language_of(tag: str) -> str:
    """Return the language of ours that a reader's tag (`fr-CA`) asks for."""
    language = tag.casefold().replace("_", "-").partition("-")[0]
    return language if language in LANGUAGES else FIRST_LANGUAGE


def isolated(text: str) -> str:
    """Return a text so that it turns nothing around it where it is written from right to left."""
    turns = any(bidirectional(letter) in ("R", "AL") for letter in text)
    return f"\u2068{text}\u2069" if turns else text


def brief(title: str) -> str:
    """Return a title that leaves room for what is said of it."""
    if len(title) > TITLE_LETTERS_MAX:
        title = f"{title[: TITLE_LETTERS_MAX - 1].rstrip()}…"
    return isolated(title)


@cache
def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(FIRST_ZONE)


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the words of a language; the source language needs none."""
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    with (FOLDER / "locale" / f"{language}.po").open("rb") as file:
        words = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, words)
    compiled.seek(0)
    return Translations(compiled)


@cache
def environment(language: str, medium: str) -> Environment:
    """Return the templates of a medium, `html` or `txt`, that speak a language."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=medium == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    return made


@dataclass(frozen=True, slots=True)
class Speech:
    """How titles, amounts and instants are written; `zones` has the reader's once it mattered."""

    language: str
    zone: ZoneInfo
    zones: set[str] = field(default_factory=set, compare=False)

    def amount(self, minor_units: int, currency: str) -> str:
        value = Decimal(minor_units).scaleb(-exponent(currency))
        return str(format_currency(value, currency, locale=self.language))

    def named(self, title: str) -> str:
        """Return a title for the inside of a sentence: quoted, as it may be a sentence itself."""
        begin, end = _QUOTES[self.language]
        return f"{begin}{brief(title)}{end}" if title else ""

    def day(self, at: datetime | str) -> str:
        return self._day(self._local(at))

    def whole_day(self, date: str) -> str:
        """Return a day that is one wherever it is read."""
        return self._day(datetime.fromisoformat(date))

    def instant(self, at: datetime | str) -> str:
        """Return day, time and zone, since a time alone would be ambiguous."""
        local = self._local(at)
        pattern = self._day_pattern(local) + _TIME[self.language]
        return str(format_datetime(local, pattern, locale=self.language))

    def _day(self, local: datetime) -> str:
        return str(format_date(local, self._day_pattern(local), locale=self.language))

    def _day_pattern(self, local: datetime) -> str:
        """Return how a day is written: in French the first of a month is `1er`."""
        return _FIRST_DAY.get(self.language, _DAY) if local.day == 1 else _DAY

    def _local(self, at: datetime | str) -> datetime:
        instant = datetime.fromisoformat(at) if isinstance(at, str) else at
        self.zones.add(self.zone.key)
        return instant.astimezone(self.zone)
