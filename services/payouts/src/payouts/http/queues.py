"""Routes over all campaigns: what waits for staff, oldest first, and many of it decided at once."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import FastAPI, Path, Query

from payouts.domain.errors import Refused
from payouts.domain.receivable import Receivable
from payouts.domain.refund import Refund
from payouts.domain.stage import Stage
from payouts.domain.waiting import QueueName, Waiting, waits_since
from payouts.handlers.approve_refunds import ApproveRefunds
from payouts.handlers.claimable import try_refund_again
from payouts.handlers.queues import Place, page_of, place_in
from payouts.handlers.refund_requests import Shown
from payouts.http.models import (
    ApproveManyBody,
    ApproveOne,
    QueuePage,
    ResultsView,
    ResultView,
    RetryManyBody,
    RetryOne,
    WaitingReceivable,
    WaitingRefund,
    WaitingStage,
)
from payouts.http.paths import Limit
from payouts.http.refusals import status_of
from payouts.http.views import receivable_view, refund_view, stage_outline
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

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
        """List refunds, stages or debts of all campaigns that wait for this reason, oldest first.

        Refunds whose payment can soon be returned no more: the first to close first. Stages: the
        first due first.
        """
        now = clock.now()
        found = await page_of(queries, name, _place(cursor), limit, now, warning)
        items = [_item(one, now) for one in found]
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


def _item(one: Waiting, now: datetime) -> WaitingRefund | WaitingStage | WaitingReceivable:
    age = int((now - waits_since(one)).total_seconds())
    match one:
        case Refund():
            return WaitingRefund(refund=refund_view(one), age_seconds=age)
        case Stage():
            outline = stage_outline(one)
            return WaitingStage(campaign_id=one.campaign_id, stage=outline, age_seconds=age)
        case Receivable():
            return WaitingReceivable(receivable=receivable_view(one), age_seconds=age)


def _cursor(place: Place) -> str:
    at, name = place
    return f"{at.isoformat()}~{name}"


def _place(cursor: str) -> Place | None:
    if not cursor:
        return None
    at, _, name = cursor.partition("~")
    try:
        return datetime.fromisoformat(at.replace(" ", "+")).astimezone(UTC), name
    except (ValueError, OverflowError):  # The first and the last hours have no place in UTC.
        raise Problem(422, "cursor-unknown", "This is no cursor of a queue") from None
