"""The route by which staff say what a claim about a reward ended in."""

from typing import Annotated

from fastapi import FastAPI, Path

from payouts.domain.claim_money import Ceilings, ClaimMoney
from payouts.domain.postings import Payer
from payouts.domain.refund import Refund, RefundKind
from payouts.handlers.claim_money import ask_claim_money
from payouts.handlers.refund_requests import Person
from payouts.http.models import ClaimMoneyBody, Identifier, RefundView, RequestIdentifier
from payouts.http.views import refund_view
from payouts.metrics import CLAIM_MONEY
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.errors import DuplicateKey
from servicekit.units import UnitsOfWork


def add_claim_money_route(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[PayoutsUnit],
    queries: Queries,
    ceilings: Ceilings,
    clock: Clock,
) -> None:
    """Add it; the claim's own fact says the same by its topic, and both are one."""

    @api.put("/campaigns/{campaign_id}/claims/{claim_id}/money")
    async def put_claim_money(
        campaign_id: Annotated[Identifier, Path()],
        claim_id: Annotated[RequestIdentifier, Path()],
        body: ClaimMoneyBody,
        caller: Annotated[Principal, guard.allow(Role.STAFF)],
    ) -> RefundView:
        """Give a backer money for a claim; what needs a second person waits for the approval."""
        wanted = ClaimMoney(
            claim_id,
            body.pledge_id,
            RefundKind(body.kind),
            body.amount,
            Payer(body.payer),
            body.reason,
        )
        who = Person(caller.subject, await queries.creator(campaign_id))
        now = clock.now()

        async def ask(unit: PayoutsUnit) -> Refund:
            return await ask_claim_money(unit, campaign_id, wanted, who, ceilings, now)

        try:
            refund = await units.run(ask)
        except DuplicateKey:  # The same claim at the same time was faster.
            refund = await units.run(ask)
        CLAIM_MONEY.labels(refund.state.value).inc()
        return refund_view(refund)
