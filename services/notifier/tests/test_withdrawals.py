"""A reminder whose reason is gone is not told, whichever of the two is heard first (trap 11)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from infra.servicekit.tests.costs import Cost, cost_of
from notifier.consumer import subscriptions
from notifier.domain.audience import TOLD_FOR
from notifier.domain.cause import CauseKind, Withdrawal
from notifier.domain.kind import ANSWERED_ELSEWHERE
from notifier.domain.receipt_question import ReceiptQuestion
from notifier.handlers.retention import ANSWERS_PAGE, ForgetAnswers
from notifier.ports.unit import NotifierUnit
from notifier.wire.heard import withdrawals_from
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.mongo import Database
from servicekit.ordering import Incoming
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    described,
    fact,
    launched,
    read,
    settle_later,
    told_in_roles,
)
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.held import HeldUnits, meet
from sosst_contracts.codec import Record
from sosst_contracts.event import Event
from sosst_contracts.funding import CampaignCancelled, VerdictReached
from sosst_contracts.payouts import MilestoneApproved, MilestoneRejected
from sosst_contracts.registry import REGISTRY
from sosst_contracts.updates import (
    DeliveryNoticeAsked,
    LetterAsked,
    MilestoneSubmitted,
    PlanAsked,
    PlanPublished,
    PromiseDue,
    RecoveryPlanReminderDue,
    SilenceStepReached,
    UpdatePublished,
)

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NOTICE = {"kind": "delivery_notice", "rewards": ["lamp"], "author_id": "suite"}


def owed(sequence: int, reward: str = "lamp", days: float = 0) -> Record:
    return fact(DeliveryNoticeAsked, sequence, reward_id=reward, asked_at=NOW + days * DAY)


def submitted(sequence: int, revision: int = 1, stage: int = 2) -> Record:
    of = {"stage": stage, "revision": revision, "submitted_at": NOW}
    return fact(MilestoneSubmitted, sequence, **of)


WRITTEN = fact(UpdatePublished, 1, **NOTICE, published_at=NOW + MINUTE)
DECIDED = {"stage": 2, "revision": 1}
ENDS = {
    "notice": ([owed(1), owed(2, "lamp-1"), owed(3, days=1)], WRITTEN),
    "approved": (
        [submitted(1, 5), submitted(2, stage=3)],
        fact(MilestoneApproved, 1, **DECIDED, approved_at=NOW + MINUTE),
    ),
    "rejected": (
        [submitted(1), submitted(2, 11)],
        fact(MilestoneRejected, 1, **DECIDED, rejected_at=NOW + MINUTE),
    ),
}


@pytest.mark.trap(11)
@pytest.mark.parametrize(("asked", "end"), ENDS.values(), ids=ENDS)
async def test_an_end_that_is_heard_first_withdraws_what_is_asked_behind_it(
    notifier: Notifier, asked: list[Record], end: Record
) -> None:
    """Nobody is told; of another reward, another revision, or once more a day later, they are."""
    await notifier.hear(launched(), described("carol", roles=["staff"]), end)
    await settle_later(notifier)
    before = told_in_roles(notifier)
    first, *others = asked
    for _ in range(2):
        await notifier.hear(first)
        await settle_later(notifier)
    assert told_in_roles(notifier) == before
    await notifier.hear(*others)
    await settle_later(notifier)
    new = told_in_roles(notifier)[:]
    for one in before:
        new.remove(one)
    assert [who for _, _, who in new] == ["carol"] * len(others)
    shown = await notifier.queries.inbox("carol", None, 9)
    assert not any(entry.chunk.reason_gone for entry in shown)


OWED = [
    fact(PlanAsked, 1, asked_at=NOW),
    fact(PromiseDue, 2, due_at=NOW),
    fact(SilenceStepReached, 1, step="creator_reminded", reached_at=NOW),
    fact(RecoveryPlanReminderDue, 2, update_id="u", reminded_at=NOW),
]
LETTER = fact(LetterAsked, 3, kind="failure_letter", asked_at=NOW)
ENDINGS = {
    "missed": fact(VerdictReached, 2, verdict="goal_missed", reached_at=NOW + MINUTE),
    "cancelled": fact(CampaignCancelled, 2, cancelled_at=NOW + MINUTE),
}


@pytest.mark.trap(11)
@pytest.mark.parametrize("end_first", [False, True], ids=["questions first", "end first"])
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
async def test_who_has_no_goal_owes_no_more_than_a_letter(
    notifier: Notifier, end: Record, end_first: bool
) -> None:
    """Of plans, promises and silence of before the end the creator is told nothing any more."""
    await notifier.hear(launched())
    questions = [*OWED, LETTER]
    for facts in ([end], questions) if end_first else (questions, [end]):
        await notifier.hear(*facts)
    await settle_later(notifier)
    shown = [entry.chunk.told for entry in await notifier.queries.inbox("carol", None, 9)]
    owed_still = {one.kind.value for one in shown} - {"verdict-reached", "campaign-cancelled"}
    assert owed_still == {"letter-asked"}


async def test_a_met_goal_leaves_what_its_creator_owes(notifier: Notifier) -> None:
    """It is what plans are asked for by."""
    met = fact(VerdictReached, 2, verdict="goal_met", reached_at=NOW + MINUTE)
    await notifier.hear(launched(), met)
    await notifier.hear(*OWED)
    await settle_later(notifier)
    shown = [entry.chunk for entry in await notifier.queries.inbox("carol", None, 9)]
    assert len(shown) == len(OWED) and not any(one.reason_gone for one in shown)


async def hear_held(notifier: Notifier, units: HeldUnits, record: Record) -> None:
    """Hear one record in a transaction that stays open until it may go on."""
    [mine] = [
        one
        for one in subscriptions(notifier.clock, notifier.partitions)
        if one.topic == record.topic
    ]
    consumer = BatchConsumer(mine, units, notifier.clock, Pulse("test"))
    await consumer.process([Incoming(record, 0, 0)])


@pytest.mark.trap(11)
@pytest.mark.parametrize("end_first", [False, True], ids=["question first", "end first"])
async def test_an_end_and_a_question_of_one_moment_tell_nobody(
    database: Database, end_first: bool
) -> None:
    """Two consumers hear them in transactions that overlap: one of them is done again."""
    notifier = mongo_notifier(database)
    await notifier.hear(launched())
    held = HeldUnits(notifier.units)
    one, other = (WRITTEN, owed(1)) if end_first else (owed(1), WRITTEN)
    await meet(held, hear_held(notifier, held, one), notifier.hear(other))
    await settle_later(notifier)
    assert await notifier.queries.inbox("carol", None, 5) == []


def test_what_is_answered_on_another_topic_is_known_here() -> None:
    """Of every event that withdraws: whose reminders come on another topic stands in the table."""
    topics = {event_type.name: event_type.topic for event_type in REGISTRY.event_types}
    elsewhere, here = set(), set()
    facts = [read(event_type) for event_type in REGISTRY.event_types]
    letters = {"kind": "failure_letter"}, {"kind": "recovery_plan", "answers": "u"}, NOTICE
    said: list[tuple[type[Event], dict[str, object]]] = [(UpdatePublished, one) for one in letters]
    said += [(PlanPublished, {"rewards_missing": 0}), (VerdictReached, {"verdict": "goal_missed"})]
    for event_type, words in said:
        decoded = read(event_type)
        facts.append(replace(decoded, event=decoded.event.model_copy(update=words)))
    for one in facts:
        for gone in withdrawals_from(one):
            same = topics[gone.kind.value] == one.event.topic
            assert gone.elsewhere is not same, gone
            (here if same else elsewhere).add(gone.kind)
    assert elsewhere == ANSWERED_ELSEWHERE
    assert len(here) > 5


def gone(about: str, days: float, campaign: str = CAMPAIGN) -> Withdrawal:
    kind = CauseKind.DELIVERY_NOTICE_ASKED
    return Withdrawal(kind, campaign, f"{campaign}:{about}-", NOW + days * DAY, numbers=1)


async def kept(notifier: Notifier, *campaigns: str) -> list[Withdrawal]:
    kind = CauseKind.DELIVERY_NOTICE_ASKED

    async def read_all(unit: NotifierUnit) -> list[Withdrawal]:
        return await unit.withdrawals.of([(one, kind) for one in campaigns])

    found = await notifier.units.run(read_all)
    return sorted(found, key=lambda one: one.about)


@pytest.mark.port
async def test_the_latest_of_several_ends_holds(notifier: Notifier) -> None:
    """However they come; of other campaigns and kinds none is found, nor where none was kept."""
    other = replace(gone("lamp", 9), kind=CauseKind.MILESTONE_SUBMITTED)
    for some in ([gone("lamp", 2), gone("book", 1)], [gone("lamp", 1), gone("book", 3)], []):
        await notifier.units.run(lambda unit, some=some: unit.withdrawals.keep(some))
    await notifier.units.run(lambda u: u.withdrawals.keep([other, gone("lamp", 5, "campaign-2")]))
    assert await kept(notifier, CAMPAIGN) == [gone("book", 3), gone("lamp", 2)]
    assert await kept(notifier) == await kept(notifier, "campaign-3") == []


async def test_an_end_is_kept_for_as_long_as_what_it_ends_may_be_told(notifier: Notifier) -> None:
    """Then it is forgotten, page by page: a reminder of before it is too old."""
    many = [gone(f"r{number}", 0) for number in range(ANSWERS_PAGE)]
    await notifier.units.run(lambda u: u.withdrawals.keep([*many, gone("lamp", 0), gone("z", 1)]))
    forget = ForgetAnswers(notifier.units, 2 * TOLD_FOR)
    assert await forget(NOW + TOLD_FOR) == 0
    after = NOW + TOLD_FOR + timedelta(milliseconds=1)
    assert [await forget(after) for _ in range(3)] == [ANSWERS_PAGE, 1, 0]
    assert await kept(notifier, CAMPAIGN) == [gone("z", 1)]


async def test_a_sweep_and_a_question_read_no_other_ends(database: Database) -> None:
    """Of a thousand that others may still need neither reads one."""
    notifier = mongo_notifier(database)
    many = [gone(f"r{number}", 0, "campaign-2") for number in range(1_000)]
    over = {ReceiptQuestion(CAMPAIGN, "lamp", f"b-{number}"): NOW for number in range(1_000)}
    await notifier.units.run(lambda unit: unit.withdrawals.keep(many))
    await notifier.units.run(lambda unit: unit.receipt_questions.keep(over))
    for read_some in (
        lambda: ForgetAnswers(notifier.units, TOLD_FOR)(NOW),
        lambda: kept(notifier, CAMPAIGN),
    ):
        assert await cost_of(database, read_some) == Cost(documents=0, keys=0, returned=0)
