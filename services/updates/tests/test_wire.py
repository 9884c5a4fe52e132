"""From events to this service's words and back."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sosst_contracts import funding, payouts
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample
from updates import wire
from updates.domain.project import Verdict
from updates.domain.update import (
    Audience,
    Content,
    Update,
    UpdateKind,
    UpdateState,
    UpdateText,
    Visibility,
)
from updates.handlers.facts import Decided, StageFailed, Unplaced, Withdrawn

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TOPICS = (wire.CAMPAIGNS_TOPIC, wire.PLEDGES_TOPIC, wire.REFUNDS_TOPIC, wire.STAGES_TOPIC)


def read_back(draft: Draft, sequence: int = 4) -> Decoded:
    read = decode(draft.seal(sequence))
    assert isinstance(read, Decoded)
    return read


@pytest.mark.parametrize("topic", TOPICS)
def test_every_event_of_a_topic_moves_its_as_of(topic: str) -> None:
    """Also facts that change no figure carry campaign, sequence and time."""
    for event_type in REGISTRY.on_topic(topic):
        heard = wire.heard_from(read_back(Draft(sample(event_type), NOW)))
        assert (heard.topic, heard.campaign_id) == (topic, "campaign-1")
        assert (heard.sequence, heard.at) == (4, NOW)


def test_words_and_figures_are_read() -> None:
    """A verdict is a word of ours, a failed stage its number."""
    missed = wire.heard_from(
        read_back(Draft(sample(funding.VerdictReached, verdict="goal_missed"), NOW))
    )
    assert missed.said == Decided(Verdict.GOAL_MISSED)
    cancelled = wire.heard_from(read_back(Draft(sample(funding.CampaignCancelled), NOW)))
    assert cancelled.said == Decided(Verdict.CANCELLED)
    failed = wire.heard_from(read_back(Draft(sample(payouts.StageFailed, stage=2), NOW)))
    assert failed.said == StageFailed(2)


@pytest.mark.parametrize(
    ("before_verdict", "said"), [(True, Unplaced(1_999)), (False, None)], ids=str
)
def test_a_dropped_pledge_leaves_what_is_raised_before_the_verdict_only(
    before_verdict: bool, said: Unplaced | None
) -> None:
    """The public total stays after a failure (trap 20)."""
    dropped = sample(funding.PledgeDropped, before_verdict=before_verdict)
    assert wire.heard_from(read_back(Draft(dropped, NOW))).said == said


@pytest.mark.parametrize(
    ("standing", "before_verdict", "uncollected"),
    [("counted", True, True), ("counted", False, False), ("late", False, True)],
)
def test_a_withdrawal_leaves_what_funding_s_figures_lose(
    standing: str, before_verdict: bool, uncollected: bool
) -> None:
    """After a verdict what it counted stays collected; what was late does not."""
    event = sample(funding.PledgeWithdrawn, standing=standing, before_verdict=before_verdict)
    said = wire.heard_from(read_back(Draft(event, NOW))).said
    assert said == Withdrawn("backer-1", 1_999, before_verdict, uncollected)


@pytest.mark.parametrize("visibility", Visibility)
def test_a_published_update_becomes_its_event(visibility: Visibility) -> None:
    """Titles in every language go out, excerpts only of public updates."""
    content = Content(
        "creator-1", UpdateKind.PROGRESS_REPORT, visibility, (UpdateText("fr", "Bonjour", "Oui"),)
    )
    update = Update("campaign-1", "u1", content, UpdateState.PUBLISHED, NOW)
    published = replace(update, audience=Audience(9, 5), published_at=NOW)
    event = read_back(wire.draft(published)).event.model_dump(exclude_none=True)
    assert (event["pledges_sequence"], event["audience_count"]) == (9, 5)
    assert event["url"] == "/campaigns/campaign-1/updates/u1"
    assert ("excerpt" in event["texts"][0]) is (visibility is Visibility.PUBLIC)
