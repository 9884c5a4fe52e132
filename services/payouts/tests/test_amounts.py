"""How much everybody gets: the worked example of `money.md` 4 with its variants, to the cent."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from payouts.domain import postings
from payouts.domain.book import Book, collect, seal_into
from payouts.domain.errors import Refused
from payouts.domain.fees import Fees, FeeTerms, divide_last, fees_of
from payouts.domain.ledger import Account, Posting
from payouts.domain.plan import split, stage_amount
from payouts.domain.quantum import QUANTUM_MAX, quantum_among, quantum_of
from payouts.domain.shares import Entitlement
from services.payouts.tests.builders import NOW, SHARES, a_book, a_pledge, divide
from sosst_contracts.money import BASIS_POINTS, EXPONENTS, exponent

PLEDGES = {"A": 10001, "B": 4999, "C": 3333}
PROVIDER_FEES = {"A": 320, "B": 175, "C": 133}
TERMS = FeeTerms(
    platform_basis_points=500,
    processing_basis_points=290,
    processing_fixed=30,
    tax_basis_points=0,
)
FLOAT = 3000


@dataclass
class Story:
    """The example's book, moved on by the postings that each event makes."""

    terms: FeeTerms = TERMS
    book: Book = field(default_factory=a_book)
    pledges: list[int] = field(default_factory=list)
    paid: int = 0
    number: int = 0

    def held(self, account: Account = Account.BACKER_FUNDS) -> int:
        return self.book.balances.get(account, 0)

    def do(self, *made: Posting) -> None:
        self.book, _ = seal_into(self.book, made, NOW)

    def transaction(self) -> str:
        self.number += 1
        return f"txn-{self.number}"

    def collect(self, amount: int, fee: int, counted: bool = True) -> None:
        self.number += 1
        taken = collect(self.book, a_pledge(self.number, amount, counted))
        self.book = taken.book
        self.do(postings.pledge_collected(amount, fee, self.transaction()))
        self.pledges.append(amount)

    def pay_stage(self, number: int) -> int:
        amount = stage_amount(number, self.book.counted, SHARES, self.held(), self.paid)
        self.do(postings.stage_approved(f"s{number}", amount))
        return self.send(number, amount)

    def pay_last(self) -> int:
        divided = divide_last(self.held(), fees_of(self.pledges, self.terms))
        self.do(postings.last_stage_approved("s3", divided))
        return self.send(3, divided.payable)

    def send(self, number: int, amount: int) -> int:
        self.paid += amount
        self.do(
            postings.stage_submitted(f"s{number}", amount),
            postings.stage_transferred(amount, self.transaction()),
            postings.stage_paid(amount, self.transaction()),
        )
        return amount

    def give_back(self, refund: str, amount: int) -> None:
        self.do(
            postings.refund_requested(refund, amount),
            postings.refund_cash_left(amount, self.transaction()),
        )

    def charge_back(self, amount: int, fee: int) -> None:
        self.do(postings.dispute_opened(amount, amount, fee, self.transaction()))

    def share(self, entitled: dict[str, int]) -> list[int]:
        asked = [Entitlement(pledge, amount) for pledge, amount in entitled.items()]
        return [share.amount for share in divide(self.held(), asked)]


def the_example(terms: FeeTerms = TERMS) -> Story:
    story = Story(terms)
    for pledge, amount in PLEDGES.items():
        story.collect(amount, PROVIDER_FEES[pledge])
    return story


@pytest.mark.row("S9")
@pytest.mark.trap(4)
def test_worked_example() -> None:
    """Stages 36.66, 54.99 and 22.97 around a chargeback and a refund; the platform loses 10.90."""
    story = the_example()
    assert fees_of(story.pledges, TERMS) == Fees(platform=916, processing=622, tax=0)
    assert [story.pay_stage(1), story.pay_stage(2)] == [3666, 5499]
    story.charge_back(3333, fee=2000)
    story.give_back("B", 2000)
    story.do(postings.dispute_lost("C", 3333, 3333))
    assert story.pay_last() == 2297
    assert 3666 + 5499 + 2297 + 1538 + 2000 + 3333 == 18333
    assert FLOAT - story.held(Account.PLATFORM_CURRENT) == 1910
    closed = postings.close("campaign-1", 1, story.book.balances)
    assert closed is not None
    story.do(closed)
    assert not any(story.book.balances.values()), "I7: a closed book is all zero"


@pytest.mark.parametrize("place", range(4))
def test_terms_that_may_be_told_can_be_read(place: int) -> None:
    """Ten thousand is the largest rate of the contract; funding may launch with a tax of it."""
    told = [0, 0, 0, 0]
    told[place] = BASIS_POINTS
    assert fees_of([100], FeeTerms(*told)).total >= 0
    with pytest.raises(Refused):
        FeeTerms(*[-one for one in told])


def test_with_tax_the_last_stage_is_smaller() -> None:
    """Tax of 20 %: 3.08 on both fees, and the last stage is 19.89."""
    taxed = FeeTerms(500, 290, 30, 2000)
    story = the_example(taxed)
    assert fees_of(story.pledges, taxed).tax == 308
    story.pay_stage(1)
    story.pay_stage(2)
    story.charge_back(3333, fee=2000)
    story.give_back("B", 2000)
    assert story.pay_last() == 1989


@pytest.mark.parametrize(("stages", "shares"), [(1, [8001, 3999, 2667]), (2, [5001, 2500, 1667])])
def test_cancelled_after_a_stage(stages: int, shares: list[int]) -> None:
    """What is left goes back by the pledges' shares; the odd unit to the largest remainder."""
    story = the_example()
    for number in range(1, stages + 1):
        story.pay_stage(number)
    assert story.share(PLEDGES) == shares


def test_a_late_pledge_joins_the_last_stage_with_its_own_fee() -> None:
    """A late pledge of 25.00: F 10.41, P 7.25, last stage 99.02."""
    story = the_example()
    story.pay_stage(1)
    story.pay_stage(2)
    story.collect(2500, 100, counted=False)
    assert fees_of(story.pledges, TERMS) == Fees(platform=1041, processing=725, tax=0)
    assert story.pay_last() == 9902


def test_stages_shrink_after_losses() -> None:
    """150.00 charged back before the first stage: 6.66, 10.00 and 1.29."""
    story = the_example()
    story.charge_back(10001, fee=0)
    story.charge_back(4999, fee=0)
    assert [story.pay_stage(1), story.pay_stage(2), story.pay_last()] == [666, 1000, 129]


def test_fees_that_the_campaign_cannot_pay_are_a_debt() -> None:
    """Tax is covered first, then processing; the rest is owed, and nobody is paid below zero."""
    divided = divide_last(10, Fees(platform=5, processing=6, tax=8))
    assert divided.covered == Fees(platform=0, processing=2, tax=8)
    assert divided.owed == Fees(platform=5, processing=4, tax=0)
    assert divided.payable == 0
    with pytest.raises(Refused):
        divide_last(-1, Fees(0, 0, 0))


@pytest.mark.trap(5)
@pytest.mark.parametrize(("currency", "quantum"), [("JPY", 1), ("EUR", 1), ("KWD", 10)])
def test_every_amount_splits_without_remainder(currency: str, quantum: int) -> None:
    """For all amounts from 0 to 10 000 the stages sum to the base, in every kind of currency.

    All that is paid can be paid out, and with fees of 0 to 49 % nothing is lost but named dust.
    """
    assert (quantum_of(currency, "stripe"), exponent(currency)) in {(1, 0), (1, 2), (10, 3)}
    for base in range(10_001):
        amounts = [stage.amount for stage in split(base, SHARES, quantum)]
        assert sum(amounts) == base
        assert min(amounts) >= 0
        assert amounts[0] % quantum == amounts[1] % quantum == 0
        terms = FeeTerms(base * 37 % 4_901, 0, 0, 0)
        last = divide_last(amounts[2], fees_of([base], terms), quantum)
        assert last.covered.total + last.payable + last.dust == amounts[2]
        assert 0 <= last.dust < quantum and last.payable % quantum == 0
        assert last.covered.total + last.owed.total == base * (base * 37 % 4_901) // 10_000


def test_quanta_are_those_of_the_provider() -> None:
    """Whole forints, the last of three digits 0; another provider pays out what is asked for."""
    known = {"EUR": 1, "JPY": 1, "ISK": 1, "UGX": 1, "KWD": 10, "TND": 10, "HUF": 100, "TWD": 100}
    assert {one: quantum_of(one, "stripe") for one in known} == known
    assert max(quantum_of(one, "stripe") for one in EXPONENTS) == QUANTUM_MAX
    assert quantum_of("HUF", "bank") == 1
    assert quantum_among("HUF", ["bank", "stripe"]) == 100
    assert quantum_among("HUF", []) == 1


RATES = st.integers(0, BASIS_POINTS)
ANY_TERMS = st.builds(
    FeeTerms,
    platform_basis_points=RATES,
    processing_basis_points=RATES,
    processing_fixed=st.integers(0, 10_000),
    tax_basis_points=RATES,
)


def nearest(amount: int, basis_points: int) -> int:
    """Round the exact share half up, by fractions: the service's own rounding is in question."""
    return floor(Fraction(amount * basis_points, BASIS_POINTS) + Fraction(1, 2))


@pytest.mark.trap(5)
@settings(max_examples=300)
@given(
    pledges=st.lists(st.integers(1, 900_000_000), min_size=1, max_size=8),
    terms=ANY_TERMS,
    quantum=st.sampled_from([1, 10, 100]),
    lost=st.integers(0, 10_000),
)
@example(pledges=[50, 50], terms=FeeTerms(0, 100, 0, 0), quantum=1, lost=0)
@example(pledges=[10], terms=FeeTerms(1000, 0, 0, 5000), quantum=1, lost=0)
def test_what_is_paid_and_taken_is_what_was_there(
    pledges: list[int], terms: FeeTerms, quantum: int, lost: int
) -> None:
    """With any terms and any loss, stages and fees sum to what is left, none below zero.

    F is rounded down once, P half up for each pledge, T half up of both; what the money does not
    cover is owed, the platform's own first and the tax last.
    """
    base = sum(pledges)
    held = base - base * lost // 10_000
    first = stage_amount(1, base, SHARES, held, 0, quantum)
    second = stage_amount(2, base, SHARES, held - first, first, quantum)
    platform = floor(Fraction(base * terms.platform_basis_points, BASIS_POINTS))
    rounded = [nearest(pledge, terms.processing_basis_points) for pledge in pledges]
    processing = sum(rounded) + len(pledges) * terms.processing_fixed
    tax = nearest(platform + processing, terms.tax_basis_points)
    fees = fees_of(pledges, terms)
    assert fees == Fees(platform, processing, tax)
    divided = divide_last(held - first - second, fees, quantum)
    assert first + second + divided.covered.total + divided.payable + divided.dust == held
    assert min(first, second, divided.payable, divided.dust) >= 0
    assert not any(paid % quantum for paid in (first, second, divided.payable))
    assert divided.dust < quantum
    covered, owed = divided.covered, divided.owed
    assert (covered.platform + owed.platform, covered.processing + owed.processing) == (
        platform,
        processing,
    )
    assert covered.tax + owed.tax == tax
    assert not (owed.processing and covered.platform)
    assert not (owed.tax and (covered.processing or covered.platform))
    assert not (owed.total and divided.payable + divided.dust)


@settings(max_examples=300)
@given(
    distributable=st.integers(0, 10**12),
    amounts=st.lists(st.integers(0, 900_000_000), max_size=12),
)
@example(distributable=10, amounts=[0, 0])
@example(distributable=2, amounts=[1, 1, 1])
def test_shares_divide_everything_and_nobody_gets_too_much(
    distributable: int, amounts: list[int]
) -> None:
    """All that can be divided is divided, each within a unit of the exact share."""
    entitled = [Entitlement(f"p{place}", amount) for place, amount in enumerate(amounts)]
    shares = divide(distributable, entitled)
    whole = sum(amounts)
    assert sum(share.amount for share in shares) == min(distributable, whole)
    assert [share.amount + share.unpaid for share in shares] == amounts
    for share, amount in zip(shares, amounts, strict=True):
        assert abs(share.amount * whole - min(distributable, whole) * amount) < max(whole, 1)


def test_ties_go_by_pledge_id_whatever_the_order() -> None:
    """Two units among three equal pledges go to the first two ids, however they are listed."""
    forwards = [Entitlement(pledge, 1) for pledge in "abc"]
    for listed in (forwards, forwards[::-1]):
        assert {s.pledge_id for s in divide(2, listed) if s.amount} == {"a", "b"}
