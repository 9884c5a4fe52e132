"""What the user gives: a campaign and a backer report. Refused before anything starts."""

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from infra.suite.checkout import PledgeRow
from sosst_contracts.money import MAXIMUM_AMOUNT, UnknownCurrency, exponent

COLUMNS = ("pledge_id", "backer_id", "reward_id", "amount_minor_units", "currency")
ROWS_MAX = 5_000
REWARDS_MAX = 200
TITLE_CHARACTERS_MAX = 140
# The first stage is a fifth of the total and must be something; a stage is one transfer.
TOTAL_MIN = 100
# Shorter than the services take, since the story puts names in front of these.
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,39}")
IDENTIFIER_SHAPE = "1 to 40 letters, digits or . _ : -, a letter or digit first"


class GivenRefused(Exception):
    """The file cannot be used; the message names the file and the field, or row and column."""


@dataclass(frozen=True, slots=True)
class GivenCampaign:
    """A campaign to be played twice: once missing its goal, once meeting it."""

    campaign_id: str
    creator_id: str
    title: str
    currency: str
    zone: str
    rewards: tuple[tuple[str, str], ...]


def read_campaign(path: Path) -> GivenCampaign:
    """Read a campaign from JSON; raises `GivenRefused` for the first bad field."""
    try:
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise GivenRefused(f"{path}: cannot be read: {error}") from None
    fields = _Fields(path, "", given)
    return GivenCampaign(
        campaign_id=fields.take("campaign_id", _identifier),
        creator_id=fields.take("creator_id", _identifier),
        title=fields.take("title", _title),
        currency=fields.take("currency", _currency),
        zone=fields.take("zone", _zone, "UTC"),
        rewards=_rewards(path, fields),
    )


def read_pledges(path: Path, campaign: GivenCampaign) -> list[PledgeRow]:
    """Read a backer report from CSV; raises `GivenRefused` for the first bad row."""
    rows: list[PledgeRow] = []
    first_seen: dict[str, int] = {}
    for number, line in _lines(path):
        row = _row(path, number, line, campaign)
        if row.pledge_id in first_seen:
            first = first_seen[row.pledge_id]
            raise GivenRefused(f"{path}, row {number}, column pledge_id: same as in row {first}")
        first_seen[row.pledge_id] = number
        rows.append(row)
    if not 0 < len(rows) <= ROWS_MAX:
        raise GivenRefused(f"{path}: {len(rows)} rows, between 1 and {ROWS_MAX} are possible")
    total = sum(row.amount for row in rows)
    if not TOTAL_MIN <= total <= MAXIMUM_AMOUNT:
        raise GivenRefused(
            f"{path}, column amount_minor_units: {total} in total, "
            f"between {TOTAL_MIN} and {MAXIMUM_AMOUNT} are possible"
        )
    return rows


def _lines(path: Path) -> list[tuple[int, Mapping[str | None, str | None]]]:
    """Return the rows with their line in the file, as an editor counts."""
    try:
        # Spreadsheets write a byte order mark in front of the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            for column in COLUMNS:
                if columns.count(column) != 1:
                    raise GivenRefused(
                        f"{path}, row 1: column {column} is "
                        f"{'missing' if column not in columns else 'there twice'}"
                    )
            # A short row has None as value, a long one has None as name.
            return [(reader.line_num, {**line}) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GivenRefused(f"{path}: cannot be read: {error}") from None


def _row(
    path: Path,
    number: int,
    line: Mapping[str | None, str | None],
    campaign: GivenCampaign,
) -> PledgeRow:
    if None in line:
        raise GivenRefused(f"{path}, row {number}: more fields than columns")

    def take(column: str, check: Callable[[str], str]) -> str:
        try:
            return check(line[column] or "")
        except ValueError as error:
            raise GivenRefused(f"{path}, row {number}, column {column}: {error}") from None

    def of_campaign(currency: str) -> str:
        if _currency(currency) != campaign.currency:
            raise ValueError(f"{currency} in a campaign of {campaign.currency}")
        return currency

    def reward(reward_id: str) -> str:
        if reward_id and reward_id not in dict(campaign.rewards):
            raise ValueError(f"{reward_id!r} is not a reward of the campaign")
        return reward_id

    return PledgeRow(
        pledge_id=take("pledge_id", _identifier),
        backer_id=take("backer_id", _identifier),
        amount=int(take("amount_minor_units", _amount)),
        currency=take("currency", of_campaign),
        reward_id=take("reward_id", reward) or None,
    )


def _rewards(path: Path, fields: "_Fields") -> tuple[tuple[str, str], ...]:
    given = fields.value.get("rewards", [])
    if not isinstance(given, list) or len(given) > REWARDS_MAX:
        raise GivenRefused(f"{path}, rewards: is no list of at most {REWARDS_MAX}")
    each = [_Fields(path, f"rewards[{number}].", reward) for number, reward in enumerate(given)]
    rewards = tuple((one.take("reward_id", _identifier), one.take("title", _title)) for one in each)
    if len(dict(rewards)) < len(rewards):
        raise GivenRefused(f"{path}, rewards: two have the same reward_id")
    return rewards


class _Fields:
    """An object of the JSON file whose fields are taken one by one."""

    def __init__(self, path: Path, place: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise GivenRefused(f"{path}: {place.rstrip('.') or 'the file'} is no object {{…}}")
        self._path, self._place, self.value = path, place, value

    def take(self, name: str, check: Callable[[str], str], default: str | None = None) -> str:
        given = self.value.get(name, default)
        try:
            if given is None:
                raise ValueError("is missing")
            if not isinstance(given, str):
                raise ValueError(f"{given!r} is no text")
            return check(given)
        except ValueError as error:
            raise GivenRefused(f"{self._path}, {self._place}{name}: {error}") from None


def _identifier(text: str) -> str:
    if not IDENTIFIER.fullmatch(text):
        raise ValueError(f"{text!r} is no identifier ({IDENTIFIER_SHAPE})" if text else "is empty")
    return text


def _title(text: str) -> str:
    if not 0 < len(text) <= TITLE_CHARACTERS_MAX:
        raise ValueError(f"has {len(text)} characters, 1 to {TITLE_CHARACTERS_MAX} are possible")
    return text


def _amount(text: str) -> str:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MAXIMUM_AMOUNT))
    if not digits or not 0 < int(text) <= MAXIMUM_AMOUNT:
        raise ValueError(f"{text[:40]!r} is no whole amount from 1 to {MAXIMUM_AMOUNT}")
    return text


def _currency(text: str) -> str:
    try:
        exponent(text)
    except UnknownCurrency as error:
        raise ValueError(str(error)) from None
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone") from None
    return text
