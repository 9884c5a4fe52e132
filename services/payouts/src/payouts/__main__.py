"""Reads settings, runs one command, sets the exit code."""

import sys

from payouts.app import assemble, begin
from payouts.command_line import COMMANDS
from payouts.settings import PayoutsSettings
from servicekit.command import main

sys.exit(main(PayoutsSettings, begin, assemble, COMMANDS))
