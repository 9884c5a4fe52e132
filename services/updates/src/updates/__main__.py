"""Reads settings, runs one command, sets the exit code."""

import sys

from servicekit.command import main
from updates.app import assemble, begin
from updates.command_line import COMMANDS
from updates.settings import UpdatesSettings

sys.exit(main(UpdatesSettings, begin, assemble, COMMANDS))
