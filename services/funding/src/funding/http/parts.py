"""What the routes of funding stand on."""

from collections.abc import Collection
from dataclasses import dataclass

from funding.domain.terms import Terms
from funding.ports import FundingUnit, Intake, Queries
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the application; `standard` are the terms of whoever names none.

    `settlement` are the currencies in which campaigns may be launched.
    """

    guard: Guard
    units: UnitsOfWork[FundingUnit]
    clock: Clock
    queries: Queries
    intake: Intake
    standard: Terms
    settlement: Collection[str]
