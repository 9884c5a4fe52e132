"""Approvals that came to nothing: only the ledger has them, and no number is used again."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Self

from payouts.domain.book import Book
from payouts.domain.ledger import Row
from payouts.domain.plan import StageKind
from payouts.domain.postings import (
    APPROVAL_FALLEN,
    STAGE_APPROVED,
    STAGE_CANCELLED,
    STAGE_SUBMITTED,
    STAGE_TAKEN_BACK,
)
from payouts.domain.stage import UNAPPROVED, StageState
from payouts.domain.stage_approval import drop_approval
from payouts.domain.stage_cancelling import nothing_left
from payouts.handlers.posting import post
from payouts.handlers.recovery.unclaimed import (
    claim_what_moved_nothing,
    unclaimed,
)
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork

# Where nothing is owed to the creator for the stage.
_NOT_OWED = UNAPPROVED | {StageState.CANCELLED}


@dataclass(frozen=True, slots=True, order=True)
class _Fallen:
    """An approval that fell, in order of stage and number."""

    stage_id: str
    number: int
    cause: str

    @classmethod
    def named(cls, cause: str) -> Self:
        stage_id, _, number = _approval_in(cause).rpartition("/approval-")
        return cls(stage_id, int(number), cause)


@dataclass(frozen=True, slots=True)
class CountApprovals:
    """Claims what approvals posted that fell, and stages that were taken back unsent."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    clock: Clock

    async def count_fallen(self, campaign_id: str) -> None:
        """An approval that fell left nothing behind but its number, which is never used again.

        One that the backup still has falls once more; one whose stage was cancelled is found
        again by the cancellation, or falls with it. One that fell because its transfer was taken
        back did more: it comes back with that transfer, and those behind it are counted then.
        """
        book = await self.queries.book(campaign_id)
        if book is None:
            return
        waiting: set[str] = set()
        for beginning in (APPROVAL_FALLEN, STAGE_CANCELLED):
            fallen = [_Fallen.named(one) for one in await unclaimed(self.queries, book, beginning)]
            for fell in sorted(fallen):
                if await self._fell_with_its_transfer(fell.cause):
                    waiting.add(fell.stage_id)
                if fell.stage_id not in waiting:
                    await self._count_one(campaign_id, fell)

    async def _fell_with_its_transfer(self, fell: str) -> bool:
        """Whether it was booked together with a reversal (row 18)."""
        block = await self.queries.block_with(fell)
        return block is not None and any(one.row is Row.STAGE_REVERSED for one in block.entries)

    async def count_taken_back(self, book: Book) -> None:
        """A stage that was submitted, and taken back unsent, moved nothing in the end."""
        for back in await unclaimed(self.queries, book, STAGE_TAKEN_BACK):
            work = partial(_count_submission, book.campaign_id, back.removeprefix(STAGE_TAKEN_BACK))
            await self.units.run(work)

    async def _count_one(self, campaign_id: str, fell: _Fallen) -> None:
        work = partial(
            _count_approval,
            campaign_id,
            self.clock.now(),
            stage_id=fell.stage_id,
            number=fell.number,
            causes=(fell.cause, STAGE_APPROVED + _approval_in(fell.cause)),
        )
        await self.units.run(work)


def _approval_in(cause: str) -> str:
    """Return which approval a posting's cause names."""
    return cause.partition("/")[2]


async def _count_submission(campaign_id: str, submission_id: str, unit: PayoutsUnit) -> None:
    """Claim both, and count them where the stage goes on: no name in the book is used again."""
    causes = (f"{STAGE_TAKEN_BACK}{submission_id}", f"{STAGE_SUBMITTED}{submission_id}")
    if not await claim_what_moved_nothing(campaign_id, causes, unit):
        return
    stage_id, _, number = submission_id.partition("/again-")
    stages = [one for one in await unit.stages.load(campaign_id) if one.stage_id == stage_id]
    counted = [replace(one, taken_back=max(one.taken_back, int(number or 0) + 1)) for one in stages]
    await unit.stages.save(counted)


async def _count_approval(
    campaign_id: str,
    now: datetime,
    unit: PayoutsUnit,
    stage_id: str,
    number: int,
    causes: tuple[str, str],
) -> None:
    sealed = await unit.books.sealed(causes)
    stages = {stage.stage_id: stage for stage in await unit.stages.load(campaign_id)}
    stage = stages.get(stage_id)
    if stage is None:
        return
    book = (await unit.books.load([campaign_id]))[campaign_id]
    stands = stage.state is StageState.APPROVED or nothing_left(stage)
    if stands and f"{STAGE_APPROVED}{stage.approval_id}" == causes[1]:
        if causes[0].startswith(STAGE_CANCELLED):
            # The cancellation, heard again, has cancelled it, or will.
            return
        decision = drop_approval(stage, "fell-before-restore")
        book = await post(unit, book, decision.postings, now)
        if stage.kind is StageKind.LAST:
            book = replace(book, last_approved=False)
        await unit.books.save([book])
        await unit.stages.save([decision.stage])
        return
    if len(sealed) != len(causes) or stage.state not in _NOT_OWED:
        return
    await claim_what_moved_nothing(campaign_id, causes, unit)
    await unit.stages.save([replace(stage, approvals=max(stage.approvals, number))])
