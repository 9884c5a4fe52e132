"""The command line that all services share; each command is a module of this package.

A service adds commands of its own to them."""

from servicekit.command.context import AloneCommand, Command, CommandRefused, Context
from servicekit.command.line import main

__all__ = ["AloneCommand", "Command", "CommandRefused", "Context", "main"]
