"""Group commit: requests that wait together share one durable transaction."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from infra.sandbox.provider.book import Session

Result = TypeVar("Result")
GROUP_MAXIMUM = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Item:
    work: Callable[[Session], Any]
    answer: asyncio.Future[Any]


class Writer:
    """The only user of the book's connection, on its own thread.

    `submit` answers after the commit that holds the work is on disk. Each item has a savepoint:
    one that raises leaves nothing behind and does not disturb its neighbours. `before` runs first
    in every group (due transitions).
    """

    def __init__(
        self, connection: sqlite3.Connection, seed: int, before: Callable[[Session], object]
    ) -> None:
        self._connection = connection
        self._seed = seed
        self._before = before
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="book-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[[Session], Result]) -> Result:
        item = _Item(work, self._loop.create_future())
        self._queue.put(item)
        result: Result = await item.answer
        return result

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = self._gather(first)
            answers = self._commit(group)
            self._loop.call_soon_threadsafe(_hand_over, group, answers)
            if last:
                return

    def _gather(self, first: _Item) -> tuple[list[_Item], bool]:
        group = [first]
        while len(group) < GROUP_MAXIMUM:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return group, True
            group.append(item)
        return group, False

    def _commit(self, group: list[_Item]) -> list[Any]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            failure = self._attempt(self._before)
            if isinstance(failure, Exception):
                logger.error("due transitions failed", exc_info=failure)
            answers = [self._attempt(item.work) for item in group]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            # Nobody may be told that work is done whose commit failed.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [error] * len(group)
        return answers

    def _attempt(self, work: Callable[[Session], Any]) -> Any:
        self._connection.execute("SAVEPOINT request")
        try:
            answer = work(Session(self._connection, self._seed))
        except Exception as error:
            self._connection.execute("ROLLBACK TO request")
            answer = error
        self._connection.execute("RELEASE request")
        return answer


def _hand_over(group: list[_Item], answers: list[Any]) -> None:
    for item, answer in zip(group, answers, strict=True):
        if item.answer.done():
            continue
        if isinstance(answer, Exception):
            item.answer.set_exception(answer)
        else:
            item.answer.set_result(answer)
