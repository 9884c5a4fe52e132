"""A small transactional store in memory: the ground on which the fakes of ports stand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class MemoryDatabase:
    """Named tables of immutable values with the promise of `mongo.Database.transaction`.

    Transactions run one at a time and are undone when they raise. Values must never be changed
    in place: a fake replaces the value under its key, which is what makes undoing cheap.
    """

    def __init__(self) -> None:
        self._tables: dict[str, dict[Any, Any]] = {}
        self._turn = asyncio.Lock()

    def table(self, name: str) -> dict[Any, Any]:
        return self._tables.setdefault(name, {})

    async def transaction(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._turn:
            before = {name: dict(table) for name, table in self._tables.items()}
            try:
                return await work()
            except BaseException:
                for name, table in self._tables.items():
                    table.clear()
                    table.update(before.get(name, {}))
                raise
