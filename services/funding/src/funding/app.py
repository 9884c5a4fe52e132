"""The composition root of funding: what is plugged into what; no rule lives here."""

from collections.abc import Collection

from funding import wire
from funding.adapters.facts import OutboxFacts
from funding.adapters.intake import NoIntake
from funding.adapters.mongo_stores import MongoCampaigns, MongoHeld, MongoPledges, MongoTeams
from funding.adapters.queries import MongoQueries
from funding.adapters.schema import SCHEMA
from funding.commands import describe_import, describe_release, perform_import, perform_release
from funding.consumer import PAYMENTS_GROUP, subscriptions
from funding.handlers.recover import RecoverFunding
from funding.http import build_api
from funding.ports import FundingUnit, Intake
from funding.settings import FundingSettings
from funding.sweeps import MeasureCampaigns, SettleDueCampaigns, StepErroredPledges
from servicekit.command import Command, Context
from servicekit.mongo import Database, Session
from servicekit.positions import TopicPositions
from servicekit.process import Process
from servicekit.runtime import Runtime
from servicekit.sweeps import Sweep
from servicekit.units import Plumbing

SETTLE_SECONDS = 0.5
ERRORED_SECONDS = 2.0
MEASURE_SECONDS = 10.0


def begin(settings: FundingSettings, roles: Collection[str]) -> Runtime[FundingUnit]:
    """Open connections; nothing is sent yet."""
    return Runtime("funding", settings, SCHEMA, bind, roles)


def bind(database: Database, session: Session, plumbing: Plumbing) -> FundingUnit:
    """Make the stores of one transaction."""
    return FundingUnit(
        plumbing=plumbing,
        campaigns=MongoCampaigns(database, session),
        pledges=MongoPledges(database, session),
        held=MongoHeld(database, session),
        teams=MongoTeams(database, session),
        facts=OutboxFacts(plumbing.outbox, wire.draft, wire.PLEDGES_TOPIC),
    )


def assemble(settings: FundingSettings, runtime: Runtime[FundingUnit]) -> Process:
    """Add funding's own parts to the runtime."""
    queries = MongoQueries(runtime.database)
    intake = _intake(settings, runtime)
    standard = settings.standard_terms()
    runtime.recover_with(RecoverFunding(runtime.units, wire.history_from, runtime.clock))
    for subscription in subscriptions(
        runtime.clock, standard, payments_intake=settings.payments_intake
    ):
        runtime.subscribe(subscription)
    settle = SettleDueCampaigns(runtime.units, queries, intake)
    runtime.sweep(Sweep("settle", SETTLE_SECONDS, settle, queries.oldest_due))
    errored = StepErroredPledges(runtime.units, queries)
    runtime.sweep(Sweep("errored", ERRORED_SECONDS, errored, queries.oldest_due_pledge))
    measure = MeasureCampaigns(runtime.units, queries, intake)
    runtime.sweep(Sweep("measure", MEASURE_SECONDS, measure))
    api = build_api(runtime.guard, runtime.units, queries, intake, runtime.clock, standard)
    return runtime.process(api)


def _intake(settings: FundingSettings, runtime: Runtime[FundingUnit]) -> Intake:
    if settings.payments_intake:
        return TopicPositions(runtime.connection, wire.PAYMENTS_TOPIC, PAYMENTS_GROUP)
    return NoIntake()


async def _release(context: Context) -> int:
    await context.runtime.clock.synchronise()
    return await perform_release(context.arguments, context.runtime.units, context.runtime.clock)


async def _import(context: Context) -> int:
    await context.runtime.clock.synchronise()
    return await perform_import(context.arguments, context.runtime.units)


COMMANDS = (
    Command(
        "import-pledges",
        "judge a backer report row by row, and write its pledges where that is asked for",
        describe_import,
        _import,
    ),
    Command(
        "release",
        "let a campaign decide that a recovery left to a person; see it put right first",
        describe_release,
        _release,
    ),
)
