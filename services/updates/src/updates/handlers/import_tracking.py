"""A list of rewards on their way: all rows are judged first, and only then anything is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice

from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.tracking import TrackingTerms
from updates.domain.tracking_list import ListedRow, TrackingList, Wanted, read_list
from updates.handlers.tracking import PAGE, Result, move_trackings
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class ImportTracking:
    """What is asked for: dry unless `write`, and whole unless `with_errors`."""

    campaign_id: str
    text: str
    by: str
    write: bool = False
    with_errors: bool = False


@dataclass(frozen=True, slots=True)
class RowResult:
    """What becomes of a row: `changed`, `unchanged` (it is so already), or `refused` and why."""

    line: int
    backer_id: str
    reward_id: str
    outcome: str
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The report of an import; `written` says whether what changed is kept."""

    rows: tuple[RowResult, ...]
    written: bool
    ignored: tuple[str, ...]

    def count(self, outcome: str) -> int:
        return sum(row.outcome == outcome for row in self.rows)


async def import_tracking(
    units: UnitsOfWork[UpdatesUnit], command: ImportTracking, now: datetime, terms: TrackingTerms
) -> Imported:
    """Judge every row and, where that is asked for, keep the good ones in pages.

    A crash between two pages is healed by the same list again: what is so already is not told
    (trap 17). Nothing of a list with a refused row is kept unless asked. Raises `Refused` for one
    that cannot be read at all.
    """
    listed = read_list(command.text)
    move = partial(
        move_trackings, campaign_id=command.campaign_id, by=command.by, now=now, terms=terms
    )
    wishes = [row.read for row in listed.rows if isinstance(row.read, Wanted)]
    judged = await units.run(partial(move, wanted=wishes, write=False))
    results = _results(listed, judged)
    refused = any(row.refused for row in results)
    if not command.write or (refused and not command.with_errors):
        return Imported(tuple(results), False, listed.ignored)
    good = iter(place for place, row in enumerate(results) if row.refused is None)
    while page := list(islice(good, PAGE)):
        wanted = [w for at in page if isinstance(w := listed.rows[at].read, Wanted)]
        for at, done in zip(page, await units.run(partial(move, wanted=wanted)), strict=True):
            results[at] = _result(listed.rows[at], done)
    return Imported(tuple(results), True, listed.ignored)


def _results(listed: TrackingList, judged: Sequence[Result]) -> list[RowResult]:
    answers = iter(judged)
    return [
        _refused(row, row.read) if isinstance(row.read, Refused) else _result(row, next(answers))
        for row in listed.rows
    ]


def _result(row: ListedRow, done: Result) -> RowResult:
    if done.refused is not None:
        return _refused(row, done.refused)
    outcome = "changed" if done.changed else "unchanged"
    return RowResult(row.line, row.backer_id, row.reward_id, outcome)


def _refused(row: ListedRow, refusal: Refused) -> RowResult:
    return RowResult(row.line, row.backer_id, row.reward_id, "refused", refusal)
