"""One step of a stage, saved: the decision, its block, its facts, and the claim with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.destination import Destination
from payouts.domain.errors import Refused
from payouts.domain.plan import StageKind
from payouts.domain.reconciliation import Shortfall, shortfall
from payouts.domain.stage import Stage, StageDecision, StageState
from payouts.domain.stage_amount import become_due
from payouts.domain.stage_recovery import TransferMade
from payouts.handlers.cancel import stopped
from payouts.handlers.kept_back import kept_back_in
from payouts.handlers.posting import post
from payouts.handlers.supplement import approved_before
from payouts.handlers.wake import wake
from payouts.metrics import STAGE_LATE_FAILURES
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork
from servicekit.work import Claim


@dataclass(frozen=True, slots=True)
class StageView:
    """What a step looks at, read inside its transaction.

    `kept_back` of the book's `backer_funds` waits for banks, in minor units; `shortfall` of what
    the book holds the provider was found not to have; `set_aside` of its facts are not taken in.
    `at_most` is what the ledger of a restored book has of a supplement's next approval.
    """

    stage: Stage
    previous: tuple[Stage, ...]
    following: tuple[Stage, ...]
    book: Book
    destination: Destination | None
    now: datetime
    kept_back: int
    shortfall: Shortfall | None
    set_aside: int = 0
    at_most: int | None = None


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
        saved = await save_decision(unit, view, decision)
        return view.stage.state, saved.stage

    before, stage = await units.run(work)
    if (before, stage.state) == (StageState.PAID, StageState.FAILED):
        STAGE_LATE_FAILURES.inc()
    return stage


async def save_decision(
    unit: PayoutsUnit, view: StageView, decision: StageDecision
) -> StageDecision:
    """Save what was decided about a stage, and make those due whose turn has come with it.

    That need not be the next one: this one may have come back from its bank long after those behind
    it were paid. Where its campaign is cancelled, a stage that could go on from there is cancelled
    with it.
    """
    decision = await stopped(unit, view.book, decision, view.now)
    book = await _save_book(unit, view, decision)
    if decision.stage != view.stage:
        await unit.stages.save([decision.stage])
    await unit.facts.add(decision.facts)
    before = (*view.previous, decision.stage)
    for follower in view.following:
        reached = replace(view, book=book, previous=before, stage=follower)
        before = (*before, await make_due_if_reached(unit, reached))
    return decision


async def make_due_if_reached(unit: PayoutsUnit, view: StageView) -> Stage:
    """Save the stage as due, with its work, once its turn has come; return it as it is now."""
    due = become_due(view.book, view.stage, view.previous, view.now)
    if due is None:
        return view.stage
    await unit.stages.save([due.stage])
    await unit.facts.add(due.facts)
    await wake(unit, [], [due.stage], view.now)
    return due.stage


async def _save_book(unit: PayoutsUnit, view: StageView, decision: StageDecision) -> Book:
    """Return the book as it is with the decision."""
    book = view.book
    if decision.postings:
        book = await post(unit, book, decision.postings, view.now)
    if decision.stage.kind is StageKind.LAST:
        book = replace(book, last_approved=decision.stage.divided is not None)
    # Saved with every submission too: a hold that is placed meanwhile meets it there.
    submitted = decision.stage.state is StageState.SUBMITTED
    if book != view.book or (submitted and view.stage.state is not StageState.SUBMITTED):
        await unit.books.save([book])
    return book


async def transfers_let_be(unit: PayoutsUnit, made: Sequence[TransferMade]) -> set[str]:
    """Return by balance transaction which of them two people let be."""
    found = await unit.breaks.unbooked([one.seen.balance_transaction for one in made])
    return {one.balance_transaction for one in found if one.is_let_be}


async def load_open_view(
    unit: PayoutsUnit, campaign_id: str, number: int, now: datetime
) -> StageView:
    """Read the same for a person who decides; `Refused` where the stage was cancelled too."""
    view = await load_view(unit, campaign_id, number, now)
    if view.stage.state is StageState.CANCELLED:
        raise Refused("stage-cancelled", "the campaign was cancelled: nothing more is paid out")
    return view


async def load_view(unit: PayoutsUnit, campaign_id: str, number: int, now: datetime) -> StageView:
    """Read what the gate and the steps of a stage look at; `Refused` where there is no such one."""
    stages = await unit.stages.load(campaign_id)
    if not 1 <= number <= len(stages):
        raise Refused("stage-unknown", f"campaign {campaign_id} has no stage {number}")
    book, stage = (await unit.books.load([campaign_id]))[campaign_id], stages[number - 1]
    return StageView(
        stage=stage,
        previous=tuple(stages[: number - 1]),
        following=tuple(stages[number:]),
        book=book,
        destination=await unit.destinations.load(campaign_id),
        now=now,
        kept_back=sum((await kept_back_in(unit, book)).values()),
        shortfall=shortfall(await unit.breaks.open_of(campaign_id)),
        set_aside=await unit.plumbing.set_aside.count(campaign_id),
        at_most=await approved_before(unit, book, stage),
    )
