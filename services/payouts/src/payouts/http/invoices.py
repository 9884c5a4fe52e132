"""Routes of invoices and credit notes: as JSON, and as a page to print."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Path, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from payouts.domain.invoice import DocumentKind, Invoice
from payouts.http.paths import CampaignId
from payouts.http.printing import (
    Language,
    Sheet,
    Table,
    amounts_table,
    day_text,
    printed,
    rate_text,
)
from payouts.ports.queries import Queries
from servicekit.access import Guard, Owner
from servicekit.auth import Role
from servicekit.problems import Problem

Number = Annotated[str, Path(pattern=r"^[A-Z]\d{4}-\d{6,}$", max_length=40)]
In = Annotated[Language, Query(description="Language of the page.")]


class SellerView(BaseModel):
    name: str
    address: str
    siren: str
    vat_id: str


class InvoiceView(BaseModel):
    """A document about fees, as it was issued; amounts in minor units, none below zero."""

    number: str
    kind: str = Field(description="`invoice` or `credit_note`.")
    corrects: str | None = Field(description="The invoice that a credit note takes back.")
    issued_at: datetime
    seller: SellerView
    buyer_id: str = Field(description="The creator; who that is, the platform knows.")
    campaign_id: str
    cause: str = Field(description="Cause of the posting in the campaign's book.")
    currency: str
    platform_fee: int
    processing_fee: int
    net: int
    tax_basis_points: int
    tax: int
    total: int
    withheld: int = Field(description="Of an invoice: paid out of the campaign's money.")
    due: int = Field(description="Of an invoice: still owed when it was issued.")


class InvoicesView(BaseModel):
    campaign_id: str
    items: list[InvoiceView]


WORDS: dict[Language, dict[str, str]] = {
    Language.FRENCH: {
        "invoice": "Facture",
        "credit_note": "Avoir",
        "parties": "Parties",
        "seller": "Vendeur",
        "address": "Adresse",
        "siren": "SIREN",
        "vat_id": "N° de TVA",
        "buyer": "Client (porteur de projet)",
        "campaign": "Campagne",
        "issued": "Date d’émission",
        "corrects": "Annule ou rectifie la facture",
        "fees": "Prestations",
        "platform": "Commission de la plateforme, hors taxe",
        "processing": "Frais de traitement des paiements, hors taxe",
        "net": "Total hors taxe",
        "tax": "TVA",
        "total": "Total toutes taxes comprises",
        "payment": "Règlement",
        "withheld": "Retenu sur les fonds de la campagne",
        "due": "Reste dû",
        "no_tax": "TVA non applicable.",
        "terms": "Payable à réception. Indemnité forfaitaire pour frais de recouvrement : 40 €.",
    },
    Language.ENGLISH: {
        "invoice": "Invoice",
        "credit_note": "Credit note",
        "parties": "Parties",
        "seller": "Seller",
        "address": "Address",
        "siren": "Registration (SIREN)",
        "vat_id": "VAT number",
        "buyer": "Customer (creator)",
        "campaign": "Campaign",
        "issued": "Date of issue",
        "corrects": "Takes back or corrects invoice",
        "fees": "Services",
        "platform": "Platform fee, without tax",
        "processing": "Payment processing, without tax",
        "net": "Total without tax",
        "tax": "VAT",
        "total": "Total with tax",
        "payment": "Payment",
        "withheld": "Withheld from the campaign's money",
        "due": "Still owed",
        "no_tax": "VAT does not apply.",
        "terms": "Due on receipt. Lump sum for the costs of recovery: EUR 40.",
    },
}


def add_invoice_routes(
    api: FastAPI,
    guard: Guard,
    queries: Queries,
    creator: Owner,
    unknown: Callable[[], Problem],
) -> None:
    """Add them; `unknown` is what is said of a campaign that is not the caller's."""
    of_campaign = guard.allow(Role.STAFF, creator, unknown=unknown)

    async def find(campaign_id: str, number: str) -> Invoice:
        for one in await queries.invoices(campaign_id):
            if one.number == number:
                return one
        raise Problem(404, "invoice-unknown", "This campaign has no document of that number")

    @api.get("/campaigns/{campaign_id}/invoices", dependencies=[of_campaign])
    async def list_invoices(campaign_id: CampaignId) -> InvoicesView:
        """List the invoices and credit notes of a campaign, in the order of their issue."""
        if await queries.book(campaign_id) is None:
            raise unknown()
        items = [invoice_view(one) for one in await queries.invoices(campaign_id)]
        return InvoicesView(campaign_id=campaign_id, items=items)

    @api.get("/campaigns/{campaign_id}/invoices/{number}", dependencies=[of_campaign])
    async def read_invoice(campaign_id: CampaignId, number: Number) -> InvoiceView:
        """Show one document."""
        return invoice_view(await find(campaign_id, number))

    @api.get(
        "/campaigns/{campaign_id}/invoices/{number}/page",
        dependencies=[of_campaign],
        response_class=HTMLResponse,
    )
    async def print_invoice(
        campaign_id: CampaignId, number: Number, language: In = Language.FRENCH
    ) -> HTMLResponse:
        """Show one document as a page to print."""
        return printed(invoice_sheet(await find(campaign_id, number), language), language)


def invoice_view(invoice: Invoice) -> InvoiceView:
    seller, fees = invoice.seller, invoice.fees
    return InvoiceView(
        number=invoice.number,
        kind=invoice.kind.value,
        corrects=invoice.corrects,
        issued_at=invoice.issued_at,
        seller=SellerView(
            name=seller.name, address=seller.address, siren=seller.siren, vat_id=seller.vat_id
        ),
        buyer_id=invoice.buyer_id,
        campaign_id=invoice.campaign_id,
        cause=invoice.cause,
        currency=invoice.currency,
        platform_fee=fees.platform,
        processing_fee=fees.processing,
        net=invoice.net,
        tax_basis_points=invoice.tax_basis_points,
        tax=fees.tax,
        total=fees.total,
        withheld=invoice.withheld,
        due=invoice.due,
    )


def invoice_sheet(invoice: Invoice, language: Language) -> Sheet:
    """Return what stands on the printed document."""
    words = WORDS[language]
    tables = [_parties(invoice, language), _services(invoice, language)]
    notes = [] if invoice.tax_basis_points else [words["no_tax"]]
    if invoice.kind is DocumentKind.INVOICE:
        tables.append(_payment(invoice, language))
        notes.append(words["terms"])
    title = f"{words[invoice.kind.value]} {invoice.number}"
    return Sheet(title, tuple(tables), tuple(notes))


def _parties(invoice: Invoice, language: Language) -> Table:
    words, seller = WORDS[language], invoice.seller
    lines = [
        (words["seller"], seller.name),
        (words["address"], seller.address),
        (words["siren"], seller.siren),
        (words["vat_id"], seller.vat_id),
        (words["buyer"], invoice.buyer_id),
        (words["campaign"], invoice.campaign_id),
        (words["issued"], day_text(invoice.issued_at, language)),
    ]
    if invoice.corrects:
        lines.append((words["corrects"], invoice.corrects))
    return Table(words["parties"], tuple(lines))


def _services(invoice: Invoice, language: Language) -> Table:
    words, fees = WORDS[language], invoice.fees
    rate = rate_text(invoice.tax_basis_points, language)
    amounts = (
        (words["platform"], fees.platform),
        (words["processing"], fees.processing),
        (words["net"], invoice.net),
        (f"{words['tax']} {rate}", fees.tax),
        (words["total"], fees.total),
    )
    return amounts_table(words["fees"], amounts, invoice.currency, language)


def _payment(invoice: Invoice, language: Language) -> Table:
    words = WORDS[language]
    amounts = (words["withheld"], invoice.withheld), (words["due"], invoice.due)
    return amounts_table(words["payment"], amounts, invoice.currency, language)
