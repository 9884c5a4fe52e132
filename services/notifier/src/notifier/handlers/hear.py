"""What is heard: backers join, causes arise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.domain.audience import TOLD_FOR, is_too_old
from notifier.domain.cause import Cause, CauseKind, CauseState, Told, Withdrawal
from notifier.domain.cause import hear as hear_cause
from notifier.domain.chunk import (
    Chunk,
    chunk_of_role,
    chunk_of_some,
    chunk_of_supplement,
    is_first,
)
from notifier.domain.kind import ANSWERED_ELSEWHERE, roles_of, rules_of
from notifier.domain.unreached import Ended, HowEnded
from notifier.handlers.hushed import hushed_of
from notifier.metrics import SUPPLEMENTS, TOO_OLD
from notifier.ports.unit import Departure, Membership, NotifierUnit
from servicekit.streams import Move
from servicekit.work import WorkItem

PLAN = "plan"
PUBLISH_CHUNK = "publish-chunk"
PUBLISH_ONE = "publish-one"
ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class PledgesPosition:
    """Where this service reads pledges from: the topic and its own group."""

    topic: str
    group: str


@dataclass(frozen=True, slots=True)
class CampaignsPosition:
    """Where this service reads campaigns from: the topic and its own group."""

    topic: str
    group: str


@dataclass(frozen=True, slots=True)
class CampaignWide:
    """A cause that is told to every backer as of a sequence of the pledges' topic.

    None is for a fact that names no sequence: then it is told to those of whom we know by then.
    `campaign_sequence` is what its maker knew of the campaign, None where it says nothing of that.
    """

    told: Told
    pledges_sequence: int | None
    expected: int | None
    campaign_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class ForSome:
    """A cause that is told to those whom it names, and to those who have a role in its campaign.

    `recipients` are backers, a thousand at most; none for what only concerns a role.
    """

    told: Told
    recipients: tuple[str, ...] = ()


async def take_memberships(unit: NotifierUnit, memberships: Sequence[Membership]) -> None:
    """Keep who joined."""
    await unit.memberships.add(memberships)


async def take_departures(unit: NotifierUnit, departures: Sequence[Departure]) -> None:
    """Keep who left; the audience as of an earlier sequence stays what it was."""
    await unit.memberships.leave(departures)


async def take_campaign_wide(
    unit: NotifierUnit, heard: Sequence[CampaignWide], pledges: PledgesPosition, now: datetime
) -> None:
    """Keep the causes and offer their planning; a cause that is known tells nobody again."""
    heard = [one for one in heard if _is_fresh(one.told, now)]
    known = await unit.causes.load({one.told.cause for one in heard})
    new: dict[str, Cause] = {}
    for one in heard:
        if one.told.cause not in known:
            as_of = one.pledges_sequence
            if as_of is None:
                as_of = await _seen(unit, pledges, one.told.campaign_id)
            cause = hear_cause(one.told, as_of, one.expected, now, one.campaign_sequence)
            new.setdefault(cause.name, cause)
    await unit.causes.save(list(new.values()))
    await unit.plumbing.work.offer([plan_work(cause, now) for cause in new.values()])


async def _seen(unit: NotifierUnit, pledges: PledgesPosition, campaign_id: str) -> int:
    rows = await unit.plumbing.streams.load(pledges.group, pledges.topic, [campaign_id])
    return rows[campaign_id].last_sequence


async def take_for_some(unit: NotifierUnit, heard: Sequence[ForSome], now: datetime) -> None:
    """Keep the chunks of each cause, without a plan; a known one tells nobody again."""
    heard = [one for one in heard if _is_fresh(one.told, now)]
    chunks = {
        one.told.cause: chunk_of_some(one.told, await _named(unit, one))
        for one in heard
        if one.recipients
    }
    named = await unit.chunks.add_new([chunk for chunk in chunks.values() if chunk.recipients])
    await unit.plumbing.work.offer([publish_work(PUBLISH_ONE, chunk, now) for chunk in named])
    await take_roles(unit, [one.told for one in heard], now)


async def _named(unit: NotifierUnit, heard: ForSome) -> tuple[str, ...]:
    """Return whom the fact names; who answers comments for the team hears of them as the team."""
    if heard.told.kind is not CauseKind.COMMENT_ADDED:
        return heard.recipients
    team = await unit.creators.team(heard.told.campaign_id) or ()
    return tuple(one for one in heard.recipients if one not in team)


async def take_roles(unit: NotifierUnit, heard: Sequence[Told], now: datetime) -> Sequence[Chunk]:
    """Keep a chunk for each role that is told of a cause, and offer to find out who has it.

    Return those that were not there.
    """
    chunks = [chunk_of_role(told, role) for told in heard for role in roles_of(told)]
    new = await unit.chunks.add_new(list({chunk.chunk_id: chunk for chunk in chunks}.values()))
    await unit.plumbing.work.offer([address_work(chunk, now) for chunk in new])
    return new


async def take_supplements(
    unit: NotifierUnit, joined: Sequence[Membership], partitions: int, now: datetime
) -> None:
    """Tell also those whose money had come by the time of a cause and was heard of after its N.

    Of causes that are planned; any other finds them at its planning. Until then it may wait for
    the campaign's end, which decides who of them is told.
    """
    # What is too old is told to nobody: years of news are not read for each pledge. A day more,
    # because a fact's own clock may be ahead of ours.
    since = now - TOLD_FOR - timedelta(days=1)
    causes = await unit.causes.of_campaigns({one.campaign_id for one in joined}, since)
    for cause in causes:
        if cause.state is CauseState.WAITING:
            continue
        late = [
            one
            for one in joined
            if one.campaign_id == cause.told.campaign_id
            and one.joined > cause.pledges_sequence
            and one.captured_at is not None
            and one.captured_at <= cause.told.caused_at
        ]
        await supplement(unit, cause, late, partitions, now)


async def supplement(
    unit: NotifierUnit,
    cause: Cause,
    late: Sequence[Membership],
    partitions: int,
    now: datetime,
) -> Sequence[Chunk]:
    """Tell these beside the cause's audience, but for who is in it; again tells nobody again.

    Nor who had taken their pledge back by the cause, nor who follows too, or is of the team, and
    was told of it as that. As in the audience, somebody may be hushed. Return the chunks that were
    not there.
    """
    if not late or is_too_old(cause.told, now):
        return []
    told, campaign_id = cause.told, cause.told.campaign_id
    pledges = {one.pledge_id for one in late}
    left = await unit.memberships.left_by(campaign_id, pledges, told.caused_at)
    backers = {one.backer_id for one in late if one.pledge_id not in left}
    backers -= await unit.memberships.belonging(campaign_id, backers, cause.pledges_sequence)
    backers -= await unit.chunks.told_beside(told, backers)
    members = {
        one.backer_id: (one.backer_id, one.key_hash) for one in late if one.backer_id in backers
    }
    if not members:
        return []
    hushed = await hushed_of(unit.sieve, cause, max(one.joined for one in late))
    suppressed = hushed.among(members) if hushed else {}
    chunks = [
        chunk_of_supplement(told, member, partitions, suppressed) for member in members.values()
    ]
    new = await unit.chunks.add_new(chunks)
    await unit.plumbing.work.offer([publish_work(PUBLISH_CHUNK, chunk, now) for chunk in new])
    SUPPLEMENTS.inc(len(new))
    return new


async def joined_behind(
    unit: NotifierUnit, pledges: PledgesPosition, cause: Cause
) -> Sequence[Membership]:
    """Return who joined behind the cause's N with money that had come by then.

    Nearly always nobody had joined behind it: then no membership is read, of as many as there are.
    """
    campaign_id = cause.told.campaign_id
    if await take_turns(unit, pledges, campaign_id) <= cause.pledges_sequence:
        return []
    return await unit.memberships.behind(campaign_id, cause.pledges_sequence, cause.told.caused_at)


async def take_turns(unit: NotifierUnit, pledges: PledgesPosition, campaign_id: str) -> int:
    """Have what others decide of the campaign in this very moment be seen here, or this there.

    A backer is kept, and supplements a cause, by a transaction that may have begun before this one
    and ends after it; so is who else is told of it, in another role. Neither sees what the other
    did. All of them move the campaign's place in the pledges, so that one of two is done again.
    Return the sequence of the last pledge that was taken.
    """
    rows = await unit.plumbing.streams.load(pledges.group, pledges.topic, [campaign_id])
    stands = Move(campaign_id, rows[campaign_id], rows[campaign_id])
    await unit.plumbing.streams.advance(pledges.group, pledges.topic, [stands])
    return rows[campaign_id].last_sequence


async def take_withdrawals(
    unit: NotifierUnit,
    withdrawals: Sequence[Withdrawal],
    asked: Sequence[Told],
    pledges: PledgesPosition,
) -> None:
    """Withdraw reminders whose reason is gone (trap 11), whichever of the two is heard first.

    Of what stands on two topics the withdrawal is kept, and holds for what is `asked` behind it.
    """
    kept = [one for one in withdrawals if one.elsewhere]
    reminders = {(one.campaign_id, one.kind) for one in asked if one.kind in ANSWERED_ELSEWHERE}
    for campaign_id in sorted({c for c, _ in reminders} | {one.campaign_id for one in kept}):
        # Who reads the other topic may hear the other one in this very moment.
        await take_turns(unit, pledges, campaign_id)
    await unit.withdrawals.keep(kept)
    gone = [*withdrawals, *await unit.withdrawals.of(reminders)]
    chunk_ids = await unit.chunks.withdraw(gone)
    await unit.unreached.end_in(chunk_ids, Ended(HowEnded.REASON_GONE))


def publish_work(kind: str, chunk: Chunk, due: datetime) -> WorkItem:
    """Return the work that tells a chunk's people.

    The first chunks of a cause go before the later ones of any other that is as urgent, so that a
    small cause is not behind a huge one, and a huge one has begun.
    """
    return WorkItem(
        id=f"publish/{chunk.chunk_id}",
        kind=kind,
        due=due,
        priority=rules_of(chunk.told).priority + (not is_first(chunk)),
        payload={"chunk_id": chunk.chunk_id},
    )


def plan_work(cause: Cause, due: datetime) -> WorkItem:
    """Return the work that plans a cause."""
    return WorkItem(
        id=f"plan/{cause.name}",
        kind=PLAN,
        due=due,
        priority=rules_of(cause.told).priority,
        payload={"cause": cause.name},
    )


def address_work(chunk: Chunk, due: datetime) -> WorkItem:
    """Return the work that finds out who has a chunk's role."""
    return WorkItem(
        id=f"address/{chunk.chunk_id}",
        kind=ADDRESS,
        due=due,
        priority=rules_of(chunk.told).priority,
        payload={"chunk_id": chunk.chunk_id},
    )


def _is_fresh(told: Told, now: datetime) -> bool:
    if is_too_old(told, now):
        TOO_OLD.inc()
        return False
    return True
