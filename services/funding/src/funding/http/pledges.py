"""Routes of pledges: payments told, reports taken in, looked at, taken back."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import FastAPI, Query

from funding.domain.backer_report import format_of
from funding.domain.errors import Refused
from funding.domain.pledge import WithdrawPledge
from funding.handlers.import_pledges import Imported, ImportPledges, import_pledges
from funding.handlers.payments import Answer, Told, take_payments
from funding.http.callers import Callers, unknown_campaign, unknown_pledge
from funding.http.models import ImportBody, ImportView, PaymentBody, PledgePage, PledgeView
from funding.http.parts import Parts
from funding.http.paths import CampaignId, Cursor, Limit, PledgeId
from funding.http.views import import_view, payment_from, pledge_view
from funding.metrics import IMPORT_ROWS, PLEDGES
from funding.wire import to_the_millisecond
from servicekit.auth import Role
from servicekit.causes import about
from servicekit.lanes import Lanes

DryRun = Annotated[bool, Query(description="Judge only, write nothing.")]


def add_pledge_routes(api: FastAPI, callers: Callers, parts: Parts) -> None:
    """Add them; payments and withdrawals share the lane of their campaign."""
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    creator, backer = callers.creator, callers.backer

    async def save_group(_: str, payments: Sequence[Told]) -> Sequence[Answer]:
        return await units.run(lambda unit: take_payments(unit, payments))

    lanes: Lanes[Told, Answer] = Lanes(save_group)

    @api.post("/campaigns/{campaign_id}/payments", dependencies=[guard.allow(Role.SERVICE)])
    async def tell_payment(campaign_id: CampaignId, body: PaymentBody) -> PledgeView:
        """Tell a payment fact; the same fact by HTTP and by topic is one fact."""
        try:
            payment = payment_from(campaign_id, body)
            with about(pledge_id=payment.pledge_id):
                answer = await lanes.submit(campaign_id, payment)
        except Refused:
            PLEDGES.labels("refused").inc()
            raise
        PLEDGES.labels("taken").inc()
        assert not isinstance(answer, Refused)
        return pledge_view(answer)

    @api.post(
        "/campaigns/{campaign_id}/pledges/import",
        dependencies=[guard.allow(Role.SERVICE, Role.STAFF)],
    )
    async def import_report(
        campaign_id: CampaignId, body: ImportBody, dry_run: DryRun = True
    ) -> ImportView:
        """Judge every row of a backer report; write the new ones where `dry_run` is false.

        Nothing of a file with a refused row is written unless `with_errors`. Again is the same.
        """
        form = format_of(body.format, body.columns)
        command = ImportPledges(campaign_id, body.csv, form, not dry_run, body.with_errors)
        imported = await import_pledges(units, command)
        if command.write:
            _count_rows(imported)
        return import_view(imported)

    @api.get(
        "/campaigns/{campaign_id}/pledges",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=unknown_campaign)],
    )
    async def list_pledges(
        campaign_id: CampaignId, cursor: Cursor = "", limit: Limit = 50
    ) -> PledgePage:
        """List the pledges of a campaign in order of id."""
        if await queries.campaign(campaign_id) is None:
            raise unknown_campaign()
        found = await queries.pledges(campaign_id, cursor, limit)
        last = found[-1].pledge_id if len(found) == limit else None
        return PledgePage(items=[pledge_view(pledge) for pledge in found], next_cursor=last)

    @api.get(
        "/campaigns/{campaign_id}/pledges/{pledge_id}",
        dependencies=[guard.allow(Role.STAFF, creator, backer, unknown=unknown_pledge)],
    )
    async def read_pledge(campaign_id: CampaignId, pledge_id: PledgeId) -> PledgeView:
        """Show one pledge."""
        pledge = await queries.pledge(campaign_id, pledge_id)
        if pledge is None:
            raise unknown_pledge()
        return pledge_view(pledge)

    @api.post(
        "/campaigns/{campaign_id}/pledges/{pledge_id}/withdrawal",
        dependencies=[guard.allow(backer, unknown=unknown_pledge)],
    )
    async def withdraw_pledge(campaign_id: CampaignId, pledge_id: PledgeId) -> PledgeView:
        """Take a collected pledge back until the deadline; payouts returns all of its money."""
        with about(pledge_id=pledge_id):
            command = WithdrawPledge(campaign_id, pledge_id, to_the_millisecond(clock.now()))
            answer = await lanes.submit(campaign_id, command)
        assert not isinstance(answer, Refused)
        return pledge_view(answer)


def _count_rows(imported: Imported) -> None:
    for row in imported.rows:
        unwritten = row.outcome == "new" and not imported.written
        IMPORT_ROWS.labels("unwritten" if unwritten else row.outcome).inc()
