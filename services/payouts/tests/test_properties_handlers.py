"""Random histories over the real handlers: however it goes, each unit moves once.

Facts in any order and repeated, faults of the provider, processes that die between note and call
and between call and save, money that comes back, a clock that jumps over leases and keys.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from prometheus_client import REGISTRY

from payouts.domain.book import Outcome
from payouts.domain.ledger import Account
from payouts.domain.refund import RefundState
from payouts.domain.stage import StageState
from payouts.handlers.wake import wake
from servicekit.errors import DuplicateKey
from services.payouts.tests.builders import a_pledge
from services.payouts.tests.conftest import CAMPAIGN, memory_payouts
from services.payouts.tests.fakes import ProcessDied

T = TypeVar("T")
AMOUNT = 5_000
CASH = 1_000_000
COUNTED = range(1, 5)
LATE = 5
OPERATIONS = ("create_refund", "create_transfer", "create_payout")
HARMLESS = ("timeout_after", "error_before", "error_after", "rate_limited")
CRASHES = ("crash_before", "crash_after")
# A refund or a leg that fails three times waits for a person, so fewer failures are ordered.
FAILURES_MAX = 2


class Histories(RuleBasedStateMachine):
    """One campaign, from its first pledge to the end of its refunds or of its first stage."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.payouts = memory_payouts()
        self.provider = self.payouts.provider
        self.unheard = {*COUNTED, LATE}
        self.failures = 0
        self.stopped = stopped_for_a_person()

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    @initialize(outcome=st.sampled_from([Outcome.GOAL_MISSED, Outcome.GOAL_MET]))
    def decide(self, outcome: Outcome) -> None:
        self.outcome = outcome

    @precondition(lambda self: self.unheard)
    @rule(data=st.data())
    def hear_pledges(self, data: st.DataObject) -> None:
        numbers = data.draw(
            st.lists(st.sampled_from(sorted(self.unheard)), min_size=1, unique=True)
        )
        self.hear(numbers)

    def hear(self, numbers: list[int]) -> None:
        for number in numbers:
            self.run(self.payouts.collect(number, amount=AMOUNT, counted=number != LATE))
            self.unheard.discard(number)

    @precondition(lambda self: len(self.unheard) <= LATE - 1)
    @rule()
    def hear_a_pledge_again(self) -> None:
        """What the consumer did not hold back, the guard of its cash does."""
        heard = min({*COUNTED, LATE} - self.unheard)
        cash = self.provider.cash
        with pytest.raises(DuplicateKey):
            self.run(self.payouts.collect(heard, amount=AMOUNT, counted=heard != LATE))
        self.provider.cash = cash

    @rule()
    def hear_the_verdict(self) -> None:
        count = len(COUNTED)
        assert self.run(self.payouts.hear_verdict(self.outcome, count, AMOUNT)) == {}

    @rule()
    def give_destination(self) -> None:
        self.run(self.payouts.give_destination())

    @rule(operation=st.sampled_from(OPERATIONS), kind=st.sampled_from([*HARMLESS, *CRASHES]))
    def order_fault(self, operation: str, kind: str) -> None:
        self.provider.faults.setdefault(operation, []).append(kind)

    @precondition(lambda self: self.failures < FAILURES_MAX)
    @rule(operation=st.sampled_from(OPERATIONS))
    def order_refusal(self, operation: str) -> None:
        self.failures += 1
        self.provider.faults.setdefault(operation, []).append("decline")

    @precondition(lambda self: self.failures < FAILURES_MAX and self.returned())
    @rule(data=st.data())
    def money_comes_back(self, data: st.DataObject) -> None:
        """Whether or not our service knows yet that the refund was made."""
        reference = data.draw(st.sampled_from(self.returned()))
        refunds = self.run(self.payouts.queries.refunds(CAMPAIGN, "", 10))
        (refund,) = [r for r in refunds if r.payment_reference == reference]
        if refund.attempts and refund.attempt_id in self.provider.refunds:
            self.failures += 1
            self.provider.fail_later(refund)

    def returned(self) -> list[str]:
        return sorted(r for r, amount in self.provider.refunded.items() if amount)

    @rule(data=st.data())
    def hear_a_webhook(self, data: st.DataObject) -> None:
        """Early, late, doubled or about something else: it only wakes."""
        refunds = self.run(self.payouts.queries.refunds(CAMPAIGN, "", 10))
        stages = self.run(self.payouts.queries.stages(CAMPAIGN))[:1]
        some = data.draw(st.lists(st.sampled_from(refunds))) if refunds else []
        now = self.payouts.clock.now()
        self.run(self.payouts.units.run(lambda unit: wake(unit, some, stages, now)))

    @rule(seconds=st.sampled_from([1, 10, 31, 90, 3_600, 23 * 3_600, 25 * 3_600]))
    def time_passes(self, seconds: int) -> None:
        self.payouts.clock.advance(seconds=seconds)

    @rule()
    def work(self) -> None:
        try:
            self.run(self.payouts.turn())
        except ProcessDied:
            self.payouts = self.payouts.crashed()

    @invariant()
    def books_are_true(self) -> None:
        """I1, I2, I4; nothing went back or out twice; nothing waits for a person."""
        self.run(self.payouts.assert_books_true())
        assert all(amount in (0, AMOUNT) for amount in self.provider.refunded.values())
        assert len(self.provider.transfers) <= 1
        assert stopped_for_a_person() == self.stopped

    def teardown(self) -> None:
        try:
            if hasattr(self, "outcome"):
                self.finish()
        finally:
            self.runner.close()

    def finish(self) -> None:
        """Everything is heard and nothing more goes wrong: the story ends well."""
        self.hear(sorted(self.unheard))
        self.hear_the_verdict()
        self.give_destination()
        self.provider.faults.clear()
        for _ in range(60):
            self.work()
            self.time_passes(31)
        self.books_are_true()
        if self.outcome is Outcome.GOAL_MISSED:
            self.assert_all_returned()
        else:
            self.assert_first_stage_paid()
        self.assert_cash_agrees()

    def assert_all_returned(self) -> None:
        refunds = self.run(self.payouts.queries.refunds(CAMPAIGN, "", 10))
        assert {r.state for r in refunds} == {RefundState.SUCCEEDED} and len(refunds) == LATE
        assert self.provider.refunded == {f"ch_{n}": AMOUNT for n in (*COUNTED, LATE)}
        assert self.provider.transfers == {}

    def assert_first_stage_paid(self) -> None:
        first = self.run(self.payouts.queries.stages(CAMPAIGN))[0]
        assert first.state is StageState.PAID and self.provider.refunded == {}
        assert len(self.provider.transfers) == 1
        assert sum(self.provider.accounts.values()) == 0

    def assert_cash_agrees(self) -> None:
        """What lies at the provider is the book's cash and the platform's float (I3)."""
        book = self.run(self.payouts.queries.book(CAMPAIGN))
        assert book is not None
        fees = sum(a_pledge(n, AMOUNT).provider_fee for n in (*COUNTED, LATE))
        assert self.provider.cash == CASH - fees + book.balances[Account.PROVIDER_BALANCE]


def stopped_for_a_person() -> float:
    name = "sosst_payouts_stopped_for_a_person_total"
    # All other metrics, collected too after every step, would take half of the time.
    (counted,) = REGISTRY.restricted_registry([name]).collect()
    kinds = {one.labels["kind"]: one.value for one in counted.samples}
    return kinds.get("refund", 0) + kinds.get("stage", 0)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
