"""What is done at a time ends together."""

import asyncio

import pytest

from tests.chaos.together import together


async def test_what_fails_first_stops_the_rest_and_is_raised() -> None:
    """No fault is dealt any more once one of them, or a story, has given up."""
    stopped = asyncio.Event()

    async def goes_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def fails() -> None:
        raise LookupError("a server that never came")

    with pytest.raises(LookupError, match="never came"):
        await together(goes_on(), fails())
    assert stopped.is_set()


async def test_who_is_stopped_stops_what_it_does() -> None:
    """A run that ends at a finding leaves nothing behind that still breaks servers."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def goes_on() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    doing = asyncio.create_task(together(goes_on()))
    await begun.wait()
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert stopped.is_set()
