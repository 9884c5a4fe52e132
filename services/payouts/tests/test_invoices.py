"""Each posting of fees has one document, whose number follows the one before without a gap."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from payouts.domain import postings
from payouts.domain.errors import InvariantBroken
from payouts.domain.fees import Fees, divide_last
from payouts.domain.invoice import (
    DocumentKind,
    Invoice,
    Numbers,
    charge_in,
    issue,
    take_number,
)
from payouts.domain.ledger import Account, Entry, Posting, Row
from payouts.handlers.invoices import IssueInvoices, invoice_work
from payouts.handlers.work_kinds import INVOICE
from payouts.http.invoices import WORDS
from payouts.http.printing import Language, amount_text
from payouts.ports.unit import PayoutsUnit
from servicekit.errors import Conflict, DuplicateKey, LeaseLost
from servicekit.mongo import Database
from servicekit.problems import install_problems
from services.payouts.tests.builders import NOW, SELLER, a_charge
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts, mongo_payouts
from services.payouts.tests.test_http import api_of
from services.payouts.tests.test_later_stages import CREATOR, approve, decide, first_paid, pay, show

AT = f"/campaigns/{CAMPAIGN}/invoices"
PEOPLE = Caller(CREATOR, ("creator",))


def issuer(payouts: Payouts) -> IssueInvoices:
    return IssueInvoices(payouts.units, SELLER, "FA", payouts.clock)


async def issue_all(payouts: Payouts) -> list[Invoice]:
    """Let one process issue all that is asked for; return the campaign's documents."""
    while claims := await payouts.claim(INVOICE, limit=1):
        await issuer(payouts)(claims[0])
    return await payouts.queries.invoices(CAMPAIGN)


async def last_approved(payouts: Payouts) -> None:
    """Of 100.00 fees of 10.20 are taken by the approval of the last stage."""
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: CREATOR}))
    await first_paid(payouts)
    await show(payouts, 2)
    await decide(payouts, 2)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    await show(payouts, 3)
    await decide(payouts, 3)
    await approve(payouts, 3, 5_000 - 1_020)


async def incomes(payouts: Payouts) -> Fees:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    accounts = (
        Account.PLATFORM_FEE_INCOME,
        Account.PROCESSING_FEE_INCOME,
        Account.TAX_PAYABLE,
    )
    return Fees(*(book.balances.get(account, 0) for account in accounts))


async def test_the_last_stage_has_an_invoice_of_what_the_book_took(payouts: Payouts) -> None:
    """Paid out of the campaign's money already; the document says all that the law asks for."""
    await last_approved(payouts)
    (invoice,) = await issue_all(payouts)
    assert (invoice.number, invoice.kind) == ("F2026-000001", DocumentKind.INVOICE)
    assert invoice.fees == await incomes(payouts) == Fees(500, 350, 170)
    assert (invoice.seller, invoice.buyer_id, invoice.corrects) == (SELLER, CREATOR, None)
    assert (invoice.net, invoice.tax_basis_points, invoice.due) == (850, 2_000, 0)
    assert await issue_all(payouts) == [invoice], "nothing else is asked for"


async def test_an_approval_that_falls_is_credited_and_the_next_one_invoiced(
    payouts: Payouts,
) -> None:
    """No document is changed or taken away; together they are what the book has."""
    await last_approved(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts, turns=3)
    await approve(payouts, 3, 5_000 - 1_020, version=2)
    documents = await issue_all(payouts)
    shown = sorted((one.number, one.kind.value, one.corrects) for one in documents)
    assert shown == [
        ("A2026-000001", "credit_note", "F2026-000001"),
        ("F2026-000001", "invoice", None),
        ("F2026-000002", "invoice", None),
    ]
    assert {one.fees for one in documents} == {Fees(500, 350, 170)}


async def test_a_credit_note_waits_for_its_invoice(payouts: Payouts) -> None:
    """Another process may claim them the other way round."""
    await last_approved(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts, turns=3)
    invoice, credit = sorted(
        await payouts.claim(INVOICE), key=lambda one: one.item.payload["document"], reverse=True
    )
    await issuer(payouts)(credit)
    assert await payouts.queries.invoices(CAMPAIGN) == []
    await issuer(payouts)(invoice)
    payouts.clock.advance(seconds=5)
    assert sorted(one.number for one in await issue_all(payouts)) == [
        "A2026-000001",
        "F2026-000001",
    ]


async def test_a_credit_note_corrects_the_invoice_of_its_own_approval(payouts: Payouts) -> None:
    """Two approvals fell, and the first credit note was claimed before any invoice was issued."""
    await last_approved(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts, turns=3)
    await payouts.collect(3, counted=False)  # Late, so the second approval has greater fees.
    await approve(payouts, 3, 10_000 - 1_530, version=2)
    await payouts.give_destination("acct_1")
    await pay(payouts, turns=3)
    claims = sorted(await payouts.claim(INVOICE), key=lambda one: one.item.payload["document"])
    for claim in claims:
        await issuer(payouts)(claim)
    payouts.clock.advance(seconds=5)
    documents = {one.cause: one for one in await issue_all(payouts)}
    notes = [one for one in documents.values() if one.kind is DocumentKind.CREDIT_NOTE]
    assert len(notes) == 2
    for note in notes:
        corrected = documents[note.cause.replace("stage-approval-fallen/", "stage-approved/")]
        assert (note.corrects, note.fees) == (corrected.number, corrected.fees)
    assert await incomes(payouts) == Fees(0, 0, 0)
    assert (await payouts.work.backlog(INVOICE)).items == 0


async def test_who_lost_the_claim_takes_no_number(payouts: Payouts) -> None:
    """It died between, or stood still: the document and its number come with the claim or not."""
    await last_approved(payouts)
    (abandoned,) = await payouts.claim(INVOICE)
    payouts.clock.advance(seconds=60)
    (taken,) = await payouts.claim(INVOICE)
    with pytest.raises(LeaseLost):
        await issuer(payouts)(abandoned)
    assert await payouts.queries.invoices(CAMPAIGN) == []
    await issuer(payouts)(taken)
    assert [one.number for one in await payouts.queries.invoices(CAMPAIGN)] == ["F2026-000001"]


async def test_the_same_cause_again_is_the_same_document(payouts: Payouts) -> None:
    """A recovery asks for it once more; no number is spent."""
    await last_approved(payouts)
    (invoice,) = await issue_all(payouts)
    charge = replace(a_charge(), cause=invoice.cause)
    again = invoice_work(charge, payouts.clock.now())
    await payouts.units.run(lambda unit: unit.plumbing.work.offer([again]))
    assert await issue_all(payouts) == [invoice]


async def test_two_processes_leave_no_gap_and_give_no_number_twice(database: Database) -> None:
    """Twenty documents, each process on its own clock; who loses a race tries again."""
    payouts = mongo_payouts(database)
    await payouts.collect(1)
    works = [invoice_work(a_charge(number), NOW) for number in range(20)]
    await payouts.units.run(lambda unit: unit.plumbing.work.offer(works))

    async def process() -> None:
        while claims := await payouts.claim(INVOICE, limit=1):
            try:
                await issuer(payouts)(claims[0])
            except (Conflict, DuplicateKey):
                await payouts.work.postpone(claims[0], payouts.clock.now())

    await asyncio.gather(process(), process())
    numbers = [one.number for one in await payouts.queries.invoices(CAMPAIGN)]
    assert sorted(numbers) == [f"F2026-{place:06}" for place in range(1, 21)]


async def test_number_and_cause_are_guarded_by_the_store(payouts: Payouts) -> None:
    """Inserted twice under either, refused twice, and the series stays where it was."""
    first = take_number(Numbers("123456782/F2026"), NOW)
    invoice = issue(a_charge(), first, SELLER, CREATOR, 2_000, NOW)
    await payouts.units.run(lambda unit: unit.invoices.add(invoice, first))

    async def again(document: Invoice, numbers: Numbers) -> None:
        await payouts.units.run(lambda unit: unit.invoices.add(document, numbers))

    known = replace(first, version=1)
    with pytest.raises(DuplicateKey):
        await again(replace(invoice, number="F2026-000002"), take_number(known, NOW))
    with pytest.raises(DuplicateKey):
        await again(replace(invoice, cause="another"), known)
    with pytest.raises((DuplicateKey, Conflict)):
        await again(replace(invoice, cause="another"), first)

    async def read(unit: PayoutsUnit) -> Numbers:
        return await unit.invoices.numbers("123456782/F2026")

    assert (await payouts.units.run(read)).last == 1


async def test_each_year_begins_at_one_and_no_document_is_older_than_the_one_before(
    payouts: Payouts,
) -> None:
    """Whatever the clock of the process that takes the next number says."""
    now = NOW.replace(month=12, day=31, hour=23)
    early = take_number(take_number(Numbers("s/F2026"), now), NOW)
    assert (early.last, early.issued_at) == (2, now)
    await payouts.collect(1)
    for number in (1, 2):
        work = invoice_work(a_charge(number), payouts.clock.now())
        await payouts.units.run(lambda unit, work=work: unit.plumbing.work.offer([work]))
        await issue_all(payouts)
        payouts.clock.advance(seconds=365 * 86_400)
    numbers = [one.number for one in await payouts.queries.invoices(CAMPAIGN)]
    assert numbers == ["F2026-000001", "F2027-000001"]


def test_what_books_no_fees_has_no_document() -> None:
    """Dust is no fee, and a closing takes none back; what does both at once is nobody's rule."""
    charge = charge_in(
        CAMPAIGN, "EUR", postings.last_stage_approved("s", divide_last(2, Fees(3, 2, 1)))
    )
    assert charge is not None and (charge.fees, charge.withheld) == (Fees(3, 2, 1), 2)
    assert charge_in(CAMPAIGN, "EUR", postings.dust_kept(CAMPAIGN, 3, 5)) is None
    closing = postings.close(CAMPAIGN, 3, {Account.TAX_PAYABLE: 5})
    assert closing is not None and charge_in(CAMPAIGN, "EUR", closing) is None
    assert charge_in(CAMPAIGN, "EUR", postings.stage_approved("s", 5)) is None
    both = (
        Entry(Account.TAX_PAYABLE, Account.CREATOR_PAYABLE, 1),
        Entry(Account.BACKER_FUNDS, Account.PLATFORM_FEE_INCOME, 1),
    )
    with pytest.raises(InvariantBroken):
        charge_in(CAMPAIGN, "EUR", Posting(Row.LAST_STAGE_APPROVED, "odd", both))


@pytest.mark.parametrize("changes", [{"siren": "12345678"}, {"siren": "12345678x"}, {"name": ""}])
def test_a_seller_without_what_the_law_asks_for_is_refused(changes: dict[str, str]) -> None:
    """The service does not start with one."""
    with pytest.raises(ValueError, match=r"SIREN|name"):
        replace(SELLER, **changes)


def test_amounts_are_written_as_people_write_them() -> None:
    """Digits of the currency, marks of the language, a sign in front."""
    assert amount_text(123_456_789, "EUR", Language.ENGLISH) == "1,234,567.89\u00a0EUR"
    assert amount_text(-1_234, "EUR", Language.FRENCH) == "-12,34\u00a0EUR"
    assert amount_text(1_234_567, "JPY", Language.FRENCH) == "1\u202f234\u202f567\u00a0JPY"
    assert amount_text(1_005, "KWD", Language.FRENCH) == "1,005\u00a0KWD"


def test_both_languages_have_every_word() -> None:
    """What is missing in one would be found by whoever prints it."""
    assert WORDS[Language.FRENCH].keys() == WORDS[Language.ENGLISH].keys()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    payouts = memory_payouts()
    await last_approved(payouts)
    await issue_all(payouts)
    api = api_of(payouts)
    install_problems(api)
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        client.headers.update(bearer(PEOPLE))
        yield client


async def test_its_creator_reads_and_prints_it(client: httpx.AsyncClient) -> None:
    """The same document as JSON and as a page that loads nothing, in both languages."""
    (shown,) = (await client.get(AT)).json()["items"]
    assert (shown["net"], shown["tax"], shown["total"], shown["due"]) == (850, 170, 1_020, 0)
    assert (await client.get(f"{AT}/F2026-000001")).json() == shown
    french = await client.get(f"{AT}/F2026-000001/page")
    english = await client.get(f"{AT}/F2026-000001/page?language=en")
    assert "Facture F2026-000001" in french.text and "10,20\u00a0EUR" in french.text
    assert "Invoice F2026-000001" in english.text and "10.20\u00a0EUR" in english.text
    assert "Plateforme &amp; Cie" in french.text and "l&#39;Exemple" in french.text
    assert "<script" not in french.text and "src=" not in french.text
    policy = french.headers["Content-Security-Policy"]
    style = french.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'")
    assert french.headers["X-Content-Type-Options"] == "nosniff"
    assert french.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("number", ["F2026-000002", "X2026-000001"])
async def test_a_number_that_nobody_gave_is_not_there(
    client: httpx.AsyncClient, number: str
) -> None:
    """Neither as JSON nor as a page; what is no number at all is a bad request."""
    for path in (f"{AT}/{number}", f"{AT}/{number}/page"):
        assert (await client.get(path)).status_code == 404
    assert (await client.get(f"{AT}/F2026-1")).status_code == 422
    assert (await client.get(f"{AT}/F2026-000001/page?language=de")).status_code == 422
