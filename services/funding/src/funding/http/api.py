"""Routes of funding: launch, pay, look."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Annotated

from fastapi import FastAPI, Path, Query, Response

from funding.domain.backer_report import format_of
from funding.domain.campaign import Campaign, Launch
from funding.domain.cancelling import CancelCampaign
from funding.domain.errors import Refused
from funding.domain.pledge import WithdrawPledge
from funding.handlers.cancel import cancel_campaign
from funding.handlers.import_pledges import Imported, ImportPledges, import_pledges
from funding.handlers.launch import launch
from funding.handlers.payments import Answer, Told, take_payments
from funding.handlers.settle import explain
from funding.http.models import (
    CampaignPage,
    CampaignView,
    CancellationBody,
    Identifier,
    ImportBody,
    ImportView,
    LaunchBody,
    PaymentBody,
    PledgePage,
    PledgeView,
)
from funding.http.parts import Parts
from funding.http.refusals import problem_of
from funding.http.teams import add_team_routes
from funding.http.views import (
    campaign_view,
    import_view,
    launch_from,
    payment_from,
    pledge_view,
)
from funding.metrics import IMPORT_ROWS, PLEDGES
from funding.ports import FundingUnit, Queries
from funding.wire import to_the_millisecond
from servicekit.access import Ids, Owner, guarded_api
from servicekit.auth import Principal, Role, forbidden
from servicekit.causes import about
from servicekit.clock import Clock
from servicekit.lanes import Lanes
from servicekit.problems import Problem, answer_refusals

CampaignId = Annotated[Identifier, Path()]
PledgeId = Annotated[Identifier, Path()]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=100, description="`next_cursor` of the page before.")]
DryRun = Annotated[bool, Query(description="Judge only, write nothing.")]
SETTLING = "what the verdict waits for: creator of the campaign, staff"


def build_api(parts: Parts) -> FastAPI:
    """Return the application; payments by HTTP share the lane of their campaign."""
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    intake, standard, settlement = parts.intake, parts.standard, parts.settlement
    api = guarded_api("funding")
    answer_refusals(api, Refused, problem_of)

    async def save_group(_: str, payments: Sequence[Told]) -> Sequence[Answer]:
        return await units.run(lambda unit: take_payments(unit, payments))

    lanes: Lanes[Told, Answer] = Lanes(save_group)
    creator = Owner("creator of the campaign", Role.CREATOR, _owns_campaign(queries))
    backer = Owner("backer whose pledge it is", Role.BACKER, _owns_pledge(queries))
    launcher = guard.allow(Role.SERVICE, Role.STAFF, NAMED_CREATOR)

    @api.put("/campaigns/{campaign_id}", status_code=201, responses={200: {"model": CampaignView}})
    async def launch_campaign(
        caller: Annotated[Principal, launcher],
        campaign_id: CampaignId,
        body: LaunchBody,
        response: Response,
    ) -> CampaignView:
        """Launch a campaign. The same request again answers 200; another one under this id 409.

        Its terms are the platform's: a creator leaves them out, and has its standard.
        """
        _check_speaks_for(caller, body)
        command = launch_from(campaign_id, body, standard)
        campaign, new = await units.run(lambda unit: _launch(unit, command, settlement, clock))
        response.status_code = 201 if new else 200
        return campaign_view(campaign)

    @api.get("/campaigns", dependencies=[guard.anybody()])
    async def list_campaigns(cursor: Cursor = "", limit: Limit = 50) -> CampaignPage:
        """List campaigns in order of id."""
        found = await queries.campaigns(cursor, limit)
        last = found[-1].campaign_id if len(found) == limit else None
        return CampaignPage(items=[campaign_view(c) for c in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}")
    async def read_campaign(
        caller: Annotated[Principal | None, guard.anybody(SETTLING)], campaign_id: CampaignId
    ) -> CampaignView:
        """Show state, figures, verdict; to creator and staff also what it still waits for."""
        campaign = await queries.campaign(campaign_id)
        if campaign is None:
            raise _unknown_campaign()
        if not _sees_settling(caller, campaign):
            return campaign_view(campaign)
        return campaign_view(campaign, await explain(units, intake, campaign_id, clock.now()))

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

    @api.post("/campaigns/{campaign_id}/cancellation")
    async def cancel(
        caller: Annotated[Principal, guard.allow(Role.STAFF, creator, unknown=_unknown_campaign)],
        campaign_id: CampaignId,
        body: CancellationBody,
    ) -> CampaignView:
        """End a campaign: every collected pledge goes back, after a met goal what is left of it.

        Its creator may until the deadline, staff unless the goal was missed. The same again is
        the same.
        """
        at = to_the_millisecond(clock.now())
        as_staff = Role.STAFF in caller.roles
        command = CancelCampaign(campaign_id, caller.subject, body.reason, as_staff, at)
        campaign = await units.run(lambda unit: cancel_campaign(unit, command))
        return campaign_view(campaign)

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
        dependencies=[guard.allow(Role.STAFF, creator, unknown=_unknown_campaign)],
    )
    async def list_pledges(
        campaign_id: CampaignId, cursor: Cursor = "", limit: Limit = 50
    ) -> PledgePage:
        """List the pledges of a campaign in order of id."""
        if await queries.campaign(campaign_id) is None:
            raise _unknown_campaign()
        found = await queries.pledges(campaign_id, cursor, limit)
        last = found[-1].pledge_id if len(found) == limit else None
        return PledgePage(items=[pledge_view(pledge) for pledge in found], next_cursor=last)

    @api.get(
        "/campaigns/{campaign_id}/pledges/{pledge_id}",
        dependencies=[guard.allow(Role.STAFF, creator, backer, unknown=_unknown_pledge)],
    )
    async def read_pledge(campaign_id: CampaignId, pledge_id: PledgeId) -> PledgeView:
        """Show one pledge."""
        pledge = await queries.pledge(campaign_id, pledge_id)
        if pledge is None:
            raise _unknown_pledge()
        return pledge_view(pledge)

    @api.post(
        "/campaigns/{campaign_id}/pledges/{pledge_id}/withdrawal",
        dependencies=[guard.allow(backer, unknown=_unknown_pledge)],
    )
    async def withdraw_pledge(campaign_id: CampaignId, pledge_id: PledgeId) -> PledgeView:
        """Take a collected pledge back until the deadline; payouts returns all of its money."""
        with about(pledge_id=pledge_id):
            command = WithdrawPledge(campaign_id, pledge_id, to_the_millisecond(clock.now()))
            answer = await lanes.submit(campaign_id, command)
        assert not isinstance(answer, Refused)
        return pledge_view(answer)

    add_team_routes(api, guard, creator, units, queries, clock)
    return api


def _count_rows(imported: Imported) -> None:
    for row in imported.rows:
        unwritten = row.outcome == "new" and not imported.written
        IMPORT_ROWS.labels("unwritten" if unwritten else row.outcome).inc()


async def _checked_with_the_body(caller: Principal, _: Ids) -> bool:
    """Let every creator come as far as the body, where `_check_speaks_for` looks whom it names."""
    return True


NAMED_CREATOR = Owner("creator whom the body names", Role.CREATOR, _checked_with_the_body)


def _check_speaks_for(caller: Principal, body: LaunchBody) -> None:
    if caller.roles & {Role.SERVICE, Role.STAFF}:
        return
    if caller.subject != body.creator_id:
        raise forbidden("a creator launches campaigns of their own")
    if body.terms.model_fields_set:
        # Whoever names fees and shares could take all of the money at once, and pay for nothing.
        raise forbidden("the platform and its staff name terms")


def _sees_settling(caller: Principal | None, campaign: Campaign) -> bool:
    if caller is None:
        return False
    own = Role.CREATOR in caller.roles and campaign.launch.creator_id == caller.subject
    return own or Role.STAFF in caller.roles


def _owns_campaign(queries: Queries) -> Callable[[Principal, Ids], Awaitable[bool]]:
    async def owns(caller: Principal, ids: Ids) -> bool:
        campaign = await queries.campaign(ids["campaign_id"])
        return campaign is not None and campaign.launch.creator_id == caller.subject

    return owns


def _owns_pledge(queries: Queries) -> Callable[[Principal, Ids], Awaitable[bool]]:
    async def owns(caller: Principal, ids: Ids) -> bool:
        pledge = await queries.pledge(ids["campaign_id"], ids["pledge_id"])
        return pledge is not None and pledge.payment.backer_id == caller.subject

    return owns


def _unknown_campaign() -> Problem:
    return Problem(404, "campaign-unknown", "There is no such campaign")


def _unknown_pledge() -> Problem:
    return Problem(404, "pledge-unknown", "There is no such pledge in this campaign")


async def _launch(
    unit: FundingUnit, command: Launch, settlement: Collection[str], clock: Clock
) -> tuple[Campaign, bool]:
    known = await unit.campaigns.load([command.campaign_id])
    if not known and command.deadline <= clock.now():
        raise Refused("deadline-passed", "the deadline must be in the future")
    return await launch(unit, command, settlement, clock.now())
