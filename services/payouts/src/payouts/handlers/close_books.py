"""A book that is over is closed: what is left is the platform's result (row 23)."""

from dataclasses import replace
from datetime import datetime, timedelta

from payouts.domain.book_state import BookState
from payouts.domain.closing import look
from payouts.handlers.posting import post
from payouts.ports.integrity import BookChecks
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork


async def close_if_over(
    units: UnitsOfWork[PayoutsUnit],
    checks: BookChecks,
    campaign_id: str,
    rest: timedelta,
    now: datetime,
) -> BookState | None:
    """Look at a book and everything beside it; return the state that it came to, None for none.

    All that moves money saves the book too, so its version says whether the look is still true; a
    book that was saved meanwhile is left to the next look.
    """
    kept = await checks.kept(campaign_id)
    if kept is None:
        return None
    closing = look(kept, rest, now)
    if closing.book == kept.book:
        return None

    async def work(unit: PayoutsUnit) -> bool:
        known = (await unit.books.load([campaign_id]))[campaign_id]
        if known.version != kept.book.version:
            return False
        if closing.postings:
            known = await post(unit, known, closing.postings, now)
        await unit.books.save([replace(known, life=closing.book.life)])
        return True

    return closing.book.life.state if await units.run(work) else None
