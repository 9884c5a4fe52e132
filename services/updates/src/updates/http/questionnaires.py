"""Routes of reward questionnaires: asked, replied to by each backer, exported on record.

Replies are read and written with a bearer token alone, which is a full sign-in: no personal link
leads here.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import FastAPI, Path, Response

from servicekit.access import Guard, Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.descriptions import files
from servicekit.units import UnitsOfWork
from updates.handlers.questionnaires import (
    QuestionnaireDesk,
    close_questionnaire,
    reply,
    reply_of,
    take_back_reply,
    take_export,
    write_questionnaire,
)
from updates.http.callers import Callers, unknown_campaign
from updates.http.models import Identifier
from updates.http.paths import CampaignId, Cursor, Limit
from updates.http.questionnaire_models import (
    ExportPage,
    QuestionnaireBody,
    QuestionnairePage,
    QuestionnaireView,
    ReplyBody,
    ReplyView,
)
from updates.http.questionnaire_views import (
    asked_from,
    export_lines,
    export_view,
    questionnaire_view,
    reply_view,
    unknown_pledge,
    unknown_questionnaire,
    words_from,
)
from updates.ports.questionnaires import QuestionnaireQueries
from updates.ports.unit import UpdatesUnit

RewardId = Annotated[Identifier, Path()]
PledgeId = Annotated[Identifier, Path()]
ExportId = Annotated[Identifier, Path()]
ONE = "/campaigns/{campaign_id}/questionnaires/{reward_id}"
REPLY = "/campaigns/{campaign_id}/pledges/{pledge_id}/reply"
# What a browser or a proxy would keep of an address is out of our hands.
PRIVATE = {"Cache-Control": "no-store"}
T = TypeVar("T")


def add_questionnaire_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: QuestionnaireQueries,
    desk: QuestionnaireDesk,
    clock: Clock,
) -> None:
    """Add them."""
    editor = guard.allow(callers.editor, unknown=unknown_campaign)
    insiders = guard.allow(
        Role.STAFF, callers.backer, callers.editor, callers.fulfilment, unknown=unknown_campaign
    )
    senders = guard.allow(callers.fulfilment, unknown=unknown_questionnaire)
    record = guard.allow(Role.STAFF, callers.fulfilment, unknown=unknown_questionnaire)
    backer = guard.allow(_pledged(units), unknown=unknown_pledge)

    async def done(work: Callable[[UpdatesUnit], Awaitable[T]]) -> T:
        return await units.run(work)

    @api.put(ONE)
    async def put_questionnaire(
        campaign_id: CampaignId,
        reward_id: RewardId,
        body: QuestionnaireBody,
        caller: Annotated[Principal, editor],
    ) -> QuestionnaireView:
        """Ask this of whoever gets the reward; changed until the last notice was begun (409)."""
        asked, by, now = asked_from(body), caller.subject, clock.now()
        return questionnaire_view(
            await done(
                lambda unit: write_questionnaire(unit, desk, campaign_id, reward_id, asked, by, now)
            )
        )

    @api.post(ONE + "/last-notice", dependencies=[editor])
    async def post_last_notice(campaign_id: CampaignId, reward_id: RewardId) -> QuestionnaireView:
        """Tell every backer until when a reply may be changed; again is the same answer."""
        now = clock.now()
        return questionnaire_view(
            await done(lambda unit: close_questionnaire(unit, campaign_id, reward_id, now))
        )

    @api.get("/campaigns/{campaign_id}/questionnaires", dependencies=[insiders])
    async def list_questionnaires(campaign_id: CampaignId) -> QuestionnairePage:
        """Show what is asked for each reward."""
        found = await queries.questionnaires(campaign_id)
        return QuestionnairePage(items=[questionnaire_view(one) for one in found])

    @api.get(REPLY)
    async def read_reply(
        campaign_id: CampaignId,
        pledge_id: PledgeId,
        caller: Annotated[Principal, backer],
        response: Response,
    ) -> ReplyView:
        """Show one's own reply, and until when it can be changed."""
        response.headers.update(PRIVATE)
        person = caller.subject
        own = await done(lambda unit: reply_of(unit, desk, campaign_id, pledge_id, person))
        return reply_view(own, clock.now())

    @api.put(REPLY)
    async def put_reply(
        campaign_id: CampaignId,
        pledge_id: PledgeId,
        body: ReplyBody,
        caller: Annotated[Principal, backer],
        response: Response,
    ) -> ReplyView:
        """Reply, or change one's reply until it is locked (409)."""
        response.headers.update(PRIVATE)
        words, person, now = words_from(body), caller.subject, clock.now()
        own = await done(lambda unit: reply(unit, desk, campaign_id, pledge_id, person, words, now))
        return reply_view(own, now)

    @api.delete(REPLY)
    async def delete_reply(
        campaign_id: CampaignId,
        pledge_id: PledgeId,
        caller: Annotated[Principal, backer],
        response: Response,
    ) -> ReplyView:
        """Take one's reply back until it is locked (409); nothing of it is left."""
        response.headers.update(PRIVATE)
        person, now = caller.subject, clock.now()
        own = await done(
            lambda unit: take_back_reply(unit, desk, campaign_id, pledge_id, person, now)
        )
        return reply_view(own, now)

    @api.put(ONE + "/exports/{export_id}", response_class=Response, responses=files("text/csv"))
    async def put_export(
        campaign_id: CampaignId,
        reward_id: RewardId,
        export_id: ExportId,
        caller: Annotated[Principal, senders],
    ) -> Response:
        """Return the replies as CSV, on record, once the reward is being prepared (409)."""
        by, now = caller.subject, clock.now()
        exported = await done(
            lambda unit: take_export(unit, desk, campaign_id, reward_id, export_id, by, now)
        )
        headers = PRIVATE | {"Content-Disposition": 'attachment; filename="replies.csv"'}
        text = "".join(export_lines(exported, now))
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    @api.get(ONE + "/exports", dependencies=[record])
    async def list_exports(
        campaign_id: CampaignId, reward_id: RewardId, cursor: Cursor = "", limit: Limit = 50
    ) -> ExportPage:
        """Show who took which replies, and when."""
        found = await queries.exports(campaign_id, reward_id, cursor, limit)
        last = found[-1].export_id if len(found) == limit else None
        return ExportPage(items=[export_view(one) for one in found], next_cursor=last)


def _pledged(units: UnitsOfWork[UpdatesUnit]) -> Owner:
    async def owns(caller: Principal, ids: Ids) -> bool:
        place = (ids["campaign_id"], ids["pledge_id"])
        pledge = (await units.run(lambda unit: unit.pledges.load([place]))).get(place)
        promise = pledge.promise if pledge else None
        return promise is not None and promise.backer_id == caller.subject

    return Owner("backer of the pledge", Role.BACKER, owns)
