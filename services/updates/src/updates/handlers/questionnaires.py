"""Reward questionnaires: written, asked, replied to until they are locked, exported on record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from updates.domain.address_export import AddressExport, ExportRead, taken
from updates.domain.errors import Refused
from updates.domain.pledge import Pledge
from updates.domain.project import Verdict
from updates.domain.questionnaire import (
    Asked,
    Questionnaire,
    QuestionnaireTerms,
    begin_closing,
    check_choices,
    page_asked,
    tell,
    write,
)
from updates.domain.reward_progress import came_at, is_being_prepared
from updates.domain.reward_reply import (
    RewardReply,
    asked,
    check_open,
    erased,
    needed_until,
    noticed,
    replied,
    resealed,
    taken_back,
)
from updates.domain.tracking import Tracking
from updates.ports.questionnaires import Sealer, Words
from updates.ports.unit import UpdatesUnit

# As many as one fact names.
PAGE = 500


@dataclass(frozen=True, slots=True)
class QuestionnaireDesk:
    """By which terms, and what seals replies; without a sealer nothing is asked."""

    sealer: Sealer | None
    terms: QuestionnaireTerms

    def sealing(self) -> Sealer:
        """Return the sealer, or raise `Refused` where questionnaires are switched off."""
        if self.sealer is None:
            raise Refused("questionnaires-off", "no keys are configured that seal replies")
        return self.sealer


@dataclass(frozen=True, slots=True)
class OwnReply:
    """A backer's own reply with what was asked; the words are None before there are any."""

    questionnaire: Questionnaire
    reply: RewardReply
    words: Words | None


@dataclass(frozen=True, slots=True)
class ExportedReply:
    """A row of an export; a reply that was erased meanwhile, or never given, has no words."""

    reply: RewardReply
    words: Words | None


@dataclass(frozen=True, slots=True)
class Exported:
    """The file's rows, and what was asked."""

    questionnaire: Questionnaire
    rows: list[ExportedReply]


async def write_questionnaire(
    unit: UpdatesUnit,
    desk: QuestionnaireDesk,
    campaign_id: str,
    reward_id: str,
    wanted: Asked,
    by: str,
    now: datetime,
) -> Questionnaire:
    """Ask this of whoever is to get the reward, from a met goal on."""
    desk.sealing()
    await _check_reward(unit, campaign_id, reward_id)
    known = await unit.questionnaires.load(campaign_id, reward_id)
    written = write(known, campaign_id, reward_id, wanted, by, now, desk.terms)
    if written != known:
        await unit.questionnaires.save(written)
    return written


async def close_questionnaire(
    unit: UpdatesUnit, campaign_id: str, reward_id: str, now: datetime
) -> Questionnaire:
    """Begin the last notice; begun already is the same answer."""
    known = await _questionnaire(unit, campaign_id, reward_id)
    closing = begin_closing(known, now)
    if closing != known:
        await unit.questionnaires.save(closing)
    return closing


async def reply_of(
    unit: UpdatesUnit, desk: QuestionnaireDesk, campaign_id: str, pledge_id: str, backer_id: str
) -> OwnReply:
    """Return the backer's own reply about a pledge."""
    questionnaire, known = await _own(unit, campaign_id, pledge_id, backer_id)
    place = (campaign_id, pledge_id)
    words = desk.sealing().open(place, known.sealed) if known.sealed else None
    return OwnReply(questionnaire, known, words)


async def reply(
    unit: UpdatesUnit,
    desk: QuestionnaireDesk,
    campaign_id: str,
    pledge_id: str,
    backer_id: str,
    words: Words,
    now: datetime,
) -> OwnReply:
    """Keep what the backer says, in place of what was said before; the same changes nothing."""
    sealer, place = desk.sealing(), (campaign_id, pledge_id)
    own = await reply_of(unit, desk, campaign_id, pledge_id, backer_id)
    pledge = (await unit.pledges.load([place])).get(place)
    if pledge is None or not pledge.stands:
        raise Refused("fully-refunded", "nothing of your pledge is left, so nothing is sent")
    if own.words == words:
        return own
    check_open(own.reply, now)
    check_choices(own.questionnaire.asked, words.choices, address=words.address is not None)
    kept = replied(own.reply, sealer.seal(place, words), now)
    await unit.replies.save([kept])
    return OwnReply(own.questionnaire, kept, words)


async def take_back_reply(
    unit: UpdatesUnit,
    desk: QuestionnaireDesk,
    campaign_id: str,
    pledge_id: str,
    backer_id: str,
    now: datetime,
) -> OwnReply:
    """Forget what the backer says, before it is locked; nothing there is the same."""
    desk.sealing()
    questionnaire, known = await _own(unit, campaign_id, pledge_id, backer_id)
    if known.sealed is None:
        return OwnReply(questionnaire, known, None)
    gone = taken_back(known, now)
    await unit.replies.save([gone])
    return OwnReply(questionnaire, gone, None)


async def step_questionnaire(
    unit: UpdatesUnit, terms: QuestionnaireTerms, due: Questionnaire, now: datetime
) -> None:
    """Ask the next page of backers, or notice it; whoever was told is not told again."""
    known = await unit.questionnaires.load(due.campaign_id, due.reward_id)
    if known is None or known.next_due is None or known.next_due > now:
        return
    page = await unit.replies.pledges(known.campaign_id, known.reward_id, known.after, PAGE)
    before = await unit.replies.load([(one.campaign_id, one.pledge_id) for one in page])
    plan = await unit.plans.load(known.campaign_id)
    trackings = await _trackings(unit, known.campaign_id, known.reward_id, page)
    changed, told = [], []
    for pledge in page:
        assert pledge.promise is not None
        was = before.get((pledge.campaign_id, pledge.pledge_id)) or _place_of(pledge)
        moved = _moved(was, pledge, known, terms, now)
        if moved != was:
            told.append((pledge.pledge_id, pledge.promise.backer_id))
        # To a pledge of which nothing is left nothing is sent.
        tracking = trackings.get(pledge.promise.backer_id)
        came = came_at(plan, known.reward_id, tracking, now) if pledge.stands else now
        moved = needed_until(moved, came, terms)
        if moved != was:
            changed.append(moved)
    locks_at = now + terms.notice if known.closing_at is not None else None
    moved_on, facts = tell(known, told, locks_at, now)
    last = page[-1].pledge_id if len(page) == PAGE else None
    await unit.replies.save(changed)
    await unit.questionnaires.save(page_asked(moved_on, last, now, terms))
    await unit.facts.add(facts)


async def take_export(
    unit: UpdatesUnit,
    desk: QuestionnaireDesk,
    campaign_id: str,
    reward_id: str,
    export_id: str,
    by: str,
    now: datetime,
) -> Exported:
    """Return a reward's replies once it is being prepared, and note who took them.

    The same export again is the same pledges, noted again.
    """
    sealer = desk.sealing()
    questionnaire = await _questionnaire(unit, campaign_id, reward_id)
    known = await unit.exports.load(campaign_id, reward_id, export_id)
    if known is None:
        pledges = await _replied(unit, campaign_id, reward_id)
        if not pledges:
            detail = "replies are taken once the reward is being prepared for whoever gave them"
            raise Refused("not-preparing", detail)
        read = ExportRead(by, now)
        export = AddressExport(campaign_id, reward_id, export_id, tuple(pledges), (read,))
    else:
        export = taken(known, by, now)
    await unit.exports.save(export)
    places = [(campaign_id, pledge_id) for pledge_id in export.pledges]
    found = await unit.replies.load(places)
    rows = [
        ExportedReply(one, sealer.open(place, one.sealed) if one.sealed else None)
        for place, one in sorted(found.items())
    ]
    return Exported(questionnaire, rows)


async def erase_reply(unit: UpdatesUnit, due: RewardReply, now: datetime) -> None:
    """Erase what a reply said, once its time is over."""
    place = (due.campaign_id, due.pledge_id)
    known = (await unit.replies.load([place])).get(place)
    if known is not None and known.next_due is not None and known.next_due <= now:
        await unit.replies.save([erased(known, now)])


async def seal_again(unit: UpdatesUnit, sealer: Sealer, page: Sequence[RewardReply]) -> int:
    """Seal these replies with the first key; return how many were under another one."""
    places = [(one.campaign_id, one.pledge_id) for one in page]
    moved = [
        resealed(one, sealer.seal(place, sealer.open(place, one.sealed)))
        for place, one in (await unit.replies.load(places)).items()
        if one.sealed is not None and one.sealed.key_id != sealer.key_id
    ]
    await unit.replies.save(moved)
    return len(moved)


def _moved(
    was: RewardReply,
    pledge: Pledge,
    questionnaire: Questionnaire,
    terms: QuestionnaireTerms,
    now: datetime,
) -> RewardReply:
    if not pledge.stands or was.erased_at is not None:
        return was
    if questionnaire.closing_at is not None:
        return was if was.locks_at is not None else noticed(was, now, terms)
    return was if was.asked_at is not None else asked(was, now)


def _place_of(pledge: Pledge) -> RewardReply:
    assert pledge.promise is not None and pledge.promise.reward_id is not None
    promise = pledge.promise
    return RewardReply(
        pledge.campaign_id, promise.reward_id or "", pledge.pledge_id, promise.backer_id
    )


async def _own(
    unit: UpdatesUnit, campaign_id: str, pledge_id: str, backer_id: str
) -> tuple[Questionnaire, RewardReply]:
    place = (campaign_id, pledge_id)
    pledge = (await unit.pledges.load([place])).get(place)
    if pledge is None or pledge.promise is None or pledge.promise.backer_id != backer_id:
        raise Refused("pledge-unknown", "there is no such pledge of yours")
    if pledge.promise.reward_id is None:
        raise Refused("questionnaire-unknown", "you chose no reward")
    questionnaire = await _questionnaire(unit, campaign_id, pledge.promise.reward_id)
    known = (await unit.replies.load([place])).get(place)
    return questionnaire, known or _place_of(pledge)


async def _replied(unit: UpdatesUnit, campaign_id: str, reward_id: str) -> list[str]:
    """Return the pledges that stand and have a reply, for whom the reward is being prepared."""
    plan = await unit.plans.load(campaign_id)
    found: list[str] = []
    after = ""
    while page := await unit.replies.of_reward(campaign_id, reward_id, after, PAGE):
        places = [(campaign_id, one.pledge_id) for one in page if one.sealed is not None]
        pledges = [one for one in (await unit.pledges.load(places)).values() if one.stands]
        trackings = await _trackings(unit, campaign_id, reward_id, pledges)
        found += sorted(
            pledge.pledge_id
            for pledge in pledges
            if pledge.promise is not None
            and is_being_prepared(plan, reward_id, trackings.get(pledge.promise.backer_id))
        )
        after = page[-1].pledge_id
    return found


async def _trackings(
    unit: UpdatesUnit, campaign_id: str, reward_id: str, pledges: Sequence[Pledge]
) -> dict[str, Tracking]:
    """Return how far the reward is on its way, by backer, to those who hold these pledges."""
    people = {one.promise.backer_id for one in pledges if one.promise is not None}
    found = await unit.trackings.load([(campaign_id, reward_id, person) for person in people])
    return {backer_id: one for (_, _, backer_id), one in found.items()}


async def _questionnaire(unit: UpdatesUnit, campaign_id: str, reward_id: str) -> Questionnaire:
    known = await unit.questionnaires.load(campaign_id, reward_id)
    if known is None:
        raise Refused("questionnaire-unknown", "nothing is asked for this reward")
    return known


async def _check_reward(unit: UpdatesUnit, campaign_id: str, reward_id: str) -> None:
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    if project is None or project.verdict is not Verdict.GOAL_MET:
        raise Refused("goal-not-met", "rewards are sent when the goal was met")
    plan = await unit.plans.load(campaign_id)
    if plan is None or reward_id not in plan.rewards:
        raise Refused("reward-unknown", "the campaign has no such reward")
