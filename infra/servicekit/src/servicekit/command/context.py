"""What a command is: its words on the command line, and what it does with a service."""

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from servicekit.process import Process
from servicekit.runtime import Runtime


class CommandRefused(Exception):
    """What was asked for cannot be done as it was asked; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Context:
    """One command of one service.

    `assemble` adds the service's own parts to the runtime, for commands that need to know them.
    """

    arguments: Namespace
    runtime: Runtime[Any]
    assemble: Callable[[], Process]


@dataclass(frozen=True, slots=True)
class Command:
    """`describe` adds the arguments; `perform` returns the exit code.

    It may raise `CommandRefused` (exit code 64) and `DependencyAway` (69).
    """

    name: str
    help: str
    describe: Callable[[ArgumentParser], None]
    perform: Callable[[Context], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class AloneCommand:
    """A command that needs nothing of a running service: no settings are read before it.

    `perform` may raise `CommandRefused` (exit code 64).
    """

    name: str
    help: str
    describe: Callable[[ArgumentParser], None]
    perform: Callable[[Namespace], int]


def one_who_acts(parser: ArgumentParser) -> None:
    """Add who acts and why, which the audit record says."""
    parser.add_argument("--by", required=True, metavar="WHO", help="who acts")
    parser.add_argument("--why", required=True, metavar="TEXT", help="why, for the audit record")
