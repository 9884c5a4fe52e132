"""Backer reports: judged row by row, written whole or not at all, and again is the same."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding.commands import IMPORTED, REFUSED_ROWS, describe_import, perform_import
from funding.domain.backer_report import FORMATS, ROWS_MAX, format_of, read_report
from funding.domain.campaign import Totals
from funding.domain.errors import Refused
from funding.domain.pledge import Payment, PaymentStatus
from funding.handlers.import_pledges import PAGE, Imported, ImportPledges, import_pledges
from servicekit.command import CommandRefused
from services.funding.tests.conftest import Funding, memory_funding

OWN = (
    "pledge_id,backer_id,reward_id,amount,currency,status,occurred_at,"
    "provider,payment_reference,provider_fee,balance_transaction"
)


def line(number: int, **changes: str) -> str:
    fields = {
        "pledge_id": f"p{number}",
        "backer_id": f"b{number}",
        "reward_id": "lamp",
        "amount": "6.00",
        "currency": "EUR",
        "status": "captured",
        "occurred_at": "2026-03-01T12:00:00Z",
        "provider": "sandbox",
        "payment_reference": f"ch{number}",
        "provider_fee": "0.10",
        "balance_transaction": f"txn{number}",
    }
    return ",".join((fields | changes).values())


def report(*lines: str) -> str:
    return "\n".join((OWN, *lines))


async def run(
    funding: Funding, text: str, *, write: bool = True, with_errors: bool = False
) -> Imported:
    command = ImportPledges("c1", text, FORMATS["own"], write, with_errors)
    return await import_pledges(funding.units, command)


def outcomes(imported: Imported) -> list[tuple[int, str]]:
    return [(row.line, row.outcome) for row in imported.rows]


async def totals(funding: Funding) -> Totals:
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None
    return campaign.totals


async def test_a_dry_run_says_the_same_and_writes_nothing(funding: Funding) -> None:
    """What it promises is what the import then does, fact by fact."""
    await funding.launch()
    text = report(line(1), line(2, status="pending"), line(3, status="failed"))
    dry = await run(funding, text, write=False)
    assert outcomes(dry) == [(2, "new"), (3, "new"), (4, "new")] and not dry.written
    assert await totals(funding) == Totals()
    wet = await run(funding, text)
    assert wet.rows == dry.rows and wet.written
    assert await totals(funding) == Totals(1_800, 600, 1)


async def test_nothing_of_a_file_with_errors_is_written_unless_asked(funding: Funding) -> None:
    """Each refused row has its line, its reason and words."""
    await funding.launch()
    text = report(line(1), line(2, amount="six"), line(3, reward_id="castle"), line(4))
    refused = await run(funding, text)
    assert outcomes(refused) == [(2, "new"), (3, "refused"), (4, "refused"), (5, "new")]
    assert [row.reason for row in refused.rows] == [None, "invalid-amount", "unknown-reward", None]
    assert not refused.written and await totals(funding) == Totals()
    asked = await run(funding, text, with_errors=True)
    assert asked.written and asked.count("refused") == 2
    assert await totals(funding) == Totals(1_200, 1_200, 2)


async def test_an_import_that_died_between_pages_rolls_forward(funding: Funding) -> None:
    """What is here is known by its payment; the rest is written, and nothing twice."""
    await funding.launch()
    rows = [line(number) for number in range(PAGE + 20)]
    await run(funding, report(*rows[:PAGE]))
    again = await run(funding, report(*rows))
    assert (again.count("known"), again.count("new")) == (PAGE, 20)
    assert (await run(funding, report(*rows))).count("known") == PAGE + 20
    assert (await totals(funding)).count == PAGE + 20
    assert len(await funding.published("pledge-collected")) == PAGE + 20


async def test_rows_of_one_file_are_judged_together(funding: Funding) -> None:
    """The same row twice is one pledge; another amount, or another pledge's payment, is refused."""
    await funding.launch()
    text = report(line(1), line(1), line(1, amount="7.00"), line(2, payment_reference="ch1"))
    found = await run(funding, text, write=False)
    assert [row.outcome for row in found.rows] == ["new", "known", *["refused"] * 2]
    assert {row.reason for row in found.rows[2:]} == {"payment-conflict"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pledge_id": ""}, "invalid-identifier"),
        ({"pledge_id": "a b"}, "invalid-identifier"),
        ({"pledge_id": "p" * 101}, "invalid-identifier"),
        ({"backer_id": ""}, "invalid-identifier"),
        ({"backer_id": "b\x00"}, "invalid-identifier"),
        ({"backer_id": '"b\nb"'}, "invalid-identifier"),
        ({"backer_id": "b" * 201}, "invalid-identifier"),
        ({"amount": "-6.00"}, "invalid-amount"),
        ({"amount": "6.001"}, "invalid-amount"),
        ({"amount": "0"}, "invalid-amount"),
        ({"amount": "9000000.01"}, "invalid-amount"),
        ({"amount": "NaN"}, "invalid-amount"),
        ({"amount": "٦"}, "invalid-amount"),
        ({"currency": "USD"}, "other-currency"),
        ({"status": "dropped"}, "status-not-imported"),
        ({"occurred_at": "yesterday"}, "invalid-instant"),
        ({"occurred_at": "2026-03-01T12:00:00"}, "invalid-instant"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "invalid-instant"),
        ({"occurred_at": "0001-01-01T00:00:00+00:00"}, "invalid-instant"),
        ({"occurred_at": "9999-12-31T23:59:59+00:00"}, "invalid-instant"),
        ({"balance_transaction": ""}, "capture-incomplete"),
        ({"provider_fee": ""}, "invalid-amount"),
        ({"balance_transaction": "a,b"}, "too-many-fields"),
    ],
    ids=str,
)
async def test_a_bad_row_is_refused_by_name(changes: dict[str, str], reason: str) -> None:
    """And its neighbours are judged all the same."""
    funding = memory_funding()
    await funding.launch()
    bad, good = (await run(funding, report(line(1, **changes), line(2)))).rows
    assert (bad.outcome, bad.reason, good.outcome) == ("refused", reason, "new")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "column-missing"),
        (OWN, "row-count"),
        (report(*["x"] * (ROWS_MAX + 1)), "row-count"),
        (OWN.replace("status,", ""), "column-missing"),
        (f"{OWN},amount\nx", "column-twice"),
        (report('"never closed'), "unreadable-file"),
    ],
    ids=("empty", "no rows", "too many", "a column less", "a column twice", "a quote"),
)
async def test_a_file_that_cannot_be_read_is_refused_whole(text: str, reason: str) -> None:
    """Nothing of it is judged."""
    funding = memory_funding()
    await funding.launch()
    with pytest.raises(Refused) as refused:
        await run(funding, text)
    assert refused.value.reason == reason


async def test_people_s_columns_are_named_and_never_read(funding: Funding) -> None:
    """They belong to notifier: no address is in any pledge, and no field may be read from one."""
    await funding.launch()
    text = f"{OWN},Email,Backer Name,Notes\n{line(1)},anna@example.org,Anna,hello"
    found = await run(funding, text)
    assert (found.contact, found.ignored) == (("Email", "Backer Name"), ("Notes",))
    assert "anna" not in repr(await funding.queries.pledge("c1", "p1")).lower()
    with pytest.raises(Refused, match="Email"):
        format_of("own", {"backer_id": "Email"})
    with pytest.raises(Refused, match="colour"):
        format_of("own", {"colour": "Colour"})


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        (
            "kickstarter",
            "Backer Number,Backer UID,Email,Reward ID,Pledge Amount,Pledged At,Pledged Status",
            '7,99,a@b.org,lamp,"€1,234.50","2026/03/01, 12:00",collected',
        ),
        (
            "ulule",
            "Numéro de commande,Identifiant,Nom,Contrepartie,Montant,Devise,Date,Statut",
            '7,99,Anna,lamp,"1 234,50 €",EUR,01/03/2026 12:00,Payé',
        ),
        (
            "indiegogo",
            "Pledge ID,Order No.,Email,Perk ID,Amount,Funding Date,Status",
            '7,99,a@b.org,lamp,"1,234.50 EUR",2026-03-01 12:00:00,Paid',
        ),
    ],
)
async def test_the_usual_formats_are_read(name: str, header: str, row: str) -> None:
    """With the payment columns beside them; ids count within the campaign."""
    cash = "provider,payment_reference,provider_fee,balance_transaction"
    fee = "0,10" if name == "ulule" else "0.10"
    text = f'\ufeff{header},{cash}\n{row},sandbox,ch7,"{fee}",txn7'
    (found,) = read_report(text, FORMATS[name], "c1", "EUR").rows
    assert isinstance(found.read, Payment), found.read
    payment = found.read
    assert (payment.pledge_id, payment.backer_id, payment.reward_id) == ("c1:7", "c1:99", "lamp")
    assert (payment.money.amount, payment.status) == (123_450, PaymentStatus.CAPTURED)
    assert payment.occurred_at.isoformat() == "2026-03-01T12:00:00+00:00"


async def test_who_another_platform_names_has_its_number_alone() -> None:
    """An address in the column of another platform's ids is a slip, and stays off the topics."""
    columns = "Backer Number,Backer UID,Pledge Amount,Pledged At,Pledged Status"
    row = '7,ann@example.org,"€1.00","2026/03/01, 12:00",collected,sandbox,ch7,0.10,txn7'
    cash = "provider,payment_reference,provider_fee,balance_transaction"
    (found,) = read_report(f"{columns},{cash}\n{row}", FORMATS["kickstarter"], "c1", "EUR").rows
    assert isinstance(found.read, Refused) and found.read.reason == "invalid-identifier"


async def test_own_columns_may_be_named() -> None:
    """A mapping of the request's own replaces single columns of a format."""
    form = format_of("own", {"amount": "Montant"})
    (found,) = read_report(report(line(1)).replace("amount", "Montant"), form, "c1", "EUR").rows
    assert isinstance(found.read, Payment) and found.read.money.amount == 600


@settings(max_examples=200)
@given(st.integers(1, 900_000_000), st.sampled_from([("EUR", 2), ("JPY", 0), ("KWD", 3)]))
def test_every_amount_is_read_to_the_unit(amount: int, currency: tuple[str, int]) -> None:
    """As a person writes it, in currencies of none, two and three decimals."""
    name, digits = currency
    whole, rest = divmod(amount, 10**digits)
    written = f"{whole}.{rest:0{digits}d}" if digits else str(whole)
    row = line(1, amount=written, currency=name, provider_fee="0", status="pending")
    (found,) = read_report(report(row), FORMATS["own"], "c1", name).rows
    assert isinstance(found.read, Payment) and found.read.money.amount == amount


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), IMPORTED, "1 new, 0 known, 0 refused; nothing is written"),
        (("--write",), IMPORTED, "1 new, 0 known, 0 refused; written"),
        (("--column", "amount=status"), REFUSED_ROWS, "line 2, p1: invalid-amount"),
    ],
)
def test_the_command_prints_what_becomes_of_each_row(
    words: tuple[str, ...], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dry unless told to write; it ends with 1 where a row was refused."""
    funding, parser = memory_funding(), ArgumentParser()
    describe_import(parser)
    file = tmp_path / "pledges.csv"
    file.write_text(report(line(1)))
    arguments = parser.parse_args(["--campaign", "c1", "--file", str(file), *words])

    async def perform() -> int:
        await funding.launch()
        return await perform_import(arguments, funding.units)

    assert asyncio.run(perform()) == code
    assert said in capsys.readouterr().out


async def test_the_command_refuses_what_is_not_there() -> None:
    """A file, and a campaign."""
    funding, parser = memory_funding(), ArgumentParser()
    describe_import(parser)
    for file in ("/nowhere/pledges.csv", __file__):
        arguments = parser.parse_args(["--campaign", "c9", "--file", file])
        with pytest.raises(CommandRefused):
            await perform_import(arguments, funding.units)
