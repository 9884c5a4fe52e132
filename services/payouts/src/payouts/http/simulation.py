"""The route of the simulator: who would get what, if the campaign stopped now."""

from fastapi import FastAPI
from fastapi.params import Depends

from payouts.domain.book import Book
from payouts.domain.simulation import DryDeadline
from payouts.handlers.simulate import Simulate, SimulatedPage
from payouts.http.models import (
    DryDeadlineView,
    DryStageView,
    FeesView,
    SimulatedShareView,
    SimulationView,
)
from payouts.http.paths import CampaignId, Cursor, Limit
from servicekit.clock import Clock


def add_simulation_route(api: FastAPI, simulate: Simulate, clock: Clock, allowed: Depends) -> None:
    """Add it; `allowed` says who may ask."""

    @api.get("/campaigns/{campaign_id}/simulation", dependencies=[allowed])
    async def read_simulation(
        campaign_id: CampaignId, cursor: Cursor = "", limit: Limit = 50
    ) -> SimulationView:
        """Show what each backer would get if the campaign stopped now; nothing is written.

        Before the verdict also what the deadline would do with the pledges counted by now.
        """
        return _view(await simulate(campaign_id, cursor, limit, clock.now()), limit)


def _view(page: SimulatedPage, limit: int) -> SimulationView:
    book, totals = page.book, page.totals
    last = page.shares[-1][0].pledge_id if len(page.shares) == limit else None
    return SimulationView(
        campaign_id=book.campaign_id,
        currency=book.currency,
        as_of_pledges_sequence=book.pledges_sequence,
        as_of_block=book.head.block,
        ended=_ended(book),
        distributed=totals.division.amount,
        entitled=totals.division.whole,
        unpaid=totals.unpaid,
        deadline=_deadline(totals.deadline) if totals.deadline else None,
        items=[
            SimulatedShareView(
                pledge_id=money.pledge_id,
                backer_id=money.backer_id,
                pledged=money.amount,
                gone_back=money.reserved + money.returned,
                disputed=money.disputed,
                gets=share.amount,
                unpaid=share.unpaid,
                settled=money.pledge_id in page.settled,
            )
            for money, share in page.shares
        ],
        next_cursor=last,
    )


def _ended(book: Book) -> str | None:
    if book.cancellation is not None:
        return "cancelled"
    return book.verdict.outcome.value if book.verdict else None


def _deadline(found: DryDeadline) -> DryDeadlineView:
    fees, last = found.fees, found.last
    amounts = (found.first, found.second, last.payable) if last else ()
    return DryDeadlineView(
        outcome="goal_met" if found.met else "goal_missed",
        goal=found.goal,
        collected=found.collected,
        stages=[DryStageView(stage=n, amount=amount) for n, amount in enumerate(amounts, 1)],
        fees=FeesView(
            platform=fees.platform,
            processing=fees.processing,
            tax=fees.tax,
            owed=last.owed.total if last else 0,
        ),
    )
