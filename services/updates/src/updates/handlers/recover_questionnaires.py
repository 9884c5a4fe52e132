"""Questionnaires after a restored backup: whoever was asked or noticed is not told again."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from servicekit.units import UnitsOfWork
from updates.domain.questionnaire import QuestionnaireAsked
from updates.domain.reward_reply import RewardReply
from updates.ports.unit import UpdatesUnit


async def questionnaires_again(
    units: UnitsOfWork[UpdatesUnit], told: Sequence[QuestionnaireAsked]
) -> list[str]:
    """Bring them to where the topic has them, a fact at a time; return a line for each."""
    return [await units.run(partial(ask_again, told=one)) for one in told]


async def ask_again(unit: UpdatesUnit, told: QuestionnaireAsked) -> str:
    """Note whom this fact told; what they replied after the backup must be given again."""
    name = f"questionnaire of {told.reward_id} of {told.campaign_id}"
    pledges = await unit.pledges.load([(told.campaign_id, one) for one in told.pledges])
    known = await unit.replies.load([(told.campaign_id, one) for one in told.pledges])
    moved = []
    for pledge_id in told.pledges:
        place = (told.campaign_id, pledge_id)
        pledge = pledges.get(place)
        backer_id = pledge.promise.backer_id if pledge and pledge.promise else ""
        reply = known.get(place) or RewardReply(
            told.campaign_id, told.reward_id, pledge_id, backer_id
        )
        after = replace(
            reply,
            asked_at=reply.asked_at or told.at,
            locks_at=reply.locks_at or told.locks_at,
        )
        if after != known.get(place):
            moved.append(after)
    await unit.replies.save(moved)
    questionnaire = await unit.questionnaires.load(told.campaign_id, told.reward_id)
    if questionnaire is None:
        return f"{name}: its editors must write it again; {len(told.backers)} are not told again"
    closing = questionnaire.closing_at or (told.at if told.locks_at is not None else None)
    after_it = replace(questionnaire, closing_at=closing, told=max(questionnaire.told, told.part))
    if after_it != questionnaire:
        await unit.questionnaires.save(after_it)
    return f"{name}: part {told.part} was told, {len(moved)} places are noted"
