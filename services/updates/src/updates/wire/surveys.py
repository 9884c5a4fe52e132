"""Surveys as events: that somebody asks, never what anybody answered."""

from collections.abc import Sequence
from typing import Any

from servicekit.own_topics import Unexplained
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from updates.domain.survey import (
    Survey,
    SurveyClosed,
    SurveyFact,
    SurveyOpened,
    SurveyReminderDue,
)
from updates.domain.update import Audience
from updates.handlers.recover_claims import SurveyTold


def survey_draft(fact: SurveyFact) -> Draft:
    """Turn a fact of a survey into the event that says it, ready for the outbox."""
    match fact:
        case SurveyOpened(survey):
            return _opened(survey)
        case SurveyReminderDue(survey, number, part, backers, at):
            due = events.SurveyReminderDue(
                **_of(survey),
                reminder=number,
                part=part,
                backers=list(backers),
                closes_at=survey.form.closes_at,
                due_at=at,
            )
            return Draft(due, at)
        case SurveyClosed(survey, answers):
            assert survey.audience is not None and survey.closed_at is not None
            closed = events.SurveyClosed(
                **_of(survey),
                answers=answers,
                audience_count=survey.audience.count,
                closed_at=survey.closed_at,
            )
            return Draft(closed, survey.closed_at)


def _opened(survey: Survey) -> Draft:
    assert survey.audience is not None and survey.opened_at is not None
    event = events.SurveyOpened(
        **_of(survey),
        author_id=survey.author_id,
        language=survey.form.language,
        title=survey.form.title,
        url=survey.url,
        pledges_sequence=survey.audience.pledges_sequence,
        audience_count=survey.audience.count,
        campaign_sequence=survey.audience.campaign_sequence,
        closes_at=survey.form.closes_at,
        opened_at=survey.opened_at,
    )
    return Draft(event, survey.opened_at)


def _of(survey: Survey) -> dict[str, Any]:
    return {
        "campaign_id": survey.campaign_id,
        "survey_id": survey.survey_id,
        "kind": survey.form.kind.value,
        "named": survey.form.named,
    }


def surveys_told_from(unexplained: Sequence[Unexplained]) -> list[SurveyTold]:
    """Read our own facts back into what they made of surveys, in their order."""
    in_order = sorted(unexplained, key=lambda one: one.sequence)
    found = [decode(one.record) for one in in_order]
    told = [_told(one.event) for one in found if isinstance(one, Decoded)]
    return [one for one in told if one is not None]


def _told(event: Event) -> SurveyTold | None:
    match event:
        case events.SurveyOpened():
            as_of = event.pledges_sequence, event.audience_count, event.campaign_sequence
            audience = Audience(*as_of)
            return SurveyTold(event.campaign_id, event.survey_id, event.opened_at, opened=audience)
        case events.SurveyReminderDue():
            number = event.reminder
            return SurveyTold(event.campaign_id, event.survey_id, event.due_at, reminder=number)
        case events.SurveyClosed():
            return SurveyTold(event.campaign_id, event.survey_id, event.closed_at, closed=True)
    return None
