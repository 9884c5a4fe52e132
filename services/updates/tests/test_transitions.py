"""Every pair of states of an update, and the rules of a draft."""

from datetime import UTC, datetime

import pytest

from updates.domain.errors import Refused
from updates.domain.update import (
    TRANSITIONS,
    Audience,
    Content,
    Update,
    UpdateKind,
    UpdateState,
    UpdateText,
    Visibility,
    draft,
    excerpt,
    publish,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = UpdateText("fr", "Bonjour", "Tout avance.")
CONTENT = Content("creator-1", UpdateKind.PROGRESS_REPORT, Visibility.PUBLIC, (TEXT,))


def update_in(state: UpdateState) -> Update:
    return Update("campaign-1", "u1", CONTENT, state, NOW)


@pytest.mark.parametrize("state", UpdateState)
def test_only_a_draft_becomes_published(state: UpdateState) -> None:
    """The table says which states may be published, and publishing obeys it."""
    if UpdateState.PUBLISHED in TRANSITIONS[state]:
        published = publish(update_in(state), Audience(7, 3), NOW)
        assert (published.state, published.audience) == (UpdateState.PUBLISHED, Audience(7, 3))
    else:
        with pytest.raises(Refused, match="not published again"):
            publish(update_in(state), Audience(7, 3), NOW)


def test_a_draft_may_be_rewritten_and_a_published_update_not() -> None:
    """The same content again changes nothing in any state; other content is for drafts only."""
    other = Content("creator-1", UpdateKind.PROGRESS_REPORT, Visibility.BACKERS, (TEXT,))
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
    content = Content("creator-1", UpdateKind.PROGRESS_REPORT, Visibility.PUBLIC, texts)
    with pytest.raises(Refused) as refused:
        draft(None, "campaign-1", "u1", content, NOW)
    assert refused.value.reason == reason


def test_only_public_updates_have_an_excerpt() -> None:
    """What only backers may read is not repeated in an event that everybody may read."""
    long = UpdateText("fr", "t", "x" * 2_000)
    assert excerpt(long, Visibility.PUBLIC) == "x" * 500
    assert excerpt(long, Visibility.BACKERS) is None
