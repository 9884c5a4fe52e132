"""Reads settings, runs one command, sets the exit code."""

import sys

from notifier.app import assemble, begin
from notifier.command_line import COMMANDS
from notifier.settings import NotifierSettings
from servicekit.command import main

sys.exit(main(NotifierSettings, begin, assemble, COMMANDS))
