"""Payouts after a restored backup: the provider is asked about all that could have been sent.

Refunds and plans come back by themselves when the inputs are read again, under the same ids. What
the provider did for them after the backup is taken over here, before anything may be sent, so that
nothing is paid twice; it is posted on the balance transactions found (`money.md` 1, R1).

The ledger goes on where it was published: its blocks come back from the topic as they are, and
what is posted again claims its place in them instead of being sealed a second time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar

from payouts.domain import refund_recovery, stage_recovery
from payouts.domain.block import Block
from payouts.domain.book import Book, claim_postings, take_back
from payouts.domain.dispute import DisputeSeen
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.ledger import Account, fold
from payouts.domain.plan import StageKind
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.provider_keys import KeyRules
from payouts.domain.refund import Refund, RefundDecision, RefundState
from payouts.domain.refund_outcome import RefundSeen
from payouts.domain.refund_request import by_staff
from payouts.domain.stage import Stage, StageState
from payouts.domain.stage_approval import drop_approval
from payouts.domain.stage_outcome import PayoutSeen
from payouts.domain.stage_recovery import TransferMade
from payouts.handlers.cancel import stop_plan
from payouts.handlers.disputes import take_dispute
from payouts.handlers.posting import post
from payouts.handlers.refund_run import Progress, requested_before, run_all
from payouts.handlers.wake import CURSOR, DISPUTE_TYPES, wake_disputes
from payouts.handlers.work_kinds import REFUND_RUN, refund_work, stage_work
from payouts.ports.provider import CashMovement, NoAnswer, NotThere, Provider
from payouts.ports.queries import Queries
from payouts.ports.sending import Brake
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.errors import DependencyAway, DuplicateKey
from servicekit.own_topics import Unexplained
from servicekit.recovery import ServiceRecovery
from servicekit.units import UnitsOfWork
from servicekit.work import WorkQueue

T = TypeVar("T")
P = ParamSpec("P")

PAGE = 100
QUESTIONS_AT_ONCE = 16
TRIES = 5
# Types of balance transactions that leave by our own calls.
REFUND = "refund"
TRANSFER = "transfer"
# How the causes of postings begin that no reading of topics or provider brings back.
FALLEN = "stage-approval-fallen/"
APPROVED = "stage-approved/"
CLAIMABLE = "refund-claimable/"
REQUESTED = "refund-requested/"
PAID_OTHERWISE = "paid-otherwise/"
TAKEN_BACK_REFUND = "refund-cancelled/"
CANCELLED = "stage-cancelled/"
TAKEN_BACK = "stage-taken-back/"
SUBMITTED = "stage-submitted/"
REFUND_TAKEN_BACK = "refund-cancelled/"
UNCLAIMED_MAX = 100_000
SHOWN = 3
# Where nothing is owed to the creator for the stage.
_UNAPPROVED = frozenset(
    {
        StageState.PLANNED,
        StageState.DUE,
        StageState.AWAITING_SECOND_APPROVAL,
        StageState.HELD,
        StageState.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class RecoverPayouts(ServiceRecovery):
    """What `recover` does for payouts beyond what it does for every service."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    provider: Provider
    brake: Brake
    queue: WorkQueue
    read: Callable[[Sequence[Unexplained]], Mapping[str, Sequence[Block]]]
    read_holds: Callable[[Sequence[Unexplained]], Mapping[str, str]]
    read_asked: Callable[[Sequence[Unexplained]], Sequence[Refund]]
    rules: KeyRules
    clock: Clock
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep

    lost = (
        "destinations given after the backup: those that money went to are taken from the "
        "provider, the others must be given again by their creators",
        "evidence, decisions about milestones, approvals and holds given after the backup: people "
        "must give them again; where a stage was held, its campaign's money is stopped meanwhile",
        "who asked for and approved refunds after the backup: what the ledger has of them is owed "
        "again, what nobody had approved must be asked for again",
        "audit records after the backup",
        "daily signatures of the chains' heads after the backup: who noted them can still compare",
    )

    async def roll_forward(self, unexplained: Sequence[Unexplained]) -> list[str]:
        """Take the published blocks back, one transaction for each, up to the topic's end."""
        lines: list[str] = []
        for campaign_id, blocks in sorted(self.read(unexplained).items()):
            try:
                taken = sum([await self._take_back(block) for block in blocks])
                lines.append(f"{campaign_id}: {taken} blocks taken back from the ledger's topic")
            except (Refused, DuplicateKey) as error:
                lines.append(
                    f"a person must look at the ledger of {campaign_id}, later blocks are made "
                    f"again under later numbers: {error}"
                )
        await self.units.run(partial(_remember, self.read_asked(unexplained)))
        return lines + await self._stop_what_was_held(unexplained)

    async def _stop_what_was_held(self, unexplained: Sequence[Unexplained]) -> list[str]:
        """The hold is forgotten, and what it held must not be paid for that."""
        lines: list[str] = []
        for campaign_id, why in sorted(self.read_holds(unexplained).items()):
            await self.brake.stop(campaign_id, "recover", f"held after the backup, {why}")
            lines.append(
                f"a person must place a hold again, the money of {campaign_id} is stopped: {why}"
            )
        return lines

    async def _take_back(self, block: Block) -> int:
        known = await self.queries.blocks(block.campaign_id, block.number - 1, 1)
        if known and known[0] == block:
            return 0

        async def work(unit: PayoutsUnit) -> None:
            books = await unit.books.load([block.campaign_id])
            book = books.get(block.campaign_id) or Book(block.campaign_id, block.currency)
            moved = take_back(book, block)
            await unit.books.take_back(block)
            await unit.books.save([moved])

        await self.units.run(work)
        return 1

    async def reconcile(self) -> list[str]:
        """Take over what the provider did; return what was found, and what a person must do."""
        # A call that left before the last process died may still be on its way.
        await self.wait(self.rules.quiet.total_seconds())
        lines: list[str] = []
        # What a cancelled campaign has left for its backers depends on what went to its creator.
        async for book in self._books():
            await self._count_fallen_approvals(book)
            await self._count_taken_back(book)
            for stage in await self.queries.stages(book.campaign_id):
                lines += await self._stage(stage)
            await self.units.run(partial(self._stop_plan_again, book.campaign_id))
        async for book in self._books():
            await self._ask_for_shares_again(book)
        disputes = await self._seen_disputes()
        await self._finish_runs(await self._pledges_of(disputes))
        lines += await self._owe_what_staff_approved()
        async for book in self._books():
            lines += await self._refunds(book)
            await self._give_up_again(book)
            lines += await self._paid_otherwise(book)
        # After what was sent, so that no dispute takes back what had left before it.
        lines += await self._follow(disputes)
        async for book in self._books():
            for stage in await self.queries.stages(book.campaign_id):
                # Of money that a dispute brought back.
                if stage.kind is StageKind.SUPPLEMENT:
                    lines += await self._stage(stage)
            lines += await self._left_unclaimed(book.campaign_id)
        return lines + await self._cash_nobody_has()

    async def _books(self) -> AsyncIterator[Book]:
        after = ""
        while books := await self.queries.books(after, PAGE):
            for book in books:
                yield book
            after = books[-1].campaign_id

    async def _owe_what_staff_approved(self) -> list[str]:
        """What the ledger has of a refund that people asked for is owed again, or taken back again.

        It may have been sent, and no rule would make it again: the provider is asked about it next.
        """
        lines: list[str] = []
        after: tuple[datetime, str] | None = None
        state = RefundState.AWAITING_APPROVAL
        while page := await self.queries.refund_queue(state, after, PAGE):
            after = page[-1].created_at, page[-1].refund_id
            for refund in page:
                try:
                    await self.units.run(partial(_owe_again, refund, self.clock))
                except (Refused, InvariantBroken) as error:
                    what = f"refund {refund.refund_id}: {error}"
                    await self.brake.stop(refund.campaign_id, "recover", what)
                    lines.append(f"a person must look, the campaign's money is stopped: {what}")
        return lines

    async def _stop_plan_again(self, campaign_id: str, unit: PayoutsUnit) -> None:
        """Cancel what stood still until the ledger and the provider had been asked about it."""
        book = (await unit.books.load([campaign_id]))[campaign_id]
        stopped = await stop_plan(unit, book, self.clock.now())
        if stopped != book:
            await unit.books.save([stopped])

    async def _count_taken_back(self, book: Book) -> None:
        """A stage that was submitted, and taken back unsent, moved nothing in the end."""
        for back in await self._unclaimed(book, TAKEN_BACK):
            causes = (back, f"{SUBMITTED}{back.removeprefix(TAKEN_BACK)}")
            await self.units.run(partial(_claim_what_moved_nothing, book.campaign_id, causes))

    async def _ask_for_shares_again(self, book: Book) -> None:
        """Bring back the refunds of a run by shares, with the amounts that the ledger has.

        The provider is asked about each before anything is sent; the run goes on behind them.
        """
        if book.cancellation is None or book.run is None or book.run.finished:
            return
        after: str | None = None
        while book.unclaimed and (found := await self._shares_page(book.campaign_id, after)):
            after = found

    async def _shares_page(self, campaign_id: str, after: str | None) -> str | None:
        async def work(unit: PayoutsUnit) -> str | None:
            book = (await unit.books.load([campaign_id]))[campaign_id]
            page = await unit.pledges.page(campaign_id, after, PAGE)
            decisions = await requested_before(unit, book, page, self.clock.now())
            if decisions and book.run is not None:
                await unit.books.save([replace(book, run=replace(book.run, resumed=True))])
                await _save_refunds(unit, campaign_id, decisions, self.clock)
            return page[-1].pledge_id if page else None

        return await self.units.run(work)

    async def _seen_disputes(self) -> list[DisputeSeen]:
        """Read what banks did after the backup, and what they had not decided before it."""
        found: list[DisputeSeen] = []
        for dispute_id in [*await self._undecided(), *await self._withdrawn()]:
            seen: DisputeSeen | NotThere = await _answered(self.provider.find_dispute, dispute_id)
            if isinstance(seen, DisputeSeen):
                found.append(seen)
        return found

    async def _pledges_of(self, disputes: Sequence[DisputeSeen]) -> dict[str, PledgeMoney]:
        """Return the pledges that are disputed, by payment."""

        async def read(unit: PayoutsUnit) -> dict[str, PledgeMoney]:
            payments = {seen.payment_reference for seen in disputes}
            found = {one: await unit.pledges.of_payment(one) for one in payments}
            return {payment: money for payment, money in found.items() if money is not None}

        return await self.units.run(read)

    async def _follow(self, disputes: Sequence[DisputeSeen]) -> list[str]:
        """Take the disputes over, and what was sent for their pledges once they had ended."""
        lines: list[str] = []
        pledges = await self._pledges_of(disputes)
        for seen in disputes:
            known = await self.queries.dispute(seen.dispute_id)
            money = pledges.get(seen.payment_reference)
            take = partial(take_dispute, seen=seen, now=self.clock.now())
            try:
                taken = await self.units.run(take)
            except (Refused, InvariantBroken) as error:
                lines.append(await self._stop_for_dispute(seen, money, error))
                continue
            if taken != known:
                what = f"dispute {seen.dispute_id}: {taken.state}, taken over from the provider"
                lines.append(what)
            named = [seen.dispute_id]
            wake = partial(wake_disputes, dispute_ids=named, now=self.clock.now())
            await self.units.run(wake)
            if money is not None:
                lines += await self._refunds_of(money)
        return lines

    async def _refunds_of(self, money: PledgeMoney) -> list[str]:
        lines: list[str] = []
        refunds = await self.units.run(lambda unit: unit.refunds.of_pledge(money.pledge_id))
        turns = asyncio.Semaphore(1)
        asked = [(one, await self._ask_refund(one, turns)) for one in refunds if _is_adopted(one)]
        await self._adopt_refunds(money.campaign_id, [pair for pair in asked if pair[1]], lines)
        return lines

    async def _undecided(self) -> list[str]:
        found: list[str] = []
        while page := await self.queries.undecided_disputes(found[-1] if found else "", PAGE):
            found += [dispute.dispute_id for dispute in page]
        return found

    async def _withdrawn(self) -> list[str]:
        """Return the disputes whose cash moved behind the backup's cursor, in that order."""
        found: dict[str, None] = {}
        cursor = await self.queries.cursor(CURSOR)
        while page := await _answered(self._movements, cursor):
            cursor = page[-1].id
            found |= {one.source: None for one in page if one.type in DISPUTE_TYPES}
        return list(found)

    async def _stop_for_dispute(
        self, seen: DisputeSeen, money: PledgeMoney | None, error: Exception
    ) -> str:
        what = f"a person must look at dispute {seen.dispute_id}: {error}"
        if money is None:
            return what
        await self.brake.stop(money.campaign_id, "recover", f"{seen.dispute_id}: {error}")
        return f"{what}; the money of {money.campaign_id} is stopped"

    async def _count_fallen_approvals(self, book: Book) -> None:
        """An approval that fell left nothing behind but its number, which is never used again.

        One that the backup still has falls once more; one whose stage was cancelled is found
        again by the cancellation, or falls with it.
        """
        for beginning in (FALLEN, CANCELLED):
            for fell in await self._unclaimed(book, beginning):
                await self._count_fallen_approval(book, fell, fell.removeprefix(beginning))

    async def _count_fallen_approval(self, book: Book, fell: str, approval_id: str) -> None:
        stage_id, _, number = approval_id.rpartition("/approval-")
        causes = (fell, f"{APPROVED}{approval_id}")
        work = partial(
            _count_approval,
            book.campaign_id,
            self.clock.now(),
            stage_id=stage_id,
            number=number,
            causes=causes,
        )
        await self.units.run(work)

    async def _give_up_again(self, book: Book) -> None:
        """What waits to be claimed by its backer is never sent again by itself."""
        for cause in await self._unclaimed(book, CLAIMABLE):
            refund_id, _, number = cause.removeprefix(CLAIMABLE).rpartition("/")

            async def work(unit: PayoutsUnit, one: str = refund_id, at: str = number) -> None:
                refund = (await unit.refunds.load({one})).get(one)
                if refund is None:
                    return
                money = (await unit.pledges.load({refund.pledge_id}))[refund.pledge_id]
                now = self.clock.now()
                decision = refund_recovery.give_up_again(refund, money, int(at), now)
                if decision.refund != refund:
                    await _save_refunds(unit, book.campaign_id, [decision], self.clock)

            await self.units.run(work)

    async def _paid_otherwise(self, book: Book) -> list[str]:
        """What two people said was paid outside the provider is never sent again."""
        lines: list[str] = []
        for cause in await self._unclaimed(book, PAID_OTHERWISE):

            async def work(
                unit: PayoutsUnit, one: str = cause.removeprefix(PAID_OTHERWISE)
            ) -> None:
                known = (await unit.refunds.load({one}))[one]
                money = (await unit.pledges.load({known.pledge_id}))[known.pledge_id]
                decision = refund_recovery.pay_otherwise_again(known, money)
                await _save_refunds(unit, book.campaign_id, [decision], self.clock)

            try:
                await self.units.run(work)
            except (Refused, InvariantBroken, KeyError) as error:
                await self.brake.stop(book.campaign_id, "recover", f"{cause}: {error}")
                lines.append(f"a person must look at {cause}, the campaign's money is stopped")
        return lines

    async def _unclaimed(self, book: Book, beginning: str) -> list[str]:
        if not book.unclaimed:
            return []
        return await self.queries.unclaimed(book.campaign_id, beginning, UNCLAIMED_MAX)

    async def _left_unclaimed(self, campaign_id: str) -> list[str]:
        book = await self.queries.book(campaign_id)
        if book is None or not book.unclaimed:
            return []
        causes = ", ".join(await self.queries.unclaimed(campaign_id, "", SHOWN))
        return [f"{campaign_id}: {book.unclaimed} postings wait to be made again: {causes}"]

    async def _cash_nobody_has(self) -> list[str]:
        """Return the movements behind the backup's cursor that belong to nothing we know."""
        lines: list[str] = []
        cursor = await self.queries.cursor(CURSOR)
        while page := await _answered(self._movements, cursor):
            cursor = page[-1].id
            left = {one.source: one for one in page if one.type in (REFUND, TRANSFER)}
            refunds = await self.queries.refunds_of_provider(list(left))
            known = {a.provider_refund_id for refund in refunds for a in refund.attempts}
            known |= await self.queries.transfers_known(list(left))
            strays = [one for source, one in left.items() if source not in known]
            lines += [await self._stop_for(one) for one in strays]
        return lines

    async def _stop_for(self, stray: CashMovement) -> str:
        """Nothing more of a campaign is paid whose money went somewhere that no book knows."""
        what = f"a person must look at {stray.id}: no book knows its {stray.type} {stray.source}"
        campaign_id = await _answered(self.provider.campaign_of, stray)
        if campaign_id is None:
            return what
        await self.brake.stop(campaign_id, "recover", f"no book knows {stray.source}")
        return f"{what}; the money of {campaign_id} is stopped"

    async def _movements(self, cursor: str | None) -> list[CashMovement] | NoAnswer:
        found = await self.provider.movements_after(cursor)
        return NoAnswer() if found is None else found

    async def _finish_runs(self, disputed: Mapping[str, PledgeMoney]) -> None:
        """Create the refunds that are owed, so that the provider can be asked about each.

        Those of disputed pledges only where the ledger says that they were: others may have been
        charged back first.
        """
        apart = frozenset(money.pledge_id for money in disputed.values())
        waiting: set[str] = set()
        while (await self.queue.backlog(REFUND_RUN)).items > len(waiting):
            claims = await self.queue.claim(
                REFUND_RUN, self.clock.now(), PAGE, self.rules.lease_seconds
            )
            for claim in claims:
                # One that waits for an answer goes on by itself, once the service runs.
                waiting.discard(claim.item.id)
                progress = await run_all(self.units, claim, self.clock.now(), apart=apart)
                if progress is Progress.WAITS:
                    waiting.add(claim.item.id)
            if not claims:  # Its lease was saved with the backup, and will be over.
                await self.wait(1)

    async def _refunds(self, book: Book) -> list[str]:
        lines: list[str] = []
        # What a dispute took back first is asked about once the dispute is followed.
        later = {_refund_of(cause) for cause in await self._unclaimed(book, REFUND_TAKEN_BACK)}
        after, taken_over = "", 0
        while page := await self.queries.refunds(book.campaign_id, after, PAGE):
            turns = asyncio.Semaphore(QUESTIONS_AT_ONCE)
            asked = [one for one in page if one.refund_id not in later and _is_adopted(one)]
            found = await asyncio.gather(*(self._ask_refund(one, turns) for one in asked))
            pairs = [(one, seen) for one, seen in zip(asked, found, strict=True) if seen]
            taken_over += await self._adopt_refunds(book.campaign_id, pairs, lines)
            after = page[-1].refund_id
        if taken_over:
            lines.append(f"{book.campaign_id}: {taken_over} refunds taken over from the provider")
        return lines

    async def _ask_refund(self, refund: Refund, turns: asyncio.Semaphore) -> list[RefundSeen]:
        async with turns:
            return await _answered(self.provider.refunds_of, refund)

    async def _adopt_refunds(
        self,
        campaign_id: str,
        pairs: Sequence[tuple[Refund, list[RefundSeen]]],
        lines: list[str],
    ) -> int:
        async def work(unit: PayoutsUnit) -> tuple[int, list[str]]:
            refunds = await unit.refunds.load({refund.refund_id for refund, _ in pairs})
            money = await unit.pledges.load({r.pledge_id for r in refunds.values()})
            now, refused = self.clock.now(), []
            decisions: list[RefundDecision] = []
            for refund, found in pairs:
                known = refunds[refund.refund_id]
                try:
                    decision = refund_recovery.adopt(known, money[known.pledge_id], found, now)
                except (Refused, InvariantBroken) as error:
                    refused.append(f"a person must look at refund {refund.refund_id}: {error}")
                    continue
                if decision.refund != known:
                    decisions.append(decision)
                    money[known.pledge_id] = decision.money
            await _save_refunds(unit, campaign_id, decisions, self.clock)
            return len(decisions), refused

        if not pairs:
            return 0
        count, refused = await self.units.run(work)
        lines += refused
        return count

    async def _stage(self, stage: Stage) -> list[str]:
        transfers = await _answered(self.provider.transfers_of, stage)
        if not transfers:
            return []
        account = transfers[0].account
        payouts = await _answered(self.provider.payouts_of, stage, account)

        try:
            changed = await self.units.run(
                lambda unit: self._adopt_stage(unit, stage, transfers, payouts)
            )
        except (Refused, InvariantBroken) as error:
            # Here it looks unsent, and no limit of the provider keeps it from being sent again.
            await self.brake.stop(stage.campaign_id, "recover", f"{stage.stage_id}: {error}")
            return [
                f"a person must look at {stage.stage_id}, its campaign's money is stopped: {error}"
            ]
        return [f"{stage.stage_id}: taken over from the provider"] if changed else []

    async def _adopt_stage(
        self,
        unit: PayoutsUnit,
        stage: Stage,
        transfers: Sequence[TransferMade],
        payouts: Sequence[PayoutSeen],
    ) -> bool:
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
        decision = stage_recovery.adopt(known, destination, transfers, payouts, now, owed)
        if decision.stage == known:
            return False
        # One that went out under an attempt known here tells nothing new of where money is to go:
        # the creator may have changed that since.
        if destination != given and transfers[0].seen.attempt > len(known.attempts):
            await unit.destinations.save(destination)
        await unit.books.save([await post(unit, book, decision.postings, now)])
        await unit.stages.save([decision.stage])
        await unit.facts.add(decision.facts)
        await unit.plumbing.work.offer([stage_work(decision.stage, now)])
        return True


def _refund_of(cause: str) -> str:
    """Return whose taking back a posting's cause names."""
    return cause.removeprefix(REFUND_TAKEN_BACK).partition("/")[0]


def _is_adopted(refund: Refund) -> bool:
    """One that a dispute has blocked is not asked about before the dispute is followed."""
    return refund.state is not RefundState.BLOCKED


async def _count_approval(
    campaign_id: str,
    now: datetime,
    unit: PayoutsUnit,
    stage_id: str,
    number: str,
    causes: tuple[str, str],
) -> None:
    sealed = await unit.books.sealed(causes)
    stages = {stage.stage_id: stage for stage in await unit.stages.load(campaign_id)}
    stage = stages.get(stage_id)
    if stage is None:
        return
    book = (await unit.books.load([campaign_id]))[campaign_id]
    if stage.state is StageState.APPROVED and f"{APPROVED}{stage.approval_id}" == causes[1]:
        if causes[0].startswith(CANCELLED):
            # The cancellation, heard again, has cancelled it, or will.
            return
        decision = drop_approval(stage, "fell-before-restore")
        book = await post(unit, book, decision.postings, now)
        if stage.kind is StageKind.LAST:
            book = replace(book, last_approved=False)
        await unit.books.save([book])
        await unit.stages.save([decision.stage])
        return
    if len(sealed) != len(causes) or stage.state not in _UNAPPROVED:
        return
    await _claim_what_moved_nothing(campaign_id, causes, unit)
    await unit.stages.save([replace(stage, approvals=max(stage.approvals, int(number)))])


async def _claim_what_moved_nothing(
    campaign_id: str, causes: tuple[str, str], unit: PayoutsUnit
) -> None:
    """Take over two postings that undo each other; nothing where only one of them is unknown."""
    sealed = await unit.books.sealed(causes)
    if len(sealed) != len(causes):
        return
    book = (await unit.books.load([campaign_id]))[campaign_id]
    for posting in sealed.values():
        book = replace(book, balances=fold(book.balances, posting.entries))
    await unit.books.save([claim_postings(book, list(sealed.values()))])
    await unit.books.claim(causes)


async def _remember(asked: Sequence[Refund], unit: PayoutsUnit) -> None:
    """Keep what staff asked for after the backup; nothing is owed before the ledger says so."""
    known = await unit.refunds.load({refund.refund_id for refund in asked})
    await unit.refunds.save([refund for refund in asked if refund.refund_id not in known])


async def _owe_again(refund: Refund, clock: Clock, unit: PayoutsUnit) -> None:
    asked = f"{REQUESTED}{refund.refund_id}"
    taken_back = f"{TAKEN_BACK_REFUND}{by_staff(refund.refund_id)}"
    sealed = await unit.books.sealed({asked, taken_back})
    if asked not in sealed:
        return
    known = (await unit.refunds.load({refund.refund_id}))[refund.refund_id]
    money = (await unit.pledges.load({known.pledge_id})).get(known.pledge_id)
    if money is None:
        raise Refused("pledge-unknown", f"pledge {known.pledge_id} is not here")
    decision = refund_recovery.owe_again(known, money, sealed[asked])
    if taken_back in sealed:
        again = refund_recovery.take_back_again(decision, sealed[taken_back])
        await _save_refunds(unit, known.campaign_id, [again], clock)
        return
    await _save_refunds(unit, known.campaign_id, [decision], clock)


async def _save_refunds(
    unit: PayoutsUnit, campaign_id: str, decisions: Sequence[RefundDecision], clock: Clock
) -> None:
    now = clock.now()
    postings = [posting for decision in decisions for posting in decision.postings]
    if postings:
        book = (await unit.books.load([campaign_id]))[campaign_id]
        await unit.books.save([await post(unit, book, postings, now)])
        money = {decision.money.pledge_id: decision.money for decision in decisions}
        await unit.pledges.save(list(money.values()))
    await unit.refunds.save([decision.refund for decision in decisions])
    await unit.facts.add([fact for decision in decisions for fact in decision.facts])
    await unit.plumbing.work.offer([refund_work(decision.refund, now) for decision in decisions])


async def _answered(
    ask: Callable[P, Awaitable[T | NoAnswer]], *question: P.args, **named: P.kwargs
) -> T:
    """Ask until there is an answer: guessing here would pay somebody twice."""
    for attempt in range(TRIES):
        answer = await ask(*question, **named)
        if not isinstance(answer, NoAnswer):
            return answer
        await asyncio.sleep(0.2 * 2**attempt)
    raise DependencyAway("the payment provider does not answer; run recover again")
