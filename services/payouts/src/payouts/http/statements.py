"""Routes of a stage's statement: as JSON, and as a page to print."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Path, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from payouts.domain.stage import Stage
from payouts.domain.statement import Statement
from payouts.handlers.statements import statement_of
from payouts.http.paths import CampaignId
from payouts.http.printing import (
    Language,
    Sheet,
    Table,
    amount_text,
    amounts_table,
    day_text,
    printed,
    rate_text,
)
from payouts.ports.queries import Queries
from servicekit.access import Guard, Owner
from servicekit.auth import Role
from servicekit.problems import Problem

Number = Annotated[int, Path(ge=1, le=1_000)]
In = Annotated[Language, Query(description="Language of the page.")]


class StatementView(BaseModel):
    """A campaign's money with one of its stages, in minor units; anybody can check it.

    collected - returned - charged_back - fees - approved = remaining, and
    approved = paid + set_off + waiting. The block is the last one that it is made of.
    """

    campaign_id: str
    currency: str
    stage: int
    kind: str
    state: str
    share_basis_points: int
    planned_amount: int
    amount: int | None
    paid_at: datetime | None
    as_of: datetime | None = Field(description="When the last block was sealed.")
    block: int
    hash: str
    collected: int
    returned: int = Field(description="Promised to backers, whether it has left or not.")
    returning: int = Field(description="To backers and not left yet, or waiting to be claimed.")
    charged_back: int
    platform_fee: int = Field(description="As the two below: paid out of the campaign's money.")
    processing_fee: int
    tax: int
    fees: int
    approved: int = Field(description="Of all stages until then.")
    paid: int = Field(description="Confirmed by the creator's bank.")
    set_off: int = Field(description="Settled what the creator owed.")
    waiting: int = Field(description="Approved, and not confirmed yet.")
    remaining: int
    debt: int = Field(description="What the creator owes.")


WORDS: dict[Language, dict[str, str]] = {
    Language.FRENCH: {
        "title": "Relevé du versement",
        "stage": "Versement",
        "campaign": "Campagne",
        "kind": "Nature",
        "first": "premier",
        "second": "deuxième",
        "last": "dernier",
        "supplement": "complémentaire",
        "share": "Part de la collecte",
        "amount": "Montant du versement",
        "paid_at": "Confirmé par la banque le",
        "as_of": "État au",
        "funds": "Fonds de la campagne",
        "collected": "Collecté",
        "returned": "Rendu ou à rendre aux soutiens",
        "charged_back": "Contesté par les banques",
        "platform": "Commission de la plateforme",
        "processing": "Frais de traitement des paiements",
        "tax": "TVA",
        "approved": "Versements approuvés",
        "remaining": "Reste disponible",
        "payments": "Payé à l’initiateur",
        "paid": "Payé à ce jour",
        "set_off": "Compensé avec une créance de la plateforme",
        "waiting": "Approuvé, paiement en cours",
        "all_approved": "Total approuvé",
        "returning": "Remboursements pas encore partis",
        "debt": "Dû par l’initiateur",
        "also": "Pour information",
        "proof": "Établi à partir du livre public de la campagne, jusqu’au bloc {block} ({hash}).",
    },
    Language.ENGLISH: {
        "title": "Statement of stage",
        "stage": "Stage",
        "campaign": "Campaign",
        "kind": "Kind",
        "first": "first",
        "second": "second",
        "last": "last",
        "supplement": "supplement",
        "share": "Share of what was collected",
        "amount": "Amount of the stage",
        "paid_at": "Confirmed by the bank on",
        "as_of": "As of",
        "funds": "The campaign's money",
        "collected": "Collected",
        "returned": "Returned or to be returned to backers",
        "charged_back": "Disputed by banks",
        "platform": "Platform fee",
        "processing": "Payment processing",
        "tax": "VAT",
        "approved": "Approved stages",
        "remaining": "Remaining",
        "payments": "Payments to the creator",
        "paid": "Paid so far",
        "set_off": "Set off against a debt to the platform",
        "waiting": "Approved, on its way",
        "all_approved": "Approved in all",
        "returning": "Refunds that have not left yet",
        "debt": "Owed by the creator",
        "also": "For information",
        "proof": "Made of the campaign's public book, up to block {block} ({hash}).",
    },
}


def add_statement_routes(
    api: FastAPI,
    guard: Guard,
    queries: Queries,
    creator: Owner,
    unknown: Callable[[], Problem],
) -> None:
    """Add them; `unknown` is what is said of a campaign that is not the caller's."""
    of_campaign = guard.allow(Role.STAFF, creator, unknown=unknown)

    async def find(campaign_id: str, number: int) -> Stage:
        for one in await queries.stages(campaign_id):
            if one.number == number:
                return one
        raise Problem(404, "stage-unknown", "This campaign has no such stage")

    @api.get("/campaigns/{campaign_id}/stages/{stage}/statement", dependencies=[of_campaign])
    async def read_statement(campaign_id: CampaignId, stage: Number) -> StatementView:
        """Show what was collected, returned, taken and paid with this stage, and what remains."""
        found = await find(campaign_id, stage)
        return statement_view(found, await statement_of(queries, found))

    @api.get(
        "/campaigns/{campaign_id}/stages/{stage}/statement/page",
        dependencies=[of_campaign],
        response_class=HTMLResponse,
    )
    async def print_statement(
        campaign_id: CampaignId, stage: Number, language: In = Language.FRENCH
    ) -> HTMLResponse:
        """Show the statement as a page to print."""
        found = await find(campaign_id, stage)
        statement = await statement_of(queries, found)
        return printed(statement_sheet(found, statement, language), language)


def statement_view(stage: Stage, statement: Statement) -> StatementView:
    fees = statement.fees
    return StatementView(
        campaign_id=stage.campaign_id,
        currency=stage.currency,
        stage=stage.number,
        kind=stage.kind.value,
        state=stage.state.value,
        share_basis_points=stage.share_basis_points,
        planned_amount=stage.planned_amount,
        amount=stage.amount,
        paid_at=stage.paid_at,
        as_of=statement.as_of,
        block=statement.head.block,
        hash=statement.head.hash,
        collected=statement.collected,
        returned=statement.returned,
        returning=statement.returning,
        charged_back=statement.charged_back,
        platform_fee=fees.platform,
        processing_fee=fees.processing,
        tax=fees.tax,
        fees=fees.total,
        approved=statement.approved,
        paid=statement.paid,
        set_off=statement.set_off,
        waiting=statement.waiting,
        remaining=statement.remaining,
        debt=statement.debt,
    )


def statement_sheet(stage: Stage, statement: Statement, language: Language) -> Sheet:
    """Return what stands on the page."""
    words, fees = WORDS[language], statement.fees

    def table(heading: str, *lines: tuple[str, int], summed: bool = True) -> Table:
        named = ((words[name], amount) for name, amount in lines)
        return amounts_table(words[heading], named, stage.currency, language, summed=summed)

    funds = table(
        "funds",
        ("collected", statement.collected),
        ("returned", -statement.returned),
        ("charged_back", -statement.charged_back),
        ("platform", -fees.platform),
        ("processing", -fees.processing),
        ("tax", -fees.tax),
        ("approved", -statement.approved),
        ("remaining", statement.remaining),
    )
    payments = table(
        "payments",
        ("paid", statement.paid),
        ("set_off", statement.set_off),
        ("waiting", statement.waiting),
        ("all_approved", statement.approved),
    )
    also = table("also", ("returning", statement.returning), ("debt", statement.debt), summed=False)
    proof = words["proof"].format(block=statement.head.block, hash=statement.head.hash)
    title = f"{words['title']} {stage.number}"
    return Sheet(title, (_stage(stage, statement, language), funds, payments, also), (proof,))


def _stage(stage: Stage, statement: Statement, language: Language) -> Table:
    words = WORDS[language]
    lines = [
        (words["campaign"], stage.campaign_id),
        (words["kind"], words[stage.kind.value]),
        (words["share"], rate_text(stage.share_basis_points, language)),
    ]
    if stage.amount is not None:
        lines.append((words["amount"], amount_text(stage.amount, stage.currency, language)))
    if stage.paid_at is not None:
        lines.append((words["paid_at"], day_text(stage.paid_at, language)))
    if statement.as_of is not None:
        lines.append((words["as_of"], day_text(statement.as_of, language)))
    return Table(words["stage"], tuple(lines))
