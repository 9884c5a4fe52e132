"""Finding out who has a role: creator and team, the platform's staff, who wants a relaunch."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier.domain.audience import TOLD_OF_RELAUNCH, is_too_old
from notifier.domain.cause import Told
from notifier.domain.chunk import (
    RECIPIENTS_MAX,
    Chunk,
    ChunkState,
    address,
    chunk_name,
    page_of,
)
from notifier.domain.kind import Audience, ToldAs, roles_of, rules_of
from notifier.domain.person import PersonRole
from notifier.handlers.hear import PUBLISH_ONE, PledgesPosition, publish_work, take_turns
from notifier.ports.unit import NotifierUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from servicekit.work import Claim, WorkItem

AGAIN = timedelta(seconds=1)
# Who may be as many as a campaign has backers: more than fit in one transaction.
_ANY_NUMBER = frozenset({ToldAs.FOLLOWER, ToldAs.FORMER_BACKER})


@dataclass(frozen=True, slots=True)
class AddressChunks:
    """Performs work of the kind `address`: fixes who is told, once it is known.

    Whose campaign it is may be heard after what is told of it: until then it waits, and nobody is
    guessed. Whoever is told of the cause as a backer, or in another role, is not told again.
    """

    units: UnitsOfWork[NotifierUnit]
    pledges: PledgesPosition
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        async def work(unit: NotifierUnit) -> None:
            chunk_id, now = claim.item.payload["chunk_id"], self.clock.now()
            chunk = (await unit.chunks.load([chunk_id]))[chunk_id]
            if chunk.role in _ANY_NUMBER or _concerns_others(chunk.told):
                # Who has two of the roles, or backs it and is heard of late, may be told of it in
                # this very moment; so may who stands in a page that a replay cuts anew.
                await take_turns(unit, self.pledges, chunk.told.campaign_id)
            if chunk.role in _ANY_NUMBER:
                await _next_page(unit, claim.item, chunk, now)
            elif chunk.state is ChunkState.UNADDRESSED:
                people = await people_in_role(unit, chunk)
                if people is None:
                    await unit.plumbing.work.postpone(claim, now + AGAIN)
                    return
                told = await _told_of(unit, chunk.told, people)
                first, *more = address(chunk, [one for one in people if one not in told])
                await unit.chunks.address(first)
                await unit.chunks.add_new(more)
                await unit.plumbing.work.offer(
                    [publish_work(PUBLISH_ONE, one, now) for one in (first, *more)]
                )
            await unit.plumbing.work.finish([claim])

        await self.units.run(work)


def _concerns_others(told: Told) -> bool:
    """Whether others are told of it, but for those whom it names: they were kept with it."""
    return Audience.BACKERS in rules_of(told).told or len(roles_of(told)) > 1


def is_paged_again(chunk: Chunk, now: datetime) -> bool:
    """Whether a replay looks for people of a role whose pages all are fixed.

    Of what is too old to be told it may be forgotten who was told (`NOTIFIER_NOTIFICATIONS_DAYS`).
    """
    named = chunk.chunk_id == chunk_name(chunk.told.cause, chunk.role)
    told = chunk.state in (ChunkState.PENDING, ChunkState.DONE)
    return chunk.role in _ANY_NUMBER and named and told and not is_too_old(chunk.told, now)


async def _next_page(unit: NotifierUnit, item: WorkItem, chunk: Chunk, now: datetime) -> None:
    """Fix a page of those who have the role, and offer the next.

    The chunk itself takes the last page, so that until then the cause is seen to be incomplete. A
    replay goes through them all behind that as well: a page may be lost, whose people are found.
    """
    open_still = chunk.state is ChunkState.UNADDRESSED
    if not open_still and not is_paged_again(chunk, now):
        return
    after, ordinal = str(item.payload.get("after", "")), int(item.payload.get("ordinal", 0))
    people = await _page(unit, chunk, after)
    already = await _told_of(unit, chunk.told, people)
    fresh = [one for one in people if one not in already]
    is_last = len(people) < RECIPIENTS_MAX
    if is_last and open_still:
        part = page_of(chunk, fresh, 0)
        await unit.chunks.address(part)
        await unit.plumbing.work.offer([publish_work(PUBLISH_ONE, part, now)])
        return
    ordinal += 1
    if fresh:
        part, ordinal = await _kept(unit, chunk, fresh, ordinal)
        await unit.plumbing.work.offer([publish_work(PUBLISH_ONE, part, now)])
    if is_last:
        return
    place = {"after": people[-1], "ordinal": ordinal}
    # By where it goes on: a replay that numbers pages otherwise comes to the same name elsewhere.
    name = f"address/{chunk.chunk_id}/{people[-1]}"
    await unit.plumbing.work.offer([replace(item, id=name, due=now, payload=item.payload | place)])


async def _kept(
    unit: NotifierUnit, chunk: Chunk, people: Collection[str], ordinal: int
) -> tuple[Chunk, int]:
    """Keep a page under the next number that is free; return it with that.

    A replay cuts anew, and by then the pages may end elsewhere: one that stands there already
    holds others.
    """
    part = page_of(chunk, people, ordinal)
    while not await unit.chunks.add_new([part]):
        ordinal += 1
        part = page_of(chunk, people, ordinal)
    return part, ordinal


async def _told_of(unit: NotifierUnit, told: Told, people: Collection[str]) -> set[str]:
    """Return who of these is told of the cause already, as one of its audience or beside it.

    Whom the audience only counts, as a creator whose pledge was refunded, is told in their role.
    """
    beside = await unit.chunks.told_beside(told, people)
    cause = (await unit.causes.load([told.cause])).get(told.cause)
    if cause is None:
        return beside
    until = cause.pledges_sequence
    belonging = await unit.memberships.belonging(told.campaign_id, people, until)
    return beside | (belonging - await unit.chunks.hushed_among(told, belonging))


async def _page(unit: NotifierUnit, chunk: Chunk, after: str) -> list[str]:
    """Return who followed by then, or agreed to hear of a relaunch, behind this one by id."""
    told = chunk.told
    if chunk.role is ToldAs.FOLLOWER:
        return await unit.follows.page(told.campaign_id, told.caused_at, after, RECIPIENTS_MAX)
    before = str(told.content["relaunch_of"])
    return await unit.consents.page(before, TOLD_OF_RELAUNCH, after, RECIPIENTS_MAX)


async def _all_pages(unit: NotifierUnit, chunk: Chunk) -> list[str]:
    """Return all of them at once, for who only counts."""
    found = list[str]()
    while True:
        page = await _page(unit, chunk, found[-1] if found else "")
        found += page
        if len(page) < RECIPIENTS_MAX:
            return found


async def people_in_role(unit: NotifierUnit, chunk: Chunk) -> Collection[str] | None:
    """Return who has the chunk's role, None while that is not known."""
    match chunk.role:
        case ToldAs.CREATOR:
            return await unit.creators.team(chunk.told.campaign_id)
        case ToldAs.STAFF:
            return await unit.people.with_role(PersonRole.STAFF)
        case ToldAs.FOLLOWER | ToldAs.FORMER_BACKER:
            return await _all_pages(unit, chunk)
        case _:
            return []
