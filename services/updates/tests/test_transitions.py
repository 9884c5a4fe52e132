"""Every pair of states of an update, and the rules of a draft."""

from datetime import UTC, datetime

import pytest

from updates.domain.errors import Refused
from updates.domain.kinds import OccasionKind, Parts, ProgressReport, ThankYou
from updates.domain.update import (
    TRANSITIONS,
    Audience,
    Content,
    Update,
    UpdateState,
    UpdateText,
    Visibility,
    draft,
    move,
    publish,
    withdraw,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = UpdateText("fr", "Bonjour", "Tout avance.")
CONTENT = Content("creator-1", ProgressReport(), Visibility.PUBLIC, (TEXT,))


def update_in(state: UpdateState) -> Update:
    return Update("campaign-1", "u1", CONTENT, state, NOW)


@pytest.mark.parametrize("target", UpdateState)
@pytest.mark.parametrize("state", UpdateState)
def test_a_state_moves_by_the_table_alone(state: UpdateState, target: UpdateState) -> None:
    """Every pair is in the table or refused."""
    if target in TRANSITIONS[state]:
        assert move(update_in(state), target).state is target
    else:
        with pytest.raises(Refused) as refused:
            move(update_in(state), target)
        assert refused.value.reason == "impossible-transition"


@pytest.mark.parametrize("state", UpdateState)
def test_what_waits_becomes_published(state: UpdateState) -> None:
    """A draft, scheduled or not, is published with its audience; nothing else is."""
    if state in {UpdateState.DRAFT, UpdateState.SCHEDULED}:
        published = publish(update_in(state), Audience(7, 3), NOW)
        assert (published.state, published.audience) == (UpdateState.PUBLISHED, Audience(7, 3))
    else:
        with pytest.raises(Refused):
            publish(update_in(state), Audience(7, 3), NOW)


@pytest.mark.trap(10)
@pytest.mark.parametrize("state", UpdateState)
def test_only_what_was_not_told_is_withdrawn(state: UpdateState) -> None:
    """What is published stays; withdrawing twice is once, and writing again is a draft again."""
    if state is UpdateState.PUBLISHED:
        with pytest.raises(Refused) as refused:
            withdraw(update_in(state))
        assert refused.value.reason == "already-published"
    else:
        withdrawn = withdraw(update_in(state))
        assert withdrawn.state is UpdateState.WITHDRAWN and withdraw(withdrawn) == withdrawn
        assert draft(withdrawn, "campaign-1", "u1", CONTENT, NOW).state is UpdateState.DRAFT


def test_a_draft_may_be_rewritten_and_a_published_update_not() -> None:
    """The same content again changes nothing in any state; other content is for drafts only."""
    other = Content("creator-1", ProgressReport(), Visibility.BACKERS, (TEXT,))
    written = draft(None, "campaign-1", "u1", CONTENT, NOW)
    assert draft(written, "campaign-1", "u1", CONTENT, NOW) == written
    assert draft(written, "campaign-1", "u1", other, NOW).content == other
    published = update_in(UpdateState.PUBLISHED)
    assert draft(published, "campaign-1", "u1", CONTENT, NOW) == published
    with pytest.raises(Refused, match="not changed"):
        draft(published, "campaign-1", "u1", other, NOW)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ((), "no-text"),
        ((TEXT, TEXT), "duplicate-language"),
        ((UpdateText("fr", "  ", "x"),), "invalid-title"),
        ((UpdateText("fr", "t" * 141, "x"),), "invalid-title"),
        ((UpdateText("fr", "t", ""),), "invalid-details"),
        ((UpdateText("fr", "t", "x" * 50_001),), "invalid-details"),
    ],
)
def test_incomplete_texts_are_refused(texts: tuple[UpdateText, ...], reason: str) -> None:
    """An update has a title and details in every language, each language once."""
    content = Content("creator-1", ProgressReport(), Visibility.PUBLIC, texts)
    with pytest.raises(Refused) as refused:
        draft(None, "campaign-1", "u1", content, NOW)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("parts", "visibility", "rewards"),
    [
        (ProgressReport(), Visibility.REWARDS, ()),
        (ProgressReport(), Visibility.BACKERS, ("lamp",)),
        (ProgressReport(), Visibility.REWARDS, ("lamp", "lamp")),
        (ThankYou(OccasionKind.MILESTONE, "moulds"), Visibility.REWARDS, ("lamp",)),
    ],
    ids=("no rewards", "rewards for all", "twice", "thanks for some"),
)
def test_readers_that_cannot_be_meant_are_refused(
    parts: Parts, visibility: Visibility, rewards: tuple[str, ...]
) -> None:
    """Rewards are named exactly where it is for some, and thanks are for everybody."""
    content = Content("creator-1", parts, visibility, (TEXT,), rewards=rewards)
    with pytest.raises(Refused) as refused:
        draft(None, "campaign-1", "u1", content, NOW)
    assert refused.value.reason == "invalid-readers"
