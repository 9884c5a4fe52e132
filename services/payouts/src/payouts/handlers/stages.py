"""One step of a stage, saved: the decision, its block, its facts, and the claim with them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.destination import Destination
from payouts.domain.errors import Refused
from payouts.domain.plan import StageKind
from payouts.domain.stage import OVER, Stage, StageDecision, StageState
from payouts.domain.stage_amount import become_due
from payouts.handlers.posting import post
from payouts.handlers.work_kinds import stage_work
from payouts.metrics import STAGE_LATE_FAILURES
from payouts.ports import PayoutsUnit
from servicekit.units import UnitsOfWork
from servicekit.work import Claim


@dataclass(frozen=True, slots=True)
class StageView:
    """What a step looks at, read inside its transaction."""

    stage: Stage
    previous: tuple[Stage, ...]
    following: tuple[Stage, ...]
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
        payload = claim.item.payload
        view = await load_view(unit, payload["campaign_id"], payload["number"], now)
        decision = decide(view)
        await unit.plumbing.work.confirm([claim])
        await save_decision(unit, view, decision)
        return view.stage.state, decision.stage

    before, stage = await units.run(work)
    if (before, stage.state) == (StageState.PAID, StageState.FAILED):
        STAGE_LATE_FAILURES.inc()
    return stage


async def save_decision(unit: PayoutsUnit, view: StageView, decision: StageDecision) -> None:
    """Save what was decided about a stage, and make the next one due where its turn has come."""
    await _save_book(unit, view, decision)
    if decision.stage != view.stage:
        await unit.stages.save([decision.stage])
    await unit.facts.add(decision.facts)
    if decision.stage.state in OVER and view.following:
        follower = view.following[0]
        await make_due_if_reached(
            unit, replace(view, previous=(*view.previous, decision.stage), stage=follower)
        )


async def make_due_if_reached(unit: PayoutsUnit, view: StageView) -> Stage:
    """Save the stage as due, with its work, once its turn has come; return it as it is now."""
    due = become_due(view.book, view.stage, view.previous, view.now)
    if due is None:
        return view.stage
    await unit.stages.save([due.stage])
    await unit.facts.add(due.facts)
    await unit.plumbing.work.offer([stage_work(due.stage, view.now)])
    return due.stage


async def _save_book(unit: PayoutsUnit, view: StageView, decision: StageDecision) -> None:
    book = view.book
    if decision.postings:
        book = await post(unit, book, decision.postings, view.now)
    if decision.stage.kind is StageKind.LAST:
        book = replace(book, last_approved=decision.stage.divided is not None)
    # Saved with every submission too: a hold that is placed meanwhile meets it there.
    submitted = decision.stage.state is StageState.SUBMITTED
    if book != view.book or (submitted and view.stage.state is not StageState.SUBMITTED):
        await unit.books.save([book])


async def load_view(unit: PayoutsUnit, campaign_id: str, number: int, now: datetime) -> StageView:
    """Read what the gate and the steps of a stage look at; `Refused` where there is no such one."""
    stages = await unit.stages.load(campaign_id)
    if not 1 <= number <= len(stages):
        raise Refused("stage-unknown", f"campaign {campaign_id} has no stage {number}")
    return StageView(
        stage=stages[number - 1],
        previous=tuple(stages[: number - 1]),
        following=tuple(stages[number:]),
        book=(await unit.books.load([campaign_id]))[campaign_id],
        destination=await unit.destinations.load(campaign_id),
        now=now,
    )
