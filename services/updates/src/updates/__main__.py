"""Reads settings, runs one command, sets the exit code."""

import sys

from servicekit.command import main
from updates.app import COMMANDS, assemble, begin
from updates.settings import UpdatesSettings

sys.exit(main(UpdatesSettings, begin, assemble, COMMANDS))
