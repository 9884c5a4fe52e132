"""The commands of payouts' own, and what each of them is given of a service put together."""

from typing import cast

from payouts import wire
from payouts.adapters.book_checks import MongoBookChecks
from payouts.adapters.head_signatures import MongoHeadSignatures
from payouts.adapters.ledger_topic import KafkaLedgerTopic
from payouts.adapters.mongo_reconciliation import MongoReconciliation
from payouts.adapters.queries import MongoQueries
from payouts.commands import (
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
from payouts.domain.errors import Refused
from payouts.handlers.adjustments import Adjust
from payouts.settings import PayoutsSettings
from servicekit.command import Command, CommandRefused, Context


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
    provider = settings.provider()
    try:
        store = MongoReconciliation(runtime.database)
        patience, now = settings.reconcile_patience(), runtime.clock.now()
        return await perform_reconcile(store, provider, patience, now)
    finally:
        await provider.close()


async def _queue(context: Context) -> int:
    runtime = context.runtime
    settings = cast(PayoutsSettings, runtime.settings)
    queries, checks = MongoQueries(runtime.database), MongoBookChecks(runtime.database)
    return await perform_queue(
        context.arguments,
        queries,
        Adjust(runtime.units, queries, checks, runtime.clock),
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
        "list what waits for somebody in all campaigns, oldest first",
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
