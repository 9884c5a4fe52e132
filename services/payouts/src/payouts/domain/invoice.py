"""Invoices of the platform to creators for its fees, and the credit notes that take them back.

Whatever books fees is followed by a document, so documents and income always agree. One that was
issued never changes: it is corrected by another one. Numbers have no gaps, by seller, series, year.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.errors import InvariantBroken
from payouts.domain.fees import Fees
from payouts.domain.ledger import Account, Posting
from payouts.domain.postings import (
    APPROVAL_FALLEN,
    STAGE_APPROVED,
    STAGE_CANCELLED,
    closes,
)

FEES = (Account.PLATFORM_FEE_INCOME, Account.PROCESSING_FEE_INCOME, Account.TAX_PAYABLE)


class DocumentKind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class Seller:
    """Who invoices: what the law wants to read on each document."""

    name: str
    address: str
    siren: str
    vat_id: str

    def __post_init__(self) -> None:
        if not all((self.name, self.address, self.vat_id)):
            raise ValueError("a seller has a name, an address and a VAT number")
        if not (self.siren.isascii() and self.siren.isdigit() and len(self.siren) == 9):
            raise ValueError(f"a SIREN has nine digits, not {self.siren!r}")


@dataclass(frozen=True, slots=True)
class Charge:
    """Fees that a posting books, or takes back; amounts in minor units, none below zero.

    `withheld` of an invoice is paid already, out of the campaign's money.
    """

    kind: DocumentKind
    campaign_id: str
    cause: str
    currency: str
    fees: Fees
    withheld: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """How far the numbers of one series are given; `version` guards every save.

    No document is older than the one before it, whatever the clocks of two processes say.
    """

    series: str
    last: int = 0
    issued_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Invoice:
    """One document, never changed once issued; amounts in minor units.

    `corrects` is the number of the invoice that a credit note takes back. `cause` is the posting's:
    one posting has one document. The buyer is known by id: who that is, the platform knows.
    """

    number: str
    kind: DocumentKind
    seller: Seller
    buyer_id: str
    campaign_id: str
    cause: str
    currency: str
    fees: Fees
    tax_basis_points: int
    withheld: int
    issued_at: datetime
    corrects: str | None = None

    @property
    def net(self) -> int:
        """The sum without tax."""
        return self.fees.platform + self.fees.processing

    @property
    def due(self) -> int:
        """What is still to be paid of an invoice."""
        return self.fees.total - self.withheld


def charge_in(campaign_id: str, currency: str, posting: Posting) -> Charge | None:
    """Return what a posting books of fees, or takes back; None where it does neither.

    Closing a book settles incomes and takes back none, and dust is no fee.
    """
    if closes(posting):
        return None
    platform, processing, tax = (_credited(posting, account) for account in FEES)
    parts = (platform, processing, tax)
    if not any(parts):
        return None
    if min(parts) < 0 < max(parts):
        raise InvariantBroken(f"{posting.cause} books fees and takes some back")
    kind = DocumentKind.INVOICE if max(parts) > 0 else DocumentKind.CREDIT_NOTE
    withheld = sum(
        entry.amount
        for entry in posting.entries
        if entry.credit in FEES and entry.debit is Account.BACKER_FUNDS
    )
    fees = Fees(abs(platform), abs(processing), abs(tax))
    return Charge(kind, campaign_id, posting.cause, currency, fees, withheld)


def _credited(posting: Posting, account: Account) -> int:
    credits = sum(entry.amount for entry in posting.entries if entry.credit is account)
    return credits - sum(entry.amount for entry in posting.entries if entry.debit is account)


def series_of(seller: Seller, letters: str, kind: DocumentKind, now: datetime) -> str:
    """Return the name of the series that a document of now belongs to (years in UTC)."""
    letter = letters[0] if kind is DocumentKind.INVOICE else letters[1]
    return f"{seller.siren}/{letter}{now.year}"


def take_number(numbers: Numbers, now: datetime) -> Numbers:
    """Return the series after one more number."""
    issued_at = max(now, numbers.issued_at) if numbers.issued_at else now
    return replace(numbers, last=numbers.last + 1, issued_at=issued_at)


def issue(
    charge: Charge,
    numbers: Numbers,
    seller: Seller,
    buyer_id: str,
    tax_basis_points: int,
    now: datetime,
    corrects: str | None = None,
) -> Invoice:
    """Make the document of a charge under the number that was just taken."""
    name = numbers.series.partition("/")[2]
    return Invoice(
        number=f"{name}-{numbers.last:06}",
        kind=charge.kind,
        seller=seller,
        buyer_id=buyer_id,
        campaign_id=charge.campaign_id,
        cause=charge.cause,
        currency=charge.currency,
        fees=charge.fees,
        tax_basis_points=tax_basis_points,
        withheld=charge.withheld,
        issued_at=numbers.issued_at or now,
        corrects=corrects,
    )


def corrected_by(charge: Charge, issued: Sequence[Invoice]) -> str | None:
    """Return the number of the invoice that a credit note corrects; None while it is not issued.

    What undoes an approval corrects the invoice of that very approval: several may have fallen, and
    two processes issue their documents in any order. What is waived corrects the last invoice of
    which so much is left.
    """
    invoices = [one for one in issued if one.kind is DocumentKind.INVOICE]
    deed, _, approval_id = charge.cause.partition("/")
    if f"{deed}/" in (APPROVAL_FALLEN, STAGE_CANCELLED):
        undone = STAGE_APPROVED + approval_id
        return next((one.number for one in invoices if one.cause == undone), None)
    open_ = [one for one in invoices if _left(one, issued) >= charge.fees.total]
    return open_[-1].number if open_ else None


def _left(invoice: Invoice, issued: Sequence[Invoice]) -> int:
    taken_back = sum(one.fees.total for one in issued if one.corrects == invoice.number)
    return invoice.fees.total - taken_back
