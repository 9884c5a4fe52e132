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
from servicekit.command import set_aside
from servicekit.command.context import CommandRefused, Context
from servicekit.errors import DependencyAway
from servicekit.loops import Pulse
from servicekit.own_topics import OwnTopics
from servicekit.process import Process
from servicekit.recovery import RecoveryGuard, RecoveryMark
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
