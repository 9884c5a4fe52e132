"""The timed work of payouts: what it is called, every how many seconds it looks, what it does."""

from collections.abc import Iterator

from payouts.adapters.stripe_provider import StripeProvider
from payouts.http import Parts
from payouts.ports.unit import PayoutsUnit
from payouts.settings import PayoutsSettings
from payouts.sweeps.books import CheckAllBooks, CheckBooks, CheckPeriods, CloseBooks, SignHeads
from payouts.sweeps.cash import FollowCash, Reconcile
from payouts.sweeps.gate import MeasureGate
from payouts.sweeps.holdings import MeasureHoldings
from payouts.sweeps.queues import MeasureFunds, MeasureQueues
from payouts.sweeps.refunds import ExpireRequests, RemindBackers, ShareWhatCameBack, UnblockRefunds
from payouts.sweeps.stages import PlanSupplements
from servicekit.runtime import Runtime
from servicekit.sweeps import Sweep

HOUR = 3_600.0


def timetable(
    settings: PayoutsSettings,
    runtime: Runtime[PayoutsUnit],
    parts: Parts,
    provider: StripeProvider,
) -> Iterator[Sweep]:
    """Return every sweep of payouts."""
    units, queries, checks = parts.units, parts.queries, parts.checks
    funds = parts.stages.funds
    close = CloseBooks(units, queries, checks, settings.closing_rest())
    reconcile = Reconcile(parts.reconciliation, provider, settings.reconcile_patience())
    sign = SignHeads(queries, parts.signatures, parts.head_keys)
    holdings = MeasureHoldings(units, queries, settings.holding_limits())
    yield Sweep("cash", 2.0, FollowCash(units, queries, provider))
    yield Sweep("books", settings.books_check_seconds, CheckBooks(queries, checks))
    yield Sweep("all-books", 1.0, CheckAllBooks(queries, checks))
    yield Sweep("periods", HOUR, CheckPeriods(queries))
    yield Sweep("closings", 60.0, close)
    yield Sweep("shares", 15.0, ShareWhatCameBack(units, queries))
    yield Sweep("supplements", 60.0, PlanSupplements(units, queries))
    yield Sweep("reconcile", 15.0, reconcile)
    yield Sweep("signatures", 60.0, sign)
    yield Sweep("holdings", HOUR, holdings)
    yield Sweep("funds", 60.0, MeasureFunds(queries, funds))
    yield Sweep("gate", 60.0, MeasureGate(queries, parts.stages))
    yield Sweep("reminders", 15.0, RemindBackers(units, queries))
    yield Sweep("blocked", 60.0, UnblockRefunds(units, queries, funds))
    yield Sweep.of_due("requests", 15.0, ExpireRequests(units, queries))
    yield Sweep("measure", 15.0, MeasureQueues(queries, parts.window_warning))
