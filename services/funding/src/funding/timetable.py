"""The timed work of funding: what it is called, every how many seconds it looks, what it does."""

from collections.abc import Iterator

from funding.http import Parts
from funding.sweeps import MeasureCampaigns, SettleDueCampaigns, StepErroredPledges
from servicekit.sweeps import Sweep


def timetable(parts: Parts) -> Iterator[Sweep]:
    """Return every sweep of funding."""
    units, queries, intake = parts.units, parts.queries, parts.intake
    yield Sweep.of_due("settle", 0.5, SettleDueCampaigns(units, queries, intake))
    yield Sweep.of_due("errored", 2.0, StepErroredPledges(units, queries))
    yield Sweep("measure", 10.0, MeasureCampaigns(units, queries, intake))
