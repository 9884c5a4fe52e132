"""The composition root of payouts: what is plugged into what; no rule lives here."""

from collections.abc import Collection
from datetime import timedelta
from typing import cast

from payouts import wire
from payouts.adapters.book_checks import MongoBookChecks
from payouts.adapters.brake import SwitchedBrake
from payouts.adapters.facts import OutboxFacts, OutboxLedger
from payouts.adapters.freshness import TopicFreshness
from payouts.adapters.head_signatures import MongoHeadSignatures
from payouts.adapters.ledger_topic import KafkaLedgerTopic
from payouts.adapters.mongo_reconciliation import MongoReconciliation
from payouts.adapters.mongo_stores import (
    MongoBooks,
    MongoCreators,
    MongoDestinations,
    MongoDisputes,
    MongoHoldings,
    MongoInvoices,
    MongoLaunches,
    MongoLendings,
    MongoPeriods,
    MongoPledges,
    MongoReceivables,
    MongoRefunds,
    MongoStages,
)
from payouts.adapters.queries import MongoQueries
from payouts.adapters.schema import SCHEMA
from payouts.adapters.stripe_provider import StripeProvider
from payouts.commands import (
    describe_account,
    describe_fec,
    describe_queue,
    describe_reconcile,
    describe_trial_balance,
    describe_verify_ledger,
    perform_fec,
    perform_queue,
    perform_reconcile,
    perform_trial_balance,
    perform_verify_ledger,
)
from payouts.consumer import INPUTS, subscriptions
from payouts.domain.errors import Refused
from payouts.handlers.claim_money import AnswerClaims
from payouts.handlers.disputes import FollowDisputes
from payouts.handlers.end_runs import EndRuns
from payouts.handlers.funds import FundsReader, RefuseAutomaticPayouts
from payouts.handlers.invoices import IssueInvoices
from payouts.handlers.pay_stages import PayStages
from payouts.handlers.recover import RecoverPayouts
from payouts.handlers.refund_run import run_all
from payouts.handlers.refunds import refund_lanes, refund_readings
from payouts.handlers.send_refunds import SendRefunds
from payouts.handlers.work_kinds import (
    CLAIM,
    DISPUTE,
    INVOICE,
    OF_A_RUN,
    REFUND,
    REFUND_RUN,
    REFUND_RUN_END,
    STAGE,
)
from payouts.http import build_api
from payouts.metrics import THRESHOLD
from payouts.ports.sending import Brake
from payouts.ports.unit import PayoutsUnit
from payouts.settings import PayoutsSettings
from payouts.sweeps.books import CheckAllBooks, CheckBooks, CheckPeriods, CloseBooks, SignHeads
from payouts.sweeps.cash import FollowCash, Reconcile
from payouts.sweeps.holdings import MeasureHoldings
from payouts.sweeps.queues import MeasureFunds, MeasureQueues
from payouts.sweeps.refunds import ExpireRequests, RemindBackers, ShareWhatCameBack, UnblockRefunds
from servicekit.command import Command, CommandRefused, Context
from servicekit.dispatch import Dispatcher
from servicekit.loops import Loop
from servicekit.mongo import Database, Session
from servicekit.pace import Pace
from servicekit.positions import TopicPositions
from servicekit.process import Process
from servicekit.runtime import Runtime
from servicekit.secret_files import first_line
from servicekit.sweeps import Sweep
from servicekit.units import Plumbing
from servicekit.work import Claim, WorkItem

CASH_SECONDS = 2.0
MEASURE_SECONDS = 15.0
FUNDS_SECONDS = 60.0
HOLDINGS_SECONDS = 3_600.0
RECONCILE_SECONDS = 15.0
ROUND_SECONDS = 1.0
SIGN_SECONDS = 60.0
CLOSING_SECONDS = 60.0
PERIODS_SECONDS = 3_600.0
SHARE_SECONDS = 15.0
REQUESTS_SECONDS = 15.0
BLOCKED_SECONDS = 60.0
STAGE_CONCURRENCY = 4
RUN_CONCURRENCY = 2
DISPUTE_CONCURRENCY = 2
CLAIM_CONCURRENCY = 2
SPARE_FOR_STAGES = 0.2
# Answers to calls that left together come within so long, and nobody waits for their being saved.
GATHER_SECONDS = 0.1


def begin(settings: PayoutsSettings, roles: Collection[str]) -> Runtime[PayoutsUnit]:
    """Open connections; nothing is sent yet."""
    runtime = Runtime("payouts", settings, SCHEMA, bind, roles)
    runtime.outside_checks["provider"] = lambda: _who_is_asked(settings)
    return runtime


def bind(database: Database, session: Session, plumbing: Plumbing) -> PayoutsUnit:
    """Make the stores of one transaction."""
    return PayoutsUnit(
        plumbing=plumbing,
        books=MongoBooks(database, session, OutboxLedger(plumbing.outbox, wire.block_draft)),
        pledges=MongoPledges(database, session),
        refunds=MongoRefunds(database, session),
        stages=MongoStages(database, session),
        destinations=MongoDestinations(database, session),
        creators=MongoCreators(database, session),
        launches=MongoLaunches(database, session),
        disputes=MongoDisputes(database, session),
        receivables=MongoReceivables(database, session),
        invoices=MongoInvoices(database, session),
        periods=MongoPeriods(database, session),
        lendings=MongoLendings(database, session),
        holdings=MongoHoldings(database, session),
        facts=OutboxFacts(plumbing.outbox, wire.draft),
    )


def assemble(settings: PayoutsSettings, runtime: Runtime[PayoutsUnit]) -> Process:
    """Add payouts' own parts to the runtime."""
    for name, value in settings.thresholds().items():
        THRESHOLD.labels(name).set(value)
    queries = MongoQueries(runtime.database)
    pace = Pace(settings.provider_requests_per_second)
    provider = _provider(settings, pace)
    runtime.on_close(provider.close)
    runtime.before_start(RefuseAutomaticPayouts(provider))
    funds = FundsReader(provider, queries, MongoReconciliation(runtime.database))
    brake = SwitchedBrake(runtime.switches, queries)
    stages = _stages(settings, runtime, provider, funds, brake)
    for subscription in subscriptions(runtime.clock, settings.refund_windows()):
        runtime.subscribe(subscription)
    refunds = SendRefunds(
        refund_lanes(runtime.units, runtime.clock.now),
        refund_lanes(runtime.units, runtime.clock.now, gather_seconds=GATHER_SECONDS),
        provider,
        refund_readings(queries),
        funds,
        brake,
        settings.key_rules(),
        runtime.clock,
    )
    _work(settings, runtime, pace, refunds, stages)
    disputes = FollowDisputes(runtime.units, provider, runtime.clock)
    runtime.worker(
        DISPUTE,
        disputes,
        concurrency=DISPUTE_CONCURRENCY,
        lease_seconds=settings.lease_seconds,
    )
    claims = AnswerClaims(runtime.units, queries, settings.ceilings(), runtime.clock)
    runtime.worker(
        CLAIM, claims, concurrency=CLAIM_CONCURRENCY, lease_seconds=settings.lease_seconds
    )
    invoices = IssueInvoices(
        runtime.units, settings.seller, settings.invoice_letters, runtime.clock
    )
    # One after the other: they all take the next number.
    runtime.worker(INVOICE, invoices, concurrency=1, lease_seconds=settings.lease_seconds)
    runtime.recover_with(
        RecoverPayouts(
            units=runtime.units,
            queries=queries,
            provider=provider,
            brake=brake,
            queue=runtime.work,
            read=wire.blocks_from,
            read_holds=wire.held_from,
            read_asked=wire.asked_from,
            read_refused=wire.refused_from,
            read_ends=wire.ends_from,
            rules=settings.key_rules(),
            clock=runtime.clock,
        )
    )
    runtime.sweep(Sweep("cash", CASH_SECONDS, FollowCash(runtime.units, queries, provider)))
    checks = MongoBookChecks(runtime.database)
    runtime.sweep(Sweep("books", settings.books_check_seconds, CheckBooks(queries, checks)))
    runtime.sweep(Sweep("all-books", ROUND_SECONDS, CheckAllBooks(queries, checks)))
    runtime.sweep(Sweep("periods", PERIODS_SECONDS, CheckPeriods(queries)))
    rest = timedelta(seconds=settings.closing_seconds)
    close = CloseBooks(runtime.units, queries, checks, rest)
    runtime.sweep(Sweep("closings", CLOSING_SECONDS, close))
    runtime.sweep(Sweep("shares", SHARE_SECONDS, ShareWhatCameBack(runtime.units, queries)))
    reconciliation = MongoReconciliation(runtime.database)
    patience = timedelta(seconds=settings.reconcile_after_seconds)
    reconcile = Reconcile(reconciliation, provider, patience)
    runtime.sweep(Sweep("reconcile", RECONCILE_SECONDS, reconcile))
    signatures, keys = MongoHeadSignatures(runtime.database), settings.ledger_keys()
    runtime.sweep(Sweep("signatures", SIGN_SECONDS, SignHeads(queries, signatures, keys)))
    holdings = MeasureHoldings(runtime.units, queries, settings.holding_limits())
    runtime.sweep(Sweep("holdings", HOLDINGS_SECONDS, holdings))
    runtime.sweep(Sweep("funds", FUNDS_SECONDS, MeasureFunds(queries, funds)))
    expire = ExpireRequests(runtime.units, queries)
    runtime.sweep(Sweep("reminders", REQUESTS_SECONDS, RemindBackers(runtime.units, queries)))
    runtime.sweep(Sweep("blocked", BLOCKED_SECONDS, UnblockRefunds(runtime.units, queries, funds)))
    runtime.sweep(Sweep("requests", REQUESTS_SECONDS, expire, expire.oldest_due))
    runtime.sweep(
        Sweep("measure", MEASURE_SECONDS, MeasureQueues(queries, settings.window_warning()))
    )
    secrets = settings.webhook_secrets()
    api = build_api(
        runtime.guard,
        runtime.units,
        queries,
        stages,
        runtime.clock,
        secrets,
        reconciliation,
        signatures,
        keys,
        settings.window_warning(),
        settings.ceilings(),
        settings.claim_links(),
        settings.public_url,
        settings.seller.siren,
    )
    return runtime.process(api)


def _provider(settings: PayoutsSettings, pace: Pace) -> StripeProvider:
    return StripeProvider(
        settings.provider_url,
        first_line(settings.provider_secret_key),
        settings.provider_timeout_seconds,
        pace,
    )


async def _who_is_asked(settings: PayoutsSettings) -> str:
    provider = _provider(settings, Pace(settings.provider_requests_per_second))
    try:
        account = await provider.platform_account()
    finally:
        await provider.close()
    return describe_account(account, first_line(settings.provider_secret_key))


def _stages(
    settings: PayoutsSettings,
    runtime: Runtime[PayoutsUnit],
    provider: StripeProvider,
    funds: FundsReader,
    brake: Brake,
) -> PayStages:
    positions = [TopicPositions(runtime.connection, topic, group) for topic, group in INPUTS]
    return PayStages(
        units=runtime.units,
        provider=provider,
        funds=funds,
        freshness=TopicFreshness(positions, runtime.clock),
        brake=brake,
        rules=settings.key_rules(),
        clock=runtime.clock,
        approval_limit=settings.approval_limit,
        cooling_off_seconds=settings.cooling_off_seconds,
        dispute_reserve_basis_points=settings.dispute_reserve_basis_points,
    )


def _work(
    settings: PayoutsSettings,
    runtime: Runtime[PayoutsUnit],
    pace: Pace,
    refunds: SendRefunds,
    stages: PayStages,
) -> None:
    lease = settings.lease_seconds

    async def run(claim: Claim) -> None:
        await run_all(runtime.units, claim, runtime.clock.now())

    async def offer(item: WorkItem) -> None:
        await runtime.units.run(lambda unit: unit.plumbing.work.offer([item]))

    dispatcher = Dispatcher("provider", runtime.work, offer, pace, runtime.clock)
    runtime.loop("work", Loop("dispatch provider", dispatcher.run))
    # Stages come before refunds: a part of the pace is always free for them.
    of_stages = dispatcher.lane()
    of_refunds = dispatcher.lane(spare=SPARE_FOR_STAGES, urgent_before=OF_A_RUN)
    runtime.worker(
        STAGE,
        of_stages.performing(stages),
        concurrency=STAGE_CONCURRENCY,
        lease_seconds=lease,
        lane=of_stages,
    )
    runtime.worker(
        REFUND,
        of_refunds.performing(refunds),
        concurrency=settings.refund_concurrency,
        lease_seconds=lease,
        lane=of_refunds,
    )
    runtime.worker(REFUND_RUN, run, concurrency=RUN_CONCURRENCY, lease_seconds=lease)
    ends = EndRuns(runtime.units, runtime.clock)
    runtime.worker(REFUND_RUN_END, ends, concurrency=RUN_CONCURRENCY, lease_seconds=lease)


async def _verify_ledger(context: Context) -> int:
    queries = MongoQueries(context.runtime.database)
    topic = KafkaLedgerTopic(context.runtime.connection, wire.LEDGER_TOPIC)
    settings = cast(PayoutsSettings, context.runtime.settings)
    signatures = MongoHeadSignatures(context.runtime.database)
    return await perform_verify_ledger(
        context.arguments,
        queries,
        topic,
        signatures,
        settings.ledger_keys(),
        context.runtime.clock.now(),
    )


async def _reconcile(context: Context) -> int:
    runtime = context.runtime
    settings = cast(PayoutsSettings, runtime.settings)
    provider = _provider(settings, Pace(settings.provider_requests_per_second))
    try:
        store = MongoReconciliation(runtime.database)
        patience = timedelta(seconds=settings.reconcile_after_seconds)
        return await perform_reconcile(store, provider, patience, runtime.clock.now())
    finally:
        await provider.close()


async def _queue(context: Context) -> int:
    runtime = context.runtime
    settings = cast(PayoutsSettings, runtime.settings)
    return await perform_queue(
        context.arguments,
        MongoQueries(runtime.database),
        runtime.clock.now(),
        settings.window_warning(),
    )


async def _trial_balance(context: Context) -> int:
    return await perform_trial_balance(context.arguments, MongoQueries(context.runtime.database))


async def _fec(context: Context) -> int:
    runtime = context.runtime
    siren = cast(PayoutsSettings, runtime.settings).seller.siren
    store = MongoReconciliation(runtime.database)
    try:
        return await perform_fec(context.arguments, store, siren, runtime.clock.now())
    except Refused as refusal:
        raise CommandRefused(refusal.detail) from None


COMMANDS = (
    Command(
        "fec",
        "the entries of a fiscal year as the French tax office wants them",
        describe_fec,
        _fec,
    ),
    Command(
        "queue",
        "list the refunds of all campaigns that wait for somebody, oldest first",
        describe_queue,
        _queue,
    ),
    Command(
        "trial-balance",
        "debit and credit of every account over all books, as of a day",
        describe_trial_balance,
        _trial_balance,
    ),
    Command(
        "reconcile",
        "hold the provider's balance transactions against the books, both ways",
        describe_reconcile,
        _reconcile,
    ),
    Command(
        "verify-ledger",
        "prove the books: each chain by itself, by its book, and by what was published",
        describe_verify_ledger,
        _verify_ledger,
    ),
)
