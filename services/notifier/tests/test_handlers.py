"""What handlers do with facts that repeat, run ahead, or meet a crash; over working fakes."""

import pytest

from notifier.domain.cause import CauseState, audience_so_far
from servicekit.clock import ManualClock
from servicekit.memory import MemoryDatabase
from servicekit.publish import MemoryLog
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    collected,
    events_of,
    memory_notifier,
    pledges,
    records_of,
    refunded,
    settle,
    update,
    verdict,
    withdrawn,
)
from services.notifier.tests.fakes import Crashed, MemoryAudience
from sosst_contracts.notifier import BackerNotified, NoticeCompleted, NoticePlanned

BACKERS = [f"backer-{number:02}" for number in range(20)]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(24)


@pytest.fixture
def notifier(log: MemoryLog) -> Notifier:
    return memory_notifier(log=log)


def told(log: MemoryLog) -> list[tuple[str, str]]:
    """Return (cause, recipient) of every event on the topic, repeats included."""
    events = events_of(log)
    return [(e.cause, e.recipient_id) for e in events if isinstance(e, BackerNotified)]


async def state_of(notifier: Notifier, name: str) -> CauseState:
    cause = await notifier.queries.cause(name)
    assert cause is not None
    return cause.state


@pytest.mark.row("S4")
async def test_whoever_withdrew_before_the_verdict_is_not_told_it(
    notifier: Notifier, log: MemoryLog
) -> None:
    """The audience as of N: a withdrawal behind it changes nothing."""
    left = [withdrawn(21, BACKERS[0], "pledge-1"), withdrawn(22, BACKERS[1], "pledge-2")]
    await notifier.hear(*pledges(BACKERS), *left, verdict(as_of=21))
    await settle(notifier)
    assert sorted(who for _, who in told(log)) == BACKERS[1:]
    planned, _ = await notifier.facts()
    assert isinstance(planned, NoticePlanned) and planned.audience == 19


@pytest.mark.row("S4")
async def test_verdict_is_told_to_every_backer(notifier: Notifier, log: MemoryLog) -> None:
    """Each backer gets one event, and the cause closes with figures that agree."""
    await notifier.hear(*pledges(BACKERS), verdict(as_of=20))
    await settle(notifier)
    assert sorted(told(log)) == [(f"verdict-reached/{CAMPAIGN}", backer) for backer in BACKERS]
    planned, completed = await notifier.facts()
    assert isinstance(planned, NoticePlanned) and planned.audience == 20
    assert isinstance(completed, NoticeCompleted)
    assert (completed.delivered, completed.suppressed, completed.failed) == (20, 0, 0)


@pytest.mark.row("S4")
async def test_update_is_told_as_of_its_sequence(notifier: Notifier, log: MemoryLog) -> None:
    """Who joined after the update's N is not in its audience."""
    await notifier.hear(*pledges(BACKERS), update(as_of=5, count=5))
    await settle(notifier)
    assert sorted(backer for _, backer in told(log)) == BACKERS[:5]


async def test_backer_of_two_pledges_is_told_once(notifier: Notifier, log: MemoryLog) -> None:
    """Two pledges of one person are one recipient."""
    await notifier.hear(*pledges(["b", "a", "b"]), verdict(as_of=3))
    await settle(notifier)
    assert sorted(backer for _, backer in told(log)) == ["a", "b"]


async def test_verdict_before_the_pledges_waits(notifier: Notifier, log: MemoryLog) -> None:
    """A verdict heard first is not told until our own view has reached its N."""
    facts = pledges(BACKERS)
    await notifier.hear(verdict(as_of=20))
    await notifier.hear(*facts[:19])
    await notifier.plan()
    assert await notifier.publish() is False
    assert await state_of(notifier, f"verdict-reached/{CAMPAIGN}") is CauseState.WAITING
    assert told(log) == []
    await notifier.hear(facts[19])
    await settle(notifier)
    assert len(told(log)) == 20


async def test_gap_in_the_pledges_is_never_guessed_over(notifier: Notifier) -> None:
    """With pledge 10 missing the view stands at 9, however many came after it."""
    facts = pledges(BACKERS)
    await notifier.hear(*facts[:9], *facts[10:], verdict(as_of=20))
    await notifier.plan()
    assert await state_of(notifier, f"verdict-reached/{CAMPAIGN}") is CauseState.WAITING
    await notifier.hear(facts[9])
    await settle(notifier)
    assert await state_of(notifier, f"verdict-reached/{CAMPAIGN}") is CauseState.COMPLETED


async def test_doubled_facts_tell_nobody_twice(notifier: Notifier, log: MemoryLog) -> None:
    """Everything delivered twice, in one batch and in two, makes one event per backer."""
    facts = [*pledges(BACKERS), verdict(as_of=20), refunded("backer-01", 1)]
    await notifier.hear(*facts, *facts)
    await notifier.hear(*facts)
    await settle(notifier)
    assert len(told(log)) == len(set(told(log))) == 21


@pytest.mark.trap(10)
async def test_republished_cause_tells_nobody_again(notifier: Notifier, log: MemoryLog) -> None:
    """The same causes under new sequences are known by their names."""
    await notifier.hear(*pledges(BACKERS), verdict(20), update(20, 20), refunded("backer-01", 1))
    await settle(notifier)
    before = told(log)
    again = refunded("backer-01", 2, refund="refund-1")
    await notifier.hear(verdict(20, sequence=2), update(20, 20, sequence=2), again)
    await settle(notifier)
    assert told(log) == before


async def test_refund_is_told_to_one_person(notifier: Notifier, log: MemoryLog) -> None:
    """A refund's end needs no plan and reaches its backer alone."""
    await notifier.hear(refunded("backer-07", 1), refunded("backer-08", 2))
    await settle(notifier)
    assert sorted(told(log)) == [
        ("refund-succeeded/refund-1", "backer-07"),
        ("refund-succeeded/refund-2", "backer-08"),
    ]
    assert await notifier.facts() == []


async def test_contradicting_count_is_told_all_the_same(notifier: Notifier, log: MemoryLog) -> None:
    """A maker that counted another audience is logged; our backers are told."""
    await notifier.hear(*pledges(BACKERS), update(as_of=20, count=19))
    await settle(notifier)
    assert len(told(log)) == 20
    [cause] = await notifier.queries.causes(CAMPAIGN)
    assert cause.contradicts


async def test_empty_audience_completes(notifier: Notifier, log: MemoryLog) -> None:
    """A campaign without backers has a complete notice with nobody in it."""
    await notifier.hear(verdict(as_of=0))
    await settle(notifier)
    assert told(log) == []
    assert await state_of(notifier, f"verdict-reached/{CAMPAIGN}") is CauseState.COMPLETED


async def test_waiting_cause_keeps_no_other_waiting(notifier: Notifier, log: MemoryLog) -> None:
    """A campaign whose pledges are missing does not hold up another campaign's notices."""
    other = "campaign-2"
    stuck = verdict(as_of=9)
    await notifier.hear(stuck, *pledges(["b"], other), verdict(1, campaign=other))
    for _ in range(3):
        await notifier.plan()
        await notifier.publish()
    assert told(log) == [(f"verdict-reached/{other}", "b")]


@pytest.mark.trap(24)
@pytest.mark.parametrize("stored", [0, 1, 2, 3])
async def test_crash_between_two_chunks(stored: int) -> None:
    """A plan that died after any number of chunks is made again and loses nobody."""
    database, clock, log = MemoryDatabase(), ManualClock(NOW), MemoryLog(24)
    dying = memory_notifier(database, clock, log)
    assert isinstance(dying.audience, MemoryAudience)
    dying.audience.chunks_until_crash = stored
    await dying.hear(*pledges(BACKERS), verdict(as_of=20))
    with pytest.raises(Crashed):
        await dying.plan()
    # Between the two plans somebody joins: as of N, the boundaries must not move.
    await dying.hear(collected(21, "backer-00a"))
    clock.advance(seconds=dying.lease_seconds + 1)
    await settle(memory_notifier(database, clock, log))
    assert sorted(backer for _, backer in told(log)) == BACKERS


@pytest.mark.trap(24)
async def test_the_first_page_is_told_while_the_rest_is_cut() -> None:
    """What adds up meanwhile adds up as far as the plan is; a new plan tells nobody again."""
    database, clock, log = MemoryDatabase(), ManualClock(NOW), MemoryLog(24)
    processes = [memory_notifier(database, clock, log) for _ in range(2)]
    dying, other = processes
    for process in processes:
        process.recipients_max, process.chunks_page = 2, 2
    assert isinstance(dying.audience, MemoryAudience)
    dying.audience.chunks_until_crash = 4
    await dying.hear(*pledges(BACKERS), verdict(as_of=20))
    with pytest.raises(Crashed):
        await dying.plan()
    while await other.publish():
        await other.sweep()
    [cause] = await other.queries.incomplete(1)
    totals = await other.queries.totals(cause.name)
    assert cause.state is CauseState.WAITING and totals.delivered == len(told(log)) > 0
    assert totals.gap(audience_so_far(cause, totals)) == 0
    clock.advance(seconds=dying.lease_seconds + 1)
    await settle(other)
    assert sorted(backer for _, backer in told(log)) == BACKERS
    planned, completed = await other.facts()
    assert isinstance(planned, NoticePlanned) and planned.audience == 20
    assert isinstance(completed, NoticeCompleted) and completed.delivered == 20


async def test_crash_after_sending(notifier: Notifier, log: MemoryLog) -> None:
    """Events that were sent and not noted are sent again with the ids they had."""
    await notifier.hear(*pledges(BACKERS), verdict(as_of=20))
    await notifier.plan()
    # A holder takes a chunk, sends it, and dies before it notes that.
    [claim] = await notifier.queue.claim("publish-chunk", NOW, 1, 10)
    chunk = await notifier.queries.chunk(claim.item.payload["chunk_id"])
    assert chunk is not None
    sent = records_of(chunk)
    await log.publish(sent)
    await settle(notifier)
    repeated = [record for record in log.records if log.records.count(record) == 2]
    assert sorted(r.value or b"" for r in repeated) == sorted([r.value or b"" for r in sent] * 2)
    assert {backer for _, backer in told(log)} == set(BACKERS)


async def test_broker_away(notifier: Notifier, log: MemoryLog) -> None:
    """Nothing counts as told while the broker is silent; everybody is told when it is back."""
    await notifier.hear(*pledges(BACKERS), verdict(as_of=20))
    await notifier.plan()
    log.away = True
    assert await notifier.publish() is False
    totals = await notifier.queries.totals(f"verdict-reached/{CAMPAIGN}")
    assert (totals.delivered, totals.pending) == (0, 20)
    log.away = False
    await settle(notifier)
    assert len(told(log)) == 20


async def test_two_processes(log: MemoryLog) -> None:
    """Two processes on one database tell each backer once and close each cause once."""
    database, clock = MemoryDatabase(), ManualClock(NOW)
    first, second = (memory_notifier(database, clock, log) for _ in range(2))
    await first.hear(*pledges(BACKERS), verdict(as_of=20), update(20, 20))
    for _ in range(10):
        await first.plan()
        await second.plan()
        await second.publish()
        await first.publish()
        await first.sweep()
        await second.sweep()
    assert len(told(log)) == len(set(told(log))) == 40
    facts = await first.facts()
    assert sum(isinstance(fact, NoticePlanned) for fact in facts) == 2
    assert sum(isinstance(fact, NoticeCompleted) for fact in facts) == 2


async def test_money_goes_before_news(notifier: Notifier, log: MemoryLog) -> None:
    """With one chunk per send, who got money back is told before the campaign's news."""
    await notifier.hear(*pledges(["a"]), verdict(1), refunded("z", 1))
    await notifier.plan()
    queued = [await notifier.queue.claim(k, NOW, 5, 1) for k in ("publish-one", "publish-chunk")]
    assert queued[0][0].item.priority < queued[1][0].item.priority


async def test_sweep_closes_what_a_crash_left_open(notifier: Notifier, log: MemoryLog) -> None:
    """A cause whose last chunk was noted but which nobody closed is closed by the sweep, once."""
    await notifier.hear(*pledges(BACKERS), verdict(as_of=20))
    await notifier.plan()
    claims = await notifier.queue.claim("publish-chunk", NOW, 100, 10)
    ids = [claim.item.payload["chunk_id"] for claim in claims]
    await notifier.units.run(lambda unit: unit.chunks.done(ids, NOW))
    for _ in range(2):
        await notifier.sweep()
    assert [type(fact) for fact in await notifier.facts()] == [NoticePlanned, NoticeCompleted]
