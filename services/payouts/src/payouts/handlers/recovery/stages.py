"""Stages that were sent after the backup are taken over with the money that they moved."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from payouts.domain import stage_recovery
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.ledger import Account
from payouts.domain.plan import StageKind
from payouts.domain.postings import STAGE_APPROVED, STAGE_SUBMITTED, stage_transferred
from payouts.domain.stage import Stage
from payouts.domain.stage_outcome import PayoutSeen
from payouts.domain.stage_recovery import TransferMade
from payouts.handlers.cancel import stop_plan
from payouts.handlers.posting import post
from payouts.handlers.recovery.answers import answered
from payouts.handlers.recovery.approvals import CountApprovals
from payouts.handlers.stages import transfers_let_be
from payouts.handlers.work_kinds import stage_work
from payouts.ports.provider import Provider
from payouts.ports.queries import Queries
from payouts.ports.sending import Brake
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True)
class AdoptStages:
    """Asks the provider about each stage, and stops the money of one that cannot be taken over.

    `at_rest` are the transfers that it found and no stage stands on: all of each came back, or
    people let the rest be. `unsent` are the stages that stand on none.
    """

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    provider: Provider
    brake: Brake
    clock: Clock
    at_rest: set[str] = field(default_factory=set)
    unsent: set[str] = field(default_factory=set)

    async def adopt_all(self, campaign_id: str) -> list[str]:
        """Take over what the provider has of the campaign's stages."""
        lines: list[str] = []
        for stage in await self.queries.stages(campaign_id):
            lines += await self._adopt_if_sent(stage)
        return lines

    async def adopt_supplements(self, campaign_id: str) -> list[str]:
        """Take over the stages of money that a dispute brought back."""
        lines: list[str] = []
        for stage in await self.queries.stages(campaign_id):
            if stage.kind is StageKind.SUPPLEMENT:
                lines += await self._adopt_if_sent(stage)
        return lines

    async def stop_plan_again(self, campaign_id: str) -> None:
        """Cancel what stood still until the ledger and the provider had been asked about it."""

        async def work(unit: PayoutsUnit) -> None:
            book = (await unit.books.load([campaign_id]))[campaign_id]
            stopped = await stop_plan(unit, book, self.clock.now(), self.unsent)
            if stopped != book:
                await unit.books.save([stopped])

        await self.units.run(work)

    async def _adopt_if_sent(self, stage: Stage) -> list[str]:
        made = await answered(self.provider.transfers_of, stage)
        # The account of one that was taken back is none that money goes to.
        transfers = await self.units.run(partial(_standing, stage=stage, made=made))
        standing = {one.seen.transfer_id for one in transfers}
        self.at_rest.update({one.seen.transfer_id for one in made} - standing)
        if not transfers:
            self.unsent.add(stage.stage_id)
            return []
        changed = False
        turns = stage_recovery.in_turn(transfers)
        for turn, following in zip(turns, [*turns[1:], None], strict=True):
            try:
                changed |= await self._adopt_turn(stage, turn, following)
            except (Refused, InvariantBroken) as error:
                # Here it looks unsent, and no limit of the provider keeps it from being sent again.
                await self.brake.stop(stage.campaign_id, "recover", f"{stage.stage_id}: {error}")
                what = f"a person must look at {stage.stage_id}, its campaign's money is stopped"
                return [f"{what}: {error}"]
        return [f"{stage.stage_id}: taken over from the provider"] if changed else []

    async def _adopt_turn(
        self,
        stage: Stage,
        transfers: Sequence[TransferMade],
        following: Sequence[TransferMade] | None,
    ) -> bool:
        """Take these transfers over, with the payouts before the `following` ones were made."""
        payouts = await answered(self.provider.payouts_of, stage, transfers[0].account)
        if following is not None:
            payouts = [one for one in payouts if one.attempt < following[0].seen.attempt]
        followed = following is not None
        changed = await self.units.run(
            lambda unit: self._adopt_stage(unit, stage, transfers, payouts, followed)
        )
        if followed:
            # What fell behind its reversal has the numbers before the next one's approval.
            await CountApprovals(self.units, self.queries, self.clock).count_fallen(
                stage.campaign_id
            )
        return changed

    async def _adopt_stage(
        self,
        unit: PayoutsUnit,
        stage: Stage,
        transfers: Sequence[TransferMade],
        payouts: Sequence[PayoutSeen],
        followed: bool,
    ) -> bool:
        """Save what follows; where another one `followed`, this one surely came back."""
        now = self.clock.now()
        known = (await unit.stages.load(stage.campaign_id))[stage.number - 1]
        book = (await unit.books.load([stage.campaign_id]))[stage.campaign_id]
        given = await unit.destinations.load(stage.campaign_id)
        # The campaign's money lies where its pledges were paid.
        pledge = (await unit.pledges.page(stage.campaign_id, None, 1))[0]
        provider = given.provider if given else pledge.provider
        destination = stage_recovery.destination_of(
            given, stage.campaign_id, provider, transfers[0].account, now
        )
        owed = book.balances.get(Account.CREATOR_RECEIVABLE, 0)
        submitted = f"{STAGE_SUBMITTED}{known.submission_id}"
        approved = STAGE_APPROVED + known.approval_named(known.approvals + 1)
        sealed = await unit.books.sealed([submitted, approved])
        decision = stage_recovery.adopt(
            known,
            destination,
            transfers,
            payouts,
            now,
            owed,
            book.quantum,
            sealed.get(submitted),
            sealed.get(approved),
        )
        decision = stage_recovery.take_back(decision, transfers[-1], followed=followed)
        if decision.stage == known:
            return False
        # One that went out under an attempt known here tells nothing new of where money is to go:
        # the creator may have changed that since.
        if destination != given and transfers[0].seen.attempt > len(known.attempts):
            await unit.destinations.save(destination)
        book = await post(unit, book, decision.postings, now)
        if known.kind is StageKind.LAST:
            book = replace(book, last_approved=decision.stage.divided is not None)
        await unit.books.save([book])
        await unit.stages.save([decision.stage])
        await unit.facts.add(decision.facts)
        await unit.plumbing.work.offer([stage_work(decision.stage, now)])
        return True


async def _standing(
    unit: PayoutsUnit, stage: Stage, made: Sequence[TransferMade]
) -> list[TransferMade]:
    let_be = await transfers_let_be(unit, made)
    causes = {
        one.seen.balance_transaction: stage_transferred(
            one.amount, one.seen.balance_transaction
        ).cause
        for one in made
    }
    sealed = await unit.books.sealed(causes.values())
    booked = {name for name, cause in causes.items() if cause in sealed}
    return stage_recovery.standing(stage, made, let_be, booked)
