"""Bugs that the chaos checker must find, each planted into a service that starts with it.

A bug is planted by replacing one function with what somebody might have written instead. Two of
them also wait where a slow machine would, so that the window in which they hurt is met every time.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

# As long as a stopped process sleeps, and longer than a healthy one takes for the same step.
SLOW_SECONDS = 2.0
FOR_EVER = timedelta(days=365)


def plant(name: str) -> None:
    """Replace what the bug replaces; raises KeyError for a name that nobody knows."""
    BUGS[name]()


def _replace(owner: object, name: str, by: object) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name}: the bug would be planted nowhere")
    setattr(owner, name, by)


def repeats_are_applied() -> None:
    """The streams row no longer drops what was applied before."""
    from servicekit import consume
    from servicekit.ordering import plan_key
    from sosst_contracts.codec import Decoded

    def unguarded(row: Any, arrivals: Any, *before: Any) -> Any:
        plan = plan_key(row, arrivals, *before)
        again = [one for one in plan.repeat if isinstance(one.outcome, Decoded)]
        plan.apply[:0] = again
        return plan

    _replace(consume, "plan_key", unguarded)


def relay_out_of_order() -> None:
    """The outbox's page comes without an order."""
    from servicekit.outbox import MongoOutboxQueue

    ordered = MongoOutboxQueue.page

    async def unordered(self: Any, *arguments: Any) -> Any:
        return list(reversed(await ordered(self, *arguments)))

    _replace(MongoOutboxQueue, "page", unordered)


def marked_before_sent() -> None:
    """notifier calls a chunk done first, and tells its people afterwards."""
    from notifier.handlers.publish import PublishChunks

    tell = PublishChunks._tell
    under_way: set[asyncio.Task[Any]] = set()

    async def tell_later(self: Any, publisher: Any, chunks: Any) -> list[str]:
        async def later() -> None:
            await asyncio.sleep(SLOW_SECONDS)
            await tell(self, publisher, chunks)

        under_way.add(asyncio.create_task(later()))
        return list(chunks)

    _replace(PublishChunks, "_tell", tell_later)


def lease_ignored() -> None:
    """payouts calls the provider whatever became of its lease."""
    from payouts.handlers.pay_stages import PayStages

    ask = PayStages._ask

    async def heedless(self: Any, claim: Any, *arguments: Any) -> Any:
        held = replace(claim, lease_until=claim.lease_until + FOR_EVER)
        return await ask(self, held, *arguments)

    _replace(PayStages, "_ask", heedless)


def slow_before_calls() -> None:
    """payouts is slow between its note and its call: no bug, but a place to be stopped at."""
    from payouts.handlers.pay_stages import PayStages
    from payouts.handlers.send_refunds import SendRefunds

    for worker in (PayStages, SendRefunds):
        _replace(worker, "_ask", _slow(worker._ask))


def _slow(ask: Callable[..., Any]) -> Callable[..., Any]:
    async def slow(*arguments: Any) -> Any:
        await asyncio.sleep(SLOW_SECONDS)
        return await ask(*arguments)

    return slow


def fresh_key_for_every_call() -> None:
    """payouts asks the provider under a new key each time, as if it had never asked."""
    from payouts.adapters import stripe_calls

    create = stripe_calls.create

    async def forgetful(operation: str, call: Any, parameters: Any, key: str, *more: Any) -> Any:
        return await create(operation, call, parameters, f"{key}/{secrets.token_hex(4)}", *more)

    _replace(stripe_calls, "create", forgetful)


def slow_and_lease_ignored() -> None:
    """Both: stopped before its call, payouts wakes up and makes it all the same."""
    lease_ignored()
    slow_before_calls()


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        repeats_are_applied,
        relay_out_of_order,
        marked_before_sent,
        lease_ignored,
        slow_before_calls,
        slow_and_lease_ignored,
        fresh_key_for_every_call,
    )
}
