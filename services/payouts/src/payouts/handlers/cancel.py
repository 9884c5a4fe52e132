"""A campaign is cancelled after its goal was met: its plan stops, and no stage of it goes on."""

from dataclasses import replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.plan import StageKind
from payouts.domain.stage import Stage, StageDecision
from payouts.domain.stage_cancelling import cancel_stage
from payouts.handlers.posting import post
from payouts.handlers.wake import wake
from payouts.ports.unit import PayoutsUnit


async def stop_plan(unit: PayoutsUnit, book: Book, now: datetime) -> Book:
    """Cancel every stage whose money is surely here; return the book to save."""
    stages = await unit.stages.load(book.campaign_id)
    decisions = [await stopped(unit, book, StageDecision(stage), now) for stage in stages]
    changed = [d for d, stage in zip(decisions, stages, strict=True) if d.stage != stage]
    postings = [posting for decision in changed for posting in decision.postings]
    if postings:
        book = await post(unit, book, postings, now)
    await unit.stages.save([decision.stage for decision in changed])
    await unit.facts.add([fact for decision in changed for fact in decision.facts])
    await wake(unit, [], [decision.stage for decision in changed], now)
    if any(decision.stage.kind is StageKind.LAST for decision in changed):
        book = replace(book, last_approved=False)
    return book


async def stopped(
    unit: PayoutsUnit, book: Book, decision: StageDecision, now: datetime
) -> StageDecision:
    """Return the decision, and behind it that the stage is cancelled, where its campaign is.

    After a restored backup the ledger may know that the stage was submitted: then a recovery asks
    the provider first.
    """
    if book.cancellation is None or await _was_submitted(unit, book, decision.stage):
        return decision
    cancelled = cancel_stage(decision.stage, now)
    return decision if cancelled.stage == decision.stage else decision.then(cancelled)


async def _was_submitted(unit: PayoutsUnit, book: Book, stage: Stage) -> bool:
    if not book.unclaimed:
        return False
    return bool(await unit.books.sealed({f"stage-submitted/{stage.submission_id}"}))
