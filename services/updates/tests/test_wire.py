"""From events to this service's words and back."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.updates.tests.contents import EVENT, content_of
from sosst_contracts import funding, payouts
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample
from updates import wire
from updates.domain.kinds import ProgressReport, UpdateKind
from updates.domain.project import Verdict
from updates.domain.update import (
    Audience,
    Content,
    Update,
    UpdatePublished,
    UpdateState,
    UpdateText,
    Visibility,
    publish,
)
from updates.handlers.facts import Decided, StageFailed, Unplaced, Withdrawn
from updates.wire import heard

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TOPICS = (heard.CAMPAIGNS_TOPIC, heard.PLEDGES_TOPIC, heard.REFUNDS_TOPIC, heard.STAGES_TOPIC)


def read_back(draft: Draft, sequence: int = 4) -> Decoded:
    read = decode(draft.seal(sequence))
    assert isinstance(read, Decoded)
    return read


@pytest.mark.parametrize("topic", TOPICS)
def test_every_event_of_a_topic_moves_its_as_of(topic: str) -> None:
    """Also facts that change no figure carry campaign, sequence and time."""
    for event_type in REGISTRY.on_topic(topic):
        told = heard.heard_from(read_back(Draft(sample(event_type), NOW)))
        assert (told.topic, told.campaign_id) == (topic, "campaign-1")
        assert (told.sequence, told.at) == (4, NOW)


def test_words_and_figures_are_read() -> None:
    """A verdict is a word of ours, a failed stage its number."""
    missed = heard.heard_from(
        read_back(Draft(sample(funding.VerdictReached, verdict="goal_missed"), NOW))
    )
    assert missed.said == Decided(Verdict.GOAL_MISSED)
    cancelled = heard.heard_from(read_back(Draft(sample(funding.CampaignCancelled), NOW)))
    assert cancelled.said == Decided(Verdict.CANCELLED)
    failed = heard.heard_from(read_back(Draft(sample(payouts.StageFailed, stage=2), NOW)))
    assert failed.said == StageFailed(2)


@pytest.mark.parametrize(
    ("before_verdict", "said"), [(True, Unplaced(1_999)), (False, None)], ids=str
)
def test_a_dropped_pledge_leaves_what_is_raised_before_the_verdict_only(
    before_verdict: bool, said: Unplaced | None
) -> None:
    """The public total stays after a failure (trap 20)."""
    dropped = sample(funding.PledgeDropped, before_verdict=before_verdict)
    assert heard.heard_from(read_back(Draft(dropped, NOW))).said == said


@pytest.mark.parametrize(
    ("standing", "before_verdict", "uncollected"),
    [("counted", True, True), ("counted", False, False), ("late", False, True)],
)
def test_a_withdrawal_leaves_what_funding_s_figures_lose(
    standing: str, before_verdict: bool, uncollected: bool
) -> None:
    """After a verdict what it counted stays collected; what was late does not."""
    event = sample(funding.PledgeWithdrawn, standing=standing, before_verdict=before_verdict)
    said = heard.heard_from(read_back(Draft(event, NOW))).said
    assert said == Withdrawn("backer-1", 1_999, before_verdict, uncollected)


@pytest.mark.parametrize("visibility", Visibility)
def test_a_published_update_becomes_its_event(visibility: Visibility) -> None:
    """Titles in every language go out, excerpts only of public updates."""
    text = UpdateText("fr", "Bonjour", "Oui")
    rewards = ("lamp",) if visibility is Visibility.REWARDS else ()
    content = Content("creator-1", ProgressReport(), visibility, (text,), rewards=rewards)
    update = Update("campaign-1", "u1", content, UpdateState.PUBLISHED, NOW)
    published = replace(update, audience=Audience(9, 5), published_at=NOW)
    event = read_back(wire.draft(UpdatePublished(published))).event.model_dump(exclude_none=True)
    assert (event["pledges_sequence"], event["audience_count"]) == (9, 5)
    assert event["url"] == "/campaigns/campaign-1/updates/u1"
    assert ("excerpt" in event["texts"][0]) is (visibility is Visibility.PUBLIC)
    assert event.get("visible_to_rewards", []) == list(content.rewards)


TOLD = {
    UpdateKind.PROGRESS_REPORT: {},
    UpdateKind.THANK_YOU: {"occasion": "milestone", "occasion_subject": "prepared"},
    UpdateKind.DELAY_NOTICE: {"dates": "moved"},
    UpdateKind.EMERGENCY: {"severity": "critical", "declared_promptly": True},
    UpdateKind.RECOVERY_PLAN: {"answers": "fire", "dates": "unchanged"},
    UpdateKind.DELIVERY_NOTICE: {
        "estimated_on": "2026-06-01",
        "mode": "post",
        "rewards": ["lamp"],
    },
    UpdateKind.FAILURE_LETTER: {"reasons": ["market_demand"]},
    UpdateKind.PLAN_ADJUSTMENT: {"survey_id": "survey-1"},
    UpdateKind.NEWS: {"event_starts_at": EVENT.starts_at},
}


@pytest.mark.parametrize("kind", UpdateKind)
def test_what_machines_read_of_a_kind_is_told(kind: UpdateKind) -> None:
    """Its parts, beside what every update says; never a section, which is for its readers."""
    update = Update("campaign-1", "u1", content_of(kind, resolves=("u0",)), UpdateState.DRAFT, NOW)
    published = publish(update, Audience(9, 5), NOW)
    event = read_back(wire.draft(UpdatePublished(published))).event.model_dump(exclude_none=True)
    assert (event["kind"], event["resolves"]) == (kind.value, ["u0"])
    common = set(events.UpdatePublished.model_fields) - set().union(*TOLD.values())
    assert {name: value for name, value in event.items() if name not in common} == TOLD[kind]
    assert "oui." not in str(event)
