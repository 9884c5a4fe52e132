"""Routes over all campaigns: what waits for staff, oldest first, and many of it decided at once."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import FastAPI, Path, Query

from payouts.domain.errors import Refused
from payouts.domain.refund import Refund
from payouts.domain.waiting import QueueName
from payouts.handlers.approve_refunds import ApproveRefunds
from payouts.handlers.claimable import try_refund_again
from payouts.handlers.queues import Place, page_of, place_in
from payouts.handlers.refund_requests import Shown
from payouts.http.models import (
    ApproveManyBody,
    ApproveOne,
    QueueItem,
    QueuePage,
    ResultsView,
    ResultView,
    RetryManyBody,
    RetryOne,
)
from payouts.http.refusals import status_of
from payouts.http.views import refund_view
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=300, description="`next_cursor` of the page before.")]


def add_queue_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[PayoutsUnit],
    queries: Queries,
    approve: ApproveRefunds,
    clock: Clock,
    warning: timedelta,
) -> None:
    """Add them; each item of a batch is a transaction of its own, and has a result of its own.

    `warning` is how long before a window closes a refund that waits is shown.
    """
    by_staff = guard.allow(Role.STAFF)

    async def approved(one: ApproveOne, caller: Principal) -> ResultView:
        shown = Shown(one.amount, one.currency, one.advance_max)
        return await _result(one, approve(one.campaign_id, one.refund_id, shown, caller.subject))

    async def tried_again(one: RetryOne, caller: Principal) -> ResultView:
        after, by, now = one.after_attempt, caller.subject, clock.now()

        async def work(unit: PayoutsUnit) -> Refund:
            return await try_refund_again(unit, one.campaign_id, one.refund_id, after, by, now)

        return await _result(one, units.run(work))

    @api.get("/queues/{name}", dependencies=[by_staff])
    async def read_queue(
        name: Annotated[QueueName, Path()], cursor: Cursor = "", limit: Limit = 50
    ) -> QueuePage:
        """List the refunds of all campaigns that wait for this reason, oldest first.

        Those whose payment can soon be returned no more: the first to close first.
        """
        now = clock.now()
        found = await page_of(queries, name, _place(cursor), limit, now, warning)
        items = [
            QueueItem(
                refund=refund_view(refund),
                age_seconds=int((now - refund.created_at).total_seconds()),
            )
            for refund in found
        ]
        last = _cursor(place_in(name, found[-1])) if len(found) == limit else None
        return QueuePage(items=items, next_cursor=last)

    @api.post("/refunds/approvals")
    async def post_approvals(
        body: ApproveManyBody, caller: Annotated[Principal, by_staff]
    ) -> ResultsView:
        """Approve many as the second person; what cannot be approved stops none of the others."""
        return ResultsView(results=[await approved(one, caller) for one in body.items])

    @api.post("/refunds/retries")
    async def post_retries(
        body: RetryManyBody, caller: Annotated[Principal, by_staff]
    ) -> ResultsView:
        """Try many claimable ones again; what cannot be tried stops none of the others."""
        return ResultsView(results=[await tried_again(one, caller) for one in body.items])


async def _result(one: ApproveOne | RetryOne, decided: Awaitable[Refund]) -> ResultView:
    refund: Refund | None = None
    status, problem, detail = 200, None, ""
    try:
        refund = await decided
    except Refused as refusal:
        status, problem, detail = status_of(refusal), refusal.reason, refusal.detail
    except (Conflict, DependencyAway) as error:
        status, problem, detail = 503, "try-again", str(error)
    return ResultView(
        campaign_id=one.campaign_id,
        refund_id=one.refund_id,
        status=status,
        state=refund.state.value if refund else None,
        problem=problem,
        detail=detail,
    )


def _cursor(place: Place) -> str:
    at, refund_id = place
    return f"{at.isoformat()}~{refund_id}"


def _place(cursor: str) -> Place | None:
    if not cursor:
        return None
    created_at, _, refund_id = cursor.partition("~")
    try:
        return datetime.fromisoformat(created_at.replace(" ", "+")).astimezone(UTC), refund_id
    except ValueError:
        raise Problem(422, "cursor-unknown", "This is no cursor of a queue") from None
