"""What of updates is set: refused by name where it cannot be meant, and what follows from it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import backer, creator
from services.updates.tests.conftest import memory_service
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_http import BODY, body_of
from services.updates.tests.test_survey_http import FORM, SURVEY
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.domain.kinds import UpdateKind
from updates.domain.plan_terms import PlanTerms
from updates.domain.survey_terms import SurveyTerms
from updates.handlers.publish import PublishingTerms
from updates.settings import UpdatesSettings

UPDATE = "/campaigns/campaign-1/updates/u1"
PLAN = "/campaigns/campaign-1/delivery-plan"
GIVEN: dict[str, Any] = {
    "mode": "development",
    "mongodb_uri": "mongodb://h",
    "mongodb_database": "updates",
    "kafka_bootstrap_servers": "h:1",
    "instance_id": "updates-1",
    "http_port": 1,
    "health_port": 2,
    "auth_issuer": "somebody",
    "auth_audience": "updates",
    "auth_jwks_url": "http://h/keys",
}


def test_what_is_not_set_is_as_the_rules_have_it() -> None:
    """No setting has another default than its rule."""
    settings = UpdatesSettings(**GIVEN)
    assert settings.plan_terms() == PlanTerms()
    assert settings.publishing_terms() == PublishingTerms()
    assert settings.survey_terms() == SurveyTerms()


def test_what_is_set_arrives() -> None:
    """As it stands in the environment, each with a value of its own."""
    settings = UpdatesSettings(
        **GIVEN,
        plan_free_seconds="60",
        plan_missing_seconds="120",
        promise_question_days="21,0",
        emergency_form_seconds="180",
        survey_reminders_seconds="240,300",
        feedback_reminders_seconds="360",
        survey_answers_fewest="3",
    )
    second = timedelta(seconds=1)
    plan = PlanTerms(60 * second, 120 * second, (21, 0))
    assert settings.publishing_terms() == PublishingTerms(180 * second, plan)
    assert settings.survey_terms() == SurveyTerms((240 * second, 300 * second), (360 * second,), 3)


def test_a_list_may_be_empty() -> None:
    """Nobody is asked or reminded then."""
    lists = dict.fromkeys(("promise_question_days", "survey_reminders_seconds"), "")
    settings = UpdatesSettings(**GIVEN, **lists)
    assert settings.plan_terms().asked_before == () and settings.survey_terms().before_end == ()


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("promise_question_days", "30,-1", "days from 0 to 365"),
        ("promise_question_days", "366", "days from 0 to 365"),
        ("promise_question_days", "7,7", "different days"),
        ("survey_reminders_seconds", "0", "times from 1"),
        ("survey_reminders_seconds", "60,60", "different times"),
        ("feedback_reminders_seconds", "31622401", "times from 1"),
        ("survey_answers_fewest", "1", "greater than or equal to 2"),
        ("emergency_form_seconds", "0", "greater than 0"),
        ("plan_free_seconds", "-1", "greater than or equal to 0"),
        ("after_failure_seconds", "-1", "greater than or equal to 0"),
        ("silence_seconds", "1,2,4,3", "later than the one before"),
        ("failure_letter_seconds", "-1,0", "not below 0"),
        ("recovery_reminders_seconds", "2,2", "later than the one before"),
        ("recovery_reminders_seconds", "604800", "before UPDATES_RECOVERY_PLAN_SECONDS"),
        ("emergency_form_seconds", "1e12", "100 years"),
        ("plan_missing_seconds", "inf", "100 years"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(name: str, value: str, word: str) -> None:
    """At the start, with a word that says what would be right."""
    with pytest.raises(ValidationError) as refusal:
        UpdatesSettings(**GIVEN | {name: value})
    (error,) = refusal.value.errors()
    assert error["loc"] == (name,) and word in error["msg"]


def test_a_term_that_is_shorter_than_the_usual_reminders_needs_others() -> None:
    """The last reminder would be taken for the end of the term."""
    with pytest.raises(ValidationError, match="before UPDATES_RECOVERY_PLAN_SECONDS"):
        UpdatesSettings(**GIVEN, recovery_plan_seconds="6")
    short = UpdatesSettings(**GIVEN, recovery_plan_seconds="6", recovery_reminders_seconds="2,4")
    assert short.follow_up_terms().plan == timedelta(seconds=6)


async def test_the_routes_go_by_what_is_set() -> None:
    """How long a form is kept and a day moves, when a plan is missing, how few answers are few."""
    service, minute = memory_service(), timedelta(minutes=1)
    terms = PublishingTerms(form_kept=minute, plan=PlanTerms(minute, minute, ()))
    api = api_of(service, publishing=terms, surveying=SurveyTerms(fewest=2))
    await service.hear((sample(funding.CampaignLaunched), 1))
    for number in (1, 2):
        pledge = {"pledge_id": f"p{number}", "backer_id": f"b{number}"}
        await service.hear((sample(funding.PledgeCollected, **pledge), number))
    await service.hear((sample(funding.VerdictReached, verdict="goal_met"), 2))
    async with client_of(api, creator("creator-1")) as client:
        await client.put(UPDATE, json=body_of(UpdateKind.EMERGENCY))
        days = {"provision": "service", "days": {"start": "2026-06-01", "end": "2026-06-03"}}
        assert (await client.get(PLAN)).json()["notice"] is None
        later = {"step": "end", "day": "2026-06-20", "reason": "The hall burnt down."}
        await client.put(SURVEY, json=FORM)
        await client.post(f"{SURVEY}/opening")
        for number in (1, 2):
            body = {"ballot": f"{number:043}", "values": {"colour": "red"}}
            headers = bearer(backer(f"b{number}"))
            said = await client.put(f"{SURVEY}/answer", json=body, headers=headers)
            assert said.status_code == 200, said.text

        service.clock.advance(seconds=60)
        assert (await client.get(UPDATE)).status_code == 404
        assert (await client.get("/campaigns/campaign-1/drafts")).json()["items"] == []
        assert (await client.get(PLAN)).json()["notice"] is not None
        project = (await client.get("/campaigns/campaign-1")).json()
        assert project["delivery_plan"]["notice"] is not None
        await client.put(f"{PLAN}/reward-1/1", json=days)
        service.clock.advance(seconds=60)
        moved = await client.post(f"{PLAN}/reward-1/1/moves", json=later)
        assert moved.json()["type"] == "/problems/later-needs-update"
        assert (await client.get(f"{SURVEY}/results.csv")).status_code == 200


async def test_backers_of_a_failed_campaign_talk_for_as_long_as_is_set() -> None:
    """Comments and answers to surveys alike."""
    service = memory_service()
    api = api_of(service, after_failure=timedelta(minutes=1))
    await service.hear((sample(funding.CampaignLaunched), 1))
    await service.hear((sample(funding.PledgeCollected, backer_id="anna"), 1))
    async with client_of(api, creator("creator-1")) as client:
        await client.put(UPDATE, json=BODY)
        await client.post(f"{UPDATE}/publish")
        await client.put(SURVEY, json=FORM)
        await client.post(f"{SURVEY}/opening")
        await service.hear((sample(funding.VerdictReached, verdict="goal_missed"), 2))

        async def said(number: int) -> httpx.Response:
            path, body = f"{UPDATE}/comments/c{number}", {"text": "What now?"}
            return await client.put(path, json=body, headers=bearer(backer("anna")))

        assert (await said(1)).status_code == 200
        service.clock.advance(seconds=61)
        assert (await said(2)).json()["type"] == "/problems/comments-ended"
