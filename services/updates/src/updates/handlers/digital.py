"""Digital rewards: a file for all of its backers, codes of which each who opens is given one."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from servicekit.lanes import Lanes
from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.media import Media
from updates.domain.tracking import Tracking, TrackingTerms, open_digital, was_opened
from updates.handlers.media import attach_media, known_media
from updates.handlers.plans import load_plan
from updates.handlers.tracking import delivery_unknown, save_own
from updates.ports.codes import CodeStock
from updates.ports.tracking import TrackingPlace
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class Opened:
    """What its backer is shown, and how far the reward is with it: a code, a file, or both."""

    code: str | None
    file: Media | None
    tracking: Tracking


async def add_codes(
    unit: UpdatesUnit, campaign_id: str, reward_id: str, codes: Sequence[str], now: datetime
) -> tuple[int, CodeStock]:
    """Lay in codes of a reward; one that the campaign has already is not there twice."""
    await _check_reward(unit, campaign_id, reward_id)
    added = await unit.codes.add(campaign_id, reward_id, codes, now)
    return added, await unit.codes.stock(campaign_id, reward_id)


async def lay_in_file(
    unit: UpdatesUnit, campaign_id: str, reward_id: str, media_id: str, now: datetime
) -> Media:
    """Let the reward be this file, in the place of the one before; the same again is the same."""
    await _check_reward(unit, campaign_id, reward_id)
    place = file_place(reward_id)
    before = (await unit.media.attached(campaign_id, [place])).get(place, [])
    names = [one.media_id for one in before]
    await attach_media(unit, campaign_id, place, names, [media_id], now)
    return await known_media(unit, campaign_id, media_id)


async def file_of(unit: UpdatesUnit, campaign_id: str, reward_id: str) -> Media | None:
    """Return the file that the reward is, also one that was withdrawn."""
    return (await _files(unit, campaign_id, {reward_id})).get(reward_id)


def file_place(reward_id: str) -> str:
    """Return what shows the file of a reward."""
    return f"digital-rewards/{reward_id}"


async def _files(unit: UpdatesUnit, campaign_id: str, rewards: Collection[str]) -> dict[str, Media]:
    places = {file_place(one): one for one in rewards}
    found = await unit.media.attached(campaign_id, places)
    return {places[place]: files[0] for place, files in found.items()}


async def _check_reward(unit: UpdatesUnit, campaign_id: str, reward_id: str) -> None:
    plan = await load_plan(unit, campaign_id)
    if reward_id not in plan.rewards:
        raise Refused("reward-unknown", "the campaign has no such reward")


@dataclass(frozen=True, slots=True)
class Opening:
    """A backer opens a reward."""

    reward_id: str
    backer_id: str


OpeningLanes = Lanes[Opening, Opened]


def opening_lanes(
    units: UnitsOfWork[UpdatesUnit], now: Callable[[], datetime], terms: TrackingTerms
) -> OpeningLanes:
    """Return lanes keyed by campaign, whose openings are told one behind the other in any case.

    On the day that codes are announced all come at once, and one by one they would fight.
    """

    async def save(campaign_id: str, openings: Sequence[Opening]) -> list[Opened | Exception]:
        at = now()
        return await units.run(lambda unit: open_rewards(unit, campaign_id, openings, at, terms))

    return Lanes(save)


async def open_rewards(
    unit: UpdatesUnit,
    campaign_id: str,
    openings: Sequence[Opening],
    now: datetime,
    terms: TrackingTerms,
) -> list[Opened | Exception]:
    """Show each backer the file, and the own code, the same ever after.

    The first time it is delivered. A file is a backer's for as long as something of the pledge is
    left, a code that was given stays given.
    """
    places = [(campaign_id, one.reward_id, one.backer_id) for one in openings]
    known = await unit.trackings.load(set(places))
    owed = await unit.owed.standing(campaign_id, {one.backer_id for one in openings})
    given = await unit.codes.given(set(places))
    wanting = {p for p in places if p not in given and (p[1], p[2]) in owed}
    taken = await _take(unit, campaign_id, wanting, now)
    before = {place: known.get(place) or Tracking(*place) for place in places}
    files = await _files(unit, campaign_id, {one.reward_id for one in openings})
    shown = {
        place: files[place[1]]
        for place in before
        if place[1] in files and (place[1], place[2]) in owed and files[place[1]].served
    }
    first = {*taken, *(place for place in shown if not was_opened(before[place]))}
    opened = before | {place: open_digital(before[place], now) for place in first}
    await save_own(unit, [(before[place], opened[place]) for place in sorted(first)], now, terms)
    codes = given | taken
    return [
        Opened(codes.get(place), shown.get(place), opened[place])
        if place in codes or place in shown
        else _refusal(place in known, (place[1], place[2]) in owed, files.get(place[1]))
        for place in places
    ]


async def _take(
    unit: UpdatesUnit, campaign_id: str, places: Collection[TrackingPlace], now: datetime
) -> dict[TrackingPlace, str]:
    taken: dict[TrackingPlace, str] = {}
    for reward_id in sorted({place[1] for place in places}):
        backers = sorted(place[2] for place in places if place[1] == reward_id)
        given = await unit.codes.take(campaign_id, reward_id, backers, now)
        taken |= {(campaign_id, reward_id, who): code for who, code in given.items()}
    return taken


def _refusal(known: bool, owed: bool, file: Media | None) -> Refused:
    if owed and file is not None:
        return Refused("media-withdrawn", "its file was withdrawn; its creator has to add another")
    if owed:
        return Refused("no-code-left", "there is no code for you yet; its creator has to add some")
    if known:
        return Refused("fully-refunded", "nothing of your pledge is left")
    return delivery_unknown()
