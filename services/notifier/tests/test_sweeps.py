"""What waits is measured, emergencies apart from all else, and nobody hides what waits behind."""

from dataclasses import replace
from datetime import timedelta

from prometheus_client import REGISTRY

from infra.servicekit.tests.costs import Cost, cost_of
from notifier.domain.cause import Cause, CauseKind, CauseState, Told
from notifier.domain.suppression import SuppressionReason
from notifier.metrics import (
    CAUSES,
    DELIVERY_ETA,
    DELIVERY_QUEUE,
    GAP,
    OLDEST_INCOMPLETE,
    SUPPRESSED_ADDRESSES,
)
from notifier.sweeps import CloseCauses, MeasureMail
from servicekit.mongo import Database
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    memory_notifier,
    pledges,
    refunded,
    settle,
    update,
    verdict,
)
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.fakes_email import said
from services.notifier.tests.post import answering, memory_post, person


def oldest(priority: str) -> float:
    return OLDEST_INCOMPLETE.labels(priority)._value.get()


async def test_an_emergency_that_waits_is_seen_beside_everything_else() -> None:
    """Its own gauge is set and falls back to none; usual news never moves it."""
    notifier = memory_notifier()
    await notifier.hear(verdict(as_of=9))
    await notifier.sweep()
    assert (oldest("usual"), oldest("emergency")) == (NOW.timestamp(), 0)
    alarm = update(9, 9, update_id="alarm", kind="emergency")
    await notifier.hear(alarm)
    await notifier.sweep()
    assert (oldest("usual"), oldest("emergency")) == (NOW.timestamp(), NOW.timestamp())
    other = memory_notifier()
    await settle(other)
    assert (oldest("usual"), oldest("emergency")) == (0, 0)


async def test_causes_that_stay_open_hide_none_behind_them(notifier: Notifier) -> None:
    """More than a turn looks at wait for their N; the one that is told behind them is closed.

    All of them are counted, and so is who is missing in the last one of all.
    """
    waiting = [update(9, 9, n, "behind", f"update-{n}") for n in range(1, 5)]
    await notifier.hear(*waiting, *pledges(["anna"], "told"), update(1, 1, campaign="told"))
    await notifier.plan()
    await notifier.publish()
    sweep = CloseCauses(notifier.units, notifier.queries, page=2)
    await reopened(notifier, "update-published/told:update-1", audience=3)
    for _ in range(3):
        assert [cause.state for cause in await notifier.queries.incomplete(9)] == [
            *(4 * [CauseState.WAITING]),
            CauseState.PLANNED,
        ]
        await sweep(NOW)
    assert GAP._value.get() == 2
    assert CAUSES.labels("waiting", "usual")._value.get() == 4
    await reopened(notifier, "update-published/told:update-1", audience=1)
    for _ in range(3):
        await sweep(NOW)
    assert len(await notifier.queries.incomplete(9)) == 4
    assert GAP._value.get() == 0


async def reopened(notifier: Notifier, name: str, audience: int) -> None:
    """Keep the cause as planned for so many, whatever its chunks hold."""
    cause = await notifier.queries.cause(name)
    assert cause is not None
    changed = replace(cause, state=CauseState.PLANNED, audience=audience)
    await notifier.units.run(lambda unit: unit.causes.save([changed]))


async def test_a_turn_reads_the_causes_that_it_looks_at(database: Database) -> None:
    """Out of its index and in its order, however many are completed or stand before them."""
    notifier = mongo_notifier(database)
    states = [*(300 * [CauseState.COMPLETED]), *(400 * [CauseState.PLANNED])]
    told = Told(CauseKind.VERDICT_REACHED, "", CAMPAIGN, NOW)
    causes = [
        Cause(replace(told, subject=f"{n:03}"), 1, None, state, NOW + timedelta(seconds=n))
        for n, state in enumerate(states)
    ]
    await notifier.units.run(lambda unit: unit.causes.save(causes))
    queries = notifier.queries
    cost = await cost_of(database, lambda: queries.incomplete(10, causes[310]))
    # The one that they stand behind is looked at too.
    assert cost == Cost(documents=11, keys=11, returned=10)


async def test_what_waits_to_be_mailed_is_measured_with_its_end() -> None:
    """What is urgent apart from the rest, and how long the account needs; which addresses rest."""
    post = memory_post()
    await post.know(*(person(f"b{number}") for number in range(4)))
    await post.tell([f"b{number}" for number in range(4)])
    await post.notifier.hear(refunded("b0", 1))
    await settle(post.notifier)
    emails = post.notifier.emails
    assert emails is not None
    measure = MeasureMail(post.queries, 2.0, emails.domains)
    await measure(NOW)
    # Its creator is told of a verdict, too.
    assert (queued("urgent"), queued("usual"), eta()) == (1, 5, 3.0)
    gone, full = said(550, "5.1.1"), said(552, "5.2.2")
    post.server.answer = answering({"b1": gone, "b2": full})
    await post.write_all()
    await measure(NOW)
    assert (queued("urgent"), queued("usual"), eta()) == (0, 0, 0)
    resting = {one: SUPPRESSED_ADDRESSES.labels(one)._value.get() for one in SuppressionReason}
    assert resting == {"hard-bounce": 1, "soft-bounce": 1, "complaint": 0}


def eta() -> float:
    return DELIVERY_ETA.labels("email")._value.get()


def queued(lane: str) -> float:
    return DELIVERY_QUEUE.labels("email", lane)._value.get()


async def test_how_long_it_took_to_tell_is_measured_on_each_channel() -> None:
    """From what happened, not from when it was heard: to the inbox, and to the mail server."""
    post = memory_post()
    await post.know(person("b0"))
    before = {channel: took(channel) for channel in ("inbox", "email")}
    post.clock.advance(seconds=7)
    await post.notifier.hear(refunded("b0", 1))
    await settle(post.notifier)
    post.clock.advance(seconds=60)
    happened_at = NOW + timedelta(seconds=1)
    at_the_send = (post.clock.now() - happened_at).total_seconds()
    await post.write_all()
    assert took("inbox") - before["inbox"] == 6
    assert took("email") - before["email"] == at_the_send


def took(channel: str) -> float:
    """Return the seconds that all who were told on a channel waited, summed."""
    name = "sosst_notifier_told_delay_seconds_sum"
    seconds = REGISTRY.get_sample_value(name, {"channel": channel})
    assert seconds is not None
    return seconds
