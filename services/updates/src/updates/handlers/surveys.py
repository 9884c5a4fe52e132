"""Surveys: drafted, opened to everybody as of now, answered once, reminded of, closed."""

import hashlib
from datetime import datetime, timedelta

from updates.domain.after_failure import AFTER_FAILURE, has_failed, is_over_for_backers
from updates.domain.errors import Refused
from updates.domain.survey import (
    Form,
    Survey,
    SurveyOpened,
    SurveyState,
    Values,
    begin_reminder,
    check_answer,
    close,
    draft,
    is_over,
    open_survey,
    remind,
)
from updates.domain.survey_results import Answer
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms
from updates.handlers.known_project import known_project
from updates.handlers.publish import PledgesPosition, audience_of
from updates.ports.unit import UpdatesUnit

# As many as one fact names.
PAGE = 1_000


async def write_survey(
    unit: UpdatesUnit, campaign_id: str, survey_id: str, author_id: str, form: Form, now: datetime
) -> Survey:
    """Write or rewrite a draft of a launched campaign."""
    await known_project(unit, campaign_id)
    known = await unit.surveys.load(campaign_id, survey_id)
    survey = draft(known, campaign_id, survey_id, author_id, form, now)
    if survey != known:
        await unit.surveys.save(survey)
    return survey


async def open_to_backers(
    unit: UpdatesUnit,
    pledges: PledgesPosition,
    campaign_id: str,
    survey_id: str,
    now: datetime,
    terms: SurveyTerms = USUAL_SURVEY_TERMS,
) -> Survey:
    """Open the draft to every backer as of now; open already is the same answer."""
    survey = await _survey(unit, campaign_id, survey_id)
    if survey.state is SurveyState.OPEN:
        return survey
    project = await known_project(unit, campaign_id)
    opened = open_survey(survey, await audience_of(unit, pledges, project), now, terms)
    await unit.surveys.save(opened)
    await unit.facts.add([SurveyOpened(opened)])
    return opened


async def close_survey(
    unit: UpdatesUnit, campaign_id: str, survey_id: str, now: datetime
) -> Survey:
    """Close it before its time, or a form that has none; closed already is the same answer."""
    survey = await _survey(unit, campaign_id, survey_id)
    if survey.state is SurveyState.CLOSED:
        return survey
    return await _closed(unit, survey, now)


async def answer_survey(
    unit: UpdatesUnit,
    campaign_id: str,
    survey_id: str,
    person_id: str,
    ballot: str | None,
    values: Values,
    now: datetime,
    after_failure: timedelta = AFTER_FAILURE,
) -> Answer:
    """Keep the person's one answer, which may be changed until the end.

    An anonymous answer is kept under what only its writer knows; who has answered is noted apart.
    """
    survey = await _survey(unit, campaign_id, survey_id)
    check_answer(survey, values, now)
    await _check_asked(unit, survey, person_id, now, after_failure)
    place = (campaign_id, survey_id)
    answer = _answer(survey, person_id, ballot, values, now)
    known = await unit.answers.load(place, answer.key)
    if await unit.answers.has_answered(place, person_id):
        if known is None:
            raise Refused("already-answered", "you have answered, with another ballot")
    elif known is not None:
        raise Refused("ballot-taken", "somebody has answered with this ballot; take another one")
    else:
        await unit.answers.note_answered(place, person_id)
    if known != answer:
        await unit.answers.put(place, answer)
    return answer


async def step_survey(
    unit: UpdatesUnit, due: Survey, now: datetime, terms: SurveyTerms = USUAL_SURVEY_TERMS
) -> None:
    """Do what time asks for: close it, or remind the next page of those who are silent."""
    survey = await unit.surveys.load(due.campaign_id, due.survey_id)
    if survey is None or survey.next_due is None or survey.next_due > now:
        return
    if is_over(survey, now):
        await _closed(unit, survey, now)
        return
    begun = begin_reminder(survey, now, terms)
    if not begun.reminding.running:
        await unit.surveys.save(begun)
        return
    assert begun.audience is not None
    until, after = begun.audience.pledges_sequence, begun.reminding.after
    page = await unit.asked.page(begun.campaign_id, until, after, PAGE)
    # Whoever has answered is not among them; who answers while this is saved may be.
    silent = await unit.answers.silent((begun.campaign_id, begun.survey_id), page)
    last = len(page) < PAGE
    reminded, told = remind(begun, tuple(page), tuple(silent), last, now, terms)
    await unit.surveys.save(reminded)
    if told is not None:
        await unit.facts.add([told])


async def _closed(unit: UpdatesUnit, survey: Survey, now: datetime) -> Survey:
    answers = await unit.answers.count((survey.campaign_id, survey.survey_id))
    closed, fact = close(survey, answers, now)
    await unit.surveys.save(closed)
    await unit.facts.add([fact])
    return closed


def _answer(
    survey: Survey, person_id: str, ballot: str | None, values: Values, now: datetime
) -> Answer:
    if survey.form.named:
        return Answer(person_id, values, person_id, now)
    if ballot is None:
        raise Refused("ballot-missing", "an anonymous answer needs a ballot of your own making")
    text = f"{survey.campaign_id}|{survey.survey_id}|{ballot}"
    return Answer(hashlib.sha256(text.encode()).hexdigest(), values)


async def _check_asked(
    unit: UpdatesUnit, survey: Survey, person_id: str, now: datetime, after_failure: timedelta
) -> None:
    """Raise `Refused` unless the person backed the campaign when it was opened, and still does.

    After a failed campaign everybody's money goes back, and all may answer for a while.
    """
    assert survey.audience is not None
    joined = await unit.asked.joined(survey.campaign_id, person_id)
    if joined is None or joined > survey.audience.pledges_sequence:
        raise Refused("not-asked", "the survey was opened to those who backed it then")
    project = await known_project(unit, survey.campaign_id)
    keeps = await unit.asked.keeps_a_pledge(survey.campaign_id, person_id)
    lately = has_failed(project) and not is_over_for_backers(project, now, after_failure)
    if not keeps and not lately:
        raise Refused("fully-refunded", "nothing of your pledge is left")


async def _survey(unit: UpdatesUnit, campaign_id: str, survey_id: str) -> Survey:
    survey = await unit.surveys.load(campaign_id, survey_id)
    if survey is None:
        raise Refused("survey-unknown", "there is no such survey")
    return survey
