"""Puts an application over memory back as it was, for much less than to make it anew.

A campaign with all that belongs to it and all its routes cost a third of a second to make, the
matrix asks a thousand times for something that changes it, and each caller must find it untouched.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

# What others made keeps nothing of ours but in these.
OURS = ("funding", "notifier", "payouts", "updates", "servicekit", "services", "tests")
EMPTY = object()


class Remembered:
    """All that can change behind the routes of an API, and what it held when this was made.

    It is found from the routes' functions, by what they close over: no list of parts to forget one
    of. An iterator keeps its place (as one that counts names), which nobody may depend on.
    """

    def __init__(self, api: FastAPI) -> None:
        self._seen: dict[int, Any] = {}
        self._undo: list[Callable[[], None]] = []
        waiting = list(_functions(api))
        while waiting:
            one = waiting.pop()
            if id(one) not in self._seen:
                # Kept, so that no other object takes its id meanwhile.
                self._seen[id(one)] = one
                waiting.extend(self._look_at(one))

    def put_back(self) -> None:
        """Make everything hold again what it held."""
        for undo in self._undo:
            undo()

    def _look_at(self, one: Any) -> Iterator[Any]:
        """Remember what the object holds, if that can change, and return it to be looked at."""
        if isinstance(one, type | Enum):
            return
        if isinstance(one, FunctionType):
            yield from one.__closure__ or ()
            yield from one.__defaults__ or ()
        elif isinstance(one, CellType):
            yield from self._cell(one)
        elif isinstance(one, MethodType):
            yield from (one.__self__, one.__func__)
        elif isinstance(one, partial):
            yield from (one.func, *one.args, *one.keywords.values())
        elif isinstance(one, tuple | frozenset):
            yield from one
        elif isinstance(one, dict | list | set | deque | bytearray):
            yield from self._container(one)
        elif type(one).__module__.partition(".")[0] in OURS:
            yield from self._object(one)

    def _cell(self, cell: CellType) -> Iterator[Any]:
        try:
            held = cell.cell_contents
        except ValueError:  # A name that is not bound yet.
            return
        self._undo.append(lambda: setattr(cell, "cell_contents", held))
        yield held

    def _container(self, one: Any) -> Iterator[Any]:
        held = one.copy()

        def undo() -> None:
            one.clear()
            one.update(held) if isinstance(one, dict | set) else one.extend(held)

        self._undo.append(undo)
        yield from held.values() if isinstance(held, dict) else held

    def _object(self, one: Any) -> Iterator[Any]:
        held = {name: getattr(one, name, EMPTY) for name in _attributes(one)}
        if not (is_dataclass(one) and one.__dataclass_params__.frozen):
            self._undo.append(partial(_restore, one, held))
        yield from held.values()


def _functions(api: FastAPI) -> Iterator[Any]:
    """Return all that is called for a request."""
    for middleware in api.user_middleware:
        yield from (*middleware.args, *middleware.kwargs.values())
    yield from api.exception_handlers.values()
    for route in api.routes:
        if isinstance(route, APIRoute):
            yield route.endpoint
            yield from _depended_on(route.dependant)


def _depended_on(dependant: Dependant) -> Iterator[Any]:
    for one in dependant.dependencies:
        yield one.call
        yield from _depended_on(one)


def _attributes(one: Any) -> list[str]:
    slots = [name for kind in type(one).__mro__ for name in _slots(kind)]
    return [*slots, *getattr(one, "__dict__", ())]


def _slots(kind: type) -> Iterator[str]:
    names = kind.__dict__.get("__slots__", ())
    for name in (names,) if isinstance(names, str) else names:
        if name not in ("__dict__", "__weakref__"):
            yield name if not name.startswith("__") else f"_{kind.__name__.lstrip('_')}{name}"


def _restore(one: Any, held: Mapping[str, Any]) -> None:
    for name in set(_attributes(one)) - held.keys():
        delattr(one, name)
    for name, value in held.items():
        if value is not EMPTY:
            setattr(one, name, value)
        elif hasattr(one, name):
            delattr(one, name)
