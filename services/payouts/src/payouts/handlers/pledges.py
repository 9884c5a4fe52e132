"""Collected pledges come into the books; what is withdrawn, or collected for nothing, goes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.book import (
    Book,
    CollectedPledge,
    charge,
    collect,
    late_cause,
    reach,
    refund_cause_of,
    refunds_are_owed,
)
from payouts.domain.errors import Refused
from payouts.domain.ledger import Posting
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import (
    Refund,
    RefundDecision,
    RefundFact,
    refund_id_of,
    request_part,
)
from payouts.domain.withdrawal import (
    WithdrawnPledge,
    book_return,
    refund_withdrawn,
    uncount,
    withdrawal_cause,
)
from payouts.handlers.plan import count_contradiction, plan_if_due
from payouts.handlers.posting import post_all
from payouts.handlers.sealed_amounts import amounts_sealed
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
    sealed = await _sealed(unit, books, heard)
    folds: dict[str, _Fold] = {}
    refused: dict[int, Refused] = {}
    for place, one in enumerate(heard):
        book = books.get(one.campaign_id) or Book(one.campaign_id, one.currency)
        fold = folds.setdefault(one.campaign_id, _Fold(book, known, sealed, now))
        try:
            fold.take(one)
        except Refused as refusal:
            refused[place] = refusal
    if not refused:
        await _save(unit, list(folds.values()), now)
    return refused


class _Fold:
    """One campaign's book, moved on by each fact."""

    def __init__(
        self,
        book: Book,
        known: Mapping[str, PledgeMoney],
        sealed: Mapping[str, int],
        now: datetime,
    ) -> None:
        self.before = self.book = book
        self.money: dict[str, PledgeMoney] = {}
        self._known = known
        self._sealed = sealed
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
            amount = self._all_of(collected.money, cause)
            self._keep(self._decided(request_part(collected.money, amount, cause, self._now)))
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
        elif decision := refund_withdrawn(
            money, self._all_of(money, withdrawal_cause(money.pledge_id)), self._now
        ):
            self._keep(self._decided(decision))
        elif not refunds_are_owed(self.book):
            # What keeps its money now, a bank or a refund of staff, may let go of it.
            self._keep(replace(money, withdrawn=True))
        self.book = uncount(self.book, pledge)

    def _all_of(self, money: PledgeMoney, cause: str) -> int:
        """Return all that goes back: a restored book's ledger may say that less was left."""
        return self._sealed.get(refund_id_of(money.pledge_id, cause), money.returnable)

    def _keep(self, money: PledgeMoney) -> None:
        self.money[money.pledge_id] = money

    def _decided(self, decision: RefundDecision) -> PledgeMoney:
        self.postings.extend(decision.postings)
        self.refunds.append(decision.refund)
        self.facts.extend(decision.facts)
        return decision.money


async def _sealed(
    unit: PayoutsUnit, books: Mapping[str, Book], heard: Sequence[PledgeHeard]
) -> dict[str, int]:
    """Return by refund for how much the ledgers of restored books have what goes back of these."""
    found: dict[str, int] = {}
    for book in books.values():
        if not book.unclaimed:
            continue
        ours = [one for one in heard if one.campaign_id == book.campaign_id]
        names = [
            refund_id_of(pledge.pledge_id, cause)
            for pledge in [one.collected for one in ours if one.collected]
            for cause in (late_cause(pledge.pledge_id), *([book.run.cause] if book.run else []))
        ]
        withdrawn = [one.withdrawn.pledge_id for one in ours if one.withdrawn]
        names += [refund_id_of(one, withdrawal_cause(one)) for one in withdrawn]
        found |= await amounts_sealed(unit, names)
    return found


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
