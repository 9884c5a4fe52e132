"""What a worker does with one claimed stage: approve, submit, send both legs, watch the bank."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from payouts.domain import stage_outcome
from payouts.domain.destination import refuse as refuse_destination
from payouts.domain.destination import verify
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.funds import ProviderFunds
from payouts.domain.gate import GateView, Line, closed, evaluate
from payouts.domain.ledger import Account
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.plan import StageKind
from payouts.domain.provider_keys import KeyRules
from payouts.domain.stage import Stage, StageDecision, StageState
from payouts.domain.stage_amount import (
    amount_now,
    check_left,
    end_where_nothing_is_left,
    shown,
)
from payouts.domain.stage_approval import approve_by_verdict, drop_approval, signed_of
from payouts.domain.stage_cancelling import money_has_left, nothing_left
from payouts.domain.stage_outcome import PayoutSeen, TransferSeen
from payouts.domain.stage_recovery import in_the_way
from payouts.domain.stage_reversal import observe_reversal, taken_back
from payouts.domain.stage_sending import (
    StageStep,
    lose_sight,
    next_step,
    resend,
    send,
    stay,
    submit,
)
from payouts.domain.stopping import Stopped
from payouts.handlers.funds import FundsReader
from payouts.handlers.stages import (
    Decide,
    StageView,
    load_view,
    save_step,
    transfers_let_be,
)
from payouts.metrics import STOPPED_FOR_A_PERSON
from payouts.ports.provider import Declined, NoAnswer, NotThere, Provider, Throttled
from payouts.ports.sending import Brake, Freshness
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.errors import LeaseLost
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

log = structlog.get_logger()

Outcome = TransferSeen | PayoutSeen | Declined | Throttled | NoAnswer | NotThere
STEPS_MAX = 12
AGAIN = timedelta(seconds=1)
AGAIN_MAX = timedelta(seconds=60)
# A bank may send a payout back days after it confirmed it.
WATCH = timedelta(days=7)

_TO_SUBMIT = frozenset({StageState.APPROVED, StageState.FAILED})
_MAY_FALL = frozenset({StageState.APPROVED, StageState.AWAITING_SECOND_APPROVAL})
_TRANSFERS = frozenset({StageStep.SEND_TRANSFER, StageStep.RESEND_TRANSFER})
_PAYOUTS = frozenset({StageStep.SEND_PAYOUT, StageStep.RESEND_PAYOUT})
_SENDING = _TRANSFERS | _PAYOUTS


_LOOK_UPS = {
    StageStep.RESEND_TRANSFER: StageStep.LOOK_UP_TRANSFER,
    StageStep.RESEND_PAYOUT: StageStep.LOOK_UP_PAYOUT,
}


@dataclass(frozen=True, slots=True)
class PayStages:
    """Performs work of the kind `stage`, as many steps as go without waiting."""

    units: UnitsOfWork[PayoutsUnit]
    provider: Provider
    funds: FundsReader
    freshness: Freshness
    brake: Brake
    rules: KeyRules
    clock: Clock
    approval_limit: int
    cooling_off_seconds: int
    dispute_reserve_basis_points: int = 200

    async def __call__(self, claim: Claim) -> None:
        before: Stage | None = None
        for _ in range(STEPS_MAX):
            try:
                found = await self._save(claim, _unchanged)
                stage = await self._step(claim, found)
            except (Refused, InvariantBroken) as error:
                STOPPED_FOR_A_PERSON.labels("stage").inc()
                log.error("a person must look", stage=claim.item.id, error=str(error))
                raise
            if stage is None:
                break
            before = stage
            # What changed nothing waits: asked again at once it would be told the same. And the
            # next attempt is another turn's, after a pause.
            if stage == found or stage.state is StageState.FAILED:
                break
        await self._let_go(claim, before)

    async def explain(self, campaign_id: str, number: int) -> tuple[Stage, tuple[Line, ...]]:
        """Return the stage and the gate's lines as they are now, for who waits for the money."""
        now = self.clock.now()
        view = await self.units.run(lambda unit: load_view(unit, campaign_id, number, now))
        funds = await self.funds.read(view.book.currency)
        fresh_since = await self._fresh_since(view.stage)
        now_shown = shown(view.book, view.stage, view.previous, view.at_most)
        return now_shown, evaluate(self._gate(view, funds, fresh_since))

    async def _step(self, claim: Claim, stage: Stage) -> Stage | None:
        """Take the next step; return the stage after it, None if it has to wait."""
        if stage.state is StageState.DUE:
            await self._verify_destination(claim)
            return await self._save(claim, self._approve)
        if stage.state is StageState.FAILED and money_has_left(stage):
            return await self._submit_what_lies_there(claim, stage)
        if stage.state in _TO_SUBMIT:
            return await self._submit(claim, stage)
        if stage.state is StageState.AWAITING_SECOND_APPROVAL:
            return await self._save(claim, _drop_if_fallen)
        if stage.state in (StageState.HELD, StageState.CANCELLED):
            return stage
        step = next_step(stage, self.clock.now())
        if step is StageStep.REST and stage.state is not StageState.PAID:
            return None
        if step in _SENDING:
            stopped = self.brake.stopped(stage.campaign_id)
            if stopped is not None:
                return await self._stand_still(claim, step, stopped)
            if step is StageStep.SEND_TRANSFER and not await self._is_first(claim, stage):
                return None
            if step in _PAYOUTS:
                back = await self._taken_back(stage)
                if back is None:
                    return None
                if back:
                    return await self._keep_payout(claim, step, back)
            stage = await self._leave(claim, stage)
            step = _call_now(stage, step)
            if step is StageStep.REST:
                return stage
            # The note may have stood still meanwhile.
            stopped = self.brake.stopped(stage.campaign_id)
            if stopped is not None:
                return await self._stand_still(claim, step, stopped)
        return await self._fold(claim, await self._ask(claim, stage, step))

    async def _is_first(self, claim: Claim, stage: Stage) -> bool:
        """Whether no transfer was made that the stage does not know; False also without an answer.

        One of an attempt that was given up because no list showed it (decision 0008), or of what a
        restored backup forgot: the provider has no limit that keeps a stage from being paid twice.
        Once one shows up, the campaign's money stands still until a person has looked, and taken it
        back there: a list shows it for ever, but all of it came back. Where only a part did, two
        people let the rest be.
        """
        made = await self.provider.transfers_of(stage)
        if isinstance(made, NoAnswer):
            return False
        found = in_the_way(stage, made)
        if found:
            let_be = await self.units.run(partial(transfers_let_be, made=found))
            found = in_the_way(stage, found, let_be)
        if found:
            # Whoever was overtaken finds the transfer of who overtook it: it has lost the lease.
            await self._save(claim, _unchanged)
            seen = found[0].seen
            why = f"{stage.stage_id}: {seen.transfer_id} of attempt {seen.attempt} was made"
            STOPPED_FOR_A_PERSON.labels("stage").inc()
            log.error("a person must look", stage=stage.stage_id, error=why)
            await self.brake.stop(stage.campaign_id, "payouts", why)
        return not found

    async def _stand_still(self, claim: Claim, step: StageStep, stopped: Stopped) -> Stage | None:
        """Note why the leg is not sent; one that may have been made is looked up."""
        stage = await self._save(
            claim, lambda view: StageDecision(replace(view.stage, reason=str(stopped)))
        )
        look_up = _LOOK_UPS.get(step)
        if look_up is None:
            return None
        found = await self._ask(claim, stage, look_up)
        # What is absent waits as it is: its key is good, and nobody may send it now.
        return None if isinstance(found, NotThere) else await self._fold(claim, found)

    async def _verify_destination(self, claim: Claim) -> None:
        campaign_id = claim.item.payload["campaign_id"]
        given = await self.units.run(lambda unit: unit.destinations.load(campaign_id))
        if given is None or given.usable:
            return
        problem = await self.provider.account_problem(given.account)
        if isinstance(problem, NoAnswer):
            return
        now = self.clock.now()
        checked = verify(given, now) if problem is None else refuse_destination(given, problem)

        async def save(unit: PayoutsUnit) -> None:
            # What was checked is this version only; a newer one is checked on its own.
            if await unit.destinations.load(campaign_id) == given and checked != given:
                await unit.destinations.save(checked)

        await self.units.run(save)

    def _approve(self, view: StageView) -> StageDecision:
        # A person may have approved it since the step was chosen: that money is on its way.
        if view.stage.state is not StageState.DUE:
            return StageDecision(view.stage)
        if view.stage.kind is StageKind.SUPPLEMENT:
            return end_where_nothing_is_left(view.book, view.stage, view.previous, view.now)
        first = view.stage.kind is StageKind.FIRST
        if not first or view.book.cancellation is not None:
            return StageDecision(view.stage)
        try:
            if view.destination is None:
                raise Refused("no-destination", "no destination is given")
            gets = amount_now(view.book, view.stage, view.previous)
            check_left(view.book, gets, view.kept_back)
            return approve_by_verdict(
                view.stage, gets.amount, view.destination, self.approval_limit, view.now
            )
        except Refused as refusal:
            return StageDecision(replace(view.stage, reason=refusal.reason))

    async def _submit_what_lies_there(self, claim: Claim, stage: Stage) -> Stage | None:
        """Submit the next payout of a transfer, unless it was taken back meanwhile.

        The account may hold another stage's money, which a payout would take.
        """
        back = await self._taken_back(stage)
        if back is None:
            return None
        after = await self._book_reversal(claim, back) if back else stage
        return await self._submit(claim, stage) if after.state is StageState.FAILED else after

    async def _taken_back(self, stage: Stage) -> list[TransferSeen] | None:
        """Return the stage's transfer if any of it was taken back; None without an answer."""
        made = await self.provider.transfers_of(stage)
        return None if isinstance(made, NoAnswer) else taken_back([one.seen for one in made], stage)

    async def _book_reversal(self, claim: Claim, back: Sequence[TransferSeen]) -> Stage:
        def decide(view: StageView) -> StageDecision:
            decision = StageDecision(view.stage)
            for seen in back:
                decision = decision.then(observe_reversal(decision.stage, seen))
            return decision

        return await self._save(claim, decide)

    async def _keep_payout(
        self, claim: Claim, step: StageStep, back: Sequence[TransferSeen]
    ) -> Stage | None:
        """Let no payout of a transfer leave that was taken back: it would take other money.

        A restored backup may not know that it was. One that was asked for is looked up, and not
        asked for again; once it is surely absent its attempt has failed, and row 18 follows.
        """
        if step is StageStep.SEND_PAYOUT:
            return await self._book_reversal(claim, back)
        stage = await self._save(claim, lambda view: StageDecision(lose_sight(view.stage)))
        return await self._fold(claim, await self._ask(claim, stage, StageStep.LOOK_UP_PAYOUT))

    async def _submit(self, claim: Claim, stage: Stage) -> Stage:
        funds = await self.funds.read(stage.currency)
        fresh_since = await self._fresh_since(stage)

        def decide(view: StageView) -> StageDecision:
            if why := _approval_fell(view):
                return drop_approval(view.stage, why)
            if view.destination is None or view.stage.state not in _TO_SUBMIT:
                return StageDecision(view.stage)
            same = view.stage.approval_id == stage.approval_id
            lines = evaluate(self._gate(view, funds, fresh_since if same else None))
            try:
                owed = view.book.balances.get(Account.CREATOR_RECEIVABLE, 0)
                quantum = view.book.quantum
                return submit(view.stage, lines, view.destination, view.now, owed, quantum)
            except Refused as refusal:
                if view.stage.state is StageState.FAILED:
                    # The gate says what it waits for; why the last attempt failed must stay.
                    return StageDecision(view.stage)
                return StageDecision(replace(view.stage, reason=refusal.detail))

        return await self._save(claim, decide)

    async def _leave(self, claim: Claim, stage: Stage) -> Stage:
        """Note that a leg is about to leave; a transfer only through the gate, as it is now."""
        if money_has_left(stage):
            return await self._save(claim, _note)
        # A reading from before the debt was set off has the campaign hold that money still.
        funds = await self.funds.read(stage.currency, anew=bool(stage.set_off))
        fresh_since = await self._fresh_since(stage)

        def decide(view: StageView) -> StageDecision:
            if next_step(view.stage, view.now) not in _TRANSFERS:
                return _note(view)
            if why := _approval_fell(view):
                return drop_approval(view.stage, why)
            same = view.stage.approval_id == stage.approval_id
            lines = evaluate(self._gate(view, funds, fresh_since if same else None))
            shut = closed(lines)
            return StageDecision(stay(view.stage, shut)) if shut else _note(view)

        return await self._save(claim, decide)

    async def _fresh_since(self, stage: Stage) -> datetime | None:
        """Ask about this approval only: what was read before it was given says nothing."""
        if stage.approval is None or stage.state is StageState.AWAITING_SECOND_APPROVAL:
            return None
        return await self.freshness.fresh_since(stage.approval_id)

    def _gate(
        self,
        view: StageView,
        funds: ProviderFunds | None,
        fresh_since: datetime | None,
    ) -> GateView:
        return GateView(
            book=view.book,
            stage=view.stage,
            previous=view.previous,
            destination=view.destination,
            funds=funds,
            fresh_since=fresh_since,
            cooling_off_seconds=self.cooling_off_seconds,
            approval_limit=self.approval_limit,
            stopped=self.brake.stopped(view.stage.campaign_id),
            now=view.now,
            dispute_reserve=self.dispute_reserve_basis_points,
            kept_back=view.kept_back,
            shortfall=view.shortfall,
            set_aside=view.set_aside,
            at_most=view.at_most,
        )

    async def _ask(self, claim: Claim, stage: Stage, step: StageStep) -> Outcome:
        if self.clock.now() >= claim.lease_until:
            # Whoever holds the lease now may be sending: an abandoned sender sends nothing.
            raise LeaseLost(claim.item.id)
        match step:
            case StageStep.SEND_TRANSFER | StageStep.RESEND_TRANSFER:
                return await self.provider.create_transfer(stage)
            case StageStep.SEND_PAYOUT | StageStep.RESEND_PAYOUT:
                return await self.provider.create_payout(stage)
            case StageStep.LOOK_UP_TRANSFER:
                return await self.provider.find_transfer(stage)
        return await self.provider.find_payout(stage)

    async def _fold(self, claim: Claim, outcome: Outcome) -> Stage | None:
        if isinstance(outcome, Throttled):
            return None

        def decide(view: StageView) -> StageDecision:
            match outcome:
                case TransferSeen():
                    return stage_outcome.observe_transfer(view.stage, outcome)
                case PayoutSeen():
                    return stage_outcome.observe_payout(view.stage, outcome, view.now)
                case Declined(reason, _, for_funds):
                    return stage_outcome.refuse(view.stage, reason, view.now, for_funds)
                case NotThere():
                    return stage_outcome.find_absent(view.stage, self.rules, view.now)
                case NoAnswer(key_spent) if view.stage.state is StageState.SUBMITTED:
                    return StageDecision(lose_sight(view.stage, key_spent=key_spent))
            return StageDecision(view.stage)

        stage = await self._save(claim, decide)
        return stage if isinstance(outcome, (TransferSeen, PayoutSeen, Declined)) else None

    async def _save(self, claim: Claim, decide: Decide) -> Stage:
        return await save_step(self.units, claim, decide, self.clock.now())

    async def _let_go(self, claim: Claim, stage: Stage | None) -> None:
        """End the claim when nothing can come any more, else look again after a growing pause."""
        now = self.clock.now()
        over = stage is not None and (
            stage.state in (StageState.NOTHING_TO_PAY, StageState.CANCELLED)
            or (stage.paid_at is not None and now - stage.paid_at > WATCH)
        )
        pause = min(AGAIN_MAX, AGAIN * 2 ** min(claim.attempt, 6))
        if stage is not None and stage.state is StageState.PAID and stage.paid_at is not None:
            pause = max(AGAIN_MAX, (now - stage.paid_at) / 2)

        async def save(unit: PayoutsUnit) -> None:
            if over:
                await unit.plumbing.work.finish([claim])
            else:
                await unit.plumbing.work.postpone(claim, now + pause)

        await self.units.run(save)


def _approval_fell(view: StageView) -> str | None:
    """Why the approval no longer holds; once a transfer may be made it is too late to fall."""
    approval, destination = view.stage.approval, view.destination
    may_fall = view.stage.state in _MAY_FALL or nothing_left(view.stage)
    if not may_fall or approval is None:
        return None
    if destination is None or destination.version != approval.destination_version:
        return "changed-after-approval"
    if approval.expired(view.now):
        return "approval-expired"
    signed = signed_of(view.stage, approval.amount, destination.version).hash
    return "changed-after-approval" if approval.signed not in ("", signed) else None


def _drop_if_fallen(view: StageView) -> StageDecision:
    why = _approval_fell(view)
    return drop_approval(view.stage, why) if why else StageDecision(view.stage)


def _call_now(stage: Stage, step: StageStep) -> StageStep:
    """Return what may be asked now: nothing leaves that is not noted, as at a shut gate."""
    if not stage.is_submitted or stage.attempt.state is AttemptState.INTENDED:
        return StageStep.REST
    unknown = stage.attempt.state is AttemptState.TRANSFER_UNKNOWN
    return StageStep.LOOK_UP_TRANSFER if unknown else step


def _unchanged(view: StageView) -> StageDecision:
    return StageDecision(view.stage)


def _note(view: StageView) -> StageDecision:
    """Note that a leg's call is about to leave, so that a crash leaves a trace."""
    step = next_step(view.stage, view.now)
    if step in (StageStep.SEND_TRANSFER, StageStep.SEND_PAYOUT):
        return StageDecision(replace(send(view.stage, view.now), reason=None))
    if step in (StageStep.RESEND_TRANSFER, StageStep.RESEND_PAYOUT):
        return StageDecision(replace(resend(view.stage, view.now), reason=None))
    return StageDecision(view.stage)
