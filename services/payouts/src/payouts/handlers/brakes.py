"""What creators publish, or fail to, holds their campaign's stages: emergencies and silence.

`domain.md` 6: an emergency holds the next stage until its recovery plan is published and staff lift
the hold; a hold by silence lifts with the next update.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.holds import Hold, HoldKind, answer, open_holds
from payouts.handlers.holds import place_hold, release_hold
from payouts.ports.unit import PayoutsUnit
from servicekit.errors import DependencyAway


@dataclass(frozen=True, slots=True)
class Declared:
    """An emergency; `sequence` is that of the fact, which names its hold."""

    campaign_id: str
    update_id: str
    sequence: int
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """A recovery plan is published, or staff say that it is no emergency."""

    campaign_id: str
    update_id: str
    answered_by: str


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing was published for so long that the next stage is held."""

    campaign_id: str
    sequence: int
    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Spoken:
    """The creator has published something."""

    campaign_id: str
    update_id: str


Brake = Declared | Answered | Silent | Spoken


async def take_brakes(unit: PayoutsUnit, brakes: Sequence[Brake], now: datetime) -> None:
    """Hold and let go, in the order in which it was said."""
    for brake in brakes:
        match brake:
            case Declared():
                await _declared(unit, brake, now)
            case Answered():
                await _answered(unit, brake)
            case Silent():
                await _silent(unit, brake, now)
            case Spoken():
                await _spoken(unit, brake, now)


async def _declared(unit: PayoutsUnit, said: Declared, now: datetime) -> None:
    book = await _book(unit, said.campaign_id)
    if any(hold.about == said.update_id for hold in open_holds(book.holds, HoldKind.EMERGENCY)):
        return
    name = f"{HoldKind.EMERGENCY.value}:{said.sequence}"
    hold = Hold(name, HoldKind.EMERGENCY, said.reason, said.by, said.at, about=said.update_id)
    await place_hold(unit, said.campaign_id, hold, now)


async def _answered(unit: PayoutsUnit, said: Answered) -> None:
    book = await _book(unit, said.campaign_id)
    answered = replace(book, holds=answer(book.holds, said.update_id, said.answered_by))
    if answered != book:
        await unit.books.save([answered])


async def _silent(unit: PayoutsUnit, said: Silent, now: datetime) -> None:
    await _book(unit, said.campaign_id)
    name = f"{HoldKind.SILENCE.value}:{said.sequence}"
    reason = f"nothing was published since {said.since.date().isoformat()}"
    hold = Hold(name, HoldKind.SILENCE, reason, "the silence watch", said.at)
    await place_hold(unit, said.campaign_id, hold, now)


async def _spoken(unit: PayoutsUnit, said: Spoken, now: datetime) -> None:
    book = (await unit.books.load([said.campaign_id])).get(said.campaign_id)
    if book is None:
        return
    for hold in open_holds(book.holds, HoldKind.SILENCE):
        by = f"update {said.update_id}"
        await release_hold(unit, said.campaign_id, hold.hold_id, by, now)


async def _book(unit: PayoutsUnit, campaign_id: str) -> Book:
    """Return the campaign's book; one of which no money was heard begins with its launch."""
    book = (await unit.books.load([campaign_id])).get(campaign_id)
    if book is not None:
        return book
    launch = await unit.launches.load(campaign_id)
    if launch is None:
        # It was launched, or nothing could be published: our reading of launches is behind.
        raise DependencyAway(f"the launch of {campaign_id} is not read yet")
    await unit.books.save([Book(campaign_id, launch.currency)])
    return (await unit.books.load([campaign_id]))[campaign_id]
