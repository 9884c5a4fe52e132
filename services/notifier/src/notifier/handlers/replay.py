"""Replaying a cause: whoever is missing is told, and nobody else.

The audience as of N is cut again, into the same chunks with the same ids. A chunk that is not
there is kept and told; one whose work was lost has it again; one of which no mail was ever begun
is written to. Who has an outcome keeps it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from notifier.domain.cause import Cause, CauseState
from notifier.domain.chunk import Chunk, ChunkState
from notifier.domain.delivery import Channel
from notifier.domain.kind import is_written
from notifier.domain.replay import Missing, Replay, Word, done, found_more, want
from notifier.handlers.address import is_paged_again
from notifier.handlers.cut import CutCauses
from notifier.handlers.email_work import begin_emails
from notifier.handlers.hear import (
    PUBLISH_CHUNK,
    PUBLISH_ONE,
    PledgesPosition,
    address_work,
    joined_behind,
    plan_work,
    publish_work,
    supplement,
    take_roles,
)
from notifier.ports.queries import Queries
from notifier.ports.unit import NotifierUnit
from servicekit.audit import AuditEntry
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from servicekit.work import Claim, WorkItem

log = structlog.get_logger()

# Says, within a transaction, what it makes good.
Found = Callable[[NotifierUnit, Missing], Awaitable[None]]

REPLAY = "replay"
# What one transaction of a replay looks at.
PAGE = 20


async def want_replay(unit: NotifierUnit, cause: str, replay_id: str, word: Word) -> Replay:
    """Take a person's word with its audit record; the second person's lets it begin."""
    known = await unit.replays.load(cause, replay_id)
    wanted = want(known, cause, replay_id, word)
    if wanted == known:
        return wanted
    await unit.replays.save(wanted)
    what = {"cause": cause, "replay": replay_id}
    entry = AuditEntry(word.at, word.by, "replay cause", what, word.why, wanted.state)
    await unit.plumbing.audit.add(entry)
    if wanted.second is not None:
        await unit.plumbing.work.offer([_replay_work(wanted, wanted.second)])
    return wanted


def _replay_work(replay: Replay, word: Word) -> WorkItem:
    payload = {"cause": replay.cause, "replay_id": replay.replay_id}
    return WorkItem(f"replay/{replay.cause}|{replay.replay_id}", REPLAY, word.at, payload=payload)


@dataclass(frozen=True, slots=True)
class ReplayCauses:
    """Performs work of the kind `replay`; doing it again finds nothing missing any more."""

    units: UnitsOfWork[NotifierUnit]
    queries: Queries
    cut: CutCauses
    pledges: PledgesPosition
    clock: Clock
    # Without the channel e-mail no mails are begun.
    writes_mail: bool

    async def __call__(self, claim: Claim) -> None:
        name, replay_id = claim.item.payload["cause"], claim.item.payload["replay_id"]
        cause, found = await self.queries.cause(name), partial(_note, name, replay_id)
        if cause is not None:
            await self._plan_again(cause, found)
        await self._hand_on(name, found)

        async def work(unit: NotifierUnit) -> Replay:
            ended = done(await _load(unit, name, replay_id))
            await unit.replays.save(ended)
            await unit.plumbing.work.finish([claim])
            return ended

        ended = await self.units.run(work)
        log.info("cause replayed", cause=name, found=str(ended.found))

    async def _plan_again(self, cause: Cause, found: Found) -> None:
        """Keep the chunks that are not there, of backers, supplements and roles."""
        if cause.state is CauseState.WAITING:
            item = plan_work(cause, self.clock.now())
            await self.units.run(lambda unit: unit.plumbing.work.offer([item]))
            return
        async for page in self.cut.pages(cause, await self.cut.planner(cause)):
            await self.units.run(partial(_keep_missing, page, found))
        await self.units.run(lambda unit: self._beside(unit, cause, found))

    async def _beside(self, unit: NotifierUnit, cause: Cause, found: Found) -> None:
        told, now = cause.told, self.clock.now()
        late = await joined_behind(unit, self.pledges, cause)
        supplements = await supplement(unit, cause, late, self.cut.partitions, now)
        # Who has a role is found out afterwards: of these only the chunks can be counted.
        roles = await take_roles(unit, [told], now)
        await found(unit, _missing([*supplements, *roles]))

    async def _hand_on(self, name: str, found: Found) -> None:
        """Offer what is left to do of every chunk; work that is there stays as it is."""
        after = ""
        while chunks := await self.queries.chunks_of(name, after, PAGE):
            chunk_ids = [chunk.chunk_id for chunk in chunks]
            await self.units.run(partial(self._offer, chunk_ids, found))
            after = chunk_ids[-1]

    async def _offer(self, chunk_ids: Sequence[str], found: Found, unit: NotifierUnit) -> None:
        now = self.clock.now()
        # Read here: whoever was told, forgotten or withdrawn meanwhile is so in this transaction.
        chunks = list((await unit.chunks.load(chunk_ids)).values())
        pending = [chunk for chunk in chunks if chunk.state is ChunkState.PENDING]
        unaddressed = [
            chunk
            for chunk in chunks
            if chunk.state is ChunkState.UNADDRESSED or is_paged_again(chunk, now)
        ]
        await unit.plumbing.work.offer(
            [
                *(publish_work(_kind(chunk), chunk, now) for chunk in pending),
                *(address_work(chunk, now) for chunk in unaddressed),
            ]
        )
        if not self.writes_mail:
            return
        told = [one for one in chunks if one.state is ChunkState.DONE and one.recipients]
        written = [one for one in told if is_written(one.told.kind, one.role)]
        begun = await unit.deliveries.load(Channel.EMAIL, [one.chunk_id for one in written])
        unwritten = [one for one in written if one.chunk_id not in begun]
        left = [one for one in written if one.chunk_id in begun and begun[one.chunk_id].left]
        await begin_emails(unit, [*unwritten, *left], now)
        mails = sum(len(one.recipients) - len(one.suppressed) for one in unwritten)
        await found(unit, Missing(mails=mails))


def _kind(chunk: Chunk) -> str:
    return PUBLISH_ONE if chunk.partition is None else PUBLISH_CHUNK


async def _keep_missing(chunks: Sequence[Chunk], found: Found, unit: NotifierUnit) -> None:
    new = await unit.chunks.add_new(chunks)
    await found(unit, _missing(new))


def _missing(new: Sequence[Chunk]) -> Missing:
    return Missing(len(new), sum(len(chunk.recipients) for chunk in new))


async def _note(name: str, replay_id: str, unit: NotifierUnit, missing: Missing) -> None:
    """Save what was made good in the transaction that does it; nearly always nothing is missing."""
    if missing != Missing():
        await unit.replays.save(found_more(await _load(unit, name, replay_id), missing))


async def _load(unit: NotifierUnit, name: str, replay_id: str) -> Replay:
    known = await unit.replays.load(name, replay_id)
    assert known is not None, "a replay is kept before its work is offered"
    return known
