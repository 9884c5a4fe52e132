"""Reads settings, runs one command, sets the exit code."""

import sys

from funding.app import COMMANDS, assemble, begin
from funding.settings import FundingSettings
from servicekit.command import main

sys.exit(main(FundingSettings, begin, assemble, COMMANDS))
