"""Routes of rewards on their way: moved by who sends them, read, and said to have come."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import FastAPI

from servicekit.access import Guard, Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.tracking import Tracking, TrackingState, TrackingTerms
from updates.domain.tracking_list import Wanted
from updates.handlers.tracking import (
    load_trackings,
    move_reward,
    move_trackings,
    receive_reward,
    trackings_of_backer,
    undo_receipt,
)
from updates.http.callers import Callers, unknown_campaign
from updates.http.delivery_models import (
    DeliveryBody,
    DeliveryPage,
    DeliveryView,
    MovesBody,
    MovesView,
    delivery_view,
    moves_view,
)
from updates.http.paths import CampaignId, Cursor, Limit, PersonId, RewardId
from updates.ports.unit import UpdatesUnit

T = TypeVar("T")
OF_ONE = "/campaigns/{campaign_id}/deliveries/{reward_id}/{backer_id}"
RECEIPT = "/campaigns/{campaign_id}/receipts/{reward_id}"


def unknown_delivery() -> Problem:
    return Problem(404, "delivery-unknown", "There is no such reward on its way in this campaign")


def add_delivery_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    clock: Clock,
    terms: TrackingTerms,
) -> None:
    """Add them."""

    async def is_its_backer(caller: Principal, ids: Ids) -> bool:
        own = caller.subject == ids["backer_id"]
        return own and await callers.is_backer(caller, ids["campaign_id"])

    its_backer = Owner("backer whose reward it is", Role.BACKER, is_its_backer)
    sender = guard.allow(callers.fulfilment, unknown=unknown_campaign)
    backer = guard.allow(callers.backer, unknown=unknown_campaign)
    insiders = guard.allow(Role.STAFF, callers.fulfilment, unknown=unknown_campaign)
    everybody = guard.allow(Role.STAFF, callers.fulfilment, its_backer, unknown=unknown_delivery)

    async def answer(work: Callable[[UpdatesUnit], Awaitable[T]]) -> T:
        return await units.run(work)

    @api.put(OF_ONE)
    async def put_delivery(
        caller: Annotated[Principal, sender],
        campaign_id: CampaignId,
        reward_id: RewardId,
        backer_id: PersonId,
        body: DeliveryBody,
    ) -> DeliveryView:
        """Say what is new of one backer's reward; said again it is the same."""
        state = TrackingState(body.state) if body.state else None
        parcel = (body.parcel.carrier, body.parcel.number) if body.parcel else None
        wanted = Wanted(reward_id, backer_id, state, parcel, body.batch)
        by, now = caller.subject, clock.now()

        async def move(unit: UpdatesUnit) -> Tracking:
            (result,) = await move_trackings(unit, campaign_id, [wanted], by, now, terms)
            if result.tracking is None:
                assert result.refused is not None
                raise result.refused
            return result.tracking

        return delivery_view(await answer(move))

    @api.get(OF_ONE, dependencies=[everybody])
    async def read_delivery(
        campaign_id: CampaignId, reward_id: RewardId, backer_id: PersonId
    ) -> DeliveryView:
        """Show one backer's reward, with parcels and history."""
        found = await answer(lambda unit: trackings_of_backer(unit, campaign_id, backer_id))
        for one in found:
            if one.reward_id == reward_id:
                return delivery_view(one)
        raise unknown_delivery()

    @api.post("/campaigns/{campaign_id}/deliveries/{reward_id}/moves")
    async def post_moves(
        caller: Annotated[Principal, sender],
        campaign_id: CampaignId,
        reward_id: RewardId,
        body: MovesBody,
    ) -> MovesView:
        """Move all who are owed the reward, or a batch; who is there already is not told again."""
        state, by, now = TrackingState(body.state), caller.subject, clock.now()
        report = await move_reward(units, campaign_id, reward_id, state, by, now, terms, body.batch)
        return moves_view(report)

    @api.get("/campaigns/{campaign_id}/deliveries/{reward_id}", dependencies=[insiders])
    async def list_deliveries(
        campaign_id: CampaignId, reward_id: RewardId, cursor: Cursor = "", limit: Limit = 50
    ) -> DeliveryPage:
        """List all who are owed the reward, by their ids, and how far it is to each."""
        found = await answer(
            lambda unit: load_trackings(unit, campaign_id, reward_id, cursor, limit)
        )
        last = found[-1].backer_id if len(found) == limit else None
        return DeliveryPage(items=[delivery_view(one) for one in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/deliveries")
    async def list_own(
        caller: Annotated[Principal, backer], campaign_id: CampaignId
    ) -> DeliveryPage:
        """List the rewards that the caller is owed or was sent."""
        found = await answer(lambda unit: trackings_of_backer(unit, campaign_id, caller.subject))
        return DeliveryPage(items=[delivery_view(one) for one in found], next_cursor=None)

    @api.put(RECEIPT)
    async def put_receipt(
        caller: Annotated[Principal, backer], campaign_id: CampaignId, reward_id: RewardId
    ) -> DeliveryView:
        """Say that the reward came."""
        place, now = (campaign_id, reward_id, caller.subject), clock.now()
        return delivery_view(await answer(lambda unit: receive_reward(unit, place, now, terms)))

    @api.delete(RECEIPT)
    async def delete_receipt(
        caller: Annotated[Principal, backer], campaign_id: CampaignId, reward_id: RewardId
    ) -> DeliveryView:
        """Take back that it came, for a while: it is again where it was before."""
        place, now = (campaign_id, reward_id, caller.subject), clock.now()
        return delivery_view(await answer(lambda unit: undo_receipt(unit, place, now, terms)))
