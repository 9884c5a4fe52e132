"""A document for each posting of fees: its number is taken in the transaction that keeps it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from payouts.domain.book import Book
from payouts.domain.fees import Fees
from payouts.domain.invoice import (
    Charge,
    DocumentKind,
    Seller,
    charge_in,
    corrected_by,
    issue,
    series_of,
    take_number,
)
from payouts.domain.ledger import Posting
from payouts.handlers.work_kinds import INVOICE
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from servicekit.work import Claim, WorkItem

# A credit note may be claimed before its invoice is issued.
AGAIN = timedelta(seconds=5)


async def ask_for_invoices(
    unit: PayoutsUnit, book: Book, postings: Iterable[Posting], now: datetime
) -> None:
    """Have a document made for each of the postings that moves fees, after this transaction.

    Its number is not taken here: all campaigns share the numbers, and money waits for none.
    """
    found = [charge_in(book.campaign_id, book.currency, posting) for posting in postings]
    charges = [charge for charge in found if charge is not None]
    if charges:
        await unit.plumbing.work.offer([invoice_work(charge, now) for charge in charges])


def invoice_work(charge: Charge, due: datetime) -> WorkItem:
    payload = {
        "campaign_id": charge.campaign_id,
        "document": charge.kind.value,
        "cause": charge.cause,
        "currency": charge.currency,
        "platform": charge.fees.platform,
        "processing": charge.fees.processing,
        "tax": charge.fees.tax,
        "withheld": charge.withheld,
    }
    return WorkItem(f"{INVOICE}/{charge.cause}", INVOICE, due, payload=payload)


def _charge(claim: Claim) -> Charge:
    payload = claim.item.payload
    return Charge(
        kind=DocumentKind(payload["document"]),
        campaign_id=payload["campaign_id"],
        cause=payload["cause"],
        currency=payload["currency"],
        fees=Fees(payload["platform"], payload["processing"], payload["tax"]),
        withheld=payload["withheld"],
    )


@dataclass(frozen=True, slots=True)
class IssueInvoices:
    """Makes the documents, one after the other."""

    units: UnitsOfWork[PayoutsUnit]
    seller: Seller
    letters: str
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        """Issue the document, once for its cause, and finish the claim with it."""
        await self.units.run(partial(self._issue, claim=claim))

    async def _issue(self, unit: PayoutsUnit, claim: Claim) -> None:
        charge, now = _charge(claim), self.clock.now()
        issued = await unit.invoices.of_campaign(charge.campaign_id)
        if any(one.cause == charge.cause for one in issued):
            await unit.plumbing.work.finish([claim])
            return
        corrects = None
        if charge.kind is DocumentKind.CREDIT_NOTE:
            corrects = corrected_by(charge, issued)
            if corrects is None:
                await unit.plumbing.work.postpone(claim, now + AGAIN)
                return
        book = (await unit.books.load([charge.campaign_id]))[charge.campaign_id]
        tax = book.fees.tax_basis_points if book.fees else 0
        buyer = await unit.creators.of(charge.campaign_id)
        series = series_of(self.seller, self.letters, charge.kind, now)
        numbers = take_number(await unit.invoices.numbers(series), now)
        invoice = issue(charge, numbers, self.seller, buyer or "", tax, now, corrects)
        await unit.invoices.add(invoice, numbers)
        await unit.plumbing.work.finish([claim])
