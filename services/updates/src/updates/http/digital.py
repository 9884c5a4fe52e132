"""Routes of digital rewards: a file or codes, laid in by the team, opened by each backer."""

from typing import Annotated

from fastapi import FastAPI, Response
from pydantic import BaseModel, Field

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.errors import DuplicateKey
from servicekit.units import UnitsOfWork
from updates.domain.media import Media
from updates.domain.tracking import TrackingTerms
from updates.handlers.digital import Opening, add_codes, file_of, lay_in_file, opening_lanes
from updates.http.callers import Callers, unknown_campaign
from updates.http.delivery_models import DeliveryView, delivery_view
from updates.http.media import MediaShelf
from updates.http.media_models import MediaView, media_view
from updates.http.models import Body, Identifier
from updates.http.paths import CampaignId, RewardId
from updates.ports.codes import CodeStock
from updates.ports.unit import UpdatesUnit

OF_REWARD = "/campaigns/{campaign_id}/digital-rewards/{reward_id}"
Code = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class CodesBody(Body):
    """Codes to lay in; each of them is given to one backer."""

    codes: Annotated[list[Code], Field(min_length=1, max_length=1_000)]


class FileBody(Body):
    """What was uploaded, and is shown nowhere else."""

    media_id: Identifier


class StockView(BaseModel):
    """How many codes there are, never which; withheld ones may have been given before a restore."""

    free: int
    given: int
    withheld: int


class RewardView(StockView):
    """The reward's codes, counted, and its file; a withdrawn one is a marker."""

    file: MediaView | None


class AddedView(BaseModel):
    """`known` were there already, for this reward or another one of the campaign."""

    added: int
    known: int
    stock: StockView


class OpenedView(BaseModel):
    """What the reward is: a code of one's own, a file with a link of its own, or both."""

    code: str | None
    file: MediaView | None
    delivery: DeliveryView


def add_digital_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    clock: Clock,
    terms: TrackingTerms,
    shelf: MediaShelf | None,
) -> None:
    """Add them; without a place for files no reward is one."""

    def shown(file: Media | None) -> MediaView | None:
        if file is None or shelf is None:
            return None
        return media_view(file, shelf.links.sign(file, clock.now()))

    sender = guard.allow(callers.fulfilment, unknown=unknown_campaign)
    readers = guard.allow(Role.STAFF, callers.fulfilment, unknown=unknown_campaign)
    backer = guard.allow(callers.backer, unknown=unknown_campaign)
    lanes = opening_lanes(units, clock.now, terms)

    @api.post(OF_REWARD + "/codes", dependencies=[sender])
    async def post_codes(
        campaign_id: CampaignId, reward_id: RewardId, body: CodesBody
    ) -> AddedView:
        """Lay in codes; the same again are known."""
        codes, now = list(dict.fromkeys(body.codes)), clock.now()
        added, stock = await units.run(
            lambda unit: add_codes(unit, campaign_id, reward_id, codes, now)
        )
        return AddedView(added=added, known=len(codes) - added, stock=_stock_view(stock))

    @api.put(OF_REWARD + "/file", dependencies=[sender])
    async def put_file(campaign_id: CampaignId, reward_id: RewardId, body: FileBody) -> MediaView:
        """Let the reward be a file for each of its backers, in the place of the one before."""
        media_id, now = body.media_id, clock.now()
        file = await units.run(
            lambda unit: lay_in_file(unit, campaign_id, reward_id, media_id, now)
        )
        return media_view(file, shelf.links.sign(file, now) if shelf is not None else None)

    @api.get(OF_REWARD, dependencies=[readers])
    async def read_stock(campaign_id: CampaignId, reward_id: RewardId) -> RewardView:
        """Count the reward's codes, and show its file."""

        async def known(unit: UpdatesUnit) -> tuple[CodeStock, Media | None]:
            stock = await unit.codes.stock(campaign_id, reward_id)
            return stock, await file_of(unit, campaign_id, reward_id)

        stock, file = await units.run(known)
        return RewardView(**_stock_view(stock).model_dump(), file=shown(file))

    @api.post(OF_REWARD + "/opening")
    async def post_opening(
        caller: Annotated[Principal, backer],
        campaign_id: CampaignId,
        reward_id: RewardId,
        response: Response,
    ) -> OpenedView:
        """Show the caller the own code, the file; opened for the first time, it is delivered."""

        async def opened() -> OpenedView:
            found = await lanes.submit(campaign_id, Opening(reward_id, caller.subject))
            delivery = delivery_view(found.tracking)
            return OpenedView(code=found.code, file=shown(found.file), delivery=delivery)

        response.headers["Cache-Control"] = "no-store"
        try:
            return await opened()
        except DuplicateKey:
            # Another process opened it at the same time: what it was given is there now.
            return await opened()


def _stock_view(stock: CodeStock) -> StockView:
    return StockView(free=stock.free, given=stock.given, withheld=stock.withheld)
