"""Routes of payouts: destination, money, refunds, stages with their gate, blocks, webhooks."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request

from payouts.domain.errors import Refused
from payouts.domain.gate import Line
from payouts.domain.stage import OVER, Stage
from payouts.handlers.adjustments import Adjust
from payouts.handlers.approve_refunds import ApproveRefunds
from payouts.handlers.destination import give_destination
from payouts.handlers.pay_stages import PayStages
from payouts.handlers.say_of_break import SayOfBreaks
from payouts.handlers.simulate import Simulate
from payouts.handlers.waivers import WaiveFees
from payouts.http.adjustments import add_adjustment_routes
from payouts.http.claim_money import add_claim_money_route
from payouts.http.claims import add_claim_routes
from payouts.http.debts import add_debt_routes
from payouts.http.fec import add_fec_route
from payouts.http.holdings import add_holding_route
from payouts.http.invoices import add_invoice_routes
from payouts.http.ledger import add_ledger_routes
from payouts.http.models import (
    BlockPage,
    DestinationBody,
    DestinationView,
    Identifier,
    MoneyView,
    RefundPage,
    StagesView,
    TracedRefundView,
)
from payouts.http.parts import Parts
from payouts.http.people import add_people_routes
from payouts.http.periods import add_period_routes
from payouts.http.queues import add_queue_routes
from payouts.http.reconciliation import add_reconciliation_routes
from payouts.http.refunds import add_refund_routes
from payouts.http.refusals import problem_of
from payouts.http.simulation import add_simulation_route
from payouts.http.statements import add_statement_routes
from payouts.http.views import (
    block_view,
    destination_view,
    money_view,
    refund_view,
    stage_view,
    traced_refund_view,
)
from payouts.http.waivers import add_waiver_routes
from payouts.http.webhooks import SignatureRefused, Wakes, check_signature, concern_of
from payouts.metrics import PROVIDER_WEBHOOKS
from payouts.ports.queries import Queries
from servicekit.access import Ids, Owner, guarded_api
from servicekit.auth import Principal, Role
from servicekit.causes import because_of
from servicekit.problems import Problem, answer_refusals

CampaignId = Annotated[Identifier, Path()]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=200, description="`next_cursor` of the page before.")]
WEBHOOK_BYTES_MAX = 256 * 1024


def build_api(parts: Parts) -> FastAPI:
    """Return the application."""
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    stages, ceilings, reconciliation = parts.stages, parts.ceilings, parts.reconciliation
    api = guarded_api("payouts")
    answer_refusals(api, Refused, problem_of)
    wakes = Wakes(units, queries, clock)
    creator = Owner("creator of the campaign", Role.CREATOR, _owns_campaign(queries))
    backer = Owner("backer whose refund it is", Role.BACKER, _owns_refund(queries))

    @api.put(
        "/campaigns/{campaign_id}/destination",
        dependencies=[guard.allow(creator, unknown=_unknown_campaign)],
    )
    async def put_destination(campaign_id: CampaignId, body: DestinationBody) -> DestinationView:
        """Say where the money goes; the same again is the same version, anything else the next."""
        destination = await units.run(
            lambda unit: give_destination(
                unit, campaign_id, body.provider, body.account, clock.now()
            )
        )
        return destination_view(destination)

    @api.get(
        "/campaigns/{campaign_id}/destination",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=_unknown_destination)],
    )
    async def read_destination(campaign_id: CampaignId) -> DestinationView:
        """Show where the money goes and whether the provider has verified it."""
        destination = await queries.destination(campaign_id)
        if destination is None:
            raise _unknown_destination()
        return destination_view(destination)

    @api.get("/campaigns/{campaign_id}/money", dependencies=[guard.anybody()])
    async def read_money(campaign_id: CampaignId) -> MoneyView:
        """Show the campaign's money as its book has it."""
        book = await queries.book(campaign_id)
        if book is None:
            raise _no_book()
        figures = await queries.refund_figures(campaign_id)
        return money_view(book, figures, await queries.stages(campaign_id))

    @api.get(
        "/campaigns/{campaign_id}/refunds",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=_unknown_campaign)],
    )
    async def list_refunds(
        campaign_id: CampaignId, cursor: Cursor = "", limit: Limit = 50
    ) -> RefundPage:
        """List the refunds of a campaign in order of id."""
        if await queries.book(campaign_id) is None:
            raise _unknown_campaign()
        found = await queries.refunds(campaign_id, cursor, limit)
        last = found[-1].refund_id if len(found) == limit else None
        return RefundPage(items=[refund_view(refund) for refund in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/refunds/{refund_id}")
    async def read_refund(
        campaign_id: CampaignId,
        refund_id: Annotated[Identifier, Path()],
        caller: Annotated[
            Principal, guard.allow(Role.STAFF, creator, backer, unknown=_unknown_refund)
        ],
    ) -> TracedRefundView:
        """Show one refund."""
        refund = await queries.refund(campaign_id, refund_id)
        if refund is None:
            raise _unknown_refund()
        return traced_refund_view(refund, caller)

    @api.get(
        "/campaigns/{campaign_id}/stages",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=_unknown_campaign)],
    )
    async def read_stages(campaign_id: CampaignId) -> StagesView:
        """Show the stages, and line by line why one is not yet paid."""
        if await queries.book(campaign_id) is None:
            raise _unknown_campaign()
        found = await queries.stages(campaign_id)
        views = [stage_view(*await _explained(stages, stage)) for stage in found]
        return StagesView(campaign_id=campaign_id, stages=views)

    approve = ApproveRefunds(units, queries, stages.funds, ceilings, clock)
    add_refund_routes(api, guard, units, queries, approve, clock, backer, unknown=_unknown_refund)
    add_claim_money_route(api, guard, units, queries, ceilings, clock)
    add_queue_routes(api, guard, units, queries, approve, clock, parts.window_warning)
    add_claim_routes(api, guard, units, parts.claim_links, parts.public_url, clock, backer)
    owner_or_staff = guard.allow(Role.STAFF, creator, unknown=_unknown_campaign)
    add_simulation_route(api, Simulate(units), clock, owner_or_staff)
    add_people_routes(api, guard, units, queries, stages, clock, creator, unknown=_unknown_campaign)

    waive = WaiveFees(units, queries, stages.funds, clock)
    add_waiver_routes(api, guard, waive, owner_or_staff)
    add_adjustment_routes(api, guard, Adjust(units, queries, parts.checks, clock))
    add_holding_route(api, guard, queries, clock)
    say_of_break = SayOfBreaks(reconciliation, stages.provider, queries)
    add_reconciliation_routes(api, guard, reconciliation, say_of_break, clock)
    add_ledger_routes(api, guard, queries, parts.signatures, parts.head_keys)
    add_period_routes(api, guard, units, queries, clock)
    add_fec_route(api, guard, reconciliation, queries, clock, parts.siren)
    add_debt_routes(api, guard, units, queries, clock, creator, unknown=_unknown_campaign)
    add_invoice_routes(api, guard, queries, creator, unknown=_unknown_campaign)
    add_statement_routes(api, guard, queries, creator, unknown=_unknown_campaign)

    @api.get("/campaigns/{campaign_id}/blocks", dependencies=[guard.anybody()])
    async def list_blocks(
        campaign_id: CampaignId,
        cursor: Annotated[int, Query(ge=0)] = 0,
        limit: Limit = 50,
    ) -> BlockPage:
        """List the chain of blocks; pseudonymous ids only, so anyone may check it."""
        found = await queries.blocks(campaign_id, cursor, limit)
        last = found[-1].number if len(found) == limit else None
        return BlockPage(items=[block_view(block) for block in found], next_cursor=last)

    @api.post("/webhooks/{provider}", dependencies=[guard.proven_by("signature of the provider")])
    async def hear_webhook(provider: Identifier, request: Request) -> dict[str, str]:
        """Hear that something happened at the provider; it only wakes our own look."""
        body = await _bounded_body(request)
        try:
            signature = request.headers.get("Stripe-Signature", "")
            check_signature(body, signature, parts.webhook_secrets)
        except SignatureRefused as refusal:
            PROVIDER_WEBHOOKS.labels("refused").inc()
            raise Problem(401, "signature-refused", "Not signed", str(refusal)) from None
        # It only wakes: what follows belongs to the story of the refund or stage, not to the call.
        concern = concern_of(body)
        with because_of([]):
            woke = concern is not None and await wakes.hear(concern)
        PROVIDER_WEBHOOKS.labels("woke" if woke else "ignored").inc()
        return {"status": "woke" if woke else "ignored"}

    return api


async def _explained(stages: PayStages, stage: Stage) -> tuple[Stage, Sequence[Line]]:
    if stage.state in OVER:
        return stage, ()
    return await stages.explain(stage.campaign_id, stage.number)


async def _bounded_body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > WEBHOOK_BYTES_MAX:
            raise Problem(413, "too-large", "The body is too large")
    return body


def _owns_campaign(queries: Queries) -> Callable[[Principal, Ids], Awaitable[bool]]:
    async def owns(caller: Principal, ids: Ids) -> bool:
        return await queries.creator(ids["campaign_id"]) == caller.subject

    return owns


def _owns_refund(queries: Queries) -> Callable[[Principal, Ids], Awaitable[bool]]:
    async def owns(caller: Principal, ids: Ids) -> bool:
        refund = await queries.refund(ids["campaign_id"], ids["refund_id"])
        return refund is not None and refund.backer_id == caller.subject

    return owns


def _unknown_destination() -> Problem:
    return Problem(404, "destination-unknown", "No destination is given")


def _unknown_refund() -> Problem:
    return Problem(404, "refund-unknown", "There is no such refund in this campaign")


def _unknown_campaign() -> Problem:
    return Problem(404, "campaign-unknown", "Payouts has not heard of this campaign")


def _no_book() -> Problem:
    return Problem(
        404,
        "campaign-unknown",
        "No book of this campaign: it begins with the first collected pledge or the verdict",
    )
