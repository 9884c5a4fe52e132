"""An update from draft to published (`domain.md` 6): publishing is a transition, done once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.hiding import Hidings, is_hidden
from updates.domain.kinds import Parts, Section, UpdateKind, check_parts, check_sections, kind_of
from updates.domain.media import ATTACHMENTS_MAX
from updates.domain.video_card import VideoCard

TITLE_CHARACTERS_MAX = 140
DETAILS_CHARACTERS_MAX = 50_000


class UpdateState(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


# There is no way back from published: nothing that was told is untold, or told twice (trap 10).
TRANSITIONS: dict[UpdateState, frozenset[UpdateState]] = {
    UpdateState.DRAFT: frozenset(
        {UpdateState.SCHEDULED, UpdateState.PUBLISHED, UpdateState.WITHDRAWN}
    ),
    UpdateState.SCHEDULED: frozenset(
        {UpdateState.DRAFT, UpdateState.PUBLISHED, UpdateState.WITHDRAWN}
    ),
    UpdateState.PUBLISHED: frozenset(),
    UpdateState.WITHDRAWN: frozenset({UpdateState.DRAFT}),
}


_WRITTEN = frozenset(UpdateState) - {UpdateState.WITHDRAWN}


class Visibility(StrEnum):
    PUBLIC = "public"
    BACKERS = "backers"
    REWARDS = "rewards"


# What everybody who pledged is owed, whichever reward they chose (`domain.md` 6).
_FOR_ALL = frozenset({UpdateKind.THANK_YOU, UpdateKind.DELIVERY_NOTICE})


@dataclass(frozen=True, slots=True)
class UpdateText:
    """The update in one language (BCP 47 tag); details and sections are Markdown."""

    language: str
    title: str
    details: str
    sections: Mapping[Section, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """What the creator writes; fixed once it is published.

    `parts` are what its kind says beside the texts, `resolves` the open problems that it ends,
    `rewards` those whose backers may read it where it is not for all, `attachments` the images,
    videos and files that it shows, by their ids, `videos` those elsewhere.
    """

    author_id: str
    parts: Parts
    visibility: Visibility
    texts: tuple[UpdateText, ...]
    resolves: tuple[str, ...] = ()
    rewards: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    videos: tuple[VideoCard, ...] = ()

    @property
    def kind(self) -> UpdateKind:
        return kind_of(self.parts)

    @property
    def stands_on_files(self) -> bool:
        """Whether a language has no words, so that an image or a video among the files must say it.

        Which of them are images is known where the files are.
        """
        return not self.videos and any(not text.details.strip() for text in self.texts)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told: the distinct backers as of a sequence of the pledges' topic.

    `campaign_sequence` is what was known of the campaign: how it had ended decides who of them is
    told. Of what was published by a release before this one there is none.
    """

    pledges_sequence: int
    count: int
    campaign_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a draft goes out by itself, and when the sweep has to look at it next."""

    publish_at: datetime
    next_due: datetime


@dataclass(frozen=True, slots=True)
class Update:
    """One update; `version` is the compare-and-set guard of every save.

    `schedule` is there exactly while it is scheduled. `unscheduled_because` is the reason for
    which the rules did not let a scheduled one go out; it is a draft again then. `corrected_at`
    is when it was last changed for everybody to see.
    """

    campaign_id: str
    update_id: str
    content: Content
    state: UpdateState
    drafted_at: datetime
    audience: Audience | None = None
    published_at: datetime | None = None
    version: int = 0
    schedule: Schedule | None = None
    unscheduled_because: str | None = None
    revision: int = 1
    corrected_at: datetime | None = None
    comments_closed: bool = False
    hidings: Hidings = ()

    @property
    def hidden(self) -> bool:
        """Whether only its team and staff read it."""
        return is_hidden(self.hidings)

    @property
    def url(self) -> str:
        """Return where it can be read, relative to the platform."""
        return f"/campaigns/{self.campaign_id}/updates/{self.update_id}"


@dataclass(frozen=True, slots=True)
class UpdatePublished:
    """The fact that an update was published, with its audience fixed."""

    update: Update


@dataclass(frozen=True, slots=True)
class UpdateHidden:
    """The fact that a published update is no longer read."""

    update: Update


@dataclass(frozen=True, slots=True)
class UpdateRestored:
    """The fact that an appeal was granted: it is read again."""

    update: Update


def move(update: Update, state: UpdateState) -> Update:
    """Return the update in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[update.state]:
        raise Refused("impossible-transition", f"{update.state} does not become {state}")
    return replace(update, state=state, schedule=None, unscheduled_because=None)


def check_edition(known: Update | None, edition: int | None) -> None:
    """Raise `Refused` where who edits has seen another edition; None has not looked."""
    if edition is not None and edition != (known.version if known else 0):
        raise Refused("edition-stale", "somebody else has changed it since; read it again")


def draft(
    known: Update | None,
    campaign_id: str,
    update_id: str,
    content: Content,
    now: datetime,
    edition: int | None = None,
) -> Update:
    """Write or rewrite a draft, also a scheduled or withdrawn one; the same again is the same.

    A published update is not rewritten. `edition` is the version that whoever writes has seen.
    """
    check_content(content)
    if known is not None and known.content == content and known.state in _WRITTEN:
        return known
    if known is not None and known.state is UpdateState.PUBLISHED:
        raise Refused("already-published", "a published update is not changed")
    check_edition(known, edition)
    if known is None:
        return Update(campaign_id, update_id, content, UpdateState.DRAFT, now)
    if known.state is UpdateState.WITHDRAWN:
        known = move(known, UpdateState.DRAFT)
    return replace(known, content=content, unscheduled_because=None)


def publish(update: Update, audience: Audience, now: datetime) -> Update:
    """Publish the draft with its audience fixed; raises `Refused` when it is none."""
    moved = move(update, UpdateState.PUBLISHED)
    return replace(moved, audience=audience, published_at=now)


def withdraw(update: Update) -> Update:
    """Take back what was not published; withdrawn already is the same."""
    if update.state is UpdateState.WITHDRAWN:
        return update
    if update.state is UpdateState.PUBLISHED:
        raise Refused("already-published", "what was told is not taken back; it can be corrected")
    return move(update, UpdateState.WITHDRAWN)


def check_content(content: Content) -> None:
    """Refuse a text that is incomplete or contradicts its kind."""
    _check_readers(content)
    if not content.texts:
        raise Refused("no-text", "an update has at least one language")
    languages = [text.language for text in content.texts]
    if len(set(languages)) != len(languages):
        raise Refused("duplicate-language", "two texts have the same language")
    for text in content.texts:
        if not 1 <= len(text.title.strip()) <= TITLE_CHARACTERS_MAX:
            raise Refused("invalid-title", f"a title has 1 to {TITLE_CHARACTERS_MAX} characters")
        _check_details(content, text)
        check_sections(content.parts, text.language, text.sections)
    check_parts(content.parts)
    if len(content.attachments) + len(content.videos) > ATTACHMENTS_MAX:
        most = f"at most {ATTACHMENTS_MAX} attachments and cards together"
        raise Refused("invalid-attachments", most)


def _check_details(content: Content, text: UpdateText) -> None:
    """Refuse a text without words, or endless ones; a letter of thanks may show instead."""
    shows = bool(content.attachments or content.videos)
    wordless = shows and content.kind is UpdateKind.THANK_YOU
    if not (0 if wordless else 1) <= len(text.details.strip()) <= DETAILS_CHARACTERS_MAX:
        length = f"details have 1 to {DETAILS_CHARACTERS_MAX} characters"
        but = "only a thank_you that shows an image or a video may have none"
        raise Refused("invalid-details", f"{length}, in {text.language}; {but}")


def _check_readers(content: Content) -> None:
    chosen = content.visibility is Visibility.REWARDS
    if chosen != bool(content.rewards):
        raise Refused("invalid-readers", "what is for some rewards names them, all else does not")
    if len(set(content.rewards)) != len(content.rewards):
        raise Refused("invalid-readers", "a reward stands there twice")
    if chosen and content.kind in _FOR_ALL:
        raise Refused("invalid-readers", f"a {content.kind} is for every backer")
