"""Rewards on their way: moved by the team, one or many, and said to have come by their backers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.kinds import DeliveryNotice
from updates.domain.project import Verdict
from updates.domain.reward_tracking import open_by_move, open_by_notice
from updates.domain.tracking import (
    Tracking,
    TrackingState,
    TrackingTerms,
    add_parcel,
    asked,
    move_by_team,
    receive,
    take_back_receipt,
)
from updates.domain.tracking_facts import DeliveryChanged, TrackingFact, asked_of, changes_of
from updates.domain.tracking_list import Wanted
from updates.domain.update import Update
from updates.handlers.known_project import known_project
from updates.ports.tracking import TrackingPlace
from updates.ports.unit import UpdatesUnit

# As many as one transaction moves, and one fact names.
PAGE = 500
REFUSALS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one wish: the reward as it is now, or why not; `changed` if it is new."""

    wanted: Wanted
    tracking: Tracking | None
    changed: bool = False
    refused: Refused | None = None


@dataclass(slots=True)
class Report:
    """What became of a whole reward's move: counts, and the first of those that were refused."""

    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: list[Result] = field(default_factory=list)

    def add(self, results: Iterable[Result]) -> None:
        for one in results:
            self.changed += one.changed
            self.refused += one.refused is not None
            self.unchanged += not one.changed and one.refused is None
            if one.refused is not None and len(self.refusals) < REFUSALS_SHOWN:
                self.refusals.append(one)


async def move_trackings(
    unit: UpdatesUnit,
    campaign_id: str,
    wanted: Sequence[Wanted],
    by: str,
    now: datetime,
    terms: TrackingTerms,
    *,
    write: bool = True,
) -> list[Result]:
    """Do what is wanted as far as it is allowed, in the given order; one refusal stops no other.

    Without `write` the same is said and nothing is kept.
    """
    await _check_owes(unit, campaign_id)
    places = {(campaign_id, one.reward_id, one.backer_id) for one in wanted}
    known = await unit.trackings.load(places)
    owed = await unit.owed.standing(campaign_id, {one.backer_id for one in wanted})
    moved = {place: known.get(place) or Tracking(*place) for place in places}
    results = []
    for one in wanted:
        place = (campaign_id, one.reward_id, one.backer_id)
        before = moved[place]
        try:
            after = _moved(before, one, owed, by, now, terms)
        except Refused as refusal:
            results.append(Result(one, None, refused=refusal))
            continue
        moved[place] = after
        results.append(Result(one, after, changed=after != before))
    if write:
        await _save(unit, known, moved, by, now, terms)
    return results


def _moved(
    before: Tracking,
    wanted: Wanted,
    owed: Collection[tuple[str, str]],
    by: str,
    now: datetime,
    terms: TrackingTerms,
) -> Tracking:
    # What was sent before the money went back may come back.
    comes_back = wanted.state is TrackingState.RETURNED and before.version
    if (before.reward_id, before.backer_id) not in owed and not comes_back:
        raise Refused("nothing-owed", "this backer is owed no such reward")
    after = before
    if wanted.parcel is not None:
        after = add_parcel(after, *wanted.parcel, by, now)
    if wanted.batch is not None:
        after = replace(after, batch=wanted.batch)
    if wanted.state is not None:
        after = move_by_team(after, wanted.state, by, now, terms)
    return after


async def move_reward(
    units: UnitsOfWork[UpdatesUnit],
    campaign_id: str,
    reward_id: str,
    state: TrackingState,
    by: str,
    now: datetime,
    terms: TrackingTerms,
    batch: int | None = None,
) -> Report:
    """Move all who are owed a reward, or those of one batch, page by page.

    A crash between two pages is healed by the same again: who has been moved stays (trap 17).
    """
    report, after = Report(), ""
    while True:
        page, results = await units.run(
            partial(
                _move_page,
                campaign_id=campaign_id,
                reward_id=reward_id,
                state=state,
                by=by,
                now=now,
                terms=terms,
                batch=batch,
                after=after,
            )
        )
        report.add(results)
        if len(page) < PAGE:
            return report
        after = page[-1]


async def _move_page(
    unit: UpdatesUnit,
    campaign_id: str,
    reward_id: str,
    state: TrackingState,
    by: str,
    now: datetime,
    terms: TrackingTerms,
    batch: int | None,
    after: str,
) -> tuple[list[str], list[Result]]:
    page = await unit.owed.page(campaign_id, reward_id, after, PAGE)
    chosen = page
    if batch is not None:
        known = await unit.trackings.load({(campaign_id, reward_id, one) for one in page})
        chosen = [place[2] for place, one in known.items() if one.batch == batch]
    wanted = [Wanted(reward_id, one, state) for one in chosen]
    return page, await move_trackings(unit, campaign_id, wanted, by, now, terms)


async def receive_reward(
    unit: UpdatesUnit, place: TrackingPlace, now: datetime, terms: TrackingTerms
) -> Tracking:
    """Take the backer's word that the reward came."""
    known = await load_owed(unit, place)
    return await save_one(unit, known, receive(known, now), now, terms)


async def undo_receipt(
    unit: UpdatesUnit, place: TrackingPlace, now: datetime, terms: TrackingTerms
) -> Tracking:
    """Take the backer's word back, as long as that is allowed."""
    known = await load_owed(unit, place)
    return await save_one(unit, known, take_back_receipt(known, now, terms), now, terms)


async def load_trackings(
    unit: UpdatesUnit, campaign_id: str, reward_id: str, after: str, limit: int
) -> list[Tracking]:
    """Return a page of those who are owed a reward, with how far it is on its way to each."""
    page = await unit.owed.page(campaign_id, reward_id, after, limit)
    places = [(campaign_id, reward_id, one) for one in page]
    known = await unit.trackings.load(places)
    return [known.get(place) or Tracking(*place) for place in places]


async def trackings_of_backer(
    unit: UpdatesUnit, campaign_id: str, backer_id: str
) -> list[Tracking]:
    """Return all rewards that one backer is owed, or was sent."""
    owed = await unit.owed.standing(campaign_id, {backer_id})
    found = {one.reward_id: one for one in await unit.trackings.of_backer(campaign_id, backer_id)}
    rewards = sorted({reward for reward, _ in owed} | set(found))
    return [found.get(one) or Tracking(campaign_id, one, backer_id) for one in rewards]


async def ask_for_receipts(
    unit: UpdatesUnit, places: Sequence[TrackingPlace], now: datetime
) -> int:
    """Ask those whose reward was sent a while ago; who was moved meanwhile is not asked."""
    known = await unit.trackings.load(places)
    due = [one for one in known.values() if one.next_due is not None and one.next_due <= now]
    await unit.trackings.save([asked(one) for one in due])
    await unit.facts.add(asked_of(due, now))
    return len(due)


async def follow_notice(unit: UpdatesUnit, update: Update) -> None:
    """Open the tracking of the rewards that a delivery notice names, as it is published."""
    parts = update.content.parts
    if isinstance(parts, DeliveryNotice) and update.published_at is not None:
        about = (update.campaign_id, parts.rewards, update.update_id, update.published_at)
        await open_rewards(unit, *about)


async def open_rewards(
    unit: UpdatesUnit, campaign_id: str, reward_ids: Collection[str], update_id: str, at: datetime
) -> None:
    """A delivery notice was published: the tracking of its rewards is open."""
    known = await unit.rewards.load(campaign_id, reward_ids)
    opened = {
        reward: open_by_notice(known.get(reward), campaign_id, reward, update_id, at)
        for reward in sorted(reward_ids)
    }
    await unit.rewards.save([one for name, one in opened.items() if one != known.get(name)])


async def _check_owes(unit: UpdatesUnit, campaign_id: str) -> None:
    project = await known_project(unit, campaign_id)
    if project.verdict is not Verdict.GOAL_MET:
        raise Refused("no-reward-owed", "rewards are owed by campaigns that met their goal")


async def load_owed(unit: UpdatesUnit, place: TrackingPlace) -> Tracking:
    """Return what its backer is owed or was sent; raises `Refused` for what is neither."""
    known = (await unit.trackings.load([place])).get(place)
    if known is not None:
        return known
    campaign_id, reward_id, backer_id = place
    if (reward_id, backer_id) not in await unit.owed.standing(campaign_id, {backer_id}):
        raise delivery_unknown()
    return Tracking(*place)


def delivery_unknown() -> Refused:
    return Refused("delivery-unknown", "you are owed no such reward in this campaign")


async def save_one(
    unit: UpdatesUnit, known: Tracking, moved: Tracking, now: datetime, terms: TrackingTerms
) -> Tracking:
    """Save what its backer did."""
    await save_own(unit, [(known, moved)], now, terms)
    return moved


async def save_own(
    unit: UpdatesUnit,
    moved: Sequence[tuple[Tracking, Tracking]],
    now: datetime,
    terms: TrackingTerms,
) -> None:
    """Save what backers did, each of them to the own reward, before and after."""
    pairs = [(before, after) for before, after in moved if before != after]
    changes = [one for pair in pairs for one in changes_of([pair], pair[1].backer_id, now)]
    await _keep(unit, pairs, changes, now, terms)


async def _save(
    unit: UpdatesUnit,
    known: Mapping[TrackingPlace, Tracking],
    moved: Mapping[TrackingPlace, Tracking],
    by: str,
    now: datetime,
    terms: TrackingTerms,
) -> None:
    """Save what is new, and tell of what moved."""
    pairs = [(known.get(place) or Tracking(*place), one) for place, one in moved.items()]
    pairs = [(before, after) for before, after in pairs if before != after]
    await _keep(unit, pairs, changes_of(pairs, by, now), now, terms)


async def _keep(
    unit: UpdatesUnit,
    pairs: Sequence[tuple[Tracking, Tracking]],
    changes: Sequence[DeliveryChanged],
    now: datetime,
    terms: TrackingTerms,
) -> None:
    await unit.trackings.save([after for _, after in pairs])
    notices = await _open_by_moves(unit, changes, now, terms)
    await unit.facts.add([*changes, *notices])


async def _open_by_moves(
    unit: UpdatesUnit, changes: Sequence[DeliveryChanged], now: datetime, terms: TrackingTerms
) -> list[TrackingFact]:
    if not changes:
        return []
    (campaign_id,) = {one.campaign_id for one in changes}
    known = await unit.rewards.load(campaign_id, {one.reward_id for one in changes})
    opened, facts = dict(known), list[TrackingFact]()
    for one in changes:
        reward, fact = open_by_move(
            opened.get(one.reward_id), campaign_id, one.reward_id, one.state, now, terms
        )
        opened[one.reward_id] = reward
        facts += [fact] if fact is not None else []
    await unit.rewards.save([one for name, one in opened.items() if one != known.get(name)])
    return facts
