"""One step of a stage, saved: the decision, its block, its facts, and the claim with them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.destination import Destination
from payouts.domain.stage import Stage, StageDecision, StageState
from payouts.handlers.posting import post
from payouts.metrics import STAGE_LATE_FAILURES
from payouts.ports import PayoutsUnit
from servicekit.units import UnitsOfWork
from servicekit.work import Claim


@dataclass(frozen=True, slots=True)
class StageView:
    """What a step looks at, read inside its transaction."""

    stage: Stage
    previous: tuple[Stage, ...]
    book: Book
    destination: Destination | None
    now: datetime


Decide = Callable[[StageView], StageDecision]


async def save_step(
    units: UnitsOfWork[PayoutsUnit], claim: Claim, decide: Decide, now: datetime
) -> Stage:
    """Decide over the stage as it is now and save what follows; the claim stays ours.

    Raises what `decide` raises, and `LeaseLost`; then nothing is saved.
    """

    async def work(unit: PayoutsUnit) -> tuple[StageState, Stage]:
        view = await load_view(
            unit, claim.item.payload["campaign_id"], claim.item.payload["number"], now
        )
        decision = decide(view)
        await unit.plumbing.work.confirm([claim])
        if decision.postings:
            await unit.books.save([await post(unit, view.book, decision.postings, now)])
        if decision.stage != view.stage:
            await unit.stages.save([decision.stage])
        await unit.facts.add(decision.facts)
        return view.stage.state, decision.stage

    before, stage = await units.run(work)
    if (before, stage.state) == (StageState.PAID, StageState.FAILED):
        STAGE_LATE_FAILURES.inc()
    return stage


async def load_view(unit: PayoutsUnit, campaign_id: str, number: int, now: datetime) -> StageView:
    """Read what the gate and the steps of a stage look at."""
    stages = await unit.stages.load(campaign_id)
    book = (await unit.books.load([campaign_id]))[campaign_id]
    destination = await unit.destinations.load(campaign_id)
    previous = tuple(stage for stage in stages if stage.number < number)
    return StageView(stages[number - 1], previous, book, destination, now)
