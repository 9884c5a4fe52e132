"""Who joins in the very moment in which a cause is planned, or has two of its roles: told, once.

Two transactions that overlap see nothing of each other, so each could leave the backer to the
other one, or both could tell them. Whichever of them is first, the second is done again.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from notifier.consumer import PLEDGES
from notifier.domain.audience import Consent
from notifier.domain.follow import Follow, FollowState
from notifier.domain.kind import ToldAs
from notifier.handlers import address
from notifier.handlers.address import AddressChunks
from notifier.handlers.hear import ADDRESS, address_work, take_memberships, take_supplements
from notifier.ports.unit import Membership, NotifierUnit
from servicekit.mongo import Database
from servicekit.publish import key_hash
from servicekit.streams import Move, StreamRow
from servicekit.work import Claim
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    described,
    fact,
    pledges,
    settle,
    update,
)
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.held import HeldUnits, conflicted_since, conflicts, meet
from sosst_contracts.funding import CampaignLaunched
from sosst_contracts.payouts import StageDue

CAUSE = f"update-published/{CAMPAIGN}:update-1"
PAID_BEFORE = NOW - timedelta(hours=1)
BEN = Membership(CAMPAIGN, "ben", "pledge-2", 2, key_hash(b"ben"), captured_at=PAID_BEFORE)
SECOND = Move(CAMPAIGN, StreamRow(1), StreamRow(2))


@dataclass(slots=True)
class Joining:
    """The transaction of Ben's pledge, held once: before it moves the stream, or behind that."""

    notifier: Notifier
    holds_behind: bool
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    attempts: int = 0

    async def save(self, unit: NotifierUnit) -> None:
        """Do what the consumer of pledges does, in its order."""
        self.attempts += 1
        await take_memberships(unit, [BEN])
        await take_supplements(unit, [BEN], self.notifier.partitions, NOW)
        if not self.holds_behind:
            await self._hold()
        await unit.plumbing.streams.advance(PLEDGES.group, PLEDGES.topic, [SECOND])
        if self.holds_behind:
            await self._hold()

    async def _hold(self) -> None:
        self.begun.set()
        await self.go_on.wait()


@pytest.mark.parametrize("holds_behind", [False, True], ids=["plan first", "pledge first"])
async def test_whoever_joins_while_a_cause_is_planned_is_told(
    database: Database, holds_behind: bool
) -> None:
    """The cause is heard and planned while the pledge's transaction is open: one supplement."""
    notifier = mongo_notifier(database)
    await notifier.hear(*pledges(["anna"]))
    joining = Joining(notifier, holds_behind)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(notifier.units.run(joining.save))
        await joining.begun.wait()
        before = conflicts()
        await notifier.hear(update(1, 1))
        planning = tasks.create_task(notifier.plan())
        if holds_behind:
            await conflicted_since(before)
        else:
            await planning
        joining.go_on.set()
    assert joining.attempts == (1 if holds_behind else 2), "the transactions did not overlap"
    await settle(notifier)
    totals = await notifier.queries.totals(CAUSE)
    assert (totals.delivered, totals.supplements, totals.pending) == (2, 1, 0)


@pytest.mark.parametrize("holds_behind", [False, True], ids=["follower first", "pledge first"])
async def test_a_follower_who_joins_while_followers_are_found_is_told_once(
    database: Database, holds_behind: bool
) -> None:
    """Ben follows, and his pledge's transaction is open: he is told by whichever is first."""
    notifier = mongo_notifier(database)
    await notifier.hear(*pledges(["anna"]))
    follow = Follow(CAMPAIGN, "ben", "ben", PAID_BEFORE, FollowState.CONFIRMED, PAID_BEFORE)
    await notifier.units.run(lambda unit: unit.follows.save(follow))
    await notifier.hear(update(1, 1, visibility="public"))
    await notifier.plan()
    joining = Joining(notifier, holds_behind)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(notifier.units.run(joining.save))
        await joining.begun.wait()
        before = conflicts()
        finding = tasks.create_task(notifier.address())
        if holds_behind:
            await conflicted_since(before)
        else:
            await finding
        joining.go_on.set()
    assert joining.attempts == (1 if holds_behind else 2), "the transactions did not overlap"
    await settle(notifier)
    assert len(await notifier.queries.inbox("ben", None, 5)) == 1
    totals = await notifier.queries.totals(CAUSE)
    supplements = 1 if holds_behind else 0
    assert (totals.delivered, totals.supplements) == (1 + supplements, supplements)


@pytest.mark.parametrize("first", [0, 1], ids=["creator first", "staff first"])
async def test_whoever_has_two_roles_is_told_in_one_of_them(database: Database, first: int) -> None:
    """Sam of the staff has a campaign: both are found in one moment, and he is told once."""
    notifier = mongo_notifier(database)
    launched = fact(CampaignLaunched, 1, creator_id="sam")
    await notifier.hear(launched, described("sam", roles=["staff"]), fact(StageDue, 1, stage=2))
    claims = sorted(
        await notifier.queue.claim(ADDRESS, NOW, 10, 30), key=lambda claim: claim.item.id
    )
    assert [claim.item.id.rpartition("|")[2] for claim in claims] == ["creator", "staff"]
    held = HeldUnits(notifier.units)
    one, other = (AddressChunks(units, PLEDGES, notifier.clock) for units in (held, notifier.units))
    await meet(held, one(claims[first]), other(claims[1 - first]))
    await settle(notifier)
    [entry] = await notifier.queries.inbox("sam", None, 5)
    assert entry.chunk.role is (ToldAs.CREATOR, ToldAs.STAFF)[first]


async def test_pages_of_old_backers_that_are_cut_anew_meanwhile_tell_nobody_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay comes to those who are just being told; its pages end elsewhere, as one has joined.

    They stand under other numbers, which no two of them share.
    """
    monkeypatch.setattr(address, "RECIPIENTS_MAX", 2)
    notifier = mongo_notifier(database)

    async def agree(*people: str) -> None:
        async def work(unit: NotifierUnit) -> None:
            for one in people:
                await unit.consents.choose(CAMPAIGN, one, Consent.RELAUNCH)

        await notifier.units.run(work)

    async def claimed() -> Claim:
        [claim] = await notifier.queue.claim(ADDRESS, NOW, 1, 30)
        return claim

    await agree(*"bcdefgh")
    again = {"campaign_id": "campaign-2", "relaunch_of": CAMPAIGN, "differences": []}
    await notifier.hear(fact(CampaignLaunched, 1, launched_at=NOW, **again))
    find = AddressChunks(notifier.units, PLEDGES, notifier.clock)
    for _ in range(2):
        await find(await claimed())
    halfway = await claimed()
    await agree("bb")
    name = halfway.item.payload["chunk_id"]

    async def replay(unit: NotifierUnit) -> None:
        chunk = (await unit.chunks.load([name]))[name]
        await unit.plumbing.work.offer([address_work(chunk, NOW)])

    await notifier.units.run(replay)
    for _ in range(2):
        await find(await claimed())
    held = HeldUnits(notifier.units)
    finding = AddressChunks(held, PLEDGES, notifier.clock)(halfway)
    await meet(held, finding, find(await claimed()))
    await settle(notifier)
    inboxes = {who: await notifier.queries.inbox(who, None, 5) for who in ["bb", *"bcdefgh"]}
    assert {who: len(entries) for who, entries in inboxes.items()} == dict.fromkeys(inboxes, 1)
