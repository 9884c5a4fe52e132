"""Random books by the table of postings alone: whatever happens, I1 to I3 hold and a book closes.

The trial of `money.md`, repeated: duplicates are met at the cause, everything else is tried here.
The provider's total and the platform's float are kept beside the book, each moved only by what the
event means for it, so that I3 compares two things that were counted apart.
"""

from dataclasses import dataclass, field
from random import Random

import pytest

from payouts.domain import postings
from payouts.domain.errors import InvariantBroken
from payouts.domain.fees import FeeTerms, divide_last, fees_of
from payouts.domain.ledger import EMPTY, Account, Balances, Posting, Row, check, post
from payouts.domain.plan import stage_amount
from payouts.domain.postings import Payer
from payouts.domain.shares import Entitlement
from services.payouts.tests.builders import SHARES, divide

BOOKS = 2_000
STEPS = 40
TERMS = FeeTerms(500, 290, 30, 2000)


@dataclass
class Pledge:
    """What may still happen to one pledge."""

    number: int
    amount: int
    returnable: int
    disputed: int = 0
    reserved: int = 0


@dataclass
class Refund:
    """`state` is requested, left or claimable; `lent` is the platform's part of it."""

    number: int
    pledge: Pledge
    amount: int
    lent: int = 0
    state: str = "requested"


@dataclass
class Trial:
    """One book, the provider's total beside it, and everything that may happen next."""

    choose: Random
    balances: Balances = field(default_factory=lambda: dict(EMPTY))
    provider_total: int = 10**12
    platform_float: int = 10**12
    pledges: list[Pledge] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    stages: list[int] = field(default_factory=list)
    base: int = 0
    last_approved: bool = False
    closed: tuple[int, Balances] | None = None
    number: int = 0
    causes: set[str] = field(default_factory=set)
    rows: set[Row] = field(default_factory=set)

    def held(self, account: Account = Account.BACKER_FUNDS) -> int:
        return self.balances.get(account, 0)

    def next(self) -> int:
        self.number += 1
        return self.number

    def txn(self) -> str:
        return f"txn-{self.next()}"

    def do(self, made: Posting, outside: int = 0, of_float: int = 0) -> None:
        """Post it; `outside` is what the provider's total moves by, `of_float` the float.

        What a closing before it settled is undone first.
        """
        if self.closed and not postings.closes(made):
            undone = postings.closing_undone("campaign-1", *self.closed)
            self.closed = None
            assert undone is not None
            self.do(undone)
        assert made.cause not in self.causes
        self.causes.add(made.cause)
        self.rows.add(made.row)
        self.balances = post(self.balances, made)
        self.provider_total += outside
        self.platform_float += of_float
        check(self.balances)
        assert self.provider_total == self.held(Account.PROVIDER_BALANCE) + self.platform_float

    def collect(self) -> None:
        amount, fee = self.choose.randint(1, 20_000), self.choose.randint(0, 50)
        self.do(postings.pledge_collected(amount, fee, self.txn()), amount - fee, -fee)
        self.pledges.append(Pledge(self.next(), amount, amount))
        if not self.stages:
            self.base += amount

    def ask_back(self) -> None:
        pledge = self.choose.choice(self.pledges)
        if not pledge.returnable or pledge.disputed:
            return
        amount = self.choose.randint(1, pledge.returnable)
        own = min(amount, self.held())
        lent = amount - own
        number = self.next()
        self.do(postings.refund_requested(f"r{number}", own, lent), of_float=-lent)
        pledge.returnable -= amount
        self.refunds.append(Refund(number, pledge, amount, lent))

    def move_refund(self) -> None:
        if not self.refunds:
            return
        refund = self.choose.choice(self.refunds)
        kind = self.choose.choice(["leave", "fail", "claim", "reopen", "otherwise", "cancel"])
        match kind, refund.state:
            case "leave", "requested":
                self.do(postings.refund_cash_left(refund.amount, self.txn()), -refund.amount)
                refund.state = "left"
            case "fail", "left":
                self.do(postings.refund_cash_back(refund.amount, self.txn()), refund.amount)
                refund.state = "requested"
            case "claim", "requested":
                self.do(postings.refund_claimable(f"{refund.number}/{self.next()}", refund.amount))
                refund.state = "claimable"
            case "reopen", "claimable":
                self.do(postings.refund_reopened(f"{refund.number}/{self.next()}", refund.amount))
                refund.state = "requested"
            case "otherwise", "claimable":
                self.pay_otherwise(refund)
                self.refunds.remove(refund)
            case "cancel", "requested":
                repaid = min(refund.amount, self.held(Account.CREATOR_RECEIVABLE))
                made = postings.refund_cancelled(f"{refund.number}", refund.amount, repaid)
                self.do(made, of_float=repaid)
                refund.pledge.returnable += refund.amount
                self.refunds.remove(refund)

    def pay_otherwise(self, refund: Refund) -> None:
        made = postings.paid_otherwise(f"{refund.number}", refund.amount)
        self.do(made, of_float=refund.amount)

    def dispute(self) -> None:
        pledge = self.choose.choice(self.pledges)
        if pledge.disputed:
            return
        pledge.disputed = self.choose.randint(1, 2 * pledge.amount)
        pledge.reserved = min(pledge.disputed, self.held())
        fee = self.choose.choice([0, 2000])
        made = postings.dispute_opened(pledge.disputed, pledge.reserved, fee, self.txn())
        self.do(made, -pledge.disputed - fee, -(pledge.disputed - pledge.reserved) - fee)

    def end_dispute(self) -> None:
        open_ones = [pledge for pledge in self.pledges if pledge.disputed]
        if open_ones:
            self.decide(self.choose.choice(open_ones), self.choose.random() < 0.5)

    def decide(self, pledge: Pledge, won: bool) -> None:
        amount, reserved = pledge.disputed, pledge.reserved
        if won:
            self.do(postings.dispute_won(amount, reserved, self.txn()), amount, amount - reserved)
        else:
            newly = min(amount - reserved, self.held())
            owed = self.choose.randint(0, amount - reserved - newly)
            made = postings.dispute_lost(f"d{self.next()}", amount, reserved, newly, owed)
            self.do(made, of_float=newly)
            pledge.returnable = 0
        pledge.disputed = pledge.reserved = 0

    def pay_stage(self) -> None:
        if self.last_approved or not self.base:
            return
        number = len(self.stages) + 1
        if number < 3:
            amount = stage_amount(number, self.base, SHARES, self.held(), sum(self.stages))
            if amount and self.choose.random() < 0.2:
                name = f"s{number}/{self.next()}"
                self.do(postings.stage_approved(name, amount))
                self.do(postings.stage_cancelled(name, amount))
                return
            self.stages.append(amount)
            if amount:
                self.do(postings.stage_approved(f"s{number}", amount))
                self.send(f"s{number}", amount)
            return
        fees = fees_of((pledge.amount for pledge in self.pledges), TERMS)
        divided = divide_last(self.held(), fees)
        if divided.covered.total or divided.owed.total or divided.payable:
            self.do(postings.last_stage_approved("s3", divided), of_float=divided.covered.total)
        assert self.held() == 0
        self.last_approved = True
        self.stages.append(divided.payable)
        self.send("s3", divided.payable)

    def send(self, stage: str, amount: int) -> None:
        if not amount:
            return
        set_off = min(amount, self.held(Account.CREATOR_RECEIVABLE))
        sent = amount - set_off
        self.do(postings.stage_submitted(stage, amount, set_off), of_float=set_off)
        if not sent:
            return
        self.do(postings.stage_transferred(sent, self.txn()), -sent)
        if self.choose.random() < 0.2:
            self.do(postings.stage_reversed(sent, self.txn()), sent)
            self.do(postings.stage_submitted(f"{stage}/again", sent))
            self.do(postings.stage_transferred(sent, self.txn()), -sent)
        self.do(postings.stage_paid(sent, self.txn()))
        while self.choose.random() < 0.2:
            self.do(postings.stage_late_failure(sent, self.txn()))
            self.do(postings.stage_paid(sent, self.txn()))

    def compensate(self) -> None:
        payer = self.choose.choice(list(Payer))
        most = self.held() if payer is Payer.CAMPAIGN else 5_000
        if most:
            amount, claimable = self.choose.randint(1, most), self.choose.random() < 0.5
            number = self.next()
            of_platform = amount if payer is Payer.PLATFORM else 0
            payers, of_float = (amount - of_platform, of_platform), -of_platform
            made = postings.compensation(f"c{number}", *payers, claimable=claimable)
            self.do(made, of_float=of_float)
            state = "claimable" if claimable else "requested"
            self.refunds.append(Refund(number, Pledge(number, amount, 0), amount, 0, state))

    def recoup(self) -> None:
        """The platform takes back what it had paid, out of what nobody asks for any more."""
        most = min(self.held(), self.held(Account.COMPENSATION_COSTS))
        if most:
            amount = self.choose.randint(1, most)
            made = postings.compensation_recouped(f"a{self.next()}", amount)
            self.do(made, of_float=amount)

    def settle(self) -> None:
        debt = self.held(Account.CREATOR_RECEIVABLE)
        if debt:
            amount = self.choose.randint(1, debt)
            if self.choose.random() < 0.5:
                self.do(postings.debt_settled(f"x{self.next()}", amount))
            else:
                self.do(postings.debt_written_off(f"x{self.next()}", amount))

    def pay_supplement(self) -> None:
        if self.last_approved and self.held():
            amount, name = self.held(), f"supplement-{self.next()}"
            self.do(postings.money_back(name, amount))
            self.send(name, amount)

    def cancel(self) -> None:
        """What is left goes back by shares (row 19's refunds), through the same states."""
        entitled = [
            Entitlement(f"{pledge.number:09}", 0 if pledge.disputed else pledge.returnable)
            for pledge in self.pledges
        ]
        for pledge, share in zip(self.pledges, divide(self.held(), entitled), strict=True):
            if share.amount:
                number = self.next()
                self.do(postings.refund_requested(f"r{number}", share.amount))
                pledge.returnable -= share.amount
                self.refunds.append(Refund(number, pledge, share.amount))

    def close(self) -> None:
        """Settle incomes and costs, whatever else is open."""
        number = self.next()
        closed = postings.close("campaign-1", number, self.balances)
        if closed is not None:
            self.do(closed)
            self.closed = number, postings.settled_in([closed])

    def finish(self) -> None:
        """Everything that is open comes to its end, and the book is closed."""
        for pledge in self.pledges:
            if pledge.disputed:
                self.decide(pledge, self.choose.random() < 0.5)
        for refund in self.refunds:
            if refund.state == "claimable":
                self.pay_otherwise(refund)
            elif refund.state == "requested":
                self.do(postings.refund_cash_left(refund.amount, self.txn()), -refund.amount)
        while not self.last_approved and self.base:
            self.pay_stage()
        self.pay_supplement()
        if debt := self.held(Account.CREATOR_RECEIVABLE):
            self.do(postings.debt_written_off(f"x{self.next()}", debt))
        if left := self.held():
            self.do(postings.money_back(f"rest-{self.next()}", left))
            self.send(f"rest-{self.number}", left)
        self.close()


OPERATIONS = [
    (Trial.collect, 6),
    (Trial.ask_back, 4),
    (Trial.move_refund, 8),
    (Trial.dispute, 2),
    (Trial.end_dispute, 2),
    (Trial.pay_stage, 1),
    (Trial.compensate, 1),
    (Trial.recoup, 0.5),
    (Trial.settle, 1),
    (Trial.pay_supplement, 1),
    (Trial.cancel, 0.2),
    (Trial.close, 0.5),
]


def play(seed: int) -> Trial:
    choose = Random(seed)
    trial = Trial(choose)
    trial.collect()
    operations, weights = zip(*OPERATIONS, strict=True)
    for operation in choose.choices(operations, weights, k=STEPS):
        operation(trial)
    trial.finish()
    return trial


@pytest.mark.trap(3)
def test_random_books_keep_their_sides_and_close_to_zero() -> None:
    """Thousands of books and forty things in each: I1 to I3 always, I7 at the end."""
    rows: set[Row] = set()
    recouped = opened_again = 0
    for seed in range(BOOKS):
        trial = play(seed)
        recouped += sum(cause.startswith(postings.RECOUPED) for cause in trial.causes)
        opened_again += sum(one.startswith(postings.CLOSING_UNDONE) for one in trial.causes)
        left = {account: n for account, n in trial.balances.items() if n}
        assert not left, f"seed {seed}: {left}"
        rows |= trial.rows
    assert rows == set(Row), "a row that was never tried proves nothing"
    assert recouped > BOOKS // 10 and opened_again > BOOKS // 10


def test_a_planted_bug_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """A won dispute that forgets to give the reserve back to the backers."""
    won = postings.dispute_won
    monkeypatch.setattr(postings, "dispute_won", lambda amount, _, txn: won(amount, 0, txn))
    with pytest.raises((AssertionError, InvariantBroken)):
        _ = [play(seed) for seed in range(100)]
