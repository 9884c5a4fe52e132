"""The composition root of funding: what is plugged into what; no rule lives here."""

from collections.abc import Collection

from funding import wire
from funding.adapters.intake import NoIntake
from funding.adapters.queries import MongoQueries
from funding.adapters.schema import SCHEMA
from funding.adapters.unit import bind
from funding.consumer import PAYMENTS_GROUP, subscriptions
from funding.handlers.recover import RecoverFunding
from funding.http import Parts, build_api
from funding.ports import FundingUnit, Intake
from funding.settings import FundingSettings
from funding.timetable import timetable
from servicekit.positions import TopicPositions
from servicekit.process import Process
from servicekit.runtime import Runtime


def begin(settings: FundingSettings, roles: Collection[str]) -> Runtime[FundingUnit]:
    """Open connections; nothing is sent yet."""
    return Runtime("funding", settings, SCHEMA, bind, roles)


def assemble(settings: FundingSettings, runtime: Runtime[FundingUnit]) -> Process:
    """Add funding's own parts to the runtime."""
    parts = _parts(settings, runtime)
    for subscription in subscriptions(
        runtime.clock,
        parts.standard,
        parts.settlement,
        payments_intake=settings.payments_intake,
    ):
        runtime.subscribe(subscription)
    for sweep in timetable(parts):
        runtime.sweep(sweep)
    runtime.recover_with(RecoverFunding(runtime.units, wire.history_from, runtime.clock))
    return runtime.process(build_api(parts))


def _parts(settings: FundingSettings, runtime: Runtime[FundingUnit]) -> Parts:
    return Parts(
        guard=runtime.guard,
        units=runtime.units,
        clock=runtime.clock,
        queries=MongoQueries(runtime.database),
        intake=_intake(settings, runtime),
        standard=settings.standard_terms(),
        settlement=settings.settlement_currencies,
    )


def _intake(settings: FundingSettings, runtime: Runtime[FundingUnit]) -> Intake:
    if settings.payments_intake:
        return TopicPositions(runtime.connection, wire.PAYMENTS_TOPIC, PAYMENTS_GROUP)
    return NoIntake()
