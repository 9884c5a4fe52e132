"""A fact that comes while nothing was expected is taken at once."""

import asyncio
from typing import Any

import pytest
from faststream.kafka import KafkaBroker

from servicekit import prompt_batches


class Silent:
    """A consumer to which nothing comes."""

    async def getmany(self, **_: Any) -> dict[Any, Any]:
        return {}


async def test_after_a_wait_in_vain_it_asks_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastStream would sleep as long as it has waited; installed twice is installed."""
    prompt_batches.install()
    prompt_batches.install()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("anyio.sleep", sleep)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    subscriber: Any = KafkaBroker().subscriber("topic", batch=True)
    assert await subscriber.get_msg(Silent()) == ()
    assert slept == []
