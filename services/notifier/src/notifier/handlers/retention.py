"""What is old is forgotten: who was told of it, what was said, and what became of each mail.

How many were told stays, in the inbox and on each channel, so that a cause adds up for ever; its
name stays, so that nobody is told of it again. What is read grows with nothing old: inboxes,
fan-outs and sums find theirs by index.

What takes a reminder's reason away is kept for as long as the reminder may come, and what has been
answered for as long as its question is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from notifier.domain.audience import TOLD_FOR
from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Channel
from notifier.metrics import FORGOTTEN
from notifier.ports.queries import Queries
from notifier.ports.unit import NotifierUnit
from servicekit.units import UnitsOfWork

PAGE = 100
ANSWERS_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class ForgetOld:
    """A sweep: forgets a page at a time what is older than `kept_for`."""

    units: UnitsOfWork[NotifierUnit]
    queries: Queries
    kept_for: timedelta

    async def __call__(self, now: datetime) -> int:
        """Forget all that is due; return of how many people."""
        until, after, forgotten = now - self.kept_for, None, 0
        while chunks := await self.queries.old_chunks(until, after, PAGE):
            forgotten += await self.units.run(partial(_forget, chunks))
            after = chunks[-1].told.caused_at, chunks[-1].chunk_id
        FORGOTTEN.inc(forgotten)
        return 0


@dataclass(frozen=True, slots=True)
class ForgetAnswers:
    """A sweep: forgets what ended reminders too old to be told, and questions that are forgotten.

    Who was told is forgotten after `kept_for`, and with it what they were asked. Where a release
    before kept no instant of an answer, it is forgotten so long after this sweep has found it.
    """

    units: UnitsOfWork[NotifierUnit]
    kept_for: timedelta

    async def __call__(self, now: datetime) -> int:
        """Forget a page of each; return how many, with those that have their instant from now."""

        async def work(unit: NotifierUnit) -> int:
            withdrawals = await unit.withdrawals.shed(now - TOLD_FOR, ANSWERS_PAGE)
            dated = await unit.receipt_questions.date(now, ANSWERS_PAGE)
            asked = await unit.receipt_questions.shed(now - self.kept_for, ANSWERS_PAGE)
            return withdrawals + dated + asked

        return await self.units.run(work)


async def _forget(chunks: Sequence[Chunk], unit: NotifierUnit) -> int:
    """Forget those of whom nothing is left to be done on any channel."""
    ids = [chunk.chunk_id for chunk in chunks]
    written = await unit.deliveries.load(Channel.EMAIL, ids)
    still = {chunk_id for chunk_id, delivery in written.items() if delivery.left}
    over = [chunk for chunk in chunks if chunk.chunk_id not in still]
    names = [chunk.chunk_id for chunk in over]
    await unit.deliveries.shed(Channel.EMAIL, names)
    await unit.chunks.shed(names)
    await unit.unreached.shed(names)
    return sum(len(chunk.recipients) for chunk in over)
