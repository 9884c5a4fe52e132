"""Routes of hiding: staff hide an update with a statement, its team appeals, another decides."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import FastAPI, Response
from pydantic import Field

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from updates.domain.hiding import Appeal, HidingReason, Ruling, Statement
from updates.domain.update import Update
from updates.handlers.hiding import appeal_hiding, hide_update, rule_on_hiding
from updates.http.callers import Callers, unknown_update
from updates.http.editions import tagged
from updates.http.models import Body, UpdateView
from updates.http.paths import CampaignId, UpdateId
from updates.http.report_models import Reason
from updates.ports.unit import UpdatesUnit

Words = Annotated[str, Field(min_length=1, max_length=2_000)]


class StatementBody(Body):
    """The statement of reasons: what it is about, and why that is not shown."""

    reason: Reason
    facts: Words


class AppealBody(Body):
    words: Words


class RulingBody(Body):
    upheld: bool
    words: Words


def add_hiding_routes(
    api: FastAPI, guard: Guard, callers: Callers, units: UnitsOfWork[UpdatesUnit], clock: Clock
) -> None:
    """Add them."""
    path = "/campaigns/{campaign_id}/updates/{update_id}/hiding"
    editor = guard.allow(callers.editor, unknown=unknown_update)

    async def answer(
        work: Callable[[UpdatesUnit], Awaitable[Update]], response: Response
    ) -> UpdateView:
        return tagged(await units.run(work), response)

    @api.put(path)
    async def put_hiding(
        caller: Annotated[Principal, guard.allow(Role.STAFF)],
        campaign_id: CampaignId,
        update_id: UpdateId,
        body: StatementBody,
        response: Response,
    ) -> UpdateView:
        """Hide a published update from everybody but its team and staff; the first word holds."""
        said = Statement(HidingReason(body.reason), body.facts, caller.subject, clock.now())
        return await answer(lambda unit: hide_update(unit, campaign_id, update_id, said), response)

    @api.put(f"{path}/appeal")
    async def put_appeal(
        caller: Annotated[Principal, editor],
        campaign_id: CampaignId,
        update_id: UpdateId,
        body: AppealBody,
        response: Response,
    ) -> UpdateView:
        """Ask another person of the platform to decide; there is one appeal."""
        made = Appeal(body.words, caller.subject, clock.now())
        return await answer(
            lambda unit: appeal_hiding(unit, campaign_id, update_id, made), response
        )

    @api.put(f"{path}/ruling")
    async def put_ruling(
        caller: Annotated[Principal, guard.allow(Role.STAFF)],
        campaign_id: CampaignId,
        update_id: UpdateId,
        body: RulingBody,
        response: Response,
    ) -> UpdateView:
        """Decide the appeal, as another person than who hid it (409 `same-person`)."""
        ruling = Ruling(body.upheld, body.words, caller.subject, clock.now())
        return await answer(
            lambda unit: rule_on_hiding(unit, campaign_id, update_id, ruling), response
        )
