"""Questionnaires as events: that a reply is asked for, never what anybody replied."""

from collections.abc import Sequence

from servicekit.own_topics import Unexplained
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from updates.domain.questionnaire import QuestionnaireAsked


def questionnaire_draft(fact: QuestionnaireAsked) -> Draft:
    """Turn the fact into the event that says it, ready for the outbox."""
    event = events.QuestionnaireAsked(
        campaign_id=fact.campaign_id,
        reward_id=fact.reward_id,
        part=fact.part,
        pledges=list(fact.pledges),
        backers=list(fact.backers),
        locks_at=fact.locks_at,
        url=f"/campaigns/{fact.campaign_id}/questionnaires/{fact.reward_id}",
        asked_at=fact.at,
    )
    return Draft(event, fact.at)


def questionnaires_told_from(facts: Sequence[Unexplained]) -> list[QuestionnaireAsked]:
    """Read what was told of questionnaires, in its order; the rest is somebody else's."""
    read = [decode(one.record) for one in facts]
    told = [one.event for one in read if isinstance(one, Decoded)]
    return [
        QuestionnaireAsked(
            one.campaign_id,
            one.reward_id,
            one.part,
            tuple(one.pledges),
            tuple(one.backers),
            one.locks_at,
            one.asked_at,
        )
        for one in told
        if isinstance(one, events.QuestionnaireAsked)
    ]
