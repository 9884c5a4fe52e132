"""What the provider says during a recovery: nothing is assumed because nobody answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ParamSpec, TypeVar

from payouts.ports.provider import CashMovement, NoAnswer, Provider
from servicekit.errors import DependencyAway

T = TypeVar("T")
P = ParamSpec("P")

TRIES = 5


async def answered(
    ask: Callable[P, Awaitable[T | NoAnswer]], *question: P.args, **named: P.kwargs
) -> T:
    """Ask until there is an answer: guessing here would pay somebody twice."""
    for attempt in range(TRIES):
        answer = await ask(*question, **named)
        if not isinstance(answer, NoAnswer):
            return answer
        await asyncio.sleep(0.2 * 2**attempt)
    raise DependencyAway("the payment provider does not answer; run recover again")


async def movements_behind(
    provider: Provider, cursor: str | None
) -> AsyncIterator[list[CashMovement]]:
    """Yield what moved behind the cursor, a page at a time, in order."""

    async def ask() -> list[CashMovement] | NoAnswer:
        found = await provider.movements_after(cursor)
        return NoAnswer() if found is None else found

    while page := await answered(ask):
        cursor = page[-1].id
        yield page
