"""Routes by which staff ask for refunds and decide about them."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import FastAPI, Path

from payouts.domain.acts import OtherMeans, PaymentMethod
from payouts.domain.refund import Refund
from payouts.domain.refund_request import Wanted
from payouts.handlers.approve_refunds import ApproveRefunds
from payouts.handlers.claimable import (
    deny_paid_otherwise,
    tell_paid_otherwise,
    try_refund_again,
)
from payouts.handlers.refund_requests import (
    Person,
    Shown,
    ask_refund,
    cancel_refund,
    reject_refund,
)
from payouts.http.models import (
    ActsView,
    OtherMeansBody,
    RefundApprovalBody,
    RefundRequestBody,
    RefundView,
    RequestIdentifier,
    TryAgainBody,
    WhyBody,
)
from payouts.http.paths import CampaignId, RefundId
from payouts.http.views import acts_view, refund_view
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.errors import DuplicateKey
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

RequestId = Annotated[RequestIdentifier, Path()]


def add_refund_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[PayoutsUnit],
    queries: Queries,
    approve: ApproveRefunds,
    clock: Clock,
    backer: Owner,
    unknown: Callable[[], Problem],
) -> None:
    """Add them; what each does is decided again inside its transaction.

    `unknown` is what is said of a refund that is not the caller's.
    """

    async def decided(work: Callable[[PayoutsUnit], Awaitable[Refund]]) -> RefundView:
        try:
            refund = await units.run(work)
        except DuplicateKey:  # The same request at the same time was faster.
            refund = await units.run(work)
        return refund_view(refund)

    async def person(campaign_id: str, caller: Principal) -> Person:
        return Person(caller.subject, await queries.creator(campaign_id))

    by_staff = guard.allow(Role.STAFF)

    @api.put("/campaigns/{campaign_id}/refunds/{request_id}")
    async def put_refund(
        campaign_id: CampaignId,
        request_id: RequestId,
        body: RefundRequestBody,
        caller: Annotated[Principal, by_staff],
    ) -> RefundView:
        """Ask for a refund of a pledge, in full or in part; a second person must approve it."""
        wanted, now = Wanted(request_id, **body.model_dump()), clock.now()
        who = await person(campaign_id, caller)
        return await decided(lambda unit: ask_refund(unit, campaign_id, wanted, who, now))

    @api.post("/campaigns/{campaign_id}/refunds/{refund_id}/approval")
    async def post_refund_approval(
        campaign_id: CampaignId,
        refund_id: RefundId,
        body: RefundApprovalBody,
        caller: Annotated[Principal, by_staff],
    ) -> RefundView:
        """Approve what another person asked for, as it was shown; then it is owed and sent."""
        shown = Shown(**body.model_dump())
        return refund_view(await approve(campaign_id, refund_id, shown, caller.subject))

    @api.post("/campaigns/{campaign_id}/refunds/{refund_id}/rejection")
    async def post_refund_rejection(
        campaign_id: CampaignId,
        refund_id: RefundId,
        body: WhyBody,
        caller: Annotated[Principal, by_staff],
    ) -> RefundView:
        """Say no to what another person asked for."""
        who, now = await person(campaign_id, caller), clock.now()
        return await decided(
            lambda unit: reject_refund(unit, campaign_id, refund_id, body.reason, who, now)
        )

    @api.post("/campaigns/{campaign_id}/refunds/{refund_id}/cancellation")
    async def post_refund_cancellation(
        campaign_id: CampaignId,
        refund_id: RefundId,
        body: WhyBody,
        caller: Annotated[Principal, by_staff],
    ) -> RefundView:
        """Take back what staff asked for, before it is sent."""
        who, now = await person(campaign_id, caller), clock.now()
        return await decided(
            lambda unit: cancel_refund(unit, campaign_id, refund_id, body.reason, who, now)
        )

    by_staff_or_backer = guard.allow(Role.STAFF, backer, unknown=unknown)

    @api.post("/campaigns/{campaign_id}/refunds/{refund_id}/retry")
    async def post_retry(
        campaign_id: CampaignId,
        refund_id: RefundId,
        body: TryAgainBody,
        caller: Annotated[Principal, by_staff_or_backer],
    ) -> RefundView:
        """Try a claimable refund again, after the last attempt that was shown."""
        after, by, now = body.after_attempt, caller.subject, clock.now()
        return await decided(
            lambda unit: try_refund_again(unit, campaign_id, refund_id, after, by, now)
        )

    @api.put("/campaigns/{campaign_id}/refunds/{refund_id}/other-means")
    async def put_other_means(
        campaign_id: CampaignId,
        refund_id: RefundId,
        body: OtherMeansBody,
        caller: Annotated[Principal, by_staff],
    ) -> RefundView:
        """Say that a claimable refund was paid outside the provider; two people say so."""
        who, now = await person(campaign_id, caller), clock.now()
        method = PaymentMethod(body.method)
        told = OtherMeans(method, body.proof, body.note, caller.subject, now)
        return await decided(
            lambda unit: tell_paid_otherwise(unit, campaign_id, refund_id, told, who, now)
        )

    @api.post("/campaigns/{campaign_id}/refunds/{refund_id}/other-means/denial")
    async def post_denial(
        campaign_id: CampaignId,
        refund_id: RefundId,
        body: WhyBody,
        caller: Annotated[Principal, by_staff],
    ) -> RefundView:
        """Say that it was not paid outside the provider, so that it can be tried again."""
        who, now = await person(campaign_id, caller), clock.now()
        return await decided(
            lambda unit: deny_paid_otherwise(unit, campaign_id, refund_id, body.reason, who, now)
        )

    @api.get("/campaigns/{campaign_id}/refunds/{refund_id}/acts", dependencies=[by_staff])
    async def read_acts(campaign_id: CampaignId, refund_id: RefundId) -> ActsView:
        """Show what people did about a refund: who, when, why."""
        refund = await queries.refund(campaign_id, refund_id)
        if refund is None:
            raise unknown()
        return acts_view(refund)
