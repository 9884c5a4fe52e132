"""A process that waits for `recover`, and one that runs when it begins."""

import asyncio
from argparse import Namespace
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import pytest
from fastapi import FastAPI

from infra.servicekit.tests.conftest import NOW
from infra.servicekit.tests.lamp import LampSettings, begin
from servicekit.command import recover, set_aside
from servicekit.command.context import CommandRefused, Context
from servicekit.errors import DependencyAway, DuplicateKey, LeaseLost
from servicekit.loops import Pulse
from servicekit.mongo import Database
from servicekit.own_topics import OwnTopics
from servicekit.process import Process
from servicekit.recovery import (
    LEASE_SECONDS,
    Recoverer,
    RecoveryGuard,
    RecoveryMark,
    RecoveryRuns,
)
from servicekit.switches import Known, MongoSwitches, Switch

STOP = Known("stop", "stops the lamp")


def lamp_settings() -> LampSettings:
    return LampSettings(
        mongodb_uri="mongodb://127.0.0.1:9",
        mongodb_database="lamp",
        kafka_bootstrap_servers="127.0.0.1:9",
        instance_id="lamp-1",
        auth_issuer="the-issuer",
        auth_audience="lamps",
        auth_jwks_url="https://127.0.0.1:9/keys",
        http_port=1,
        health_port=2,
        fault="",
        refuses="",
    )


@dataclass
class Mark:
    """What a process reads of the mark, look by look; None is a database that does not answer."""

    answers: list[bool | None]

    async def unfinished(self) -> bool:
        answer = self.answers.pop(0)
        if answer is None:
            raise DependencyAway("for a test")
        return answer


async def test_a_running_process_leaves_when_a_recovery_begins() -> None:
    """Also one that reads no topic, whom `recover` cannot see; an absent database ends nobody."""
    mark = Mark([False, None, True])
    guard = RecoveryGuard("lamp", cast(OwnTopics, None), cast(RecoveryMark, mark))
    stopping = asyncio.Event()
    async with asyncio.timeout(30):
        await guard.leave_when_begun(Pulse("recovery"), stopping)
    assert stopping.is_set() and mark.answers == []


async def done(*_: object) -> None:
    """What a dependency does at once."""


@pytest.mark.parametrize("act", ["replay", "purge"])
async def test_nothing_set_aside_is_changed_before_a_recovery(
    monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """A restored database would tell facts under numbers that are used: both commands refuse."""
    monkeypatch.setattr(RecoveryMark, "unfinished", Mark([True]).unfinished)
    monkeypatch.setattr(set_aside, "check_version", done)
    runtime = begin(lamp_settings(), {"work"})
    monkeypatch.setattr(runtime.clock, "synchronise", done)
    arguments = Namespace(act=act, id="a fact")
    context = Context(arguments, runtime, lambda: cast(Process, None))
    with pytest.raises(CommandRefused, match="recover"):
        await set_aside.COMMAND.perform(context)


async def test_what_was_stopped_while_it_waited_is_stopped_when_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loops begin under the switches of that moment, not under those of hours before."""
    runtime = begin(lamp_settings(), {"work"})
    runtime.switches.declare(STOP)
    monkeypatch.setattr(runtime.clock, "now", lambda: NOW + timedelta(hours=1))

    async def recovered(_: RecoveryGuard, __: asyncio.Event) -> None:
        async def turned(_: MongoSwitches) -> list[Switch]:
            return [Switch(STOP.name, None, "sre-1", "restored", NOW)]

        monkeypatch.setattr(MongoSwitches, "all", turned)

    monkeypatch.setattr(RecoveryGuard, "cleared", recovered)
    process = runtime.process(FastAPI(openapi_url=None))
    assert runtime.switches.on(STOP.name) is None
    async with asyncio.timeout(30):
        await process.cleared(asyncio.Event())
    assert runtime.switches.on(STOP.name) is not None


FIRST, SECOND = Recoverer("sre-1"), Recoverer("sre-2")


async def begun(database: Database, who: Recoverer, seconds: float = 0) -> None:
    """Begin as `recover` does, so many seconds after the first."""
    mark, now = RecoveryMark(database), NOW + timedelta(seconds=seconds)
    await database.transaction(lambda session: mark.begin(session, now, who))


async def finished(database: Database, who: Recoverer) -> None:
    mark = RecoveryMark(database)
    await database.transaction(lambda session: mark.finish(session, NOW, who))


async def test_a_second_recovery_is_told_who_runs(database: Database) -> None:
    """While the first renews, and not once it ended, in order or not."""
    await begun(database, FIRST)
    with pytest.raises(RecoveryRuns, match=f"sre-1 .*{FIRST.place}"):
        await begun(database, SECOND, LEASE_SECONDS - 1)
    await begun(database, FIRST, 1)
    await RecoveryMark(database).renew(NOW + timedelta(seconds=LEASE_SECONDS), FIRST)
    with pytest.raises(RecoveryRuns):
        await begun(database, SECOND, LEASE_SECONDS + 1)
    await finished(database, FIRST)
    await begun(database, SECOND)
    await RecoveryMark(database).let_go(NOW, SECOND)
    await begun(database, FIRST)
    assert await RecoveryMark(database).unfinished()


async def test_of_two_recoveries_at_once_one_begins(database: Database) -> None:
    """Also where there was never any before."""
    both = [Recoverer(f"sre-{number}") for number in range(2)]
    ends = await asyncio.gather(*(begun(database, who) for who in both), return_exceptions=True)
    assert ends.count(None) == 1
    assert isinstance(next(end for end in ends if end), RecoveryRuns | DuplicateKey)


async def test_a_recovery_that_was_taken_over_cannot_go_on(database: Database) -> None:
    """Neither renew nor finish: what it saves last is refused, and the mark stays the other's."""
    await begun(database, FIRST)
    await begun(database, SECOND, LEASE_SECONDS)
    with pytest.raises(LeaseLost):
        await RecoveryMark(database).renew(NOW, FIRST)
    with pytest.raises(LeaseLost):
        await finished(database, FIRST)
    await RecoveryMark(database).let_go(NOW, FIRST)
    with pytest.raises(RecoveryRuns, match="sre-2"):
        await begun(database, FIRST, LEASE_SECONDS + 1)


async def test_the_work_ends_where_the_lease_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the end: what follows would be done on what another one brought on."""
    runtime = begin(lamp_settings(), {"work"})
    monkeypatch.setattr(recover, "RENEW_SECONDS", 0)

    async def lost(*_: object) -> None:
        raise LeaseLost("another recovery took over")

    monkeypatch.setattr(RecoveryMark, "renew", lost)
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(CommandRefused, match="took over"):
        await recover._while_held(runtime, FIRST, work())
    assert cancelled.is_set()


async def test_a_recovery_that_fails_lets_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever mends what was away need not wait for a lease."""
    runtime, left = begin(lamp_settings(), {"work"}), list[Recoverer]()

    async def let_go(_: RecoveryMark, __: object, who: Recoverer) -> None:
        left.append(who)

    monkeypatch.setattr(RecoveryMark, "let_go", let_go)
    monkeypatch.setattr(runtime.clock, "now", lambda: NOW)

    async def work() -> None:
        raise DependencyAway("the provider")

    with pytest.raises(DependencyAway):
        await recover._while_held(runtime, FIRST, work())
    assert left == [FIRST]
