"""What somebody sees who watches: sentences, bars that fill, tables."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.demo.figures import Figure
from sosst_contracts.money import exponent

POLL_SECONDS = 0.1
STALL_SECONDS = 60.0


class NothingMoves(Exception):
    """What was waited for has stopped short; the message says where."""


class Telling:
    """Tells the story on a console as it happens."""

    def __init__(
        self, console: Console, currency: str, *, stall_seconds: float = STALL_SECONDS
    ) -> None:
        self._console = console
        self._currency = currency
        self._stall_seconds = stall_seconds

    def say(self, text: str) -> None:
        """Print one sentence; what comes from outside is escaped by the caller."""
        self._console.print(f"• {text}")

    def money(self, amount: int) -> str:
        """Return an amount for people: 2134100 minor units of EUR are 21,341.00 EUR."""
        digits = exponent(self._currency)
        whole, rest = divmod(amount, 10**digits)
        return f"{whole:,}{f'.{rest:0{digits}d}' if digits else ''} {self._currency}"

    def bar(self) -> Progress:
        """Return a bar to fill; where nobody watches (a log), only its end is printed."""
        return Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )

    async def fill(
        self,
        what: str,
        total: int,
        count: Callable[[], Awaitable[int]],
        *,
        stop_at: int | None = None,
    ) -> None:
        """Follow a count up to `stop_at` (default: the total).

        Raises `NothingMoves` when it stands still for `stall_seconds`. A service that does not
        answer at the moment counts as standing still: it may just have been killed.
        """
        enough = total if stop_at is None else stop_at
        most, since = -1, time.monotonic()
        with self.bar() as progress:
            task = progress.add_task(what, total=total)
            while most < enough:
                done = await _count_or(count, most)
                if done > most:
                    most, since = done, time.monotonic()
                    progress.update(task, completed=done)
                elif time.monotonic() > since + self._stall_seconds:
                    raise NothingMoves(
                        f"{what}: {max(most, 0)} of {total}, "
                        f"and no more for {self._stall_seconds:.0f} seconds"
                    )
                else:
                    await asyncio.sleep(POLL_SECONDS)

    def gate(self, title: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Print why a stage is not yet paid, line by line."""
        table = Table("line", "state", "why", "who", title=title, title_justify="left")
        for line in lines:
            words = (line["name"], line["state"], line["why"], line["who"] or "")
            table.add_row(*(escape(word) for word in words))
        self._console.print(table)

    def figures(self, figures: Iterable[Figure]) -> None:
        """Print every figure with both its sides."""
        table = Table(title="Every figure from two sides", title_justify="left", box=None)
        for column in ("figure", "one side", "", "other side", "", ""):
            table.add_column(column, justify="left" if column else "right", overflow="fold")
        for one in figures:
            verdict = "[green]agrees[/]" if one.agrees else "[red]DIFFERS[/]"
            sides = (one.one_side, f"{one.one:,}", one.other_side, f"{one.other:,}")
            table.add_row(escape(one.name), *sides, verdict)
        self._console.print(table)


async def _count_or(count: Callable[[], Awaitable[int]], otherwise: int) -> int:
    try:
        return await count()
    except httpx.HTTPError:
        return otherwise
