"""Reads settings, runs one command, sets the exit code."""

import sys

from payouts.app import COMMANDS, assemble, begin
from payouts.settings import PayoutsSettings
from servicekit.command import main

sys.exit(main(PayoutsSettings, begin, assemble, COMMANDS))
