"""The claimed work of payouts: who performs each kind, how many at the same time."""

from payouts.adapters.freshness import TopicFreshness
from payouts.consumer import REWARD_INPUTS
from payouts.handlers.claim_money import AnswerClaims
from payouts.handlers.disputes import FollowDisputes
from payouts.handlers.end_runs import EndRuns
from payouts.handlers.invoices import IssueInvoices
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
from payouts.http import Parts
from payouts.ports.provider import Provider
from payouts.ports.unit import PayoutsUnit
from payouts.settings import PayoutsSettings
from servicekit.dispatch import Dispatcher
from servicekit.loops import Loop
from servicekit.pace import Pace
from servicekit.positions import TopicPositions
from servicekit.runtime import Runtime
from servicekit.work import Claim, WorkItem

# A part of the provider's pace is always free for stages, which come before refunds.
SPARE_FOR_STAGES = 0.2
# Answers to calls that left together come within so long, and nobody waits for their being saved.
GATHER_SECONDS = 0.1


def add_workers(
    settings: PayoutsSettings,
    runtime: Runtime[PayoutsUnit],
    parts: Parts,
    provider: Provider,
    pace: Pace,
) -> None:
    """Add every worker of payouts; what calls the provider to move money keeps to its pace."""
    units, clock, lease = runtime.units, runtime.clock, settings.lease_seconds

    rewards_read = TopicFreshness(
        [TopicPositions(runtime.connection, topic, group) for topic, group in REWARD_INPUTS], clock
    )

    async def run(claim: Claim) -> None:
        await run_all(units, claim, rewards_read, clock.now())

    ends, disputes = EndRuns(units, clock), FollowDisputes(units, provider, clock)
    claims = AnswerClaims(units, parts.queries, parts.ceilings, clock)
    invoices = IssueInvoices(units, settings.seller, settings.invoice_letters, clock)
    _move_money(settings, runtime, parts, provider, pace)
    runtime.worker(REFUND_RUN, run, concurrency=2, lease_seconds=lease)
    runtime.worker(REFUND_RUN_END, ends, concurrency=2, lease_seconds=lease)
    runtime.worker(DISPUTE, disputes, concurrency=2, lease_seconds=lease)
    runtime.worker(CLAIM, claims, concurrency=2, lease_seconds=lease)
    # One after the other: they all take the next number.
    runtime.worker(INVOICE, invoices, concurrency=1, lease_seconds=lease)


def _move_money(
    settings: PayoutsSettings,
    runtime: Runtime[PayoutsUnit],
    parts: Parts,
    provider: Provider,
    pace: Pace,
) -> None:
    async def offer(item: WorkItem) -> None:
        await runtime.units.run(lambda unit: unit.plumbing.work.offer([item]))

    dispatcher = Dispatcher("provider", runtime.work, offer, pace, runtime.clock)
    runtime.loop("work", Loop("dispatch provider", dispatcher.run))
    stages, refunds = parts.stages, _refunds(settings, runtime, parts, provider)
    of_stages = dispatcher.lane()
    of_refunds = dispatcher.lane(spare=SPARE_FOR_STAGES, urgent_before=OF_A_RUN)
    runtime.worker(
        STAGE,
        of_stages.performing(stages),
        concurrency=4,
        lease_seconds=settings.lease_seconds,
        lane=of_stages,
    )
    runtime.worker(
        REFUND,
        of_refunds.performing(refunds),
        concurrency=settings.refund_concurrency,
        lease_seconds=settings.lease_seconds,
        lane=of_refunds,
    )


def _refunds(
    settings: PayoutsSettings, runtime: Runtime[PayoutsUnit], parts: Parts, provider: Provider
) -> SendRefunds:
    now = runtime.clock.now
    return SendRefunds(
        refund_lanes(runtime.units, now),
        refund_lanes(runtime.units, now, gather_seconds=GATHER_SECONDS),
        provider,
        refund_readings(parts.queries),
        parts.stages.funds,
        parts.stages.brake,
        settings.key_rules(),
        runtime.clock,
    )
