"""The tax office's file: read back, every entry is even and all of them are the trial balance."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from payouts.commands import describe_fec, describe_trial_balance, perform_fec
from payouts.domain.block import Block, ChainHead, postings_in, seal
from payouts.domain.errors import Refused
from payouts.domain.fec import CHART, FIELDS, PROFIT, WORDS, Fec, Year, file_name
from payouts.domain.ledger import EMPTY, SIDES, Account, Row, Side
from payouts.domain.postings import pledge_collected
from payouts.domain.reconciliation import Movement
from payouts.domain.trial_balance import end_of
from payouts.handlers.export_fec import check_over, export_fec
from payouts.handlers.pledges import PledgeHeard, take_pledges
from payouts.ports.reconciliation import BlockPlace
from servicekit.problems import install_problems
from services.payouts.tests.builders import NOW, a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_closing import all_paid, rest
from services.payouts.tests.test_http import api_of

Line = dict[str, str]
YEAR = Year(date(2026, 12, 31))
NEXT = Year(date(2027, 12, 31))


async def exported(payouts: Payouts, year: Year = YEAR, currency: str = "EUR") -> list[Line]:
    """Export a year, and read it as who is given the file does."""
    lines = [line async for line in export_fec(payouts.reconciliation, Fec(year, currency))]
    assert lines[0].split("\t") == list(FIELDS) and len(FIELDS) == 18
    return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines[1:]]


def amount(text: str) -> int:
    """Read a decimal with a comma as hundredths."""
    whole, _, rest = text.partition(",")
    assert whole.isdigit() and rest.isdigit() and len(rest) == 2, text
    return int(Decimal(f"{whole}.{rest}") * 100)


def even(lines: Sequence[Line]) -> Counter[str]:
    """Check numbers, dates and the sums of each entry; return what is on each account."""
    accounts: Counter[str] = Counter()
    entries: Counter[int] = Counter()
    for line in lines:
        moved = amount(line["Debit"]) - amount(line["Credit"])
        assert moved and "0,00" in (line["Debit"], line["Credit"])
        entries[int(line["EcritureNum"])] += moved
        accounts[line["CompteNum"]] += moved
        assert all(line[name] for name in FIELDS[:6] + FIELDS[8:13]) and line["ValidDate"]
        for name in ("EcritureDate", "PieceDate", "ValidDate"):
            datetime.strptime(line[name], "%Y%m%d").replace(tzinfo=UTC)
    assert list(entries) == list(range(1, len(entries) + 1)), "numbered without a gap, in order"
    assert not any(entries.values())
    return accounts


async def expected(payouts: Payouts, ending: date) -> Counter[str]:
    """Return the trial balance by the chart's numbers, as it is before closings settle it."""
    accounts: Counter[str] = Counter()
    for one in await payouts.queries.trial_balances(end_of(ending)):
        for account, balance in one.balances.items():
            debit = SIDES[account] is Side.DEBIT
            accounts[CHART[account][0]] += balance if debit else -balance
    for block in await payouts.queries.blocks(CAMPAIGN, 0, 1_000):
        for entry in [e for p in postings_in(block) if p.row is Row.CLOSE for e in p.entries]:
            if block.sealed_at <= end_of(ending):
                accounts[CHART[entry.debit][0]] -= entry.amount
                accounts[CHART[entry.credit][0]] += entry.amount
    return Counter({number: n for number, n in accounts.items() if n})


def without_zeros(accounts: Counter[str]) -> Counter[str]:
    return Counter({number: n for number, n in accounts.items() if n})


async def test_a_year_is_even_and_is_the_trial_balance(payouts: Payouts) -> None:
    """Each entry's debits are its credits; all together they are what the books say."""
    await all_paid(payouts)
    lines = await exported(payouts)
    accounts = even(lines)
    assert without_zeros(accounts) == await expected(payouts, YEAR.ending) != Counter()
    assert {line["JournalCode"] for line in lines} == {"BQ", "VE", "OD"}
    whose = {line["CompteNum"][:2]: line["CompAuxNum"] for line in lines}
    assert whose["46"] == CAMPAIGN and whose["51"] == whose["70"] == ""


async def test_a_closing_is_left_out_so_that_the_result_is_there(payouts: Payouts) -> None:
    """Classes 6 and 7 show what the year earned, although the campaign's book is all zero."""
    await all_paid(payouts)
    before = even(await exported(payouts))
    closed = await rest(payouts)
    assert not any(closed.balances.values())
    after = even(await exported(payouts))
    assert after == before and after["706100"] == -500 and after["627800"] == 60
    assert without_zeros(after) == await expected(payouts, YEAR.ending)


async def test_the_next_year_opens_with_what_the_last_one_left(payouts: Payouts) -> None:
    """Its first entry is even: balances of classes 1 to 5, and the result in one account."""
    await all_paid(payouts)
    old = even(await exported(payouts))
    payouts.clock.advance(seconds=366 * 86_400)
    await payouts.collect(7, counted=False)
    lines = await exported(payouts, NEXT)
    new = even(lines)
    first = [line for line in lines if line["EcritureNum"] == "1"]
    assert {line["JournalCode"] for line in first} == {"AN"}
    assert {line["EcritureDate"] for line in first} == {"20270101"}
    result = sum(n for number, n in old.items() if number[0] in "67")
    opened = {line["CompteNum"]: amount(line["Debit"]) - amount(line["Credit"]) for line in first}
    kept = {number: n for number, n in old.items() if number[0] not in "67" and n}
    assert opened == kept | {PROFIT[0]: result} and result < 0
    assert new["706100"] == 0 and new["627800"] == 30, "results begin anew"


async def test_what_is_not_of_the_sellers_currency_is_left_out_and_named(
    payouts: Payouts, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no rate for it in the books; the command says so, and ends with 1."""
    await payouts.collect(1)
    heard = [PledgeHeard("campaign-2", "USD", 1, replace(a_pledge(9), currency="USD"))]
    await payouts.units.run(lambda unit: take_pledges(unit, heard, payouts.clock.now()))
    assert {line["EcritureLib"] for line in await exported(payouts)} == {
        f"Contribution encaissée {CAMPAIGN}"
    }
    arguments = Namespace(ending=YEAR.ending, currency="EUR")
    over = datetime(2027, 1, 1, tzinfo=UTC)
    assert await perform_fec(arguments, payouts.reconciliation, "123456782", over) == 1
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 5
    assert printed.err.splitlines() == [
        "123456782FEC20261231.txt: 1 entries",
        "left out: 2 entries in USD",
    ]
    with pytest.raises(Refused, match="ends with 2026-12-31"):
        await perform_fec(arguments, payouts.reconciliation, "123456782", NOW)


async def test_a_late_fact_is_booked_today_and_keeps_its_own_date(payouts: Payouts) -> None:
    """The piece has the day of the provider's movement, the entry the day on which it is booked."""
    await payouts.collect(1)
    at = NOW - timedelta(days=3)
    moved = Movement("txn_1", "", "charge", "ch_1", 5_000, 30, "EUR", at)
    await payouts.reconciliation.keep_movements([moved])
    lines = await exported(payouts)
    assert {(line["EcritureDate"], line["PieceDate"], line["ValidDate"]) for line in lines} == {
        ("20260301", "20260226", "20260301")
    }


async def test_pages_are_read_as_lines_are_taken(payouts: Payouts) -> None:
    """A year of any size is never held at once: the second page is asked for when it is due."""
    await payouts.collect(1)
    (block,) = await payouts.queries.blocks(CAMPAIGN, 0, 1)
    asked: list[BlockPlace | None] = []

    class Store:
        async def blocks_sealed(
            self, after: BlockPlace | None, until: datetime, limit: int
        ) -> list[Block]:
            asked.append(after)
            return [block] if len(asked) < 3 else []

        async def movements(self, ids: Collection[str]) -> dict[str, Movement]:
            return {}

    lines = export_fec(Store(), Fec(YEAR, "EUR"))  # type: ignore[arg-type]
    for _ in range(3):
        await anext(lines)
    assert len(asked) == 1
    assert len([line async for line in lines]) == 6 and len(asked) == 3


def test_a_cause_from_outside_breaks_no_line() -> None:
    """Tabs, ends of lines and bars become spaces."""
    (posting,) = postings_in(a_block("txn\t1|\r\n"))
    (line, *_) = Fec(YEAR, "EUR").take(a_block(posting.balance_transaction or ""), {})
    assert line.count("\t") == 17 and "|" not in line and "\n" not in line and "\r" not in line


def a_block(balance_transaction: str) -> Block:
    posting = pledge_collected(5, 0, balance_transaction)
    (block,) = seal(CAMPAIGN, "EUR", ChainHead(), EMPTY, [posting], NOW)
    return block


def test_amounts_have_the_digits_of_their_currency() -> None:
    """A comma, no separator of thousands; none at all where there are no digits."""
    for currency, text in (("EUR", "12345,67"), ("JPY", "1234567"), ("KWD", "1234,567")):
        assert Fec(YEAR, currency)._decimal(1_234_567) == text


def test_every_account_and_row_is_in_the_chart() -> None:
    """Three digits first, as the French chart wants, and no number means two accounts."""
    assert CHART.keys() == set(Account) and WORDS.keys() == set(Row)
    numbers = [number for number, _ in CHART.values()]
    assert len(set(numbers)) == len(numbers) and all(n.isdigit() and len(n) == 6 for n in numbers)


@pytest.mark.parametrize(
    ("ending", "begins"),
    [("2026-12-31", "2026-01-01"), ("2027-06-30", "2026-07-01"), ("2028-02-28", "2027-03-01")],
)
def test_a_year_begins_twelve_months_before_it_ends(ending: str, begins: str) -> None:
    """Also one that does not end with December; it is over with its last day."""
    year = Year(date.fromisoformat(ending))
    assert f"{year.begins:%Y-%m-%d}" == begins
    assert file_name("123456782", year) == f"123456782FEC{ending.replace('-', '')}.txt"
    check_over(Fec(year, "EUR"), year.ends)
    with pytest.raises(Refused):
        check_over(Fec(year, "EUR"), year.ends - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("describe", "option"), [(describe_fec, "--ending"), (describe_trial_balance, "--as-of")]
)
def test_an_operator_types_no_day_at_an_end_of_time(
    describe: Callable[[ArgumentParser], None],
    option: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There is no day behind it to reckon with: told as any option that is typed wrongly."""
    parser = ArgumentParser()
    describe(parser)
    for odd in ("9999-12-31", "0001-01-01"):
        with pytest.raises(SystemExit):
            parser.parse_args([option, odd])
        assert f"{odd} is in no year from 1970 to 2999" in capsys.readouterr().err
    assert date(2026, 12, 31) in vars(parser.parse_args([option, "2026-12-31"])).values()


async def test_staff_fetch_it_over_http() -> None:
    """As a file under the name that the norm gives it; 409 before the year is over."""
    payouts = memory_payouts()
    await payouts.collect(1)
    api = api_of(payouts)
    install_problems(api)
    staff = bearer(Caller("staff-1", ("staff",)))
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        asked = {"ending": "2026-12-31"}
        early = await client.get("/ledger/fec", params=asked, headers=staff)
        payouts.clock.advance(seconds=366 * 86_400)
        answer = await client.get("/ledger/fec", params=asked, headers=staff)
        other = await client.get("/ledger/fec", params=asked | {"currency": "USD"}, headers=staff)
    assert early.status_code == 409 and early.json()["type"].endswith("year-not-over")
    assert answer.headers["Content-Disposition"].endswith('FEC20261231.txt"')
    assert len(answer.text.splitlines()) == 5
    assert "Left-Out-Currencies" not in answer.headers
    assert other.headers["Left-Out-Currencies"] == "EUR"
