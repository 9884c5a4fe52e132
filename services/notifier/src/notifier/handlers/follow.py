"""Following campaigns: asked for, confirmed by the address's reader, ended, forgotten."""

from dataclasses import dataclass, replace
from datetime import datetime

from notifier.domain.chunk import chunk_of_some
from notifier.domain.errors import Refused
from notifier.domain.follow import (
    ASKS_A_DAY,
    CONFIRMED_WITHIN,
    DAY,
    HOUR,
    Follow,
    FollowWish,
    asking,
    check_pace,
    confirm,
    is_to_be_asked,
    wait_after,
)
from notifier.domain.kind import ToldAs
from notifier.domain.person import Person, PersonRole
from notifier.domain.suppression import address_digest
from notifier.handlers.hear import PUBLISH_ONE, publish_work
from notifier.handlers.people import erase_person
from notifier.ports.email import Unsubscription
from notifier.ports.unit import NotifierUnit
from servicekit.units import UnitsOfWork

FORGOTTEN_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody without an account asks for a campaign's public news to be written to an address.

    `person_id` is drawn for whoever that is; it counts where the address was not asked before.
    """

    campaign_id: str
    address: str
    language: str
    zone: str
    person_id: str


async def ask_address(unit: NotifierUnit, asked: Asking, now: datetime, asks_an_hour: int) -> None:
    """Ask the reader of the address; nothing says whether it was known, or is written to at all.

    Raises `Refused` for an unknown campaign, and while more is asked for than anybody would.
    """
    await _must_know(unit, asked.campaign_id)
    who = address_digest(asked.address)
    known = await unit.follows.load(asked.campaign_id, who)
    if not is_to_be_asked(known, now):
        return
    check_pace(await unit.follows.unconfirmed_asked_at(asks_an_hour - 1), HOUR, now)
    if wait_after(await unit.follows.asked_at(who, ASKS_A_DAY - 1), DAY, now):
        return
    person_id = known.person_id if known else asked.person_id
    person = Person(
        person_id=person_id,
        described_at=now,
        address=asked.address,
        language=asked.language,
        zone=asked.zone,
        roles=frozenset({PersonRole.FOLLOWER}),
    )
    await unit.people.save([person])
    await _ask(unit, Follow(asked.campaign_id, person_id, who, now), now)


async def ask_person(unit: NotifierUnit, campaign_id: str, person_id: str, now: datetime) -> Follow:
    """Ask a person with an account, at the address that they gave; the same again asks once."""
    await _must_know(unit, campaign_id)
    known = await unit.follows.load(campaign_id, person_id)
    if known is not None and not is_to_be_asked(known, now):
        return known
    check_pace(await unit.follows.asked_at(person_id, ASKS_A_DAY - 1), DAY, now)
    follow = Follow(campaign_id, person_id, person_id, now)
    await _ask(unit, follow, now)
    return follow


async def confirm_follow(unit: NotifierUnit, wish: FollowWish, now: datetime) -> Follow:
    """Follow from now on; raises `Refused` for a link that is over."""
    known = await _followed(unit, wish.campaign_id, wish.person_id)
    follow = confirm(known, wish, now)
    if follow != known:
        await unit.follows.save(follow)
        # Who turned mails off before wants them again.
        await unit.unsubscriptions.end(Unsubscription(wish.person_id, wish.campaign_id))
    return follow


async def end_follow(unit: NotifierUnit, campaign_id: str, person_id: str, now: datetime) -> None:
    """Follow no more; of whoever has no account nothing is left but that they were told."""
    follow = await _followed(unit, campaign_id, person_id)
    if follow is None:
        return
    await unit.follows.remove(follow)
    if not follow.has_account:
        await erase_person(unit, person_id, now)


async def unsubscribe(unit: NotifierUnit, wish: Unsubscription, now: datetime) -> None:
    """Write to this person no more about this campaign, but what concerns money or a right."""
    await unit.unsubscriptions.add(wish)
    await end_follow(unit, wish.campaign_id, wish.person_id, now)


@dataclass(frozen=True, slots=True)
class ForgetUnconfirmed:
    """Forgets the addresses whose readers did not confirm in time."""

    units: UnitsOfWork[NotifierUnit]

    async def __call__(self, now: datetime) -> int:
        """Forget a page; return how many."""

        async def work(unit: NotifierUnit) -> int:
            over = await unit.follows.unconfirmed(now - CONFIRMED_WITHIN, FORGOTTEN_AT_ONCE)
            for follow in over:
                await end_follow(unit, follow.campaign_id, follow.person_id, now)
            return len(over)

        return await self.units.run(work)


async def _must_know(unit: NotifierUnit, campaign_id: str) -> None:
    if await unit.creators.team(campaign_id) is None:
        detail = "notifier has not heard of this campaign: check its id"
        raise Refused("campaign-unknown", detail)


async def _followed(unit: NotifierUnit, campaign_id: str, person_id: str) -> Follow | None:
    mine = await unit.follows.of_person(person_id)
    return next((one for one in mine if one.campaign_id == campaign_id), None)


async def _ask(unit: NotifierUnit, follow: Follow, now: datetime) -> None:
    """Keep what is asked and tell its reader, in one step: no confirmation is lost or repeated."""
    await unit.follows.save(follow)
    chunk = chunk_of_some(asking(follow), (follow.person_id,))
    new = await unit.chunks.add_new([replace(chunk, role=ToldAs.FOLLOWER)])
    await unit.plumbing.work.offer([publish_work(PUBLISH_ONE, one, now) for one in new])
