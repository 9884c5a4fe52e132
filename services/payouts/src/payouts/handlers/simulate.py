"""The simulator: everything is read as of one instant, nothing is written."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from payouts.domain.book import Book, rewards_as_of
from payouts.domain.errors import Refused
from payouts.domain.launch import LaunchTerms
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.reward_standing import RewardsAsOf
from payouts.domain.shares import Division, Share
from payouts.domain.simulation import DryDeadline, deadline_now, division_now, share_now
from payouts.domain.stage import Stage
from payouts.handlers.rewards import settled_among
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork

READ = 5_000
KEPT_MAX = 64

# Campaign, the versions of its book and stages, as of where rewards are known: what is simulated
# follows from these alone.
State = tuple[str, int, tuple[int, ...], RewardsAsOf | None]


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all pledges: how it is divided, and what their entitlements leave unpaid."""

    division: Division
    unpaid: int
    deadline: DryDeadline | None


@dataclass(frozen=True, slots=True)
class SimulatedPage:
    """The totals, and the shares of one page of pledges.

    `settled` of the page have no share: their reward is there, and no claim about it is open.
    """

    book: Book
    totals: Totals
    shares: tuple[tuple[PledgeMoney, Share], ...]
    settled: frozenset[str] = frozenset()


@dataclass(slots=True)
class Simulate:
    """Divides once for each state of a campaign, however many pages of it are asked for."""

    units: UnitsOfWork[PayoutsUnit]
    _kept: OrderedDict[State, Totals] = field(default_factory=OrderedDict)

    async def __call__(
        self, campaign_id: str, after: str, limit: int, now: datetime
    ) -> SimulatedPage:
        """Return the page of pledges behind `after`; `Refused` for an unknown campaign."""

        async def work(unit: PayoutsUnit) -> SimulatedPage:
            terms = await unit.launches.load(campaign_id)
            book = (await unit.books.load([campaign_id])).get(campaign_id)
            if book is None:
                if terms is None:
                    raise Refused("campaign-unknown", f"nothing is known of {campaign_id}")
                book = Book(campaign_id, terms.currency)
            stages = await unit.stages.load(campaign_id)
            as_of = rewards_as_of(book, await unit.rewards.heard(campaign_id))
            totals = await self._totals(unit, book, stages, terms, as_of, now)
            page = await unit.pledges.page(campaign_id, after, limit)
            settled = await settled_among(unit, page, as_of)
            shares = tuple(
                (money, share_now(book, totals.division, money, settled)) for money in page
            )
            return SimulatedPage(book, totals, shares, settled)

        return await self.units.run(work)

    async def _totals(
        self,
        unit: PayoutsUnit,
        book: Book,
        stages: list[Stage],
        terms: LaunchTerms | None,
        as_of: RewardsAsOf | None,
        now: datetime,
    ) -> Totals:
        state = book.campaign_id, book.version, tuple(stage.version for stage in stages), as_of
        if state not in self._kept:
            self._kept[state] = await _divided(unit, book, stages, terms, as_of, now)
        self._kept.move_to_end(state)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return self._kept[state]


async def _divided(
    unit: PayoutsUnit,
    book: Book,
    stages: list[Stage],
    terms: LaunchTerms | None,
    as_of: RewardsAsOf | None,
    now: datetime,
) -> Totals:
    pledges: list[PledgeMoney] = []
    settled: set[str] = set()
    after: str | None = None
    while page := await unit.pledges.page(book.campaign_id, after, READ):
        pledges += page
        settled |= await settled_among(unit, page, as_of)
        after = page[-1].pledge_id
    division = division_now(book, stages, pledges, settled, now)
    unpaid = sum(share_now(book, division, money, settled).unpaid for money in pledges)
    before_verdict = book.verdict is None and terms is not None
    deadline = deadline_now(book, terms, pledges) if before_verdict and terms else None
    return Totals(division, unpaid, deadline)
