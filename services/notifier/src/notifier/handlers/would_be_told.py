"""Who would be told of a cause: counted the way that tells people, and nothing is written."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from notifier.domain.cause import Cause, Told, hear
from notifier.domain.chunk import Chunk, address, chunk_of_role
from notifier.domain.delivery import Channel, Delivery, DeliveryState
from notifier.domain.errors import Refused
from notifier.domain.kind import Audience, ToldAs, is_written, roles_of, rules_of
from notifier.domain.proof import INBOX
from notifier.domain.spoken import UNKNOWN_LANGUAGE
from notifier.handlers.address import people_in_role
from notifier.handlers.cut import CutCauses
from notifier.handlers.email_work import new_delivery
from notifier.handlers.hear import PledgesPosition
from notifier.handlers.recipients import not_written_to, read_recipients
from notifier.ports.unit import NotifierUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork

WRITTEN = "told"


@dataclass(slots=True)
class Counted:
    """How many people would come to what; `people` is a page of those who would be told."""

    pledges_sequence: int
    roles: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    # By channel, then by outcome: `told`, or the reason why not, or why later.
    channels: dict[str, Counter[str]] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """Which people are named: so many behind this one, by id."""

    after: str
    limit: int


@dataclass(frozen=True, slots=True)
class WouldBeTold:
    """Counts the audience of a cause that nobody has heard of."""

    units: UnitsOfWork[NotifierUnit]
    cut: CutCauses
    pledges: PledgesPosition
    clock: Clock
    writes_mail: bool

    async def __call__(self, told: Told, as_of: int | None, page: Page) -> Counted:
        """Raise `Refused` for what names its people itself, and for an N that is not reached."""
        if Audience.BACKERS not in rules_of(told).told:
            detail = (
                f"{told.kind.value} names whom it is told to; ask for what all backers are told"
            )
            raise Refused("names-its-people", detail)
        cause = hear(told, await self._reached(told, as_of), None, self.clock.now())
        counted = Counted(cause.pledges_sequence, channels={INBOX: Counter()})
        others = await self.units.run(lambda unit: _in_roles(unit, cause))
        backers: set[str] = set()
        planner = await self.cut.planner(cause)
        async for chunks in self.cut.pages(cause, planner):
            for chunk in chunks:
                backers |= others.keys() & set(chunk.recipients) - chunk.suppressed.keys()
                await self._count(chunk, counted, page)
        for chunk in _chunks_of(cause, others, backers):
            await self._count(chunk, counted, page)
        return counted

    async def _reached(self, told: Told, as_of: int | None) -> int:
        """Return N: the one that is asked for, if our own view has reached it, else the view's."""
        group, topic, key = self.pledges.group, self.pledges.topic, told.campaign_id

        async def seen(unit: NotifierUnit) -> int:
            return (await unit.plumbing.streams.load(group, topic, [key]))[key].last_sequence

        reached = await self.units.run(seen)
        if as_of is not None and as_of > reached:
            detail = f"our view of the pledges is at {reached}: ask as of that, or again later"
            raise Refused("view-behind", detail)
        return reached if as_of is None else as_of

    async def _count(self, chunk: Chunk, counted: Counted, page: Page) -> None:
        told = [one for one in chunk.recipients if one not in chunk.suppressed]
        counted.roles[chunk.role.value] += len(told)
        inbox = counted.channels[INBOX]
        inbox[WRITTEN] += len(told)
        inbox.update(chunk.suppressed.values())
        behind = [one for one in told if one > page.after]
        counted.people = nsmallest(page.limit, counted.people + behind)
        counted.languages += await self.units.run(lambda unit: _languages(unit, told))
        if self.writes_mail and is_written(chunk.told.kind, chunk.role):
            outcomes = await self.units.run(lambda unit: self._mails(unit, chunk))
            counted.channels.setdefault(Channel.EMAIL.value, Counter()).update(outcomes)

    async def _mails(self, unit: NotifierUnit, chunk: Chunk) -> Counter[str]:
        delivery, now = new_delivery(chunk), self.clock.now()
        read = await read_recipients(unit, chunk, delivery, now, len(chunk.recipients))
        outcomes: Counter[str] = Counter()
        for place in read.places:
            standing = not_written_to(read, place, now)
            outcomes[standing.reason if standing else WRITTEN] += 1
        outcomes.update(_hushed(delivery))
        return outcomes


async def _languages(unit: NotifierUnit, told: Sequence[str]) -> Counter[str]:
    people = await unit.people.load(told)
    return Counter(people[one].language if one in people else UNKNOWN_LANGUAGE for one in told)


def _hushed(delivery: Delivery) -> list[str]:
    suppressed = DeliveryState.SUPPRESSED
    return [one.reason for one in delivery.standings if one.state is suppressed]


async def _in_roles(unit: NotifierUnit, cause: Cause) -> dict[str, ToldAs]:
    """Return who has a role, each in the first one of theirs, as they would be told."""
    found: dict[str, ToldAs] = {}
    for role in roles_of(cause.told):
        for one in await people_in_role(unit, chunk_of_role(cause.told, role)) or ():
            found.setdefault(one, role)
    return found


def _chunks_of(cause: Cause, others: dict[str, ToldAs], backers: Collection[str]) -> list[Chunk]:
    """Return the chunks of those who are told in a role, and not as backers."""
    return [
        chunk
        for role in roles_of(cause.told)
        for chunk in address(
            chunk_of_role(cause.told, role),
            [one for one, has in others.items() if has is role and one not in backers],
        )
    ]
