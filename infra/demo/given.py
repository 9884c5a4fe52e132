"""What the user gives: a campaign and a backer report. Refused before anything starts."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from infra.suite.checkout import PledgeRow
from sosst_contracts.money import MAXIMUM_AMOUNT, UnknownCurrency, exponent

COLUMNS = ("pledge_id", "backer_id", "reward_id", "amount_minor_units", "currency")
ROWS_MAX = 5_000


class GivenRefused(Exception):
    """The file cannot be used; the message names file, row and column."""


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
    """Read a campaign from JSON; raises `GivenRefused`."""
    try:
        given = json.loads(path.read_text())
        return GivenCampaign(
            campaign_id=str(given["campaign_id"]),
            creator_id=str(given["creator_id"]),
            title=str(given["title"]),
            currency=str(given["currency"]),
            zone=str(given.get("zone", "UTC")),
            rewards=tuple((r["reward_id"], r["title"]) for r in given.get("rewards", [])),
        )
    except OSError as error:
        raise GivenRefused(f"{path}: {error.strerror}") from None
    except (KeyError, TypeError) as error:
        raise GivenRefused(f"{path}: {error} is missing or has another shape") from None
    except ValueError as error:
        raise GivenRefused(f"{path}: not JSON: {error}") from None


def read_pledges(path: Path, campaign: GivenCampaign) -> list[PledgeRow]:
    """Read a backer report from CSV; raises `GivenRefused` for the first bad row."""
    try:
        with path.open(newline="") as file:
            table = list(csv.DictReader(file))
            columns = tuple(csv.DictReader(path.open(newline="")).fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GivenRefused(f"{path}: cannot be read: {error}") from None
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise GivenRefused(f"{path}: column {missing[0]} is missing")
    if not 0 < len(table) <= ROWS_MAX:
        raise GivenRefused(f"{path}: {len(table)} rows, between 1 and {ROWS_MAX} are possible")
    rows = [_row(path, number, line, campaign) for number, line in enumerate(table, start=2)]
    _refuse_doubles(path, rows)
    return rows


def _row(path: Path, number: int, line: dict[str, str], campaign: GivenCampaign) -> PledgeRow:
    def refuse(column: str, why: str) -> GivenRefused:
        return GivenRefused(f"{path}, row {number}, column {column}: {why}")

    for column in ("pledge_id", "backer_id"):
        if not line[column]:
            raise refuse(column, "is empty")
    text = line["amount_minor_units"] or ""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MAXIMUM_AMOUNT:
        raise refuse("amount_minor_units", f"{text!r} is no amount from 1 to {MAXIMUM_AMOUNT}")
    currency = line["currency"] or ""
    try:
        exponent(currency)
    except UnknownCurrency as error:
        raise refuse("currency", str(error)) from None
    if currency != campaign.currency:
        raise refuse("currency", f"{currency} in a campaign of {campaign.currency}")
    reward = line["reward_id"] or None
    if reward is not None and reward not in dict(campaign.rewards):
        raise refuse("reward_id", f"{reward!r} is not a reward of the campaign")
    return PledgeRow(line["pledge_id"], line["backer_id"], int(text), currency, reward)


def _refuse_doubles(path: Path, rows: list[PledgeRow]) -> None:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        if row.pledge_id in seen:
            first = seen[row.pledge_id]
            raise GivenRefused(f"{path}, row {number}, column pledge_id: same as in row {first}")
        seen[row.pledge_id] = number
