"""What is heard: backers join, causes arise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from notifier.domain.cause import PRIORITIES, Cause, Told, Withdrawal
from notifier.domain.cause import hear as hear_cause
from notifier.domain.chunk import chunk_of_one
from notifier.ports import Departure, Membership, NotifierUnit
from servicekit.work import WorkItem

PLAN = "plan"
PUBLISH_CHUNK = "publish-chunk"
PUBLISH_ONE = "publish-one"


@dataclass(frozen=True, slots=True)
class CampaignWide:
    """A cause that is told to every backer as of a sequence of the pledges' topic."""

    told: Told
    pledges_sequence: int
    expected: int | None


@dataclass(frozen=True, slots=True)
class ForOne:
    """A cause that is told to one person."""

    told: Told
    recipient_id: str


async def take_memberships(unit: NotifierUnit, memberships: Sequence[Membership]) -> None:
    """Keep who joined."""
    await unit.memberships.add(memberships)


async def take_departures(unit: NotifierUnit, departures: Sequence[Departure]) -> None:
    """Keep who left; the audience as of an earlier sequence stays what it was."""
    await unit.memberships.leave(departures)


async def take_campaign_wide(
    unit: NotifierUnit, heard: Sequence[CampaignWide], now: datetime
) -> None:
    """Keep the causes and offer their planning; a cause that is known tells nobody again."""
    known = await unit.causes.load({one.told.cause for one in heard})
    new: dict[str, Cause] = {}
    for one in heard:
        if one.told.cause not in known:
            cause = hear_cause(one.told, one.pledges_sequence, one.expected, now)
            new.setdefault(cause.name, cause)
    await unit.causes.save(list(new.values()))
    await unit.plumbing.work.offer([_plan_work(cause, now) for cause in new.values()])


async def take_for_one(unit: NotifierUnit, heard: Sequence[ForOne], now: datetime) -> None:
    """Keep one chunk per cause and person, without a plan; a known one tells nobody again."""
    chunks = {one.told.cause: chunk_of_one(one.told, one.recipient_id) for one in heard}
    new = await unit.chunks.add_new(list(chunks.values()))
    await unit.plumbing.work.offer(
        [publish_work(PUBLISH_ONE, chunk.chunk_id, chunk.told, now) for chunk in new]
    )


async def take_withdrawals(unit: NotifierUnit, withdrawals: Sequence[Withdrawal]) -> None:
    """Withdraw reminders whose reason is gone (trap 11)."""
    await unit.chunks.withdraw(withdrawals)


def publish_work(kind: str, chunk_id: str, told: Told, due: datetime) -> WorkItem:
    """Return the work that tells a chunk's people."""
    return WorkItem(
        id=f"publish/{chunk_id}",
        kind=kind,
        due=due,
        priority=PRIORITIES[told.kind],
        payload={"chunk_id": chunk_id},
    )


def _plan_work(cause: Cause, due: datetime) -> WorkItem:
    return WorkItem(
        id=f"plan/{cause.name}",
        kind=PLAN,
        due=due,
        priority=PRIORITIES[cause.told.kind],
        payload={"cause": cause.name},
    )
