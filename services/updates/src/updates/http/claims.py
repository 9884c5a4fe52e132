"""Routes by which a claim is opened and moved: by its backer, the creator, and staff."""

from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.errors import DuplicateKey
from servicekit.units import UnitsOfWork
from updates.domain.claim import Claim, Moved, Side
from updates.domain.claim_reason import Reason
from updates.domain.claim_turns import (
    Moment,
    Said,
    accept,
    decide,
    escalate,
    propose,
    send_replacement,
    withdraw,
    write,
)
from updates.handlers.claims import ClaimDesk, Opening, move_claim, move_many, open_of_backer
from updates.http.callers import Callers, unknown_campaign
from updates.http.claim_callers import ClaimCallers
from updates.http.claim_models import (
    AcceptanceBody,
    AnswersBody,
    AnswersView,
    AskBody,
    ClaimBody,
    ClaimView,
    MessageBody,
    SettlementBody,
)
from updates.http.claim_views import (
    answered_view,
    claim_view,
    settlement_from,
    unknown_claim,
)
from updates.http.paths import CampaignId, ClaimId, EntryId
from updates.ports.claims import ClaimQueries
from updates.ports.unit import UpdatesUnit


def add_claim_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: ClaimQueries,
    clock: Clock,
    desk: ClaimDesk,
) -> None:
    """Add them."""
    known = ClaimCallers(callers, queries)
    backer = guard.allow(callers.backer, unknown=unknown_campaign)
    owner = guard.allow(known.backer, unknown=unknown_claim)
    everybody = guard.allow(Role.STAFF, known.backer, callers.fulfilment, unknown=unknown_claim)
    answering = guard.allow(Role.STAFF, callers.fulfilment, unknown=unknown_claim)
    of_campaign = guard.allow(Role.STAFF, callers.fulfilment, unknown=unknown_campaign)
    by_staff = guard.allow(Role.STAFF)

    async def moved(
        campaign_id: str, claim_id: str, act: Callable[[Claim, Moment], Moved]
    ) -> ClaimView:
        now = clock.now()
        claim = await units.run(
            lambda unit: move_claim(unit, desk, campaign_id, claim_id, act, now)
        )
        return claim_view(claim)

    @api.put("/campaigns/{campaign_id}/claims/{claim_id}")
    async def put_claim(
        campaign_id: CampaignId,
        claim_id: ClaimId,
        body: ClaimBody,
        caller: Annotated[Principal, backer],
    ) -> ClaimView:
        """Open a claim about one's own pledge; its creator is to answer until `due_at`."""
        reason = Reason(body.reason)
        opening = Opening(claim_id, body.pledge_id, caller.subject, reason, body.text)
        now = clock.now()

        async def open_it(unit: UpdatesUnit) -> Claim:
            return await open_of_backer(unit, desk, campaign_id, opening, now)

        try:
            claim = await units.run(open_it)
        except DuplicateKey:  # The same claim from another tab was faster.
            claim = await units.run(open_it)
        return claim_view(claim)

    @api.put("/campaigns/{campaign_id}/claims/{claim_id}/messages/{entry_id}")
    async def put_message(
        campaign_id: CampaignId,
        claim_id: ClaimId,
        entry_id: EntryId,
        body: MessageBody,
        caller: Annotated[Principal, everybody],
    ) -> ClaimView:
        """Write to the other side of the claim; nobody else reads it, and no topic holds it."""
        side = await known.side(caller, campaign_id, claim_id)
        said = Said(entry_id, caller.subject, side, body.text)
        return await moved(campaign_id, claim_id, lambda claim, moment: write(claim, said, moment))

    @api.put("/campaigns/{campaign_id}/claims/{claim_id}/proposals/{entry_id}")
    async def put_proposal(
        campaign_id: CampaignId,
        claim_id: ClaimId,
        entry_id: EntryId,
        body: SettlementBody,
        caller: Annotated[Principal, answering],
    ) -> ClaimView:
        """Propose how it is to end; staff do once the creator has let the time pass."""
        side = await known.answering_side(caller, campaign_id)
        said = Said(entry_id, caller.subject, side, body.text)
        how = settlement_from(body)
        return await moved(campaign_id, claim_id, lambda claim, at: propose(claim, said, how, at))

    @api.post("/campaigns/{campaign_id}/claim-answers")
    async def post_answers(
        campaign_id: CampaignId,
        body: AnswersBody,
        caller: Annotated[Principal, of_campaign],
    ) -> AnswersView:
        """Propose the same to many claims, such as those of a cluster; a result for each."""
        side = await known.answering_side(caller, campaign_id)
        said = Said(body.entry_id, caller.subject, side, body.text)
        how, now = settlement_from(body), clock.now()

        def act(claim: Claim, moment: Moment) -> Moved:
            return propose(claim, said, how, moment)

        answers = await move_many(units, desk, campaign_id, body.claims, act, now)
        return AnswersView(items=[answered_view(one) for one in answers])

    @api.post("/campaigns/{campaign_id}/claims/{claim_id}/acceptance")
    async def post_acceptance(
        campaign_id: CampaignId,
        claim_id: ClaimId,
        body: AcceptanceBody,
        caller: Annotated[Principal, owner],
    ) -> ClaimView:
        """Accept the proposal that lies on the table; money is asked for with it."""
        number, by = body.proposal, caller.subject
        return await moved(campaign_id, claim_id, lambda claim, at: accept(claim, number, by, at))

    @api.put("/campaigns/{campaign_id}/claims/{claim_id}/escalations/{entry_id}")
    async def put_escalation(
        campaign_id: CampaignId,
        claim_id: ClaimId,
        entry_id: EntryId,
        body: AskBody,
        caller: Annotated[Principal, owner],
    ) -> ClaimView:
        """Decline what is proposed and ask staff to decide, or call them before an answer."""
        said = Said(entry_id, caller.subject, Side.BACKER, body.text)
        return await moved(campaign_id, claim_id, lambda claim, at: escalate(claim, said, at))

    @api.put("/campaigns/{campaign_id}/claims/{claim_id}/decisions/{entry_id}")
    async def put_decision(
        campaign_id: CampaignId,
        claim_id: ClaimId,
        entry_id: EntryId,
        body: SettlementBody,
        caller: Annotated[Principal, by_staff],
    ) -> ClaimView:
        """Decide for the platform how it ends."""
        said = Said(entry_id, caller.subject, Side.STAFF, body.text)
        how = settlement_from(body)
        return await moved(campaign_id, claim_id, lambda claim, at: decide(claim, said, how, at))

    @api.put("/campaigns/{campaign_id}/claims/{claim_id}/replacement/{entry_id}")
    async def put_replacement(
        campaign_id: CampaignId,
        claim_id: ClaimId,
        entry_id: EntryId,
        body: AskBody,
        caller: Annotated[Principal, answering],
    ) -> ClaimView:
        """Say that the replacement has left."""
        side = await known.answering_side(caller, campaign_id)
        said = Said(entry_id, caller.subject, side, body.text)
        return await moved(
            campaign_id, claim_id, lambda claim, at: send_replacement(claim, said, at)
        )

    @api.post("/campaigns/{campaign_id}/claims/{claim_id}/withdrawal")
    async def post_withdrawal(
        campaign_id: CampaignId, claim_id: ClaimId, caller: Annotated[Principal, owner]
    ) -> ClaimView:
        """Take the claim back, while no money is asked for."""
        said = Said("withdrawal", caller.subject, Side.BACKER)
        return await moved(campaign_id, claim_id, lambda claim, at: withdraw(claim, said, at))
