"""Pages to print, in French and English: plain tables, every text escaped, nothing loaded."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from fastapi.responses import HTMLResponse

from servicekit.pages import PageTemplates
from sosst_contracts.money import exponent


class Language(StrEnum):
    FRENCH = "fr"
    ENGLISH = "en"


# Thin spaces that no line breaks at; a comma in French, a point in English.
_MARKS = {Language.FRENCH: ("\u202f", ","), Language.ENGLISH: (",", ".")}
_DAYS = {Language.FRENCH: "%d/%m/%Y", Language.ENGLISH: "%Y-%m-%d"}

_STYLE = """
body { font: 11pt/1.4 sans-serif; margin: 2rem auto; max-width: 45rem; color: #000; }
h1 { font-size: 16pt; } h2 { font-size: 12pt; margin-top: 1.5rem; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: normal; text-align: left; }
td { text-align: right; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #999; padding: .25rem .5rem; }
tr.sum th, tr.sum td { font-weight: bold; border-top: 2px solid #000; }
@page { margin: 2cm; }
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }
"""
_TEMPLATES = PageTemplates(Path(__file__).parent / "templates")


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, lines of label and value, and whether the last line is their sum."""

    heading: str
    lines: tuple[tuple[str, str], ...]
    summed: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is on a page."""

    title: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def amounts_table(
    heading: str,
    lines: Iterable[tuple[str, int]],
    currency: str,
    language: Language,
    *,
    summed: bool = True,
) -> Table:
    """Return a table of labels and amounts of minor units."""
    shown = ((label, amount_text(amount, currency, language)) for label, amount in lines)
    return Table(heading, tuple(shown), summed)


def printed(sheet: Sheet, language: Language) -> HTMLResponse:
    """Return the page, which loads nothing and runs nothing.

    Whoever opens it has a right to it; no cache and no other page has.
    """
    return _TEMPLATES.whole_page("sheet.html", language.value, _STYLE, sheet=sheet)


def amount_text(amount: int, currency: str, language: Language) -> str:
    """Return an amount of minor units as people of the language write it."""
    thousands, point = _MARKS[language]
    digits = exponent(currency)
    whole, rest = divmod(abs(amount), 10**digits)
    text = f"{whole:,}".replace(",", thousands)
    if digits:
        text += f"{point}{rest:0{digits}}"
    return f"{'-' if amount < 0 else ''}{text}\u00a0{currency}"


def day_text(at: datetime, language: Language) -> str:
    """Return the day in UTC, as all days of the books are."""
    return at.strftime(_DAYS[language])


def rate_text(basis_points: int, language: Language) -> str:
    point = _MARKS[language][1]
    whole, rest = divmod(basis_points, 100)
    return f"{whole}{point}{rest:02}\u00a0%" if rest else f"{whole}\u00a0%"
