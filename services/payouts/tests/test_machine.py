"""Random histories of a campaign's money over the real handlers: thousands of steps, no unit lost.

The same histories in every run of `make test`, others in `make explore`.
`SOSST_MACHINE_EXAMPLES` and `SOSST_MACHINE_STEPS` draw others and more of them, for a night,
`SOSST_MACHINE_REAL_EXAMPLES` others and more on real Kafka and MongoDB.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from infra.kafka import ensure_topics, read_topics
from payouts import wire
from payouts.adapters.ledger_topic import KafkaLedgerTopic
from payouts.adapters.schema import SCHEMA
from payouts.domain import closing, gate, owed, postings, refund_outcome
from payouts.domain import holds as domain_holds
from payouts.domain.claim_money import ClaimMoney
from payouts.domain.postings import Payer
from payouts.domain.refund import RefundKind, RefundState
from payouts.handlers import adjustments, claim_money, holds, posting, rewards
from payouts.handlers.refund_requests import Person
from payouts.handlers.verify_ledger import verify_ledger
from payouts.handlers.work_kinds import claim_work
from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.mongo import Database
from servicekit.ordering import Incoming
from servicekit.publish import KafkaPublisher
from servicekit.relay import Relay
from servicekit.schema import migrate
from servicekit.topic_reader import TopicReader
from services.payouts.tests.conftest import Payouts, mongo_payouts
from services.payouts.tests.machine import ANSWERS, STAFF, TOPICS, Machine
from services.payouts.tests.told import CREATOR, MET, MISSED, Backed, Post
from sosst_contracts.codec import Decoded, decode
from sosst_contracts.event import Event

EXAMPLES = int(os.environ.get("SOSST_MACHINE_EXAMPLES", "80"))
STEPS = int(os.environ.get("SOSST_MACHINE_STEPS", "40"))
BOUNDS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize="SOSST_MACHINE_EXAMPLES" not in os.environ and settings().derandomize,
    suppress_health_check=list(HealthCheck),
)
REAL_EXAMPLES = int(os.environ.get("SOSST_MACHINE_REAL_EXAMPLES", "3"))
ON_REAL_PARTS = settings(
    BOUNDS,
    max_examples=REAL_EXAMPLES,
    stateful_step_count=20,
    derandomize="SOSST_MACHINE_REAL_EXAMPLES" not in os.environ and settings().derandomize,
    phases=[Phase.generate],
)
PLANTED = settings(BOUNDS, max_examples=300, database=None, phases=[Phase.generate])

# A night is longer than what one test may take.
LONG = {"SOSST_MACHINE_EXAMPLES", "SOSST_MACHINE_REAL_EXAMPLES"} & os.environ.keys()
pytestmark = [pytest.mark.timeout(0)] if LONG else []
OWN_TOPICS = ("payouts.refunds", "payouts.stages", "payouts.disputes", wire.LEDGER_TOPIC)
REFUNDS_TOPIC = OWN_TOPICS[0]

TestMachine = Machine.TestCase
TestMachine.settings = BOUNDS


class OnRealParts(Machine):
    """Facts come through Kafka and are kept in MongoDB, what is told of them goes out the same way.

    Each history has a database and topics of its own. The clock, the provider and the processes'
    fates are the machine's: at what pace real loops read and work would be another history.
    """

    mongodb_uri: ClassVar[str]
    connection: ClassVar[KafkaConnection]
    database_name: ClassVar[str]
    numbers: ClassVar[Iterator[int]]

    def make(self) -> Payouts:
        return self.runner.run(self.connected())

    async def connected(self) -> Payouts:
        name = f"{self.database_name}-{next(self.numbers)}"
        self.database = Database.connect(self.mongodb_uri, name, "payouts-machine")
        await migrate(self.database, SCHEMA)
        self.kafka = replace(self.connection, topic_prefix=f"{name}-")
        needed = [
            replace(one, partitions=1)
            for one in read_topics()
            if one.name in {*TOPICS, *OWN_TOPICS}
        ]
        await ensure_topics(self.kafka.bootstrap_servers, needed, self.kafka.topic_prefix)
        self.publisher = KafkaPublisher(self.kafka)
        self.told_up_to = dict.fromkeys(TOPICS, 0)
        payouts = mongo_payouts(self.database)
        self.relay = Relay(payouts.outbox, self.publisher)
        return payouts

    def records(self, topic: str) -> list[Incoming]:
        """Let others publish what they have told since, and read the topic from its beginning."""
        told = self.told.topic(topic)
        new = [one.record for one in told[self.told_up_to[topic] :]]
        assert all(self.run(self.publisher.publish(new)))
        self.told_up_to[topic] = len(told)
        found = self.run(self.read_topic(topic))
        assert [one.record.value for one in found] == [one.record.value for one in told]
        return found

    async def read_topic(self, topic: str) -> list[Incoming]:
        reader = TopicReader(self.kafka, topic)
        return [one async for page in reader.read({}) for one in page]

    def published(self) -> list[Event]:
        read = [decode(one.record) for one in self.run(self.read_topic(REFUNDS_TOPIC))]
        facts = [one.event for one in read if isinstance(one, Decoded)]
        return [one for one in facts if one.name in ANSWERS]

    @invariant()
    def what_is_told_is_what_is_kept(self) -> None:
        """Every block is on the topic of the ledger, whoever made it stand still or died."""
        while self.run(self.relay.relay_page()):
            pass
        ledger = KafkaLedgerTopic(self.kafka, wire.LEDGER_TOPIC)
        proof = self.run(verify_ledger(self.payouts.queries, ledger, None))
        assert (proof.findings, proof.waiting) == ([], 0)

    def finish(self) -> None:
        super().finish()
        self.what_is_told_is_what_is_kept()

    def assert_answered(self) -> None:
        self.what_is_told_is_what_is_kept()
        super().assert_answered()

    async def let_go(self) -> None:
        await super().let_go()
        await self.publisher.close()
        await self.database.drop()
        self.database.close()


@pytest.mark.long
def test_the_same_histories_on_kafka_and_mongodb(
    mongodb_uri: str, kafka_bootstrap_servers: str, database_name: str
) -> None:
    """Fewer and shorter ones; books are closed to zero, and proven on the topic of the ledger."""

    class Here(OnRealParts):
        pass

    Here.mongodb_uri, Here.database_name = mongodb_uri, database_name
    Here.connection = KafkaConnection(kafka_bootstrap_servers, "payouts-machine")
    Here.numbers, Here.taken = count(), {}
    run_state_machine_as_test(Here, settings=ON_REAL_PARTS)
    assert Here.taken


def forget_the_reserve(patched: pytest.MonkeyPatch) -> None:
    """A won chargeback gives nothing back to the backers."""
    won = postings.dispute_won
    patched.setattr(postings, "dispute_won", lambda amount, _, txn: won(amount, 0, txn))


def forget_what_came_back(patched: pytest.MonkeyPatch) -> None:
    """A refund that comes back is not owed again."""
    patched.setattr(refund_outcome, "_cash_back", lambda decision, _: decision)


@pytest.mark.parametrize("plant", [forget_the_reserve, forget_what_came_back])
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that finds nothing wrong where something is would prove nothing."""
    plant(monkeypatch)
    with pytest.raises(BaseException) as found:  # noqa: PT011
        run_state_machine_as_test(Machine, settings=PLANTED)
    assert not isinstance(found.value, KeyboardInterrupt)


def forget_the_holds(patched: pytest.MonkeyPatch) -> None:
    """A stage is paid as if nobody held it."""
    patched.setattr(holds, "_is_holdable", lambda _: False)
    patched.setattr(gate, "open_holds", lambda *_: ())


def forget_the_plan(patched: pytest.MonkeyPatch) -> None:
    """Staff may lift the hold of an emergency that nothing has answered."""
    patched.setattr(domain_holds, "waits_for_plan", lambda _: False)


def forget_to_hold(patched: pytest.MonkeyPatch) -> None:
    """A stage stands still, and its campaign's book knows of no hold."""
    patched.setattr(holds, "place", lambda known, _: known)


@pytest.mark.parametrize("plant", [None, forget_the_holds, forget_the_plan, forget_to_hold])
def test_what_leaves_under_a_hold_is_found(
    plant: Callable[[pytest.MonkeyPatch], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one short history: too rare in random ones to look for it in each run."""
    if plant:
        plant(monkeypatch)
    with Machine.of(MET, Post.EMERGENCY) as machine:
        machine.read_everything()
        with nullcontext() if plant is None else pytest.raises(AssertionError):
            machine.check()
            machine.bring_stages_on()
            machine.release("emergency:1")
            machine.check()


def test_an_emergency_that_is_read_before_the_launch_is_let_go_of_and_read_again() -> None:
    """The history went on for ever where its consumer waited in place for another one."""
    with Machine.of(MET, Post.EMERGENCY) as machine:
        emergency = machine.records(wire.POSTS_TOPIC)
        with pytest.raises(DependencyAway, match="is not read yet"):
            machine.let(0, lambda process: process.read(wire.POSTS_TOPIC, emergency))
        assert machine.book() is None
        machine.read_everything()
        machine.check()
        assert machine.holding() == ["emergency:1"]


def forget_the_end(patched: pytest.MonkeyPatch) -> None:
    """Who paid after the cancellation, and was heard of before it, has a share."""
    patched.setattr(owed, "came_after_the_end", lambda *_: False)


@pytest.mark.trap(19)
@pytest.mark.parametrize("plant", [None, forget_the_end])
def test_a_share_of_what_was_paid_behind_the_end_is_found(
    plant: Callable[[pytest.MonkeyPatch], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pledges are read before the cancellation, which they came after."""
    if plant:
        plant(monkeypatch)
    with Machine.of(MET) as machine:
        machine.read_everything()
        machine.bring_stages_on()
        machine.told.cancel_after_all()
        machine.told.collect(Backed(2, 700), "late")
        machine.read_everything()
        with nullcontext() if plant is None else pytest.raises(AssertionError):
            machine.finish()


def forget_to_answer(patched: pytest.MonkeyPatch) -> None:
    """A claim's money that is refused is refused in silence."""
    refused = claim_money.refuse
    patched.setattr(claim_money, "refuse", lambda *about: replace(refused(*about), facts=()))


def forget_the_claim(patched: pytest.MonkeyPatch) -> None:
    """What a claim asks for is heard and offered to nobody."""
    patched.setattr(claim_money, "claim_work", lambda *about: claim_work("", *about[1:]))


@pytest.mark.row("S12")
@pytest.mark.parametrize("plant", [None, forget_to_answer, forget_the_claim])
def test_a_claim_that_nobody_answers_is_found(
    plant: Callable[[pytest.MonkeyPatch], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is given, one is more than a pledge may be given, and both are told."""
    if plant:
        plant(monkeypatch)
    with Machine.of(MET) as machine:
        for name, amount in (("given", 500), ("too much", 30_000)):
            about = (RefundKind.COMPENSATION, amount, Payer.CAMPAIGN, "quality")
            machine.told.claim(ClaimMoney(name, "pledge-1", *about), "backer-1", CREATOR)
        machine.read_everything()
        machine.turns(4)
        machine.check()
        with nullcontext() if plant is None else pytest.raises(AssertionError):
            machine.assert_answered()
        states = sorted(one.state for one in machine.refunds())
        assert plant is not None or states == [RefundState.REFUSED, RefundState.SUCCEEDED]


def forget_what_the_platform_paid(patched: pytest.MonkeyPatch) -> None:
    """Nothing of what is left is the platform's, so nobody can take it back."""
    residue_of = adjustments.residue_of
    patched.setattr(adjustments, "residue_of", lambda *a, **k: replace(residue_of(*a, **k), paid=0))


@pytest.mark.parametrize("plant", [None, forget_what_the_platform_paid])
def test_money_that_no_claim_reaches_is_found(
    plant: Callable[[pytest.MonkeyPatch], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compensation by the platform, then a cancellation: two people close the book (0051)."""
    if plant:
        plant(monkeypatch)
    about = (RefundKind.COMPENSATION, 500, Payer.PLATFORM, "quality")
    with Machine.of(MET) as machine:
        machine.told.claim(ClaimMoney("given", "pledge-1", *about), "backer-1", STAFF[0])
        machine.read_everything()
        machine.turns(4)
        (refund,) = machine.refunds()
        machine.decide_refund(refund, "approve", Person(STAFF[1], CREATOR), again=True)
        machine.turns(4)
        machine.told.cancel_after_all()
        with nullcontext() if plant is None else pytest.raises(AssertionError):
            machine.finish()


def forget_to_close(patched: pytest.MonkeyPatch) -> None:
    """A book is called closed, and row 23 is never posted."""
    patched.setattr(closing.postings, "close", lambda *_: None)


def never_over(patched: pytest.MonkeyPatch) -> None:
    """Something always keeps a book open."""
    patched.setattr(closing, "outstanding", lambda _: ["a doubt"])


@pytest.mark.parametrize("plant", [None, forget_to_close, never_over])
def test_a_book_that_is_not_closed_to_zero_is_found(
    plant: Callable[[pytest.MonkeyPatch], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: by what production closes books with; a missed goal, all is returned."""
    if plant:
        plant(monkeypatch)
    found = nullcontext() if plant is None else pytest.raises(AssertionError)
    with Machine.of(MISSED) as machine, found:
        machine.finish()


def forget_what_was_settled(patched: pytest.MonkeyPatch) -> None:
    """A closed book is opened again without its incomes and costs."""
    patched.setattr(posting, "with_closing_undone", lambda _, made: list(made))


@pytest.mark.trap(3)
@pytest.mark.parametrize("plant", [None, forget_what_was_settled])
def test_a_cost_that_is_none_after_the_end_is_found(
    plant: Callable[[pytest.MonkeyPatch], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compensation by the platform comes back to a closed book, and a bank takes its pledge."""
    if plant:
        plant(monkeypatch)
    with Machine.of(MET) as machine:
        machine.read_everything()
        machine.compensate_by_the_platform()
        for _ in range(3):
            machine.bring_stages_on()
        machine.assert_closes()
        (refund,) = machine.refunds(RefundState.SUCCEEDED)
        machine.provider.fail_later(refund)
        machine.provider.dispute(refund.payment_reference, 5_000)
        with nullcontext() if plant is None else pytest.raises(AssertionError):
            machine.finish()


def forget_the_rewards(patched: pytest.MonkeyPatch) -> None:
    """Who has the reward has a share like anybody."""
    patched.setattr(rewards, "settled_pledges", lambda *_: frozenset())


@pytest.mark.row("S9")
@pytest.mark.parametrize("plant", [None, forget_the_rewards])
def test_a_share_beside_a_reward_is_found(
    plant: Callable[[pytest.MonkeyPatch], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reward arrives, and the campaign is cancelled after its first stage."""
    if plant:
        plant(monkeypatch)
    found = nullcontext() if plant is None else pytest.raises(AssertionError)
    with Machine.of(MET) as machine, found:
        machine.read_everything()
        machine.bring_stages_on()
        machine.told.deliver(1, arrives=True)
        machine.told.cancel_after_all()
        machine.finish()
