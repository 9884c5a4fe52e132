"""What is wished for many rewards at once, and how a list of it is read (`domain.md` 6).

A row names a backer and a reward; a number in it is one more parcel, and never replaces (trap 18).
"""

import csv
import io
from dataclasses import dataclass

from updates.domain.cells import meant
from updates.domain.delivery_plan import BATCHES_MAX
from updates.domain.errors import Refused
from updates.domain.tracking import TrackingState

ROWS_MAX = 10_000
REQUIRED = ("backer_id", "reward_id")
OPTIONAL = ("state", "batch", "carrier", "tracking_number")
ID_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become of one backer's reward; what is None stays as it is."""

    reward_id: str
    backer_id: str
    state: TrackingState | None = None
    parcel: tuple[str, str] | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One row: what it wishes, or why it cannot be read. `line` is that of the file, from 2."""

    line: int
    backer_id: str
    reward_id: str
    read: Wanted | Refused


@dataclass(frozen=True, slots=True)
class TrackingList:
    """A list as it was read; `ignored` are columns that mean nothing here."""

    rows: tuple[ListedRow, ...]
    ignored: tuple[str, ...]


def read_list(text: str) -> TrackingList:
    """Read a CSV file; raises `Refused` for one that cannot be read at all."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        missing = [name for name in REQUIRED if names.count(name) != 1]
        if missing or any(names.count(name) > 1 for name in OPTIONAL):
            raise Refused("unreadable-list", f"each column once, and these: {', '.join(REQUIRED)}")
        rows = tuple(
            _row(
                reader.line_num,
                dict(zip(names, map(meant, cells), strict=False)),
            )
            for cells in reader
            if any(cell.strip() for cell in cells)
        )
    except csv.Error as error:
        raise Refused("unreadable-list", f"line {reader.line_num}: {error}") from None
    if len(rows) > ROWS_MAX:
        raise Refused("unreadable-list", f"a list has at most {ROWS_MAX} rows")
    return TrackingList(rows, tuple(sorted(set(names) - {*REQUIRED, *OPTIONAL, ""})))


def _row(line: int, cells: dict[str, str]) -> ListedRow:
    backer, reward = cells.get("backer_id", ""), cells.get("reward_id", "")
    try:
        read: Wanted | Refused = _wanted(backer, reward, cells)
    except Refused as refusal:
        read = refusal
    return ListedRow(line, backer[:ID_CHARACTERS_MAX], reward[:ID_CHARACTERS_MAX], read)


def _wanted(backer: str, reward: str, cells: dict[str, str]) -> Wanted:
    if not all(1 <= len(one) <= ID_CHARACTERS_MAX for one in (backer, reward)):
        raise Refused("invalid-row", "a row names a backer and a reward")
    carrier, number = cells.get("carrier", ""), cells.get("tracking_number", "")
    if bool(carrier) != bool(number):
        raise Refused("invalid-row", "a tracking number has a carrier, and a carrier a number")
    parcel = (carrier, number) if number else None
    wanted = Wanted(reward, backer, _state(cells), parcel, _batch(cells))
    if wanted == Wanted(reward, backer):
        raise Refused("invalid-row", "the row says nothing of the reward")
    return wanted


def _state(cells: dict[str, str]) -> TrackingState | None:
    said = cells.get("state", "")
    if said and said not in set(TrackingState):
        raise Refused("invalid-row", f"there is no state {said[:50]}")
    return TrackingState(said) if said else None


def _batch(cells: dict[str, str]) -> int | None:
    said = cells.get("batch", "")
    if said and not (said.isascii() and said.isdigit() and 1 <= int(said[:9]) <= BATCHES_MAX):
        raise Refused("invalid-row", f"a batch is a number from 1 to {BATCHES_MAX}")
    return int(said) if said else None
