"""Routes of reports: whoever may read something reports it, with an account or without one.

Staff read the queue and dismiss. To hide what was reported is what it always is; that answers
its reports.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI

from servicekit.access import Guard, Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.errors import DuplicateKey
from servicekit.guests import GuestPace
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.hiding import HidingReason
from updates.domain.report import Case, Report, Thing, guest_of
from updates.handlers.reports import dismiss, report_thing
from updates.http.callers import Callers, unknown_update
from updates.http.paths import CampaignId, CommentId, Limit, UpdateId
from updates.http.report_models import (
    CasePage,
    CaseView,
    DismissalBody,
    GivenReportPage,
    GuestReportBody,
    NumberBefore,
    OwnReportView,
    ReportBody,
    case_view,
    given_report_view,
    own_report_view,
)
from updates.http.thing_cursors import QueueCursor, thing_cursor, thing_place
from updates.ports.queries import Queries
from updates.ports.reports import ReportQueries
from updates.ports.unit import UpdatesUnit


def add_report_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    reports: ReportQueries,
    clock: Clock,
    guests: GuestPace | None,
) -> None:
    """Add them: the queue, and the same routes for updates and for comments."""

    async def may_read(caller: Principal, ids: Ids) -> bool:
        update = await queries.update(ids["campaign_id"], ids["update_id"])
        return update is not None and await callers.may_read(caller, update)

    async def reported(caller: Principal, ids: Ids) -> bool:
        thing = Thing(ids["campaign_id"], ids["update_id"], ids.get("comment_id"))
        return await reports.report(thing, caller.subject) is not None

    reader = guard.allow(
        Owner("whoever may read the update", None, may_read), unknown=unknown_update
    )
    reporter = guard.allow(Owner("whoever reported it", None, reported), unknown=_unreported)
    by_staff = guard.allow(Role.STAFF)
    by_guest = guard.anybody("of what anybody may read; paced by address", guests)

    async def taken(made: Report) -> OwnReportView:
        async def take(unit: UpdatesUnit) -> tuple[Case, Report]:
            return await report_thing(unit, made)

        try:
            case, report = await units.run(take)
        except DuplicateKey:  # Another one, or the same from another tab, was faster.
            case, report = await units.run(take)
        return own_report_view(case, report)

    async def read_by_guests(thing: Thing) -> bool:
        update = await queries.update(thing.campaign_id, thing.update_id)
        return update is not None and await callers.may_read(None, update)

    def add_routes_of(path: str, found: Callable[..., Thing]) -> None:
        @api.put(f"{path}/report")
        async def put_report(
            caller: Annotated[Principal, reader],
            thing: Annotated[Thing, Depends(found)],
            body: ReportBody,
        ) -> OwnReportView:
            """Report it to the platform's staff, once; nobody learns who did."""
            reason = HidingReason(body.reason)
            return await taken(Report(thing, caller.subject, reason, body.words, clock.now()))

        @api.put(f"{path}/guest-report", dependencies=[by_guest])
        async def put_guest_report(
            thing: Annotated[Thing, Depends(found)], body: GuestReportBody
        ) -> OwnReportView:
            """Report it without an account, once for each receipt; the same again shows its answer.

            That also once the thing is hidden. Only so many of one thing wait at a time, and an
            address has so many requests (429 with Retry-After).
            """
            guest, reason = guest_of(body.receipt), HidingReason(body.reason)
            known = await reports.report(thing, guest)
            if known is None and not await read_by_guests(thing):
                raise unknown_update()
            return await taken(Report(thing, guest, reason, body.words, clock.now()))

        @api.get(f"{path}/report")
        async def read_report(
            caller: Annotated[Principal, reporter], thing: Annotated[Thing, Depends(found)]
        ) -> OwnReportView:
            """Show one's own report and what became of it, also once the thing is hidden."""
            case = await reports.case(thing)
            report = await reports.report(thing, caller.subject)
            if case is None or report is None:
                raise _unreported()
            return own_report_view(case, report)

        @api.get(f"{path}/reports", dependencies=[by_staff])
        async def list_reports(
            thing: Annotated[Thing, Depends(found)], before: NumberBefore = None, limit: Limit = 50
        ) -> GivenReportPage:
            """List what readers say of it, the latest first, without who they are."""
            page = await reports.reports(thing, before, limit)
            last = page[-1].number if len(page) == limit else None
            items = [given_report_view(report) for report in page]
            return GivenReportPage(items=items, next_before=last)

        @api.put(f"{path}/reports/dismissal")
        async def put_dismissal(
            caller: Annotated[Principal, by_staff],
            thing: Annotated[Thing, Depends(found)],
            body: DismissalBody,
        ) -> CaseView:
            """Let it stay and say why: its reports are answered and leave the queue."""
            now = clock.now()
            words, by = body.words, caller.subject
            return case_view(await units.run(lambda unit: dismiss(unit, thing, words, by, now)))

    update = "/campaigns/{campaign_id}/updates/{update_id}"
    add_routes_of(update, _update)
    add_routes_of(f"{update}/comments/{{comment_id}}", _comment)

    @api.get("/queues/reports", dependencies=[by_staff])
    async def read_queue(cursor: QueueCursor = "", limit: Limit = 50) -> CasePage:
        """List what readers of all campaigns reported and nobody decided, the oldest first."""
        found = await reports.cases_waiting(thing_place(cursor), limit)
        full = len(found) == limit
        last = thing_cursor(found[-1].reported_at, found[-1].thing) if full else None
        return CasePage(items=[case_view(case) for case in found], next_cursor=last)


def _update(campaign_id: CampaignId, update_id: UpdateId) -> Thing:
    return Thing(campaign_id, update_id)


def _comment(campaign_id: CampaignId, update_id: UpdateId, comment_id: CommentId) -> Thing:
    return Thing(campaign_id, update_id, comment_id)


def _unreported() -> Problem:
    return Problem(404, "report-unknown", "You have not reported it")
