"""What each backer would get if the campaign stopped now, and what its deadline would do now.

The functions are those of the real thing (`money.md` 4); here their answers are only shown.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.entitlement import entitlement_of
from payouts.domain.fees import Fees, LastStage, divide_last, fees_of
from payouts.domain.launch import LaunchTerms
from payouts.domain.ledger import Account, fold
from payouts.domain.plan import stage_amount
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.quantum import quantum_among
from payouts.domain.shares import Division, Share, freeze, share_of
from payouts.domain.stage import Stage
from payouts.domain.stage_cancelling import cancel_stage

NO_FEES = Fees(0, 0, 0)


@dataclass(frozen=True, slots=True)
class DryDeadline:
    """What the deadline would do with the pledges counted by now.

    Below the goal everything goes back, and there are no stages. Else `first` and `second` follow
    from the shares, and `last` is what is left with the fees taken out of it.
    """

    goal: int
    collected: int
    met: bool
    first: int = 0
    second: int = 0
    fees: Fees = NO_FEES
    last: LastStage | None = None


def distributable(book: Book, stages: Iterable[Stage], now: datetime) -> int:
    """Return D if the plan were stopped now; what may be on its way is taken for gone."""
    balances = book.balances
    for stage in stages:
        for posting in cancel_stage(stage, now).postings:
            balances = fold(balances, posting.entries)
    return balances[Account.BACKER_FUNDS]


def division_now(
    book: Book,
    stages: Iterable[Stage],
    pledges: Sequence[PledgeMoney],
    settled: Collection[str],
    now: datetime,
) -> Division:
    """Return how what is there would be divided now; while a run goes on, as it does."""
    run = book.run
    if run is not None and run.division is not None and not run.finished:
        return run.division
    entitled = [entitlement_of(money, settled) for money in pledges]
    return freeze(distributable(book, stages, now), entitled)


def share_now(
    book: Book, division: Division, money: PledgeMoney, settled: Collection[str]
) -> Share:
    """Return what one pledge would get, nothing of a run that has passed it already."""
    run, claim = book.run, entitlement_of(money, settled)
    goes_on = run is not None and run.division is not None and not run.finished
    if goes_on and run is not None and run.cursor is not None and money.pledge_id <= run.cursor:
        return Share(money.pledge_id, 0, claim.amount)
    return share_of(division, claim)


def deadline_now(book: Book, terms: LaunchTerms, pledges: Sequence[PledgeMoney]) -> DryDeadline:
    """Return what the verdict, and all stages after it, would come to now."""
    if book.counted < terms.goal:
        return DryDeadline(terms.goal, book.counted, met=False)
    base, shares, held = book.counted, terms.shares_basis_points, book.balances
    quantum = quantum_among(book.currency, [money.provider for money in pledges])
    first = stage_amount(1, base, shares, held[Account.BACKER_FUNDS], 0, quantum)
    left = held[Account.BACKER_FUNDS] - first
    second = stage_amount(2, base, shares, left, first, quantum)
    fees = fees_of((money.amount for money in pledges if not money.withdrawn), terms.fees)
    last = divide_last(left - second, fees, quantum)
    return DryDeadline(terms.goal, base, True, first, second, fees, last)
