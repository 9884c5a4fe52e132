"""Several things at a time, of which none goes on when one of them has failed."""

import asyncio
from collections.abc import Awaitable


async def together(*work: Awaitable[None]) -> None:
    """Do all of it at a time; what fails first stops the rest, and is what is raised.

    `asyncio.gather` would let the rest go on: a fault that is dealt while everything is being
    made whole again.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
