"""A campaign is cancelled after its goal was met: its plan stops, and no stage of it goes on."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.ledger import Posting
from payouts.domain.plan import StageKind
from payouts.domain.postings import (
    APPROVAL_FALLEN,
    STAGE_APPROVED,
    STAGE_SUBMITTED,
    approval_cancelled,
    submission_taken_back,
)
from payouts.domain.stage import UNAPPROVED, Stage, StageDecision
from payouts.domain.stage_cancelling import cancel_stage
from payouts.handlers.posting import post
from payouts.handlers.wake import wake
from payouts.ports.unit import PayoutsUnit


async def stop_plan(
    unit: PayoutsUnit, book: Book, now: datetime, unsent: Collection[str] = ()
) -> Book:
    """Cancel every stage whose money is surely here; return the book to save.

    `unsent` are stages of which the provider was asked and has no transfer.
    """
    stages = await unit.stages.load(book.campaign_id)
    decisions = [await stopped(unit, book, StageDecision(one), now, unsent) for one in stages]
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
    unit: PayoutsUnit,
    book: Book,
    decision: StageDecision,
    now: datetime,
    unsent: Collection[str] = (),
) -> StageDecision:
    """Return the decision, and behind it that the stage is cancelled, where its campaign is.

    After a restored backup the ledger may know that the stage was submitted: then a recovery asks
    the provider first, and those that it does not have are `unsent`.
    """
    stage = decision.stage
    if book.cancellation is None:
        return decision
    submission = await _sealed(unit, book, STAGE_SUBMITTED + stage.submission_id)
    if submission is not None and stage.stage_id not in unsent:
        return decision
    cancelled = cancel_stage(stage, now)
    if cancelled.stage == stage:
        return decision
    number, approval = await _approval(unit, book, stage)
    postings = cancelled.postings
    if approval is not None:
        postings = (approval_cancelled(approval), *postings)
    if submission is not None:
        postings = (submission, submission_taken_back(submission), *postings)
    if approval is not None:
        postings = (approval, *postings)
    numbered = replace(cancelled.stage, approvals=number)
    return decision.then(replace(cancelled, stage=numbered, postings=postings))


async def _approval(unit: PayoutsUnit, book: Book, stage: Stage) -> tuple[int, Posting | None]:
    """Return how many approvals the stage had, and the one that stands in a restored book's ledger.

    What only that has set aside for the creator is not there for the backers before it is undone.
    One that fell is claimed by a recovery.
    """
    if stage.state not in UNAPPROVED:
        return stage.approvals, None
    number = stage.approvals
    while True:
        name = stage.approval_named(number + 1)
        made = await _sealed(unit, book, STAGE_APPROVED + name)
        if made is None:
            return number, None
        number += 1
        if await _sealed(unit, book, APPROVAL_FALLEN + name) is None:
            return number, made


async def _sealed(unit: PayoutsUnit, book: Book, cause: str) -> Posting | None:
    return (await unit.books.sealed([cause])).get(cause) if book.unclaimed else None
