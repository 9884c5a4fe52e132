"""What a worker does with one claimed refund: the one safe call, and what follows from it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.funds import top_up_needed
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.provider_keys import KeyRules
from payouts.domain.refund import RESTING, Refund, RefundDecision, RefundState
from payouts.domain.refund_blocking import block_where_charged_back
from payouts.domain.refund_outcome import (
    ProviderRefundStatus,
    RefundSeen,
    find_absent,
    follow_earlier,
    observe,
    refuse,
    refuse_for_funds,
)
from payouts.domain.refund_sending import (
    RefundStep,
    await_funds,
    lose_sight,
    next_step,
    resend,
    send,
    stand_still,
)
from payouts.domain.refund_window import close_window
from payouts.handlers.funds import FundsReader
from payouts.handlers.refunds import Decide, RefundLanes, RefundReadings, RefundStepItem
from payouts.metrics import REFUND_TRANSITIONS, STOPPED_FOR_A_PERSON, reason_label
from payouts.ports.provider import (
    Declined,
    MadeBefore,
    NoAnswer,
    NotThere,
    Provider,
    Throttled,
)
from payouts.ports.sending import Brake
from servicekit.clock import Clock
from servicekit.errors import LeaseLost
from servicekit.work import Claim

log = structlog.get_logger()

Outcome = RefundSeen | MadeBefore | Declined | Throttled | NoAnswer | NotThere
AGAIN = timedelta(seconds=1)
AGAIN_MAX = timedelta(seconds=60)
FUNDS_AGAIN = timedelta(seconds=2)
STOPPED_AGAIN = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class SendRefunds:
    """Performs work of the kind `refund`."""

    notes: RefundLanes
    outcomes: RefundLanes
    provider: Provider
    readings: RefundReadings
    funds: FundsReader
    brake: Brake
    rules: KeyRules
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        payload = claim.item.payload
        refund = await self.readings.submit(payload["campaign_id"], payload["refund_id"])
        if refund is None:
            raise LookupError(f"no refund {payload['refund_id']}")
        step = next_step(refund, self.clock.now())
        if step is RefundStep.RESEND and not self._may_resend(refund):
            # It may have been made: looking tells, and moves nothing.
            step = RefundStep.LOOK_UP
        if step is RefundStep.SEND and not refund.is_refundable(self.clock.now()):
            await self._close_window(claim)
            return
        if step is RefundStep.SEND and await self._stand_still(claim, refund):
            return
        if step is RefundStep.SEND and await self._wait_for_funds(claim, refund):
            return
        if step in (RefundStep.SEND, RefundStep.RESEND):
            refund = await self._note(claim)
            if refund.state in RESTING:
                return
            if self.brake.stopped(refund.campaign_id) is not None:
                # The note may have stood still meanwhile; what it says is looked up next.
                await self._submit(claim, _unchanged, self.clock.now() + STOPPED_AGAIN)
                return
        if refund.attempts and next_step(refund, self.clock.now()) is not RefundStep.SEND:
            await self._fold(claim, await self._ask(claim, refund, step))
        else:
            await self._submit(claim, _unchanged, self.clock.now() + AGAIN)

    def _may_resend(self, refund: Refund) -> bool:
        stopped = self.brake.stopped(refund.campaign_id)
        return stopped is None and refund.is_refundable(self.clock.now())

    async def _close_window(self, claim: Claim) -> None:
        """Nothing is sent any more: its backer may claim it at once."""

        def decide(current: Refund, money: PledgeMoney) -> RefundDecision:
            now = self.clock.now()
            blocked = block_where_charged_back(current, money, now)
            if blocked.refund != current:
                return blocked
            return close_window(current, money, now)

        _count(await self._submit(claim, decide, self.clock.now() + AGAIN))

    async def _stand_still(self, claim: Claim, refund: Refund) -> bool:
        """Return True, and note why, where operators have stopped the money."""
        stopped = self.brake.stopped(refund.campaign_id)
        if stopped is None:
            return False

        def decide(current: Refund, money: PledgeMoney) -> RefundDecision:
            if next_step(current, self.clock.now()) is not RefundStep.SEND:
                return RefundDecision(current, money)
            return RefundDecision(stand_still(current, str(stopped)), money)

        await self._submit(claim, decide, self.clock.now() + STOPPED_AGAIN)
        return True

    async def _wait_for_funds(self, claim: Claim, refund: Refund) -> bool:
        """Return True, and note what is missing, where the balance does not cover the refund."""
        funds = await self.funds.read(refund.currency)
        missing = top_up_needed(funds, refund.amount) if funds else None
        if missing == 0:
            return False
        reason = "balance-unknown" if missing is None else "top-up-needed"

        def decide(current: Refund, money: PledgeMoney) -> RefundDecision:
            if next_step(current, self.clock.now()) is not RefundStep.SEND:
                return RefundDecision(current, money)
            return RefundDecision(await_funds(current, reason), money)

        await self._submit(claim, decide, self.clock.now() + FUNDS_AGAIN)
        return True

    async def _note(self, claim: Claim) -> Refund:
        """Save that the call is about to leave, so that a crash leaves a trace."""

        def decide(current: Refund, money: PledgeMoney) -> RefundDecision:
            now = self.clock.now()
            step = next_step(current, now)
            blocked = block_where_charged_back(current, money, now)
            if blocked.refund != current:
                return blocked
            if step is RefundStep.SEND:
                return RefundDecision(send(current, now), money)
            if step is RefundStep.RESEND:
                return RefundDecision(resend(current, now), money)
            return RefundDecision(current, money)

        # Its call waits for this, so it does not wait for outcomes to gather.
        return (await self._submit(claim, decide, None, self.notes)).refund

    async def _ask(self, claim: Claim, refund: Refund, step: RefundStep) -> Outcome:
        if self.clock.now() >= claim.lease_until:
            # Whoever holds the lease now may be sending: an abandoned sender sends nothing.
            raise LeaseLost(claim.item.id)
        if refund.state is RefundState.SUBMITTED and step in (RefundStep.SEND, RefundStep.RESEND):
            return await self.provider.create_refund(refund)
        return await self.provider.find_refund(refund)

    async def _fold(self, claim: Claim, outcome: Outcome) -> None:
        now = self.clock.now()
        decide = _following(outcome, self.rules, now)
        _count(await self._submit(claim, decide, now + _pause(outcome, claim)))

    async def _submit(
        self,
        claim: Claim,
        decide: Decide,
        again_at: datetime | None,
        lanes: RefundLanes | None = None,
    ) -> RefundDecision:
        item = RefundStepItem(claim, decide, again_at)
        try:
            return await (lanes or self.outcomes).submit(claim.item.payload["campaign_id"], item)
        except (Refused, InvariantBroken) as error:
            STOPPED_FOR_A_PERSON.labels("refund").inc()
            log.error("a person must look", refund=item.refund_id, error=str(error))
            raise


def _count(decision: RefundDecision) -> None:
    for fact in decision.facts:
        reason = reason_label(fact.refund.reason)
        REFUND_TRANSITIONS.labels(fact.refund.state.value, reason).inc()


def _following(outcome: Outcome, rules: KeyRules, now: datetime) -> Decide:
    """Return what the outcome makes of the refund as it is when it is saved."""

    def decide(refund: Refund, money: PledgeMoney) -> RefundDecision:
        match outcome:
            case RefundSeen():
                return observe(refund, money, outcome, now)
            case MadeBefore(seen, refused):
                return follow_earlier(refund, money, seen, rules, now, refused=refused)
            case Declined(reason, _, True):
                return refuse_for_funds(refund, money, reason)
            case Declined(reason, retryable, False):
                return refuse(refund, money, reason, retryable, now)
            case NotThere():
                return find_absent(refund, money, rules, now)
            case NoAnswer(key_spent) if refund.state in _UNANSWERED:
                return RefundDecision(lose_sight(refund, key_spent=key_spent), money)
        return RefundDecision(refund, money)

    return decide


_UNANSWERED = frozenset({RefundState.SUBMITTED, RefundState.UNKNOWN})


def _unchanged(refund: Refund, money: PledgeMoney) -> RefundDecision:
    return RefundDecision(refund, money)


def _pause(outcome: Outcome, claim: Claim) -> timedelta:
    if isinstance(outcome, Throttled):
        return timedelta(seconds=outcome.retry_after_seconds)
    if isinstance(outcome, Declined):
        return FUNDS_AGAIN if outcome.for_funds else AGAIN
    if isinstance(outcome, RefundSeen) and outcome.status is ProviderRefundStatus.FAILED:
        return AGAIN
    return min(AGAIN_MAX, AGAIN * (1 << min(claim.attempt, 6)))
