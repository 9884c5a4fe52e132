"""All work is somebody's: every kind is performed, every look has its time, people come first."""

import inspect
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any
from unittest.mock import MagicMock

import pytest

from infra.sandbox.issuer.testing import unit_guard
from payouts import sweeps
from payouts.domain.acts import Act, ActKind
from payouts.domain.book import Outcome
from payouts.handlers import work_kinds
from payouts.handlers.work_kinds import REFUND, STAGE, refund_work
from payouts.settings import PayoutsSettings
from payouts.timetable import timetable
from payouts.workers import add_workers
from servicekit.clock import ManualClock
from servicekit.dispatch import Dispatcher, Lane
from servicekit.kafka import KafkaConnection
from servicekit.loops import Loop
from servicekit.pace import Pace
from servicekit.work import Claim, WorkItem
from services.payouts.tests.conftest import Payouts, memory_payouts

SETTINGS = PayoutsSettings.model_construct(seller=None, claim_link_secrets="")
PER_SECOND = 80.0


@dataclass
class Recorded:
    """What the service adds to its runtime, which runs none of it."""

    payouts: Payouts
    workers: dict[str, Lane | None] = field(default_factory=dict)
    dispatchers: list[Dispatcher] = field(default_factory=list)
    connection: KafkaConnection = field(default_factory=lambda: KafkaConnection("127.0.0.1:1", "x"))

    @property
    def units(self) -> Any:
        return self.payouts.units

    @property
    def clock(self) -> ManualClock:
        return self.payouts.clock

    @property
    def work(self) -> Any:
        return self.payouts.work

    def worker(
        self,
        kind: str,
        perform: Callable[[Claim], Awaitable[None]],
        *,
        concurrency: int,
        lease_seconds: float,
        lane: Lane | None = None,
    ) -> None:
        assert kind not in self.workers and concurrency > 0 and lease_seconds > 0
        self.workers[kind] = lane

    def loop(self, role: str, loop: Loop) -> None:
        self.dispatchers.append(loop.run.__self__)  # type: ignore[attr-defined]


@pytest.fixture
def recorded() -> Recorded:
    payouts = memory_payouts()
    recorded: Any = Recorded(payouts)
    parts = payouts.parts(unit_guard(), ["whsec"])
    add_workers(SETTINGS, recorded, parts, payouts.provider, Pace(PER_SECOND))
    assert isinstance(recorded, Recorded)
    return recorded


def test_every_kind_of_work_is_performed(recorded: Recorded) -> None:
    """What is offered and performed by nobody waits for ever, and nothing else says so."""
    kinds = {value for value in vars(work_kinds).values() if isinstance(value, str)}
    named = {one for one in kinds if getattr(work_kinds, one.upper().replace("-", "_"), "") == one}
    assert recorded.workers.keys() == named and len(named) == 7


def test_every_look_has_its_time() -> None:
    """A sweep that is in no timetable never looks: no book is checked, no break is found."""
    modules = [
        import_module(f"{sweeps.__name__}.{one.name}")
        for one in pkgutil.iter_modules(sweeps.__path__)
    ]
    written = {
        found
        for module in modules
        for found in vars(module).values()
        if inspect.isclass(found) and found.__module__ == module.__name__ and callable_itself(found)
    }
    runtime: Any = MagicMock()
    provider: Any = memory_payouts().provider
    parts = memory_payouts().parts(unit_guard(), ["whsec"])
    listed = list(timetable(SETTINGS, runtime, parts, provider))
    assert {type(one.run) for one in listed} == written and len(written) > 10
    assert len({one.name for one in listed}) == len(listed)
    assert all(one.every_seconds > 0 for one in listed)


def callable_itself(found: type) -> bool:
    return "__call__" in vars(found)


async def test_what_people_did_something_about_overtakes_a_run(recorded: Recorded) -> None:
    """Six that a missed goal returns were asked for before; a backer's wish goes first."""
    payouts = recorded.payouts
    await payouts.collect(*range(1, 7))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 6)
    await payouts.turn_run_only()
    of_run = (await payouts.queries.refunds("campaign-1", "", 10))[0]
    payouts.clock.advance(seconds=60)
    now = payouts.clock.now()
    wish = Act(ActKind.TRIED_AGAIN, "backer-9", now)
    wished = replace(of_run, refund_id="wished", campaign_id="campaign-9", acts=(wish,))
    await payouts.units.run(lambda unit: unit.plumbing.work.offer([refund_work(wished, now)]))
    (dispatcher,) = recorded.dispatchers
    await dispatcher.hold()
    lane = recorded.workers[REFUND]
    assert lane is not None
    claimed = [one.item.id for one in await lane.claim(REFUND, now, 16, 30)]
    assert claimed[0] == "refund/wished" and len(claimed) == 7


async def test_a_stage_finds_room_beside_any_run_of_refunds(recorded: Recorded) -> None:
    """However many refunds wait, a fifth of what the provider takes is left to stages."""
    payouts = recorded.payouts
    now = payouts.clock.now()
    waiting = [WorkItem(f"refund/{n}", REFUND, now, group="campaign-1") for n in range(300)]
    stages = [WorkItem(f"stage/{n}", STAGE, now) for n in range(4)]
    await payouts.units.run(lambda unit: unit.plumbing.work.offer([*waiting, *stages]))
    (dispatcher,) = recorded.dispatchers
    await dispatcher.hold()
    refunds, of_stages = recorded.workers[REFUND], recorded.workers[STAGE]
    assert refunds is not None and of_stages is not None
    taken = 0
    while claims := await refunds.claim(REFUND, now, 1_000, 30):
        taken += len(claims)
    assert 0 < taken < 300
    assert len(await of_stages.claim(STAGE, now, 4, 30)) == 4


async def test_a_small_campaign_has_its_turn_beside_a_large_one(recorded: Recorded) -> None:
    """Three hundred were asked for before its two: campaigns take turns, whoever came first."""
    payouts = recorded.payouts
    for group, count in (("large", 300), ("small", 2)):
        now = payouts.clock.now()
        waiting = [WorkItem(f"refund/{group}-{n}", REFUND, now, group=group) for n in range(count)]
        await payouts.units.run(lambda unit, items=waiting: unit.plumbing.work.offer(items))
        payouts.clock.advance(seconds=60)
    (dispatcher,) = recorded.dispatchers
    await dispatcher.hold()
    lane = recorded.workers[REFUND]
    assert lane is not None
    claimed = await lane.claim(REFUND, payouts.clock.now(), 32, 30)
    assert [one.item.group for one in claimed].count("small") == 2
