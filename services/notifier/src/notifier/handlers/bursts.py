"""Bursts: what else waits for the same person of the same project goes in the same mail.

The first notice whose window ends carries the others that could go now as well. Which ones is
fixed where it is marked as being sent, so that after a crash the same mail goes again with the
same notices. They share what becomes of it (decision 0042).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from notifier.domain.audience import TOLD_FOR
from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Channel, DeliveryState, Place, Standing
from notifier.domain.kind import may_be_merged, merged_as
from notifier.handlers.recipients import (
    HELD,
    UNKNOWN,
    Recipients,
    may_have_been_sent,
    never_written_to,
    not_written_to,
    read_beside,
)
from notifier.ports.unit import NotifierUnit

# So many notices go in a mail beside its own; whoever has more gets more mails.
INSIDE_MOST = 9
# So many chunks of a project that are not at their end are looked into. Where more are (digests
# keep them so), those are in which its people stand.
CHUNKS_MOST = 50
# What was told before that waits for no digest any more: facts are told for two weeks.
LATELY = TOLD_FOR + timedelta(days=7)
# So many of those are looked into, the newest: each is read whole, with a thousand people. What is
# behind them goes in a mail of its own.
LATELY_MOST = 200


@dataclass(frozen=True, slots=True)
class Companion:
    """A notice that goes in the mail of another one, and how it stood when that was read."""

    read: Recipients
    place: int

    @property
    def at(self) -> Place:
        return Place(self.read.chunk.chunk_id, self.place)

    @property
    def before(self) -> Standing:
        return self.read.before(self.place)

    @property
    def is_begun(self) -> bool:
        return self.before.state is DeliveryState.SENDING


Companions = Mapping[int, Sequence[Companion]]


async def read_companions(
    unit: NotifierUnit, read: Recipients, now: datetime, *, also_new: bool
) -> Companions:
    """Return what goes in whose mail, by the places of those who are written to.

    What was fixed before stays; with `also_new` it is looked for where nothing is on its way.
    """
    fixed = {place: carries for place in read.places if (carries := read.before(place).carries)}
    free = [place for place in read.places if also_new and _carries_more(read, place, now)]
    carriers = {read.chunk.recipients[place]: place for place in free}
    open_chunks = await _open_chunks(unit, read, carriers, now) if free else []
    if not fixed and not open_chunks:
        return {}
    chunks = await unit.chunks.load({one.chunk_id for one in chain(*fixed.values())})
    if open_chunks:
        chunks |= await unit.chunks.holding(open_chunks, carriers)
    others = await _read_others(unit, read, chunks, set(chain(*fixed.values())), carriers)
    found: dict[int, Sequence[Companion]] = {
        place: _still_inside(others, carries, read.notification_id(place))
        for place, carries in fixed.items()
    }
    mine = merged_as(read.chunk.told, read.chunk.role)
    # Deliveries of a release before this one stand under their role alone.
    alike = [one for one in others.values() if merged_as(one.chunk.told, one.chunk.role) == mine]
    return found | _loose(alike, carriers, now)


async def _open_chunks(
    unit: NotifierUnit, read: Recipients, people: Collection[str], now: datetime
) -> list[str]:
    """Return chunks of the project, not at their end, in which these people may stand."""
    found = await unit.deliveries.open_beside(read.delivery, CHUNKS_MOST)
    if len(found) < CHUNKS_MOST:
        return found
    campaign_id = read.chunk.told.campaign_id
    lately = await unit.chunks.told_since(campaign_id, people, now - LATELY, LATELY_MOST)
    return await unit.deliveries.open_among(read.delivery, lately)


def _still_inside(
    others: Mapping[str, Recipients], carries: Collection[Place], carrier_id: str
) -> list[Companion]:
    companions = (
        Companion(others[at.chunk_id], at.place) for at in carries if at.chunk_id in others
    )
    return [one for one in companions if one.before.inside == carrier_id and one.is_begun]


async def _read_others(
    unit: NotifierUnit,
    read: Recipients,
    chunks: Mapping[str, Chunk],
    fixed: Collection[Place],
    carriers: Collection[str],
) -> dict[str, Recipients]:
    deliveries = await unit.deliveries.load(Channel.EMAIL, chunks)
    return {
        chunk_id: await read_beside(
            unit,
            read,
            chunks[chunk_id],
            delivery,
            [
                place
                for place, who in enumerate(chunks[chunk_id].recipients)
                if who in carriers or Place(chunk_id, place) in fixed
            ],
        )
        for chunk_id, delivery in deliveries.items()
    }


def _loose(
    others: Collection[Recipients], carriers: Mapping[str, int], now: datetime
) -> dict[int, list[Companion]]:
    """Return what could go now, by the place of who carries it: the oldest of it."""
    found: defaultdict[int, list[Companion]] = defaultdict(list)
    for read in sorted(others, key=lambda one: (one.chunk.told.caused_at, one.chunk.chunk_id)):
        for place in read.places:
            carrier = carriers.get(read.chunk.recipients[place])
            if carrier is not None and _could_go(read, place, now):
                found[carrier].append(Companion(read, place))
    return {carrier: companions[:INSIDE_MOST] for carrier, companions in found.items()}


def _carries_more(read: Recipients, place: int, now: datetime) -> bool:
    return may_be_merged(read.chunk.told, read.chunk.role) and _could_go(read, place, now)


def _could_go(read: Recipients, place: int, now: datetime) -> bool:
    """Whether a first mail of this would go now, its window and its domain's pace aside."""
    before = read.before(place)
    due = before.is_due(now) or before.reason == HELD
    if not due or may_have_been_sent(before) or place in read.mailed:
        return False
    return not_written_to(read, place, now) is None


def sort_out(
    companions: Sequence[Companion], now: datetime
) -> tuple[list[Companion], list[tuple[Companion, Standing]]]:
    """Return what of a fixed set still goes, and what does not any more with its outcome."""
    outcomes = [(one, never_written_to(one.read, one.place, now)) for one in companions]
    staying = [one for one, outcome in outcomes if outcome is None]
    return staying, [(one, outcome) for one, outcome in outcomes if outcome is not None]


def released(companions: Sequence[Companion], now: datetime) -> list[tuple[Companion, Standing]]:
    """Return how those stand whose mail is not sent again: each goes by itself, perhaps anew."""
    return [
        (one, Standing(DeliveryState.LATER, UNKNOWN, now, one.before.attempts))
        for one in companions
    ]
