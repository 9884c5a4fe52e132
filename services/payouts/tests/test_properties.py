"""Random histories of a book: whatever happens, in whichever order, the money adds up."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from payouts.domain import refund_outcome, refund_sending, stage_outcome, stage_sending
from payouts.domain.block import Block
from payouts.domain.book import collect, seal_into
from payouts.domain.chain import verify
from payouts.domain.ledger import EMPTY, Account, Posting, check, fold
from payouts.domain.plan import split, stage_amount
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund, RefundDecision, RefundState, reopen, request
from payouts.domain.refund_outcome import ProviderRefundStatus, RefundSeen
from payouts.domain.refund_sending import RefundStep
from payouts.domain.stage import Stage, StageDecision, StageState, make_due
from payouts.domain.stage_approval import approve_by_verdict, drop_approval
from payouts.domain.stage_outcome import PayoutSeen, ProviderPayoutStatus, TransferSeen
from payouts.domain.stage_sending import StageStep
from services.payouts.tests.builders import (
    LIMIT,
    NOW,
    RULES,
    SHARES,
    a_book,
    a_destination,
    a_pledge,
    the_stages,
)
from sosst_contracts.money import exponent

AMOUNTS = st.integers(1, 900_000)


class Books(RuleBasedStateMachine):
    """Pledges, refunds with every kind of answer, and one stage, on one book."""

    pledges = Bundle("pledges")
    refunds = Bundle("refunds")

    @initialize()
    def begin(self) -> None:
        self.book = a_book()
        self.blocks: tuple[Block, ...] = ()
        self.monies: dict[str, PledgeMoney] = {}
        self.known: dict[str, Refund] = {}
        self.heard: list[tuple[str, RefundSeen]] = []
        self.stage: Stage = the_stages()[0]
        self.number = 0
        self.now: datetime = NOW

    def fresh(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}_{self.number}"

    def save(self, made: Iterable[Posting]) -> None:
        self.book, blocks = seal_into(self.book, made, self.now)
        self.blocks += blocks

    def save_refund(self, decision: RefundDecision) -> None:
        self.save(decision.postings)
        self.known[decision.refund.refund_id] = decision.refund
        self.monies[decision.money.pledge_id] = decision.money

    def save_stage(self, decision: StageDecision) -> None:
        self.save(decision.postings)
        self.stage = decision.stage

    @rule(target=pledges, amount=AMOUNTS, counted=st.booleans())
    def pledge(self, amount: int, counted: bool) -> str:
        self.number += 1
        taken = collect(self.book, a_pledge(self.number, amount, counted))
        self.book = taken.book
        self.save([taken.posting])
        self.monies[taken.money.pledge_id] = taken.money
        return taken.money.pledge_id

    @rule(target=refunds, pledge_id=consumes(pledges))
    def ask(self, pledge_id: str) -> object:
        money = self.monies[pledge_id]
        if self.book.balances[Account.BACKER_FUNDS] < money.returnable:
            return multiple()
        decision = request(money, "verdict-reached/campaign-1", self.now)
        self.save_refund(decision)
        return decision.refund.refund_id

    @rule(refund_id=refunds, waits=st.booleans(), hours=st.integers(0, 30))
    def drive(self, refund_id: str, waits: bool, hours: int) -> None:
        self.now += timedelta(hours=hours)
        refund = self.known[refund_id]
        step = refund_sending.next_step(refund, self.now)
        if step is RefundStep.SEND and waits and refund.state is not RefundState.AWAITING_FUNDS:
            self.known[refund_id] = refund_sending.await_funds(refund, "float")
        elif step is RefundStep.SEND:
            self.known[refund_id] = refund_sending.send(refund, self.now)
        elif step is RefundStep.RESEND:
            self.known[refund_id] = refund_sending.resend(refund, self.now)
        elif step is RefundStep.LOOK_UP:
            money = self.monies[refund.pledge_id]
            self.save_refund(refund_outcome.find_absent(refund, money, RULES, self.now))

    @rule(refund_id=refunds, lost=st.booleans(), funds=st.booleans(), retryable=st.booleans())
    def refuse_or_lose(self, refund_id: str, lost: bool, funds: bool, retryable: bool) -> None:
        refund = self.known[refund_id]
        money = self.monies[refund.pledge_id]
        if lost and refund.state is RefundState.SUBMITTED:
            self.known[refund_id] = refund_sending.lose_sight(refund)
        elif refund.attempts and funds:
            self.save_refund(refund_outcome.refuse_for_funds(refund, money, "balance"))
        elif refund.attempts:
            self.save_refund(refund_outcome.refuse(refund, money, "declined", retryable, self.now))

    @rule(refund_id=refunds, status=st.sampled_from(ProviderRefundStatus), cash=st.booleans())
    def answer(self, refund_id: str, status: ProviderRefundStatus, cash: bool) -> None:
        refund = self.known[refund_id]
        states = {
            RefundState.SUBMITTED,
            RefundState.UNKNOWN,
            RefundState.PENDING,
            RefundState.SUCCEEDED,
        }
        if refund.state not in states:
            return
        out = refund.attempt.balance_transaction or (self.fresh("txn_r") if cash else None)
        failed = status is ProviderRefundStatus.FAILED
        seen = RefundSeen(
            attempt=refund.attempt.number,
            provider_refund_id=refund.attempt.provider_refund_id or self.fresh("re"),
            status=status,
            balance_transaction=out,
            failure_balance_transaction=self.fresh("txn_f") if failed and out and cash else None,
            reason="expired_or_canceled_card" if failed else None,
        )
        self.heard.append((refund_id, seen))
        self.observe(refund_id, seen)

    @rule(refund_id=refunds, status=st.sampled_from(ProviderRefundStatus), cash=st.booleans())
    def try_once(self, refund_id: str, status: ProviderRefundStatus, cash: bool) -> None:
        """The usual way in one step, so that histories get far enough to go wrong."""
        self.drive(refund_id, False, 0)
        self.answer(refund_id, status, cash)

    @rule(which=st.integers(0, 1000))
    def hear_again(self, which: int) -> None:
        """Old news, of whichever attempt, changes nothing that is later than it."""
        if self.heard:
            refund_id, seen = self.heard[which % len(self.heard)]
            before = (self.book.head, self.known[refund_id].failures)
            self.observe(refund_id, seen)
            attempt = self.known[refund_id].attempt
            if attempt.number != seen.attempt:
                assert (self.book.head, self.known[refund_id].failures) == before

    def observe(self, refund_id: str, seen: RefundSeen) -> None:
        refund = self.known[refund_id]
        money = self.monies[refund.pledge_id]
        decision = refund_outcome.observe(refund, money, seen, self.now)
        self.save_refund(decision)
        again = refund_outcome.observe(decision.refund, decision.money, seen, self.now)
        assert (again.refund, again.money) == (decision.refund, decision.money)
        assert again.postings == again.facts == ()

    @rule(refund_id=refunds)
    def claim(self, refund_id: str) -> None:
        refund = self.known[refund_id]
        if refund.state is RefundState.CLAIMABLE:
            self.save_refund(reopen(refund, self.monies[refund.pledge_id]))

    @rule(falls=st.booleans())
    def allow(self, falls: bool) -> None:
        base, held = self.book.counted, self.book.balances[Account.BACKER_FUNDS]
        amount = stage_amount(1, base, SHARES, held, 0)
        if self.stage.state is StageState.PLANNED and amount:
            self.save_stage(make_due(self.stage, amount, self.now))
        elif self.stage.state is StageState.DUE and 0 < amount <= LIMIT:
            decision = approve_by_verdict(self.stage, amount, a_destination(), LIMIT, self.now)
            self.save_stage(decision)
        elif self.stage.state is StageState.APPROVED and falls:
            self.save_stage(drop_approval(self.stage, "destination-changed"))
        elif self.stage.state in (StageState.APPROVED, StageState.FAILED):
            self.save_stage(stage_sending.submit(self.stage, (), a_destination(), self.now))

    @rule(refused=st.booleans(), lost=st.booleans())
    def drive_stage(self, refused: bool, lost: bool) -> None:
        step = stage_sending.next_step(self.stage, self.now)
        if step in (StageStep.SEND_TRANSFER, StageStep.SEND_PAYOUT):
            self.stage = stage_sending.send(self.stage, self.now)
        elif step in (StageStep.RESEND_TRANSFER, StageStep.RESEND_PAYOUT) and lost:
            self.stage = stage_sending.resend(self.stage, self.now)
        elif step not in (StageStep.REST, StageStep.READ_PAYOUT) and refused:
            self.save_stage(stage_outcome.refuse(self.stage, "declined", self.now))
        elif step in (StageStep.RESEND_TRANSFER, StageStep.LOOK_UP_TRANSFER):
            seen = TransferSeen(self.stage.attempt.number, self.fresh("tr"), self.fresh("txn_t"))
            self.save_stage(stage_outcome.observe_transfer(self.stage, seen))
            assert stage_outcome.observe_transfer(self.stage, seen) == StageDecision(self.stage)

    @rule(status=st.sampled_from(ProviderPayoutStatus))
    def answer_payout(self, status: ProviderPayoutStatus) -> None:
        if not self.stage.attempts:
            return
        attempt = self.stage.attempt
        if attempt.payout_id is None and attempt.state not in ("payout_sent", "payout_unknown"):
            return
        failed = status is ProviderPayoutStatus.FAILED
        seen = PayoutSeen(
            attempt=attempt.number,
            payout_id=attempt.payout_id or self.fresh("po"),
            status=status,
            balance_transaction=attempt.payout_balance_transaction or self.fresh("txn_p"),
            failure_balance_transaction=self.fresh("txn_pf") if failed else None,
        )
        self.save_stage(stage_outcome.observe_payout(self.stage, seen, self.now))
        again = stage_outcome.observe_payout(self.stage, seen, self.now)
        assert again == StageDecision(self.stage)

    @rule(status=st.sampled_from(ProviderPayoutStatus))
    def pay_stage(self, status: ProviderPayoutStatus) -> None:
        """The usual way in one step: allowed, both legs sent, the payout answered."""
        for _ in range(3):
            self.allow(False)
        for _ in range(3):
            self.drive_stage(False, False)
        self.answer_payout(status)

    @invariant()
    def books_are_true(self) -> None:
        """I1, I2, I4, and the chain verifies from its beginning."""
        check(self.book.balances)
        entries = [sealed.entry for block in self.blocks for sealed in block.entries]
        assert fold(EMPTY, entries) == dict(self.book.balances)
        assert verify(self.blocks, self.book.head, self.book.balances) == ()

    @invariant()
    def guards_are_the_control_accounts(self) -> None:
        """What pledges hold in reserve is in flight or claimable; the rest was taken in (I5)."""
        balances, monies = self.book.balances, self.monies.values()
        reserved = sum(money.reserved for money in monies)
        left = sum(money.returnable for money in monies)
        assert reserved == balances[Account.REFUNDS_IN_FLIGHT] + balances[Account.CLAIMABLE]
        taken = self.stage.payable if self.stage.attempts or self.stage.approval else 0
        assert left == balances[Account.BACKER_FUNDS] + taken

    @invariant()
    def at_most_one_payment_is_out(self) -> None:
        """A refund has cash out at most once, a stage at most one transfer."""
        for refund in self.known.values():
            assert sum(attempt.cash_is_out for attempt in refund.attempts) <= 1
        assert len({a.transfer_id for a in self.stage.attempts} - {None}) <= 1


Books.TestCase.settings = settings(max_examples=150, stateful_step_count=50)
TestBooks = Books.TestCase


@given(
    base=st.integers(0, 10_000),
    first=st.integers(0, 10_000),
    second=st.integers(0, 10_000),
    currency=st.sampled_from(["JPY", "EUR", "KWD"]),
)
@settings(max_examples=300)
def test_plans_sum_to_the_base(base: int, first: int, second: int, currency: str) -> None:
    """Any shares of any base sum to it, also where the provider pays whole tens only (KWD)."""
    second = min(second, 10_000 - first)
    quantum = 10 if exponent(currency) == 3 else 1
    stages = split(base, (first, second, 10_000 - first - second), quantum)
    assert sum(stage.amount for stage in stages) == base
    assert all(stage.amount >= 0 for stage in stages)
    assert all(stage.amount % quantum == 0 for stage in stages[:2])


def test_default_shares_of_every_small_base() -> None:
    """For every base to 10 000 the 20/30/50 plan sums, and is what is paid if nothing is lost."""
    for base in range(10_001):
        first, second, last = split(base, SHARES)
        assert first.amount + second.amount + last.amount == base
        assert stage_amount(1, base, SHARES, base, 0) == first.amount
        assert stage_amount(2, base, SHARES, base - first.amount, first.amount) == second.amount


@given(base=st.integers(0, 10_000), lost=st.integers(0, 10_000))
def test_stages_never_exceed_what_is_left(base: int, lost: int) -> None:
    """After any loss the first two stages stay within their share of what is left."""
    left = max(0, base - lost)
    first = stage_amount(1, base, SHARES, left, 0)
    second = stage_amount(2, base, SHARES, left - first, first)
    assert 0 <= first <= left * 2000 // 10_000
    assert 0 <= first + second <= left * 5000 // 10_000
