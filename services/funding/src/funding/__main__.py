"""Reads settings, runs one command, sets the exit code."""

import sys

from funding.app import assemble, begin
from funding.command_line import COMMANDS
from funding.settings import FundingSettings
from servicekit.command import main

sys.exit(main(FundingSettings, begin, assemble, COMMANDS))
