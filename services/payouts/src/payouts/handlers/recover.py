"""Payouts after a restored backup: the provider is asked about all that could have been sent.

Refunds and plans come back by themselves when the inputs are read again, under the same ids. What
the provider did for them after the backup is taken over here, before anything may be sent, so that
nothing is paid twice; it is posted on the balance transactions found (`money.md` 1, R1).

The ledger goes on where it was published: its blocks come back from the topic as they are, and
what is posted again claims its place in them instead of being sealed a second time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from payouts.domain.block import Block
from payouts.domain.book import Book
from payouts.domain.provider_keys import KeyRules
from payouts.domain.refund import Refund
from payouts.domain.refund_run_end import RefundRunFinished
from payouts.handlers.end_runs import remember_end
from payouts.handlers.recovery.adjustments import claim_adjustments
from payouts.handlers.recovery.approvals import CountApprovals
from payouts.handlers.recovery.cash import FindStrayCash
from payouts.handlers.recovery.closings import claim_closings
from payouts.handlers.recovery.disputes import FollowMissedDisputes
from payouts.handlers.recovery.ledger import TakeLedgerBack
from payouts.handlers.recovery.refunds import AdoptRefunds
from payouts.handlers.recovery.runs import FinishRuns
from payouts.handlers.recovery.staff import RestoreStaffDecisions
from payouts.handlers.recovery.stages import AdoptStages
from payouts.handlers.recovery.unclaimed import left_unclaimed
from payouts.handlers.recovery.unsent import KeepUnsent
from payouts.ports.provider import Provider
from payouts.ports.queries import Queries
from payouts.ports.sending import Brake
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.own_topics import Unexplained
from servicekit.recovery import ServiceRecovery
from servicekit.units import UnitsOfWork
from servicekit.work import WorkQueue

PAGE = 100


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
    read_refused: Callable[[Sequence[Unexplained]], Sequence[Refund]]
    read_ends: Callable[[Sequence[Unexplained]], Sequence[RefundRunFinished]]
    rules: KeyRules
    clock: Clock
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep

    lost = (
        "destinations given after the backup: those that money went to are taken from the "
        "provider, the others must be given again by their creators",
        "evidence, decisions about milestones and holds given after the backup: people must give "
        "them again; where a stage was held, its campaign's money is stopped meanwhile",
        "approvals of stages given after the backup: those that a transfer was made upon come back "
        "from the ledger, without the people; the others must be given again",
        "who asked for and approved refunds after the backup: what the ledger has of them is owed "
        "again, what nobody had approved must be asked for again",
        "personal links issued after the backup: they open nothing any more; one that was replaced "
        "meanwhile opens again until the next is issued",
        "fees given up after the backup: two people must say the same again, under the same names, "
        "before a last stage is approved",
        "who took back what the platform had paid, and why, after the backup: the sums come back "
        "from the ledger, what waited for a second person must be said again",
        "audit records after the backup",
        "invoices issued after the backup: give `PAYOUTS_INVOICE_LETTERS` new letters before the "
        "next start, so that no number means two documents; credit what is invoiced again",
        "daily signatures of the chains' heads after the backup: who noted them can still compare",
    )

    async def roll_forward(self, unexplained: Sequence[Unexplained]) -> list[str]:
        """Take the published blocks back, one transaction for each, up to the topic's end."""
        staff = RestoreStaffDecisions(self.units, self.queries, self.brake, self.clock)
        ledger = TakeLedgerBack(self.units, self.queries)
        lines = await ledger.take_back(self.read(unexplained))
        await staff.remember(self.read_asked(unexplained))
        await staff.remember_refusals(self.read_refused(unexplained))
        for end in self.read_ends(unexplained):
            await self.units.run(partial(remember_end, end=end))
        return lines + await staff.stop_what_was_held(self.read_holds(unexplained))

    async def reconcile(self) -> list[str]:
        """Take over what the provider did; return what was found, and what a person must do."""
        # A call that left before the last process died may still be on its way.
        await self.wait(self.rules.quiet.total_seconds())
        units, queries, provider = self.units, self.queries, self.provider
        approvals = CountApprovals(units, queries, self.clock)
        stages = AdoptStages(units, queries, provider, self.brake, self.clock)
        runs = FinishRuns(units, self.queue, self.rules, self.clock, self.wait)
        staff = RestoreStaffDecisions(units, queries, self.brake, self.clock)
        refunds = AdoptRefunds(units, queries, provider, self.clock)
        unsent = KeepUnsent(units, queries, self.brake, self.clock)
        disputes = FollowMissedDisputes(units, queries, provider, self.brake, self.clock, refunds)
        lines: list[str] = []
        # What a cancelled campaign has left for its backers depends on what went to its creator.
        async for book in self._books():
            await approvals.count_fallen(book.campaign_id)
            await approvals.count_taken_back(book)
            lines += await stages.adopt_all(book.campaign_id)
            await stages.stop_plan_again(book.campaign_id)
        async for book in self._books():
            await runs.ask_for_shares_again(book)
        # A run is of what they left of its pledges.
        lines += await staff.owe_approved()
        seen = await disputes.seen()
        await runs.finish(await disputes.pledges_of(seen))
        async for book in self._books():
            lines += await refunds.adopt_all(book)
            lines += await unsent.give_up_again(book)
            lines += await unsent.pay_otherwise_again(book)
            # Before disputes: what one takes back goes to who bears it.
            await claim_adjustments(units, queries, self.clock, book.campaign_id)
        # After what was sent, so that no dispute takes back what had left before it.
        lines += await disputes.follow(seen)
        async for book in self._books():
            lines += await stages.adopt_supplements(book.campaign_id)
            await claim_adjustments(units, queries, self.clock, book.campaign_id)
            await claim_closings(units, queries, book.campaign_id)
            lines += await left_unclaimed(queries, book.campaign_id)
        strays = FindStrayCash(queries, provider, self.brake)
        return lines + await strays.find(stages.at_rest)

    async def _books(self) -> AsyncIterator[Book]:
        after = ""
        while books := await self.queries.books(after, PAGE):
            for book in books:
                yield book
            after = books[-1].campaign_id
