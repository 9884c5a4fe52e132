"""What waits is measured, emergencies apart from all else, and nobody hides what waits behind."""

from dataclasses import replace
from datetime import timedelta

from infra.servicekit.tests.costs import Cost, cost_of
from notifier.domain.cause import Cause, CauseKind, CauseState, Told
from notifier.metrics import CAUSES, GAP, OLDEST_INCOMPLETE
from notifier.sweeps import CloseCauses
from servicekit.mongo import Database
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    memory_notifier,
    pledges,
    settle,
    update,
    verdict,
)
from services.notifier.tests.conftest import mongo_notifier


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
