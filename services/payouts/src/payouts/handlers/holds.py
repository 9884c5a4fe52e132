"""Staff hold a campaign's stages, and let them go: what is on its way already is not touched."""

from dataclasses import replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.errors import Refused
from payouts.domain.holds import Hold, open_holds, place, release
from payouts.domain.plan import StageKind
from payouts.domain.stage import Stage, StageDecision, StageState
from payouts.domain.stage_approval import hold, let_go
from payouts.domain.stage_cancelling import nothing_left
from payouts.handlers.posting import post
from payouts.handlers.wake import wake
from payouts.ports.unit import PayoutsUnit

_HOLDABLE = frozenset({StageState.DUE, StageState.AWAITING_SECOND_APPROVAL, StageState.APPROVED})


async def place_hold(unit: PayoutsUnit, campaign_id: str, placed: Hold, now: datetime) -> Book:
    """Place it; stages that are due or approved stand still, and their approvals fall."""
    book = await _book(unit, campaign_id)
    held = replace(book, holds=place(book.holds, placed))
    stages = await unit.stages.load(campaign_id)
    decisions = [hold(s, placed.reason, now) for s in stages if _is_holdable(s)]
    return await _save(unit, book, held, stages, decisions, now)


async def release_hold(
    unit: PayoutsUnit, campaign_id: str, hold_id: str, by: str, now: datetime
) -> Book:
    """Let it go; with the last open one, the stages go on from where an approval is needed.

    Raises `Refused` for the creator, who may be of the staff: a brake on one's own money is no
    brake.
    """
    if by == await unit.creators.of(campaign_id):
        raise Refused("creator-releases", "the creator lets go of no hold of the own campaign")
    book = await _book(unit, campaign_id)
    released = replace(book, holds=release(book.holds, hold_id, by, now))
    stages = await unit.stages.load(campaign_id)
    on = [] if open_holds(released.holds) else [s for s in stages if s.state is StageState.HELD]
    return await _save(unit, book, released, stages, [let_go(s, now) for s in on], now)


def _is_holdable(stage: Stage) -> bool:
    return stage.state in _HOLDABLE or nothing_left(stage)


async def _book(unit: PayoutsUnit, campaign_id: str) -> Book:
    book = (await unit.books.load([campaign_id])).get(campaign_id)
    if book is None:
        raise Refused("campaign-unknown", f"there is no book of campaign {campaign_id}")
    return book


async def _save(
    unit: PayoutsUnit,
    before: Book,
    book: Book,
    stages: list[Stage],
    decisions: list[StageDecision],
    now: datetime,
) -> Book:
    postings = [posting for decision in decisions for posting in decision.postings]
    if postings:
        book = await post(unit, book, postings, now)
    last = next((d.stage for d in decisions if d.stage.kind is StageKind.LAST), None)
    if last is not None:
        book = replace(book, last_approved=last.divided is not None)
    if book != before:
        await unit.books.save([book])
    await unit.stages.save([decision.stage for decision in decisions])
    await unit.facts.add([fact for decision in decisions for fact in decision.facts])
    await wake(unit, [], [decision.stage for decision in decisions], now)
    return book
