"""How old the money is that is held of a campaign, and that staff hear of it in time, once."""

from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.holding import (
    NEAR,
    Holding,
    HoldingLimitNear,
    HoldingLimits,
    Inflow,
    look,
    oldest_held,
)
from payouts.domain.ledger import Account
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork

PAGE = 100


async def look_at_holding(
    units: UnitsOfWork[PayoutsUnit],
    queries: Queries,
    limits: HoldingLimits,
    book: Book,
    now: datetime,
) -> float:
    """Keep how old its money is; return how much of the time is used up, 0 for a young book."""
    held = book.balances[Account.PROVIDER_BALANCE]
    first = await queries.blocks(book.campaign_id, 0, 1)
    if not held or not first or now - first[0].sealed_at < limits.shortest * NEAR:
        # Nothing of it can be near its limit; what was told before is over.
        await units.run(lambda unit: _forget(unit, book.campaign_id))
        return 0.0
    since = oldest_held(await _inflows(queries, book.campaign_id, held), held)
    if since is None:
        return 0.0
    provider = limits.strictest(await queries.providers(book.campaign_id))
    limit_at = since + limits.of(provider)
    seen = Holding(book.campaign_id, book.currency, provider, held, since, limit_at)

    async def work(unit: PayoutsUnit) -> float:
        known = await unit.holdings.load(book.campaign_id)
        kept, is_news = look(known, seen, now)
        if kept != known:
            await unit.holdings.save(kept)
        if is_news:
            await unit.facts.add([HoldingLimitNear(kept, now)])
        return kept.ratio(now)

    return await units.run(work)


async def _inflows(queries: Queries, campaign_id: str, held: int) -> list[Inflow]:
    """Return what came in, the newest first, as far back as what is held reaches."""
    found: list[Inflow] = []
    before: int | None = None
    while held > 0 and (page := await queries.inflows(campaign_id, before, PAGE)):
        found += page
        held -= sum(one.amount for one in page)
        before = page[-1].block
    return found


async def _forget(unit: PayoutsUnit, campaign_id: str) -> None:
    if await unit.holdings.load(campaign_id) is not None:
        await unit.holdings.remove(campaign_id)
