"""Claims: opened by backers, moved by both sides, staff, time, and payouts' answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from servicekit.units import UnitsOfWork
from updates.domain.claim import Claim, Moved, Settlement, Subject
from updates.domain.claim_delivery import delivery_of
from updates.domain.claim_reason import Delivery, Reason, check_reason
from updates.domain.claim_turns import (
    SUITE,
    Moment,
    Patience,
    money_given,
    money_refused,
    money_waits,
    open_claim,
    opened_again,
    run_out,
)
from updates.domain.errors import Refused
from updates.domain.pledge import Pledge, Promise
from updates.domain.project import Verdict
from updates.handlers.known_project import known_project
from updates.handlers.publish import PledgesPosition
from updates.ports.unit import UpdatesUnit

# How many claims one answer may serve.
BULK_MAX = 500


@dataclass(frozen=True, slots=True)
class Opening:
    """What a backer says when opening a claim."""

    claim_id: str
    pledge_id: str
    backer_id: str
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class ClaimDesk:
    """Where claims are judged: by which N of the pledges, and with how much patience."""

    pledges: PledgesPosition
    patience: Patience

    async def moment(self, unit: UpdatesUnit, campaign_id: str, now: datetime) -> Moment:
        """Return what an act in this campaign is judged by; raises `Refused` where none is."""
        project = await known_project(unit, campaign_id)
        assert project.profile is not None
        await unit.view.pass_through()
        rows = await unit.plumbing.streams.load(
            self.pledges.group, self.pledges.topic, [campaign_id]
        )
        known = rows[campaign_id].last_sequence
        team = frozenset(project.team)
        return Moment(now, self.patience, project.profile.creator_id, team, known)

    def no_persons_moment(self, now: datetime) -> Moment:
        """Return what time and payouts' answers are judged by: nobody's word, whatever is known."""
        return Moment(now, self.patience)


async def open_of_backer(
    unit: UpdatesUnit, desk: ClaimDesk, campaign_id: str, opening: Opening, now: datetime
) -> Claim:
    """Open a claim about the backer's own pledge; the same again is the same claim."""
    moment = await desk.moment(unit, campaign_id, now)
    place = (campaign_id, opening.pledge_id)
    pledge = (await unit.pledges.load([place])).get(place)
    if pledge is None or pledge.promise is None or pledge.promise.backer_id != opening.backer_id:
        raise Refused("pledge-unknown", "you have no such pledge in this campaign")
    promise = pledge.promise
    delivery = await _delivery(unit, campaign_id, promise)
    subject = Subject(
        pledge.pledge_id,
        promise.backer_id,
        promise.reward_id,
        delivery.batch,
        promise.amount,
        promise.currency,
    )
    known = await unit.claims.load(campaign_id, opening.claim_id)
    if known is not None:
        if known.subject.backer_id != opening.backer_id:
            raise Refused("claim-unknown", "there is no such claim")
        return opened_again(known, subject, opening.reason, opening.text)
    await _check_may_claim(unit, pledge, delivery, opening, desk, now)
    moved = open_claim(campaign_id, opening.claim_id, subject, opening.reason, opening.text, moment)
    await unit.claims.save(moved.claim)
    await unit.facts.add(moved.facts)
    return moved.claim


async def _delivery(unit: UpdatesUnit, campaign_id: str, promise: Promise) -> Delivery:
    """Return what is known of the way of a pledge's reward."""
    plan, reward_id = await unit.plans.load(campaign_id), promise.reward_id
    if reward_id is None:
        return delivery_of(plan, None)
    place = (campaign_id, reward_id, promise.backer_id)
    reward = (await unit.rewards.load(campaign_id, {reward_id})).get(reward_id)
    tracking = (await unit.trackings.load([place])).get(place)
    return delivery_of(plan, reward_id, reward, tracking)


async def _check_may_claim(
    unit: UpdatesUnit,
    pledge: Pledge,
    delivery: Delivery,
    opening: Opening,
    desk: ClaimDesk,
    now: datetime,
) -> None:
    project = await known_project(unit, pledge.campaign_id)
    if project.verdict is not Verdict.GOAL_MET:
        raise Refused("no-reward-owed", "rewards are owed by campaigns that met their goal")
    if not pledge.stands:
        raise Refused("fully-refunded", "nothing of this pledge is left to claim for")
    chose_none = pledge.promise is not None and pledge.promise.reward_id is None
    if chose_none and opening.reason is not Reason.OTHER:
        raise Refused("no-reward", "no reward was chosen with this pledge")
    check_reason(opening.reason, delivery, now, desk.patience.window)
    about = (pledge.campaign_id, pledge.pledge_id, opening.reason)
    if other := await unit.claims.open_about(*about):
        raise Refused("claim-open", f"claim {other.claim_id} is about this already")


async def move_claim(
    unit: UpdatesUnit,
    desk: ClaimDesk,
    campaign_id: str,
    claim_id: str,
    act: Callable[[Claim, Moment], Moved],
    now: datetime,
) -> Claim:
    """Do one act to a claim; raises `Refused`, and changes nothing then."""
    moment = await desk.moment(unit, campaign_id, now)
    claim = await unit.claims.load(campaign_id, claim_id)
    if claim is None:
        raise Refused("claim-unknown", "there is no such claim")
    return await _keep(unit, claim, act(claim, moment))


async def _keep(unit: UpdatesUnit, claim: Claim, moved: Moved) -> Claim:
    if moved.claim != claim:
        await unit.claims.save(moved.claim)
        await unit.facts.add(moved.facts)
    return moved.claim


@dataclass(frozen=True, slots=True)
class Answered:
    """What one answer to many came to for one of them: the claim, or why not."""

    claim_id: str
    claim: Claim | None
    refused: Refused | None = None


async def move_many(
    units: UnitsOfWork[UpdatesUnit],
    desk: ClaimDesk,
    campaign_id: str,
    claim_ids: Sequence[str],
    act: Callable[[Claim, Moment], Moved],
    now: datetime,
) -> list[Answered]:
    """Do the same act to each, each by itself: one that is refused stops no other."""
    answers = []
    for claim_id in dict.fromkeys(claim_ids):
        one = partial(
            move_claim, desk=desk, campaign_id=campaign_id, claim_id=claim_id, act=act, now=now
        )
        try:
            answers.append(Answered(claim_id, await units.run(one)))
        except Refused as refusal:
            answers.append(Answered(claim_id, None, refusal))
    return answers


async def run_out_claim(unit: UpdatesUnit, desk: ClaimDesk, due: Claim, now: datetime) -> None:
    """Hand a claim to staff whose time is over; one that was moved meanwhile is left alone."""
    claim = await unit.claims.load(due.campaign_id, due.claim_id)
    if claim is not None:
        await _keep(unit, claim, run_out(claim, desk.no_persons_moment(now)))


class Answer(StrEnum):
    GIVEN = "given"
    REFUSED = "refused"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class MoneyAnswered:
    """What payouts says of a request; `settlement` is what was given, `reason` why it was not."""

    campaign_id: str
    request_id: str
    answer: Answer
    settlement: Settlement
    reason: str = ""


async def hear_money(
    unit: UpdatesUnit, desk: ClaimDesk, heard: Sequence[MoneyAnswered], now: datetime
) -> None:
    """Let each answer reach its claim; one of a claim that only payouts knows concerns nobody."""
    for one in heard:
        claim_id = one.request_id.partition("~")[0]
        claim = await unit.claims.load(one.campaign_id, claim_id)
        if claim is not None:
            await _keep(unit, claim, _answered(claim, one, desk.no_persons_moment(now)))


def _answered(claim: Claim, heard: MoneyAnswered, moment: Moment) -> Moved:
    match heard.answer:
        case Answer.GIVEN:
            money = claim.money
            by = money.decided_by if money and money.request_id == heard.request_id else SUITE
            return money_given(claim, heard.settlement, by, moment)
        case Answer.REFUSED:
            return money_refused(claim, heard.request_id, heard.reason, moment)
        case Answer.WAITS:
            return money_waits(claim, heard.request_id, heard.reason, moment)
