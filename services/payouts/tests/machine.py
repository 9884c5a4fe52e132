"""Everything that can happen to a campaign's money, in any order, over the real handlers.

Facts are read from topics as consumers read them, twice, late and shuffled; people act and say it
twice; creators declare emergencies, answer them or fall silent, and show milestones; claims end in
money; the provider fails in each of its
ways; banks take back and give back; processes stand still at a save, die there or wake up much
later. After every step the books are proven as production
proves them, and the provider's list agrees with every entry of cash. At the end everything that is
open is brought to its end by those whose turn it is, and the books are closed to zero.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self, TypeVar

from hypothesis import currently_in_test_context, event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from payouts import wire
from payouts.consumer import (
    CAMPAIGNS_GROUP,
    CLAIMS_GROUP,
    PLANS_GROUP,
    PLEDGES_GROUP,
    POSTS_GROUP,
)
from payouts.domain.acts import OtherMeans, PaymentMethod
from payouts.domain.adjustment import Residue
from payouts.domain.book import Book, share_run
from payouts.domain.book_state import BookState
from payouts.domain.claim_money import ClaimMoney, claim_refund_id
from payouts.domain.closing import RESULT
from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.errors import Refused
from payouts.domain.holds import Hold, HoldKind, open_holds, waits_for_plan
from payouts.domain.ledger import EMPTY, Account, Row, fold
from payouts.domain.milestone import MilestoneState
from payouts.domain.plan import StageKind
from payouts.domain.postings import Payer
from payouts.domain.receivable import EndKind, Proposed, Receivable
from payouts.domain.reconciliation import PLATFORM, compare
from payouts.domain.refund import Refund, RefundKind, RefundState
from payouts.domain.refund_outcome import ProviderRefundStatus
from payouts.domain.refund_request import Wanted
from payouts.domain.reward_standing import RewardsAsOf
from payouts.domain.stage import OVER, Stage, StageState
from payouts.domain.stage_cancelling import money_has_left
from payouts.domain.stopping import Stopped
from payouts.handlers.approvals import Asked, approve_stage, concern_of
from payouts.handlers.check_books import check_whole
from payouts.handlers.claim_money import ask_claim_money
from payouts.handlers.claimable import (
    deny_paid_otherwise,
    tell_paid_otherwise,
    try_refund_again,
)
from payouts.handlers.destination import give_destination
from payouts.handlers.holds import place_hold, release_hold
from payouts.handlers.milestones import MilestoneDecision, decide_milestone, take_evidence
from payouts.handlers.receivables import end_receivable
from payouts.handlers.reconcile import reconcile, unexplained_total
from payouts.handlers.refund_requests import (
    Person,
    Shown,
    approve_refund,
    ask_refund,
    cancel_refund,
    reject_refund,
)
from payouts.handlers.retries import try_stage_again
from payouts.handlers.wake import wake, wake_disputes
from payouts.metrics import STOPPED_FOR_A_PERSON
from payouts.ports.unit import PayoutsUnit
from servicekit.errors import DependencyAway
from servicekit.ordering import Incoming
from services.payouts.tests.builders import CEILINGS, LIMIT
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.told import CANCELLED, CREATOR, MET, MISSED, Backed, Post, Told
from services.payouts.tests.unsteady import KINDS, REST, Fate, Process
from sosst_contracts.event import Event

T = TypeVar("T")
Command = Callable[[PayoutsUnit], Awaitable[object]]
CASH = 1_000_000
STAFF = ("staff-1", "staff-2", "staff-3")
TOPICS = {
    wire.PLEDGES_TOPIC: PLEDGES_GROUP,
    wire.CAMPAIGNS_TOPIC: CAMPAIGNS_GROUP,
    wire.POSTS_TOPIC: POSTS_GROUP,
    wire.CLAIMS_TOPIC: CLAIMS_GROUP,
    wire.PLANS_TOPIC: PLANS_GROUP,
    wire.DELIVERIES_TOPIC: wire.DELIVERIES_GROUP,
}
OPERATIONS = ("create_refund", "create_transfer", "create_payout")
FAULTS = (
    "timeout_after",
    "error_before",
    "error_after",
    "rate_limited",
    "decline",
    "pending",
)
AMOUNTS = st.one_of(st.sampled_from([1, 99, 4_999, 5_000]), st.integers(1, 20_000))
SECONDS = st.sampled_from([1, 10, 31, 90, 3_600, 23 * 3_600, 25 * 3_600, 8 * 86_400])
OPEN, WON, LOST = (
    ProviderDisputeStatus.OPEN,
    ProviderDisputeStatus.WON,
    ProviderDisputeStatus.LOST,
)
WORDS = ("a", "b")
WAIVERS = {"waiver-1": 1, "waiver-2": 40, "waiver-3": 250}
# With which of them a claim is answered.
ANSWERS = ("refund-succeeded", "refund-paid-otherwise", "refund-refused")
STILL = (Fate.STILL_BEFORE, Fate.STILL_AFTER)
# Where a refund may rest for good: it is over, or a person or its backer has to act.
FINAL = frozenset(
    {
        RefundState.SUCCEEDED,
        RefundState.PAID_BY_OTHER_MEANS,
        RefundState.REFUSED,
        RefundState.CANCELLED,
    }
)


def some(strategy: list[T]) -> st.SearchStrategy[T]:
    return st.sampled_from(strategy)


@dataclass(frozen=True, slots=True)
class RewardsRead:
    """Whether all that updates has told of rewards and claims is read."""

    payouts: Payouts
    told: Told

    async def fresh_since(self, decision_id: str) -> datetime | None:
        heard = await self.payouts.units.run(lambda unit: unit.rewards.heard(CAMPAIGN))
        told = RewardsAsOf(len(self.told.deliveries), len(self.told.claims))
        return self.payouts.clock.now() if heard == told else None


class Machine(RuleBasedStateMachine):
    """One campaign with two processes of payouts, everybody around them, and a clock."""

    # How often each command was taken, over all histories: what nobody could ever do proves little.
    taken: ClassVar[dict[str, int]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.payouts = self.make()
        self.provider = self.payouts.provider
        self.clock = self.payouts.clock
        self.told = Told(self.provider, self.clock.now())
        self.processes = [self.process(), self.process()]
        self.standing: list[tuple[Process, asyncio.Future[object]]] = []
        self.places = dict.fromkeys(TOPICS, 0)
        self.put_in = 0
        self.number = 0
        self.stopped = stopped_for_a_person()
        self.held: set[str] = set()
        self.attempts: dict[str, int] = {}

    def make(self) -> Payouts:
        return memory_payouts()

    def process(self) -> Process:
        made = Process(self.payouts)
        made.payouts.rewards_read = RewardsRead(self.payouts, self.told)
        return made

    def records(self, topic: str) -> list[Incoming]:
        """Return what consumers find on a topic."""
        return self.told.topic(topic)

    def published(self) -> list[Event]:
        """Return what payouts has told of refunds."""
        return [one for name in ANSWERS for one in self.run(self.payouts.published(name))]

    # How the machine itself runs.

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    def let(self, place: int, work: Callable[[Process], Awaitable[None]]) -> None:
        """Let a process do something; where it stands still for it, another one takes its place."""
        process = self.processes[place]

        async def until_still() -> asyncio.Future[None] | None:
            doing = asyncio.ensure_future(work(process))
            still = asyncio.ensure_future(process.units.still.wait())
            await asyncio.wait({doing, still}, return_when=asyncio.FIRST_COMPLETED)
            still.cancel()
            if doing.done():
                await doing
                return None
            return doing

        left = self.run(until_still())
        if left is not None:
            self.standing.append((process, left))
            self.processes[place] = self.process()

    def command(self, name: str, act: Command, again: bool = False) -> bool:
        """A person acts, perhaps twice, as one does that got no answer; whether it was taken."""
        return self.told_to(name, lambda: self.payouts.units.run(act), again)

    def told_to(self, name: str, act: Callable[[], Awaitable[object]], again: bool) -> bool:
        """Do so of what is more than one transaction."""
        try:
            self.run(act())
        except Refused as refused:
            if currently_in_test_context():
                event(f"{name}: {refused.reason}")
            return False
        self.taken[name] = self.taken.get(name, 0) + 1
        if again:
            before = self.book()
            try:
                self.run(act())
            except Refused:
                pass
            after = self.book()
            assert after is None or before is None or after.head == before.head, name
        return True

    def book(self) -> Book | None:
        return self.run(self.payouts.queries.book(CAMPAIGN))

    def refunds(self, *states: RefundState) -> list[Refund]:
        found = self.run(self.payouts.queries.refunds(CAMPAIGN, "", 1_000))
        return [one for one in found if not states or one.state in states]

    def stages(self) -> list[Stage]:
        return self.run(self.payouts.queries.stages(CAMPAIGN))

    def debts(self) -> list[Receivable]:
        return [one for one in self.run(self.payouts.queries.receivables(CAMPAIGN)) if one.open]

    # What funding says, and how it is read.

    @initialize(
        data=st.data(),
        ending=st.sampled_from([MET, MET, MISSED, CANCELLED]),
        begun=st.integers(0, 4),
        posts=st.sampled_from([[], [], [Post.EMERGENCY], [Post.SILENCE, Post.RAISED]]),
        compensated=st.sampled_from([False, False, True]),
    )
    def fund(
        self, data: st.DataObject, ending: str, begun: int, posts: list[Post], compensated: bool
    ) -> None:
        """Pledges in time, some of them taken back, and the verdict over the others.

        `begun` is how far all of it has gone well before anything happens: nothing is read yet,
        all is read, or as many stages are paid. Half of the campaigns are in trouble then. Of some
        that met their goal the platform gives all of a pledge before any stage is paid, and half of
        these are cancelled.
        """
        self.told.launch()
        for amount in data.draw(st.lists(AMOUNTS, min_size=1, max_size=4)):
            withdrawn_by = data.draw(st.sampled_from([None, None, None, "backer"]))
            method = data.draw(st.sampled_from([None, None, None, "sepa_debit"]))
            self.told.collect(Backed(self.next(), amount, withdrawn_by, method))
        for one in self.told.backed:
            if one.withdrawn_by is not None:
                self.told.withdraw(one)
        self.told.end(ending)
        if begun:
            self.read_everything()
        if ending == MET:
            if begun and compensated:
                self.compensate_by_the_platform()
                if data.draw(st.booleans()):
                    self.told.cancel_after_all()
                    self.read_everything()
            for _ in range(begun - 1):
                self.bring_stages_on()
        for said in posts:
            self.told.post(said)
        if begun:
            self.read_everything()

    def compensate_by_the_platform(self) -> None:
        """Two people do; if the campaign is cancelled then, it still holds as much."""
        kept = [one for one in self.told.backed if one.withdrawn_by is None]
        if not kept:
            return
        payer, one, now = Payer.PLATFORM, kept[0], self.clock.now()
        about = (RefundKind.COMPENSATION, one.amount, payer, "a scratch")
        wanted, who = ClaimMoney("first", f"pledge-{one.number}", *about), Person(STAFF[0], CREATOR)
        name = f"{RefundKind.COMPENSATION} by {payer}"
        self.command(
            name, lambda u: ask_claim_money(u, CAMPAIGN, wanted, who, CEILINGS, now), again=True
        )
        for refund in self.refunds(RefundState.AWAITING_APPROVAL):
            self.decide_refund(refund, "approve", Person(STAFF[1], CREATOR), again=True)
        self.turns(2)

    def next(self) -> int:
        self.number += 1
        return self.number

    @precondition(lambda self: len(self.told.backed) < 6)
    @rule(amount=AMOUNTS)
    def pay_late(self, amount: int) -> None:
        self.told.collect(Backed(self.next(), amount), "late")

    @precondition(lambda self: self.told.ending == MET and len(self.told.campaigns) == 2)
    @rule(sure=st.sampled_from([True, False, False]))
    def cancel_campaign(self, sure: bool) -> None:
        if sure:
            self.told.cancel_after_all()

    @precondition(lambda self: len(self.told.posts) < 12)
    @rule(post=st.sampled_from(list(Post)))
    def somebody_posts(self, post: Post) -> None:
        self.told.post(post)

    @precondition(lambda self: self.told.ending in (MET, MISSED) and len(self.told.claimed) < 4)
    @rule(
        data=st.data(),
        kind=st.sampled_from(list(RefundKind)),
        payer=st.sampled_from(list(Payer)),
        amount=st.sampled_from([1, 500, 2_000, 30_000]),
        by=st.sampled_from([CREATOR, CREATOR, STAFF[2]]),
    )
    def claim_ends_in_money(
        self, data: st.DataObject, kind: RefundKind, payer: Payer, amount: int, by: str
    ) -> None:
        """In updates, of which this campaign hears by the claim's fact; not all of it is given."""
        number, claim_id = data.draw(some(self.told.backed)).number, f"told-{self.next()}"
        whose = data.draw(st.sampled_from([number, number, number, number + 1]))
        wanted = ClaimMoney(claim_id, f"pledge-{number}", kind, amount, payer, "quality")
        self.told.claim(wanted, f"backer-{whose}", by)

    @precondition(lambda self: len(self.stages()) > 2 and len(self.told.plans) < 8)
    @rule(stage=st.integers(2, 3), evidence=st.sampled_from(WORDS))
    def creator_shows_a_milestone(self, stage: int, evidence: str) -> None:
        """In updates, which knows the plan."""
        self.told.submit(stage, evidence * 64)

    @precondition(lambda self: self.told.ending == MET and len(self.told.delivered) < 8)
    @rule(data=st.data(), arrives=st.sampled_from([True, True, False]))
    def reward_arrives(self, data: st.DataObject, arrives: bool) -> None:
        """Or comes back; whoever has it has no share of a cancellation."""
        self.told.deliver(data.draw(some(self.told.backed)).number, arrives)

    @rule(
        topic=st.sampled_from(list(TOPICS)),
        count=st.integers(1, 8),
        back=st.integers(0, 3),
        place=st.integers(0, 1),
        data=st.data(),
    )
    def read(self, topic: str, count: int, back: int, place: int, data: st.DataObject) -> None:
        """The next page, perhaps with facts that were read before, perhaps in another order."""
        facts, start = self.records(topic), self.places[topic]
        offsets = list(range(len(facts)))[max(0, start - back) : start + count]
        if data.draw(st.booleans()) and len(offsets) > 1:
            offsets = data.draw(st.permutations(offsets))
        page = [facts[offset] for offset in offsets]
        if not page:
            return
        try:
            self.let(place, lambda process: process.read(topic, page))
        except DependencyAway:
            # Nothing of it is saved, and it is read again: what it needs is not read yet.
            return
        self.places[topic] = min(len(facts), start + count)

    # What processes do.

    @rule(place=st.integers(0, 1), turns=st.integers(1, 4))
    def work(self, place: int, turns: int) -> None:
        for _ in range(turns):
            self.let(place, _work_and_sweep)
            self.time_passes(31)

    @rule(place=st.integers(0, 1), seconds=SECONDS)
    def work_later(self, place: int, seconds: int) -> None:
        self.time_passes(seconds)
        self.let(place, _work_and_sweep)

    @rule(place=st.integers(0, 1), kind=st.sampled_from(KINDS), limit=st.integers(1, 2))
    def work_a_little(self, place: int, kind: str, limit: int) -> None:
        self.let(place, lambda process: process.work((kind,), limit))

    @rule(place=st.integers(0, 1), saves=st.integers(0, 4), fate=st.sampled_from(STILL))
    def order_fate(self, place: int, saves: int, fate: Fate) -> None:
        self.processes[place].units.fates.extend([*[Fate.NOTHING] * saves, fate])

    @precondition(lambda self: self.standing)
    @rule(data=st.data())
    def wake_up(self, data: st.DataObject) -> None:
        """Whoever stood still goes on from where that was, however long ago."""
        sleeper = data.draw(some(list(range(len(self.standing)))))
        process, left = self.standing.pop(sleeper)
        self.run(_woken(process, left))

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)
        self.told.now = self.clock.now()

    # What the provider and the banks do.

    @rule(operation=st.sampled_from(OPERATIONS), kind=st.sampled_from(FAULTS))
    def order_fault(self, operation: str, kind: str) -> None:
        self.provider.faults.setdefault(operation, []).append(kind)

    @rule(data=st.data())
    def hear_a_webhook(self, data: st.DataObject) -> None:
        """Early, late, doubled or about something else: it only wakes."""
        refunds, stages, now = self.refunds(), self.stages(), self.clock.now()
        woken = data.draw(st.lists(some(refunds), max_size=2)) if refunds else []
        disputes = sorted(self.provider.disputes)

        async def hear(unit: PayoutsUnit) -> None:
            await wake(unit, woken, stages[:1], now)
            await wake_disputes(unit, disputes, now)

        self.run(self.payouts.units.run(hear))

    @precondition(lambda self: self.refunds(RefundState.SUCCEEDED))
    @rule(data=st.data())
    def refund_comes_back(self, data: st.DataObject) -> None:
        made = [
            one
            for one in self.refunds(RefundState.SUCCEEDED)
            if self.provider.refunds[one.attempt_id].status is ProviderRefundStatus.SUCCEEDED
        ]
        if made:
            self.provider.fail_later(data.draw(some(made)))

    @precondition(lambda self: self.pending())
    @rule(data=st.data(), arrives=st.booleans())
    def pending_refund_ends(self, data: st.DataObject, arrives: bool) -> None:
        attempt_id = data.draw(some(self.pending()))
        if arrives:
            self.provider.settle(attempt_id)
            return
        refund_id = attempt_id.rpartition("/")[0]
        refund = self.run(self.payouts.queries.refund(CAMPAIGN, refund_id))
        if refund is not None and refund.attempts and refund.attempt_id == attempt_id:
            self.provider.fail_later(refund)

    def pending(self) -> list[str]:
        waiting = ProviderRefundStatus.PENDING
        return sorted(k for k, seen in self.provider.refunds.items() if seen.status is waiting)

    @precondition(lambda self: any(one.state is StageState.PAID for one in self.stages()))
    @rule(data=st.data())
    def payout_bounces(self, data: st.DataObject) -> None:
        stage = data.draw(some([one for one in self.stages() if one.state is StageState.PAID]))
        seen = self.provider.payouts[stage.attempt_id]
        if seen.failure_balance_transaction is None:
            self.provider.bounce(stage)

    @precondition(lambda self: self.stuck())
    @rule(data=st.data())
    def staff_take_a_transfer_back(self, data: st.DataObject) -> None:
        stage = data.draw(some(self.stuck()))
        self.provider.reverse(stage.attempt.transfer_id)

    def stuck(self) -> list[Stage]:
        """Failed stages whose money, and nobody else's, lies on the creator's account."""
        failed = [one for one in self.stages() if one.state is StageState.FAILED]
        accounts = self.provider.accounts
        return [
            one
            for one in failed
            if money_has_left(one) and accounts[one.attempt.account] == one.sent
        ]

    @precondition(lambda self: len(self.provider.disputes) < 3)
    @rule(
        data=st.data(),
        inquiry=st.booleans(),
        fee=st.sampled_from([0, 2_000]),
        part=st.integers(1, 4),
    )
    def bank_disputes(self, data: st.DataObject, inquiry: bool, fee: int, part: int) -> None:
        """Of all of a payment or of a part; one payment has one open dispute at a time."""
        disputed = {
            seen.payment_reference
            for seen in self.provider.disputes.values()
            if seen.status in (OPEN, ProviderDisputeStatus.INQUIRY, LOST)
        }
        free = [
            one
            for one in self.told.backed
            if one.payment_reference not in disputed and one.withdrawn_by != "provider"
        ]
        if free:
            one = data.draw(some(free))
            amount = max(1, one.amount * part // 4)
            self.provider.dispute(one.payment_reference, amount, fee, inquiry=inquiry)

    @precondition(lambda self: self.undecided())
    @rule(data=st.data())
    def bank_decides(self, data: st.DataObject) -> None:
        name = data.draw(some(self.undecided()))
        inquiry = self.provider.disputes[name].status is ProviderDisputeStatus.INQUIRY
        ends = [OPEN, ProviderDisputeStatus.CLOSED, ProviderDisputeStatus.PREVENTED]
        self.provider.move_dispute(name, data.draw(some(ends if inquiry else [WON, LOST])))

    def undecided(self) -> list[str]:
        open_ones = (OPEN, ProviderDisputeStatus.INQUIRY)
        return sorted(k for k, seen in self.provider.disputes.items() if seen.status in open_ones)

    @rule(amount=st.sampled_from([-990_000, -5_000, 5_000, 1_000_000]))
    def platform_moves_its_own(self, amount: int) -> None:
        """It tops up, or takes out so much that its own money there does not reach."""
        if self.provider.cash + amount >= 0:
            self.put_in += amount
            self.provider.put_in(amount)

    # What people do.

    @precondition(lambda self: self.book() is not None)
    @rule(data=st.data(), share=st.integers(1, 4), advance=st.sampled_from([0, 0, 5_000]))
    def ask_for_a_refund(self, data: st.DataObject, share: int, advance: int) -> None:
        one = data.draw(some(self.told.backed))
        wanted = Wanted(
            request_id=f"request-{data.draw(st.integers(1, 4))}",
            pledge_id=f"pledge-{one.number}",
            amount=max(1, one.amount * share // 4),
            reason="broken",
            advance_max=advance,
        )
        who, now = person(data), self.clock.now()
        self.command(
            "ask",
            lambda unit: ask_refund(unit, CAMPAIGN, wanted, who, now),
            data.draw(st.booleans()),
        )

    @precondition(lambda self: self.refunds(RefundState.AWAITING_APPROVAL))
    @rule(data=st.data(), word=st.sampled_from(["approve", "approve", "reject", "cancel"]))
    def decide_about_a_refund(self, data: st.DataObject, word: str) -> None:
        refund = data.draw(some(self.refunds(RefundState.AWAITING_APPROVAL)))
        self.decide_refund(refund, word, person(data), data.draw(st.booleans()))

    def decide_refund(self, refund: Refund, word: str, who: Person, again: bool) -> None:
        name, now = refund.refund_id, self.clock.now()
        shown = Shown(refund.amount, refund.currency, refund.advance_max)
        funds = self.run(self.processes[0].payouts.stages.funds.read_to_lend("EUR"))
        acts: dict[str, Command] = {
            "approve": lambda u: approve_refund(
                u, CAMPAIGN, name, shown, who, funds, CEILINGS, now
            ),
            "reject": lambda u: reject_refund(u, CAMPAIGN, name, "no", who, now),
            "cancel": lambda u: cancel_refund(u, CAMPAIGN, name, "a slip", who, now),
        }
        self.command(word, acts[word], again)

    @precondition(lambda self: self.refunds())
    @rule(data=st.data())
    def take_a_refund_back(self, data: st.DataObject) -> None:
        """Whatever its state: what was sent, or is owed by a rule, is refused."""
        refund = data.draw(some(self.refunds()))
        self.decide_refund(refund, "cancel", person(data), data.draw(st.booleans()))

    @precondition(lambda self: self.refunds(RefundState.CLAIMABLE))
    @rule(data=st.data(), word=st.sampled_from(["again", "paid", "paid", "denied"]))
    def act_on_a_claimable_one(self, data: st.DataObject, word: str) -> None:
        refund = data.draw(some(self.refunds(RefundState.CLAIMABLE)))
        self.claim_money(refund, word, person(data), data.draw(some(list(WORDS))))

    def claim_money(self, refund: Refund, word: str, who: Person, proof: str) -> None:
        name, now, seen = refund.refund_id, self.clock.now(), len(refund.attempts)
        told = OtherMeans(PaymentMethod.CHEQUE, proof * 64, "posted", who.name, now)
        acts: dict[str, Command] = {
            "again": lambda u: try_refund_again(u, CAMPAIGN, name, seen, who.name, now),
            "paid": lambda u: tell_paid_otherwise(u, CAMPAIGN, name, told, who, now),
            "denied": lambda u: deny_paid_otherwise(u, CAMPAIGN, name, "not so", who, now),
        }
        self.command(word, acts[word], True)

    @precondition(lambda self: self.book() is not None)
    @rule(
        data=st.data(),
        kind=st.sampled_from(list(RefundKind)),
        payer=st.sampled_from(list(Payer)),
        amount=st.sampled_from([1, 500, 2_000, 30_000]),
    )
    def give_for_a_claim(
        self, data: st.DataObject, kind: RefundKind, payer: Payer, amount: int
    ) -> None:
        number = data.draw(some(self.told.backed)).number
        claim_id = f"claim-{data.draw(st.integers(1, 3))}"
        wanted = ClaimMoney(claim_id, f"pledge-{number}", kind, amount, payer, "a scratch")
        if self.told.claimed and data.draw(st.booleans()):
            # What the claim's own fact says too is one.
            wanted = data.draw(some(self.told.claimed))
        who, now = person(data), self.clock.now()
        self.command(
            f"{kind} by {payer}",
            lambda u: ask_claim_money(u, CAMPAIGN, wanted, who, CEILINGS, now),
            data.draw(st.booleans()),
        )

    @rule(account=st.sampled_from(["acct_1", "acct_1", "acct_2", "acct_nowhere"]))
    def give_a_destination(self, account: str) -> None:
        now = self.clock.now()
        self.command(
            "destination", lambda u: give_destination(u, CAMPAIGN, "sandbox", account, now), True
        )

    @precondition(lambda self: len(self.stages()) > 1)
    @rule(data=st.data(), word=st.sampled_from(["show", "decide", "decide", "reject"]))
    def act_on_a_milestone(self, data: st.DataObject, word: str) -> None:
        number = data.draw(st.integers(2, 3))
        self.milestone(
            number, word, data.draw(some([*STAFF, CREATOR])), data.draw(some(list(WORDS)))
        )

    def milestone(self, number: int, word: str, by: str, evidence: str) -> None:
        stage, now = self.stages()[number - 1], self.clock.now()
        revision = stage.milestone.revision if stage.milestone else 1
        why = "not enough" if word == "reject" else None
        decided = MilestoneDecision(revision, by, why)

        async def act(unit: PayoutsUnit) -> object:
            if word == "show":
                return await take_evidence(unit, CAMPAIGN, number, evidence * 64, CREATOR, now)
            return await decide_milestone(unit, CAMPAIGN, number, decided, CREATOR, now)

        self.command(f"milestone {word}", act, True)

    @precondition(lambda self: self.stages())
    @rule(data=st.data(), limit=st.sampled_from([LIMIT, LIMIT, 1]))
    def approve_a_stage(self, data: st.DataObject, limit: int) -> None:
        waiting = (StageState.DUE, StageState.AWAITING_SECOND_APPROVAL)
        stages = [one for one in self.stages() if one.state in waiting] or self.stages()
        stage = data.draw(some(stages))
        self.approve(stage, data.draw(some([*STAFF, CREATOR])), limit, data.draw(st.booleans()))

    def approve(self, stage: Stage, by: str, limit: int, again: bool = False) -> None:
        destination = self.run(self.payouts.queries.destination(CAMPAIGN))
        version = destination.version if destination else 0
        revision = stage.milestone.revision if stage.milestone else 0
        shown, _ = self.run(self.payouts.stages.explain(CAMPAIGN, stage.number))
        asked = Asked(shown.amount or 0, "EUR", version, revision, by)
        concerned = self.run(concern_of(self.payouts.queries, CAMPAIGN, by))
        now = self.clock.now()
        self.command(
            f"approve {stage.kind}",
            lambda u: approve_stage(u, CAMPAIGN, stage.number, asked, concerned, limit, now),
            again,
        )

    @precondition(lambda self: any(one.failures for one in self.stages()))
    @rule(data=st.data())
    def try_a_stage_again(self, data: st.DataObject) -> None:
        self.try_again(data.draw(some(self.stages())), data.draw(some(list(STAFF))))

    def try_again(self, stage: Stage, by: str) -> None:
        number, seen, now = stage.number, len(stage.attempts), self.clock.now()
        self.command(
            "stage again", lambda u: try_stage_again(u, CAMPAIGN, number, seen, by, now), True
        )

    @precondition(lambda self: self.book() is not None)
    @rule(name=st.sampled_from(["hold-1", "hold-2"]), again=st.booleans())
    def place_a_hold(self, name: str, again: bool) -> None:
        placed = Hold(name, HoldKind.STAFF, "a doubt", STAFF[0], self.clock.now())
        now = self.clock.now()
        self.command("hold", lambda u: place_hold(u, CAMPAIGN, placed, now), again)

    @precondition(lambda self: self.holding())
    @rule(data=st.data(), again=st.booleans())
    def release_a_hold(self, data: st.DataObject, again: bool) -> None:
        """Of staff's, of silence, or of an emergency, which is refused until it is answered."""
        self.release(data.draw(some(self.holding())), again)

    def release(self, name: str, again: bool = False) -> None:
        act, now = f"release {name.partition(':')[0].rstrip('-12')}", self.clock.now()
        self.command(act, lambda u: release_hold(u, CAMPAIGN, name, STAFF[1], now), again)

    def holding(self) -> list[str]:
        book = self.book()
        return [one.hold_id for one in open_holds(book.holds)] if book else []

    @rule(stop=st.booleans())
    def stop_money(self, stop: bool) -> None:
        if stop:
            self.payouts.brake.pulled[None] = Stopped("operators", self.clock.now())
        else:
            self.payouts.brake.pulled.clear()

    @precondition(lambda self: self.debts())
    @rule(data=st.data(), kind=st.sampled_from(list(EndKind)))
    def end_a_debt(self, data: st.DataObject, kind: EndKind) -> None:
        debt = data.draw(some(self.debts()))
        self.end_debt(
            debt, kind, data.draw(st.integers(1, debt.open)), data.draw(some(list(STAFF)))
        )

    def end_debt(self, debt: Receivable, kind: EndKind, amount: int, by: str) -> None:
        proposed = Proposed(kind, amount, "so it is", by, self.clock.now())
        concerned = self.run(concern_of(self.payouts.queries, CAMPAIGN, by))
        name, now = debt.receivable_id, self.clock.now()
        self.command(
            f"debt {kind}",
            lambda u: end_receivable(u, CAMPAIGN, name, proposed, concerned, now),
            True,
        )

    @rule(name=st.sampled_from(sorted(WAIVERS)), by=st.sampled_from(STAFF))
    def waive_a_fee(self, name: str, by: str) -> None:
        """A part of the fee is given up, before it is taken or after."""
        self.waive(name, by)

    def waive(self, name: str, by: str) -> None:
        said = WAIVERS[name], "a late payout", by
        self.told_to("waive", lambda: self.payouts.waive(CAMPAIGN, name, *said), again=True)

    def half_waived(self) -> list[str]:
        book = self.book()
        return [one.waiver_id for one in book.waivers if one.second_by is None] if book else []

    @precondition(lambda self: self.is_cancelled())
    @rule(
        data=st.data(),
        name=st.sampled_from(["adjustment-1", "adjustment-2"]),
        amount=st.sampled_from([0, 0, 1, 500, 30_000]),
        behind=st.sampled_from([0, 0, 0, 1]),
    )
    def take_back_what_the_platform_paid(
        self, data: st.DataObject, name: str, amount: int, behind: int
    ) -> None:
        """All that can be, or an amount of one's own; perhaps of a book that is not there now."""
        by = data.draw(some([*STAFF, *STAFF, CREATOR, "backer-1"]))
        self.adjust(name, amount or self.residue().recoverable or 1, by, behind)

    def adjust(self, name: str, amount: int, by: str, behind: int = 0) -> None:
        said = amount, self.residue().block - behind, "so it is", by
        self.told_to("adjust", lambda: self.payouts.adjust(CAMPAIGN, name, *said), again=True)

    def residue(self) -> Residue:
        residue, _ = self.run(self.payouts.adjust.shown(CAMPAIGN))
        return residue

    def is_cancelled(self) -> bool:
        book = self.book()
        return book is not None and book.cancellation is not None

    # What must hold after every step.

    @invariant()
    def check(self) -> None:
        self.books_are_true()
        self.cash_is_the_providers()
        self.nothing_is_paid_twice()
        self.nothing_leaves_while_held()
        self.nobody_must_look()

    def books_are_true(self) -> None:
        """I1, I2, I4, I5, I6, and funding's count, by the check that runs in production."""
        if book := self.book():
            queries, checks = self.payouts.queries, self.payouts.checks
            found = self.run(check_whole(queries, checks, book, self.clock.now()))
            assert found == [], [str(one) for one in found]

    def cash_is_the_providers(self) -> None:
        """I3: what is booked is on the provider's list with the same amount, and adds up."""
        names = {one.id: one for one in self.provider.statement}
        booked = self.run(self.payouts.reconciliation.booked(names))
        wrong = [compare(names[name], cash, self.clock.now()) for name, cash in booked.items()]
        assert [one for one in wrong if one is not None] == []
        moved = sum(
            names[name].amount - names[name].fee
            for name in booked
            if names[name].account == PLATFORM
        )
        assert moved == self.cash_by_our_books()

    def cash_by_our_books(self) -> int:
        """The campaign's cash there, and what it cost the platform until it was closed."""
        book = self.book()
        if book is None:
            return 0
        blocks = self.run(self.payouts.queries.blocks(CAMPAIGN, 0, 10_000))
        entries = [s.entry for block in blocks for s in block.entries if s.row is not Row.CLOSE]
        balances = fold(EMPTY, entries)
        outside = sum(
            one.amount for one in self.refunds() if one.state is RefundState.PAID_BY_OTHER_MEANS
        )
        debts = self.run(self.payouts.queries.receivables(CAMPAIGN))
        settled = sum(
            ending.amount
            for debt in debts
            for ending in debt.endings
            if ending.kind is EndKind.SETTLED
        )
        ours = balances.get(Account.PROVIDER_BALANCE, 0) - balances.get(Account.PLATFORM_CURRENT, 0)
        return ours + outside - settled

    def nothing_is_paid_twice(self) -> None:
        """One transfer and one payout of a stage that stand, one refund of each that stands."""
        sent = {attempt: amount for attempt, (_, amount) in self.provider.asked_for.items()}
        transfers = self.provider.transfers.items()
        made = [name for name, seen in transfers if seen.reversed_amount != sent[name]]
        assert max(per_intent(made).values(), default=0) <= 1
        standing = [
            name
            for name, seen in self.provider.payouts.items()
            if seen.failure_balance_transaction is None
        ]
        assert max(per_intent(standing).values(), default=0) <= 1
        failed = ProviderRefundStatus.FAILED
        returned = [k for k, seen in self.provider.refunds.items() if seen.status is not failed]
        assert max(per_intent(returned).values(), default=0) <= 1

    def nothing_leaves_while_held(self) -> None:
        """No attempt begins under a hold, none is lifted unanswered, and none outlasts its hold."""
        book, stages = self.book(), self.stages()
        holds = book.holds if book else ()
        held = {one.hold_id for one in open_holds(holds)}
        attempts = {one.stage_id: len(one.attempts) for one in stages}
        if held & self.held:
            assert all(self.attempts.get(one, 0) == count for one, count in attempts.items()), (
                held,
                attempts,
            )
        self.held, self.attempts = held, attempts
        assert [one for one in holds if not one.open and waits_for_plan(one)] == []
        assert held or all(one.state is not StageState.HELD for one in stages)

    def nobody_must_look(self) -> None:
        """No work stopped for a person, and no fact was refused: what waits, waits for others."""
        assert stopped_for_a_person() == self.stopped
        for topic, group in TOPICS.items():
            kept = self.run(self.payouts.units.run(_kept(group, topic)))
            assert {one.reason for one in kept} <= {"gap"}, kept

    # How it ends.

    def teardown(self) -> None:
        try:
            if self.told.ending is not None:
                self.finish()
        finally:
            self.run(self.let_go())
            self.runner.close()

    async def let_go(self) -> None:
        """Who never woke up is gone; what it waited for says so to nobody."""
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @classmethod
    @contextmanager
    def of(cls, ending: str, *posts: Post) -> Iterator[Self]:
        """One history by hand: a pledge of 50.00, how it ended, what was said; nothing is read."""
        machine = cls()
        machine.told.launch()
        machine.told.collect(Backed(1, 5_000))
        machine.told.end(ending)
        for said in posts:
            machine.told.post(said)
        try:
            yield machine
        finally:
            machine.run(machine.let_go())
            machine.runner.close()

    def finish(self) -> None:
        """Whoever's turn it is acts, until nothing is open; then the books are closed."""
        while self.told.unanswered:
            self.told.post(Post.RECOVERY_PLAN)
        self.read_everything()
        self.provider.faults.clear()
        self.payouts.brake.pulled.clear()
        self.platform_moves_its_own(1_000_000)
        for _ in range(40):
            self.everybody_acts()
            self.check()
            if self.is_over():
                break
            self.time_passes(86_400)
        self.assert_over()

    def read_everything(self) -> None:
        for process in self.processes:
            process.units.fates.clear()
        for topic in TOPICS:
            page = self.records(topic)
            self.run(self.processes[0].read(topic, page))

    def everybody_acts(self) -> None:
        for name in self.undecided():
            inquiry = self.provider.disputes[name].status is ProviderDisputeStatus.INQUIRY
            decided = LOST if int(name[-1]) % 2 else WON
            self.provider.move_dispute(name, ProviderDisputeStatus.CLOSED if inquiry else decided)
        for attempt_id in self.pending():
            self.provider.settle(attempt_id)
        self.every_webhook_arrives()
        self.turns(6)
        for name in self.holding():
            self.release(name)
        for refund in self.refunds(RefundState.AWAITING_APPROVAL):
            self.decide_refund(refund, "cancel", Person(STAFF[0], CREATOR), again=False)
        for refund in self.refunds(RefundState.CLAIMABLE):
            for name in STAFF[:2]:
                self.claim_money(refund, "paid", Person(name, CREATOR), "c")
        self.bring_stages_on()
        for name in self.half_waived():
            for by in STAFF[:2]:
                self.waive(name, by)
        for debt in self.debts():
            for name in STAFF[:2]:
                self.end_debt(debt, EndKind.WRITTEN_OFF, debt.open, name)
        if self.is_cancelled() and (recoverable := self.residue().recoverable):
            for name in STAFF[:2]:
                self.adjust(f"at-{self.residue().block}", recoverable, name)

    def every_webhook_arrives(self) -> None:
        refunds, stages, disputes = self.refunds(), self.stages(), sorted(self.provider.disputes)
        now = self.clock.now()

        async def hear(unit: PayoutsUnit) -> None:
            await wake(unit, refunds, stages, now)
            await wake_disputes(unit, disputes, now)

        self.run(self.payouts.units.run(hear))

    def bring_stages_on(self) -> None:
        self.give_a_destination("acct_2")
        self.turns(3)
        for stage in self.stages():
            if stage.kind in (StageKind.SECOND, StageKind.LAST):
                if stage.milestone is None or stage.milestone.state is MilestoneState.REJECTED:
                    self.milestone(stage.number, "show", CREATOR, "d")
                self.milestone(stage.number, "decide", STAFF[2], "d")
            self.somebody_approves(stage.number)
            self.try_again(stage, STAFF[0])
        self.turns(6)

    def somebody_approves(self, number: int) -> None:
        """Whoever of the staff still may: one of them may have approved the milestone."""
        waits = (StageState.DUE, StageState.AWAITING_SECOND_APPROVAL)
        for name in STAFF:
            stage = self.stages()[number - 1]
            if stage.state in waits:
                self.approve(stage, name, LIMIT)

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.let(0, _work_and_sweep)
            self.time_passes(61)

    def is_over(self) -> bool:
        book = self.book()
        assert book is not None
        refunds_over = all(one.state in FINAL for one in self.refunds())
        stages_over = all(one.state in OVER and not self.has_bounced(one) for one in self.stages())
        run_over = book.run is None or book.run.finished
        left = book.balances[Account.BACKER_FUNDS] and (
            book.cancellation is None or self.residue().recoverable
        )
        open_ones = left or self.debts() or not all(map(self.is_followed, self.provider.disputes))
        return refunds_over and stages_over and run_over and not open_ones

    def has_bounced(self, stage: Stage) -> bool:
        """Whether a bank sent back what is paid for us."""
        seen = self.provider.payouts.get(stage.attempt_id) if stage.attempts else None
        failed = seen is not None and seen.failure_balance_transaction is not None
        return failed and stage.state is StageState.PAID

    def is_followed(self, name: str) -> bool:
        """Whether a dispute is over for us too; one that moved no cash may never be heard of."""
        dispute = self.run(self.payouts.queries.dispute(name))
        if dispute is None:
            return self.provider.disputes[name].withdrawn_in is None
        return dispute.over

    def assert_over(self) -> None:
        states = {one.refund_id: one.state for one in self.refunds() if one.state not in FINAL}
        assert states == {}
        self.assert_answered()
        assert [one for one in self.stages() if one.state not in OVER] == []
        book = self.book()
        assert book is not None
        assert all(one.pledge_id for one in self.refunds())
        self.assert_whole_behind_the_end()
        self.assert_no_share_beside_a_reward()
        self.assert_reconciled()
        self.assert_closes()

    def assert_whole_behind_the_end(self) -> None:
        """Who paid after the cancellation has all of it back before anybody has a share."""
        names = [f"pledge-{one.number}" for one in self.told.behind_end]
        found = self.run(self.payouts.units.run(lambda unit: unit.pledges.load(names)))
        lacking = [one.pledge_id for one in found.values() if not one.fully_returned]
        assert len(found) == len(names)
        begins = share_run(CAMPAIGN, 1).cause
        shares = [one.refund_id for one in self.refunds() if one.cause.startswith(begins)]
        assert lacking == [] or shares == [], (lacking, shares)

    def assert_no_share_beside_a_reward(self) -> None:
        """Decision 0047: as of when the shares were frozen, by what updates had told."""
        book = self.book()
        assert book is not None
        if book.cancellation is None or book.run is None or book.run.as_of is None:
            return
        as_of, begins = book.run.as_of, share_run(CAMPAIGN, 1).cause
        having = self.told.having(as_of.deliveries, as_of.claims)
        shared = {one.pledge_id for one in self.refunds() if one.cause.startswith(begins)}
        assert not having & shared, (having, shared)

    def assert_answered(self) -> None:
        """Whoever waits for a claim's money was told how it ended, by whichever way it came."""
        answered = {one.refund_id for one in self.published()}
        asked = {claim_refund_id(CAMPAIGN, one.claim_id) for one in self.told.claimed}
        assert asked <= {one.refund_id for one in self.refunds()}
        assert asked <= answered

    def assert_reconciled(self) -> None:
        """Both ways: every movement is booked, every entry is on the list, and the list adds up."""
        store, accounts = self.payouts.reconciliation, sorted(self.provider.accounts)
        self.clock.advance(seconds=3_600)
        patience, now = timedelta(seconds=600), self.clock.now()
        while True:
            turn = self.run(reconcile(store, self.provider, patience, now, accounts))
            if turn.caught_up:
                break
        assert turn.open == (), [(one.break_id, one.detail) for one in turn.open]
        unexplained = self.run(unexplained_total(store, self.provider, "EUR"))
        assert unexplained == CASH

    def assert_closes(self) -> None:
        """I7: closed with every account at zero; what can still be refunded keeps a book open."""
        for _ in range(2):
            self.clock.advance(seconds=int(REST.total_seconds()))
            self.let(0, Process.sweep)
        self.check()
        book = self.book()
        assert book is not None
        left = {account: n for account, n in book.balances.items() if n}
        if book.cancellation is None or not book.balances[Account.BACKER_FUNDS]:
            assert (book.life.state, left) == (BookState.CLOSED, {})
        else:
            unclaimed, residue = left.keys() - RESULT, self.residue()
            assert unclaimed == {Account.BACKER_FUNDS, Account.PROVIDER_BALANCE}, left
            assert residue.held <= residue.reachable, residue


def person(data: st.DataObject) -> Person:
    return Person(data.draw(some([*STAFF, *STAFF, CREATOR, "backer-1"])), CREATOR)


def per_intent(attempt_ids: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in attempt_ids:
        intent = name.rpartition("/")[0]
        counts[intent] = counts.get(intent, 0) + 1
    return counts


def stopped_for_a_person() -> float:
    samples = [sample for one in STOPPED_FOR_A_PERSON.collect() for sample in one.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


def _kept(group: str, topic: str) -> Callable[[PayoutsUnit], Awaitable[list[object]]]:
    async def look(unit: PayoutsUnit) -> list[object]:
        return (await unit.plumbing.set_aside.waiting(group, topic, [CAMPAIGN]))[CAMPAIGN]

    return look


async def _work_and_sweep(process: Process) -> None:
    await process.work()
    await process.sweep()


async def _woken(process: Process, left: asyncio.Future[object]) -> None:
    process.units.awake.set()
    process.units.still.clear()
    try:
        await left
    except DependencyAway:
        # A page that waits for another topic; it is read again.
        pass
