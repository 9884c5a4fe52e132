"""Collected pledges come into the books; what is withdrawn, or collected for nothing, goes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.book import (
    Book,
    CollectedPledge,
    charge,
    collect,
    reach,
    refund_cause_of,
    refunds_are_owed,
)
from payouts.domain.errors import Refused
from payouts.domain.ledger import Posting
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund, RefundDecision, RefundFact, request
from payouts.domain.withdrawal import WithdrawnPledge, book_return, refund_withdrawn, uncount
from payouts.handlers.plan import count_contradiction, plan_if_due
from payouts.handlers.posting import post_all
from payouts.handlers.work_kinds import refund_work
from payouts.ports.unit import PayoutsUnit


@dataclass(frozen=True, slots=True)
class PledgeHeard:
    """A fact of the pledges' topic; both are None for those that move no money."""

    campaign_id: str
    currency: str
    sequence: int
    collected: CollectedPledge | None
    withdrawn: WithdrawnPledge | None = None


async def take_pledges(
    unit: PayoutsUnit, heard: Sequence[PledgeHeard], now: datetime
) -> dict[int, Refused]:
    """Take the facts of all campaigns in the batch; return refusals by place in the batch.

    A pledge of a missed campaign is refunded in the same transaction, in whichever order verdict
    and pledge were heard (`domain.md` 3, T1).
    """
    books = await unit.books.load({one.campaign_id for one in heard})
    withdrawn = {one.withdrawn.pledge_id for one in heard if one.withdrawn}
    known = await unit.pledges.load(withdrawn) if withdrawn else {}
    folds: dict[str, _Fold] = {}
    refused: dict[int, Refused] = {}
    for place, one in enumerate(heard):
        book = books.get(one.campaign_id) or Book(one.campaign_id, one.currency)
        fold = folds.setdefault(one.campaign_id, _Fold(book, known, now))
        try:
            fold.take(one)
        except Refused as refusal:
            refused[place] = refusal
    if not refused:
        await _save(unit, list(folds.values()), now)
    return refused


class _Fold:
    """One campaign's book, moved on by each fact."""

    def __init__(self, book: Book, known: Mapping[str, PledgeMoney], now: datetime) -> None:
        self.before = self.book = book
        self.money: dict[str, PledgeMoney] = {}
        self._known = known
        self.postings: list[Posting] = []
        self.refunds: list[Refund] = []
        self.facts: list[RefundFact] = []
        self._now = now

    def take(self, heard: PledgeHeard) -> None:
        if heard.collected is not None:
            self._collect(heard.collected, heard.sequence)
        if heard.withdrawn is not None:
            self._withdraw(heard.withdrawn)
        self.book = reach(self.book, heard.sequence)

    def _collect(self, pledge: CollectedPledge, sequence: int) -> None:
        collected = collect(self.book, pledge, sequence)
        self.book = collected.book
        self.postings.append(collected.posting)
        cause = refund_cause_of(self.book, pledge, sequence)
        if cause is not None:
            self._keep(self._decided(request(collected.money, cause, self._now)))
            return
        self._keep(collected.money)
        if self.book.planned:
            self.book = charge(self.book, [pledge.amount])

    def _withdraw(self, pledge: WithdrawnPledge) -> None:
        money = self.money.get(pledge.pledge_id) or self._known.get(pledge.pledge_id)
        if money is None:
            raise Refused("pledge-unknown", f"pledge {pledge.pledge_id} was never collected")
        if pledge.returned_in is not None:
            returned, booked = book_return(self.book, money, pledge.returned_in)
            self.postings.extend(booked)
            self._keep(returned)
        elif decision := refund_withdrawn(money, self._now):
            self._keep(self._decided(decision))
        elif not refunds_are_owed(self.book):
            # What keeps its money now, a bank or a refund of staff, may let go of it.
            self._keep(replace(money, withdrawn=True))
        self.book = uncount(self.book, pledge)

    def _keep(self, money: PledgeMoney) -> None:
        self.money[money.pledge_id] = money

    def _decided(self, decision: RefundDecision) -> PledgeMoney:
        self.postings.extend(decision.postings)
        self.refunds.append(decision.refund)
        self.facts.extend(decision.facts)
        return decision.money


async def _save(unit: PayoutsUnit, folds: Sequence[_Fold], now: datetime) -> None:
    """Save all campaigns together: a batch of many costs as many writes as a batch of one."""
    books = await post_all(unit, [(fold.book, fold.postings) for fold in folds], now)
    for fold, book in zip(folds, books, strict=True):
        count_contradiction(fold.before, book)
    refunds = [refund for fold in folds for refund in fold.refunds]
    await unit.pledges.save([money for fold in folds for money in fold.money.values()])
    await unit.refunds.save(refunds)
    await unit.facts.add([fact for fold in folds for fact in fold.facts])
    await unit.plumbing.work.offer([refund_work(refund, now) for refund in refunds])
    await unit.books.save([await plan_if_due(unit, book, now) for book in books])
