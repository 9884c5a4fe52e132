"""An update from draft to published (`domain.md` 6): publishing is a transition, done once."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from updates.domain.errors import Refused

TITLE_CHARACTERS_MAX = 140
DETAILS_CHARACTERS_MAX = 50_000
EXCERPT_CHARACTERS_MAX = 500


class UpdateState(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"


TRANSITIONS: dict[UpdateState, frozenset[UpdateState]] = {
    UpdateState.DRAFT: frozenset({UpdateState.PUBLISHED}),
    UpdateState.PUBLISHED: frozenset(),
}


class UpdateKind(StrEnum):
    PROGRESS_REPORT = "progress_report"


class Visibility(StrEnum):
    PUBLIC = "public"
    BACKERS = "backers"


@dataclass(frozen=True, slots=True)
class UpdateText:
    """The update in one language (BCP 47 tag); details are Markdown."""

    language: str
    title: str
    details: str


@dataclass(frozen=True, slots=True)
class Content:
    """What the creator writes; fixed once it is published."""

    author_id: str
    kind: UpdateKind
    visibility: Visibility
    texts: tuple[UpdateText, ...]


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told: the distinct backers as of a sequence of the pledges' topic."""

    pledges_sequence: int
    count: int


@dataclass(frozen=True, slots=True)
class Update:
    """One update; `version` is the compare-and-set guard of every save."""

    campaign_id: str
    update_id: str
    content: Content
    state: UpdateState
    drafted_at: datetime
    audience: Audience | None = None
    published_at: datetime | None = None
    version: int = 0

    @property
    def url(self) -> str:
        """Return where it can be read, relative to the platform."""
        return f"/campaigns/{self.campaign_id}/updates/{self.update_id}"


def draft(
    known: Update | None, campaign_id: str, update_id: str, content: Content, now: datetime
) -> Update:
    """Write or rewrite a draft; a published update is not rewritten, the same again is the same."""
    _check(content)
    if known is None:
        return Update(campaign_id, update_id, content, UpdateState.DRAFT, now)
    if known.content == content:
        return known
    if known.state is UpdateState.PUBLISHED:
        raise Refused("already-published", "a published update is not changed")
    return replace(known, content=content)


def publish(update: Update, audience: Audience, now: datetime) -> Update:
    """Publish the draft with its audience fixed; raises `Refused` when it is not a draft."""
    if UpdateState.PUBLISHED not in TRANSITIONS[update.state]:
        raise Refused("impossible-transition", f"{update.state} is not published again")
    return replace(update, state=UpdateState.PUBLISHED, audience=audience, published_at=now)


def excerpt(text: UpdateText, visibility: Visibility) -> str | None:
    """Return the beginning of the details, only for what everybody may read."""
    if visibility is not Visibility.PUBLIC:
        return None
    return text.details[:EXCERPT_CHARACTERS_MAX]


def _check(content: Content) -> None:
    if not content.texts:
        raise Refused("no-text", "an update has at least one language")
    languages = [text.language for text in content.texts]
    if len(set(languages)) != len(languages):
        raise Refused("duplicate-language", "two texts have the same language")
    for text in content.texts:
        if not 1 <= len(text.title.strip()) <= TITLE_CHARACTERS_MAX:
            raise Refused("invalid-title", f"a title has 1 to {TITLE_CHARACTERS_MAX} characters")
        if not 1 <= len(text.details.strip()) <= DETAILS_CHARACTERS_MAX:
            raise Refused(
                "invalid-details", f"details have 1 to {DETAILS_CHARACTERS_MAX} characters"
            )
