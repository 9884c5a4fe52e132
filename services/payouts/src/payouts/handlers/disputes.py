"""Following a dispute at the provider: what it withdraws, what it gives back, and what follows.

The bank asks nobody, so nothing here can refuse it: what was promised with the money that it took
falls, what the campaign does not have the platform advances.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from payouts.domain import postings
from payouts.domain.book import Book, refunds_are_owed
from payouts.domain.dispute import (
    Bearing,
    Dispute,
    DisputeDecision,
    DisputeFact,
    DisputeSeen,
    DisputeState,
    attribute,
    end,
    hear,
    open_chargeback,
    opens,
)
from payouts.domain.entitlement import entitlement_of
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.kept_back import kept_back
from payouts.domain.ledger import Account, Posting, fold
from payouts.domain.owed import rest_cause
from payouts.domain.plan import StageKind
from payouts.domain.pledge_money import (
    PledgeMoney,
    charge_back,
    charged_back_of_own,
    loss_that_was_none,
)
from payouts.domain.postings import Payer
from payouts.domain.refund import (
    Refund,
    RefundDecision,
    RefundFact,
    RefundKind,
    RefundState,
    refund_id_of,
    request_part,
)
from payouts.domain.refund_blocking import block_where_charged_back, satisfy, unblock
from payouts.domain.refund_run_end import AFTER
from payouts.domain.shares import share_of
from payouts.domain.stage import Stage, StageDecision, StageFact, StageState
from payouts.domain.stage_amount import shown
from payouts.domain.stage_approval import drop_approval
from payouts.domain.stage_cancelling import nothing_left
from payouts.handlers.kept_back import kept_back_in
from payouts.handlers.posting import post
from payouts.handlers.rewards import settled_among
from payouts.handlers.supplement import plan_supplement
from payouts.handlers.wake import wake
from payouts.metrics import PAID_TWICE, STOPPED_FOR_A_PERSON
from payouts.ports.provider import NoAnswer, NotThere, Provider
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

log = structlog.get_logger()

AGAIN = timedelta(seconds=1)
# Banks take weeks, and tell us; this finds a decision whose webhook was lost.
AGAIN_MAX = timedelta(hours=1)
# The run waits for the same view, and goes on a minute after it is there at the latest: what is
# charged back must be known before it gives that pledge its share.
AGAIN_FOR_REWARDS_MAX = timedelta(seconds=5)
AGAIN_ASKED_FOR_REWARDS_MAX = timedelta(seconds=60)
_UNSENT = frozenset({StageState.APPROVED, StageState.AWAITING_SECOND_APPROVAL})


@dataclass(frozen=True, slots=True)
class FollowDisputes:
    """Performs work of the kind `dispute`, until the bank has decided."""

    units: UnitsOfWork[PayoutsUnit]
    provider: Provider
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        dispute_id = claim.item.payload["dispute_id"]
        if await self.units.run(lambda unit: waits_for_rewards(unit, dispute_id)):
            # Nothing could be done with the provider's answer: only the view is looked at.
            await self._let_go(claim, None, AGAIN_FOR_REWARDS_MAX)
            return
        seen = await self.provider.find_dispute(dispute_id)
        if isinstance(seen, NoAnswer):
            await self._let_go(claim, None, AGAIN_MAX)
            return
        if isinstance(seen, NotThere):
            log.error("a dispute that the provider does not know", dispute=dispute_id)
            await self.units.run(lambda unit: unit.plumbing.work.finish([claim]))
            return
        try:
            dispute = await self.units.run(lambda unit: take_dispute(unit, seen, self.clock.now()))
        except (Refused, InvariantBroken) as error:
            STOPPED_FOR_A_PERSON.labels("dispute").inc()
            log.error("a person must look", dispute=dispute_id, error=str(error))
            raise
        # One that was not opened waits for the view of rewards.
        longest = AGAIN_ASKED_FOR_REWARDS_MAX if opens(dispute, seen) else AGAIN_MAX
        await self._let_go(claim, dispute, longest)

    async def _let_go(self, claim: Claim, dispute: Dispute | None, longest: timedelta) -> None:
        again = self.clock.now() + min(longest, AGAIN * 2 ** min(claim.attempt, 12))

        async def save(unit: PayoutsUnit) -> None:
            if dispute is not None and dispute.over:
                await unit.plumbing.work.finish([claim])
            else:
                await unit.plumbing.work.postpone(claim, again)

        await self.units.run(save)


async def take_dispute(unit: PayoutsUnit, seen: DisputeSeen, now: datetime) -> Dispute:
    """Take what was seen of a dispute; the same again changes nothing.

    One about a payment that no pledge of ours is known for is kept, and attributed as soon as the
    pledge is heard of.
    """
    known = await unit.disputes.load(seen.dispute_id)
    money = await unit.pledges.of_payment(seen.payment_reference)
    dispute = known or hear(seen, now)
    if money is None:
        if known is None:
            log.error("a dispute about nobody's pledge", dispute=seen.dispute_id)
            await unit.disputes.save(dispute)
        return dispute
    if dispute.state is DisputeState.UNATTRIBUTED:
        dispute = attribute(dispute, money)
    if not dispute.over:
        dispute = await _follow(unit, dispute, money, seen, now)
    if dispute != known:
        await unit.disputes.save(dispute)
    return dispute


async def _follow(
    unit: PayoutsUnit, dispute: Dispute, money: PledgeMoney, seen: DisputeSeen, now: datetime
) -> Dispute:
    book = (await unit.books.load([money.campaign_id]))[money.campaign_id]
    stages = {one.number: one for one in await unit.stages.load(money.campaign_id)}
    kept = await kept_back_in(unit, book)
    kept.pop(money.pledge_id, None)
    beside = [
        one
        for one in await unit.disputes.opened(money.campaign_id)
        if one.pledge_id == money.pledge_id and one.dispute_id != dispute.dispute_id
    ]
    step = _Step(
        book=book,
        dispute=dispute,
        money=money,
        refunds={one.refund_id: one for one in await unit.refunds.of_pledge(money.pledge_id)},
        stages=dict(stages),
        loaded_stages=stages,
        sealed=await _sealed(unit, book, dispute, seen),
        now=now,
        kept_for_others=sum(kept.values()),
        reserved_beside=sum(one.reserved for one in beside),
        settled=await settled_among(unit, [money], book.run.as_of if book.run else None),
    )
    if step.needs_rewards(seen) and not await _rewards_are_read(unit, book):
        return dispute
    step.follow(seen)
    if step.decided:
        await _save(unit, step)
    return step.dispute


async def waits_for_rewards(unit: PayoutsUnit, dispute_id: str) -> bool:
    """Whether a chargeback of this dispute could not be taken now, whatever the provider says.

    Of a restored book the ledger may say what the view cannot, by what only the provider names.
    """
    dispute = await unit.disputes.load(dispute_id)
    if dispute is None or dispute.state is not DisputeState.INQUIRY:
        return False
    book = (await unit.books.load([dispute.campaign_id]))[dispute.campaign_id]
    if book.unclaimed or await _rewards_are_read(unit, book):
        return False
    known = {one.refund_id for one in await unit.refunds.of_pledge(dispute.pledge_id)}
    return _is_promised_a_share(book, dispute.pledge_id, known)


def _is_promised_a_share(book: Book, pledge_id: str, refunds: Collection[str]) -> bool:
    """Whether a page of the run that is under way has still to look at this pledge."""
    run = book.run
    if run is None or run.division is None or run.finished:
        return False
    behind = run.cursor is not None and pledge_id <= run.cursor
    return not behind and refund_id_of(pledge_id, run.cause) not in refunds


async def _rewards_are_read(unit: PayoutsUnit, book: Book) -> bool:
    """Whether the view says who has a reward as of where shares were frozen that are given now.

    While it is being read anew the dispute waits, as the run does.
    """
    run = book.run
    if run is None or run.as_of is None:
        return True
    return (await unit.rewards.heard(book.campaign_id)).reaches(run.as_of)


async def _sealed(
    unit: PayoutsUnit, book: Book, dispute: Dispute, seen: DisputeSeen
) -> Mapping[str, Posting]:
    """What the topic of a restored book says of this dispute."""
    if not book.unclaimed:
        return {}
    return await unit.books.sealed(
        [f"{seen.withdrawn_in}/dispute", f"dispute-lost/{dispute.dispute_id}"]
    )


@dataclass(slots=True)
class _Step:
    """One dispute's campaign, moved on by what was seen; `decided` says that anything was.

    `kept_for_others` lies there for other pledges' blocked refunds, `reserved_beside` is what other
    open chargebacks of this pledge reserved. `settled` says whether it has a share of the run.
    """

    book: Book
    dispute: Dispute
    money: PledgeMoney
    refunds: dict[str, Refund]
    stages: dict[int, Stage]
    loaded_stages: Mapping[int, Stage]
    sealed: Mapping[str, Posting]
    now: datetime
    kept_for_others: int
    reserved_beside: int
    settled: frozenset[str]
    frozen_share: int = 0
    decided: bool = False
    postings: list[Posting] = field(default_factory=list)
    facts: list[DisputeFact | RefundFact | StageFact] = field(default_factory=list)

    @property
    def available(self) -> int:
        entries = [entry for posting in self.postings for entry in posting.entries]
        there = fold(self.book.balances, entries)[Account.BACKER_FUNDS]
        return max(0, there - self.kept_for_others)

    @property
    def kept_back(self) -> int:
        """What lies there for blocked refunds, of this pledge and of others."""
        own = kept_back(self.refunds.values(), [self.dispute]).get(self.money.pledge_id, 0)
        return self.kept_for_others + max(0, own - self.reserved_beside)

    @property
    def dividing(self) -> bool:
        run = self.book.run
        return run is not None and run.division is not None and not run.finished

    def needs_rewards(self, seen: DisputeSeen) -> bool:
        """Whether only the view of rewards can say what the campaign's money covers of it.

        Not of a pledge that has its share: what was not sent of that is taken back at once. Nor
        where the ledger of a restored book says it.
        """
        return opens(self.dispute, seen) and not self.sealed and self._is_promised()

    def follow(self, seen: DisputeSeen) -> None:
        if opens(self.dispute, seen):
            self._open(seen)
        ended = end(self.dispute, self.money, seen, self._bearing(), self.now)
        if ended.dispute == self.dispute:
            return
        if ended.dispute.state is DisputeState.WON or self._misses_money():
            self._drop_approvals("dispute-ended")
        before, own = self.available, self._own_blocked()
        self._take(end(self.dispute, self.money, seen, self._bearing(), self.now))
        if ended.postings and not self.money.disputed:
            lost = self.dispute.state is DisputeState.LOST
            by_shares = self.book.cancellation is not None
            # What is beyond its own is divided among all of them.
            taken = before - self.available
            self._go_on(max(0, own - taken) if lost and by_shares else self.available)

    def _open(self, seen: DisputeSeen) -> None:
        before = self.money.over
        self._drop_approvals("dispute-opened")
        self.frozen_share = self._frozen_share()
        self.money = charge_back(self.money, seen.amount)
        for refund in list(self.refunds.values()):
            self._step_refund(block_where_charged_back(refund, self.money, self.now))
        self._take(open_chargeback(self.dispute, self.money, seen, self._bearing(), self.now))
        if self.money.over > before:
            PAID_TWICE.inc()
            log.error("more left than was paid", pledge=self.money.pledge_id)

    def _misses_money(self) -> bool:
        """Whether a loss takes more of the campaign than was reserved for it."""
        own = charged_back_of_own(self.money, self.dispute.amount)
        return self.dispute.state is DisputeState.OPENED and own > self.dispute.reserved

    def _bearing(self) -> Bearing:
        available = self.available
        if self.dividing:
            available = min(available, self._own_while_dividing())
        return Bearing(available, not refunds_are_owed(self.book), self.sealed)

    def _own_while_dividing(self) -> int:
        """All the rest is promised: it is the others' shares, of pages that have not come."""
        return max(0, self._own_blocked() + self.frozen_share)

    def _own_blocked(self) -> int:
        """What lies there for this pledge's blocked refunds; below zero: more is reserved."""
        waiting = [r for r in self.refunds.values() if r.state is RefundState.BLOCKED]
        blocked = sum(refund.from_campaign for refund in waiting)
        return blocked - self.reserved_beside - self.dispute.reserved

    def _is_promised(self) -> bool:
        return _is_promised_a_share(self.book, self.money.pledge_id, self.refunds)

    def _frozen_share(self) -> int:
        """What the run that is under way would still have given this pledge."""
        run = self.book.run
        if run is None or run.division is None or not self._is_promised():
            return 0
        return share_of(run.division, entitlement_of(self.money, self.settled)).amount

    def _take(self, decision: DisputeDecision) -> None:
        self.dispute, self.money, self.decided = decision.dispute, decision.money, True
        self.postings += decision.postings
        self.facts += decision.facts

    def _drop_approvals(self, why: str) -> None:
        """What was approved and not yet sent is another amount now; the last ones fall first."""
        for stage in reversed(self.stages.values()):
            if stage.state in _UNSENT or nothing_left(stage):
                self._step_stage(drop_approval(stage, why))

    def _step_stage(self, decision: StageDecision) -> None:
        self.stages[decision.stage.number] = decision.stage
        self.postings += decision.postings
        self.facts += decision.facts

    def _step_refund(self, decision: RefundDecision) -> None:
        self.refunds[decision.refund.refund_id] = decision.refund
        self.money = decision.money
        self.postings += decision.postings
        self.facts += decision.facts

    def _go_on(self, there: int) -> None:
        """No chargeback is open any more: what had waited for it is asked for again.

        `there` is how much of what lies there its blocked refunds may take.
        """
        freed = 0
        for refund in list(self.refunds.values()):
            if refund.state is not RefundState.BLOCKED or self._platform_pays(refund):
                continue
            before = self.available
            if self.money.returnable < refund.amount or refund.from_campaign <= there:
                self._step_refund(unblock(refund, self.money, self.now))
            elif self.money.charged_back:
                self._ask_for_less(refund, there)
            if self.refunds[refund.refund_id].state is RefundState.CANCELLED:
                freed += refund.from_campaign
            there -= before - self.available
        self._make_good(freed)
        known, after = self.refunds.values(), self.dispute.dispute_id
        cause = rest_cause(self.book, self.money, known, after)
        beside = [one for one in known if self._platform_pays(one)]
        returnable = self.money.returnable - sum(one.amount for one in beside)
        left = min(returnable, self.available - sum(one.from_campaign for one in beside))
        if cause is None or left <= 0:
            return
        self._step_refund(request_part(self.money, left, cause, self.now))

    def _platform_pays(self, refund: Refund) -> bool:
        """Whether it goes on only once the platform's own money covers it (`handlers.unblock`)."""
        waits = refund.state is RefundState.BLOCKED and refund.payer is Payer.PLATFORM
        return waits and self.money.returnable >= refund.amount

    def _make_good(self, freed: int) -> None:
        """What a refund had kept, and does not need, pays for what the platform lost meanwhile."""
        good = min(freed, loss_that_was_none(self.money), self.available)
        if good:
            self.postings.append(postings.loss_made_good(self.dispute.dispute_id, good, 0))
            self.money = replace(self.money, made_good=self.money.made_good + good)

    def _ask_for_less(self, refund: Refund, there: int) -> None:
        """The bank gave a part of it out of this money: what is left of it is the backer's."""
        self._step_refund(satisfy(refund, self.money, self.now))
        if there and refund.kind is RefundKind.REFUND:
            cause = f"{refund.cause}{AFTER}{self.dispute.dispute_id}"
            self._step_refund(request_part(self.money, there, cause, self.now, refund.unpaid))


async def _save(unit: PayoutsUnit, step: _Step) -> None:
    book = await post(unit, step.book, step.postings, step.now) if step.postings else step.book
    last = next((s for s in step.stages.values() if s.kind is StageKind.LAST), None)
    if last is not None:
        book = replace(book, last_approved=last.divided is not None)
    all_stages = sorted(step.stages.values(), key=lambda one: one.number)
    stages = [shown(book, one, all_stages[:place]) for place, one in enumerate(all_stages)]
    changed = [one for one in stages if one != step.loaded_stages[one.number]]
    refunds = list(step.refunds.values())
    if book != step.book:
        await unit.books.save([book])
    await unit.pledges.save([step.money])
    # Also those that did not move: one that is being sent meanwhile meets this save.
    await unit.refunds.save(refunds)
    await unit.stages.save(changed)
    await unit.facts.add(step.facts)
    await wake(unit, [r for r in refunds if r.state is RefundState.REQUESTED], changed, step.now)
    planned = await plan_supplement(unit, book, stages, step.kept_back, step.now)
    if planned and book == step.book:
        await unit.books.save([book])
