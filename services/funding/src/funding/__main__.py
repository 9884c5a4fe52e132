"""Reads settings, runs one command, sets the exit code."""

import sys

from servicekit.command import main

from funding.app import assemble, begin
from funding.settings import FundingSettings

sys.exit(main(FundingSettings, begin, assemble))
