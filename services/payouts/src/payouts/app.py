"""The composition root of payouts: what is plugged into what; no rule lives here."""

from collections.abc import Collection

from payouts import wire
from payouts.adapters.book_checks import MongoBookChecks
from payouts.adapters.brake import SwitchedBrake
from payouts.adapters.freshness import TopicFreshness
from payouts.adapters.head_signatures import MongoHeadSignatures
from payouts.adapters.mongo_reconciliation import MongoReconciliation
from payouts.adapters.queries import MongoQueries
from payouts.adapters.schema import SCHEMA
from payouts.adapters.stripe_provider import StripeProvider
from payouts.adapters.unit import bind
from payouts.commands import describe_account
from payouts.consumer import INPUTS, subscriptions
from payouts.handlers.funds import FundsReader, RefuseAutomaticPayouts
from payouts.handlers.pay_stages import PayStages
from payouts.handlers.recover import RecoverPayouts
from payouts.http import Parts, build_api
from payouts.metrics import THRESHOLD
from payouts.ports.unit import PayoutsUnit
from payouts.settings import PayoutsSettings
from payouts.timetable import timetable
from payouts.workers import add_workers
from servicekit.pace import Pace
from servicekit.positions import TopicPositions
from servicekit.process import Process
from servicekit.runtime import Runtime
from servicekit.secret_files import first_line


def begin(settings: PayoutsSettings, roles: Collection[str]) -> Runtime[PayoutsUnit]:
    """Open connections; nothing is sent yet."""
    runtime = Runtime("payouts", settings, SCHEMA, bind, roles)
    runtime.outside_checks["provider"] = lambda: _who_is_asked(settings)
    return runtime


def assemble(settings: PayoutsSettings, runtime: Runtime[PayoutsUnit]) -> Process:
    """Add payouts' own parts to the runtime."""
    for name, value in settings.thresholds().items():
        THRESHOLD.labels(name).set(value)
    pace = Pace(settings.provider_requests_per_second)
    provider = settings.provider(pace)
    runtime.on_close(provider.close)
    runtime.before_start(RefuseAutomaticPayouts(provider))
    queries = MongoQueries(runtime.database)
    parts = _parts(settings, runtime, provider, queries)
    for subscription in subscriptions(runtime.clock, settings.refund_windows()):
        runtime.subscribe(subscription)
    add_workers(settings, runtime, parts, provider, pace)
    for sweep in timetable(settings, runtime, parts, provider):
        runtime.sweep(sweep)
    runtime.recover_with(_recovery(settings, runtime, parts, provider, queries))
    return runtime.process(build_api(parts))


def _parts(
    settings: PayoutsSettings,
    runtime: Runtime[PayoutsUnit],
    provider: StripeProvider,
    queries: MongoQueries,
) -> Parts:
    reconciliation = MongoReconciliation(runtime.database)
    positions = [TopicPositions(runtime.connection, topic, group) for topic, group in INPUTS]
    stages = PayStages(
        units=runtime.units,
        provider=provider,
        funds=FundsReader(provider, queries, reconciliation),
        freshness=TopicFreshness(positions, runtime.clock),
        brake=SwitchedBrake(runtime.switches, queries),
        rules=settings.key_rules(),
        clock=runtime.clock,
        approval_limit=settings.approval_limit,
        cooling_off_seconds=settings.cooling_off_seconds,
        dispute_reserve_basis_points=settings.dispute_reserve_basis_points,
    )
    return Parts(
        guard=runtime.guard,
        units=runtime.units,
        clock=runtime.clock,
        queries=queries,
        stages=stages,
        reconciliation=reconciliation,
        checks=MongoBookChecks(runtime.database),
        signatures=MongoHeadSignatures(runtime.database),
        head_keys=settings.ledger_keys(),
        claim_links=settings.claim_links(),
        webhook_secrets=settings.webhook_secrets(),
        ceilings=settings.ceilings(),
        window_warning=settings.window_warning(),
        public_url=settings.public_url,
        siren=settings.seller.siren,
    )


def _recovery(
    settings: PayoutsSettings,
    runtime: Runtime[PayoutsUnit],
    parts: Parts,
    provider: StripeProvider,
    queries: MongoQueries,
) -> RecoverPayouts:
    return RecoverPayouts(
        units=runtime.units,
        queries=queries,
        provider=provider,
        brake=parts.stages.brake,
        queue=runtime.work,
        read=wire.blocks_from,
        read_holds=wire.held_from,
        read_asked=wire.asked_from,
        read_refused=wire.refused_from,
        read_ends=wire.ends_from,
        rules=settings.key_rules(),
        clock=runtime.clock,
    )


async def _who_is_asked(settings: PayoutsSettings) -> str:
    provider = settings.provider()
    try:
        account = await provider.platform_account()
    finally:
        await provider.close()
    return describe_account(account, first_line(settings.provider_secret_key))
