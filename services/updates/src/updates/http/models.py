"""What goes in and out over HTTP: strict in, plain out."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from servicekit.instants import Instant
from updates.domain.kinds import SECTION_CHARACTERS_MAX, Section
from updates.domain.update import DETAILS_CHARACTERS_MAX, TITLE_CHARACTERS_MAX

Identifier = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
# 32 random bytes in base64url: what nobody can guess, and nobody but its maker has seen.
OwnSecret = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Language = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]


class Body(BaseModel):
    """A request: unknown members are refused, so that a typing error is not lost."""

    model_config = ConfigDict(extra="forbid")


class TextBody(Body):
    language: Language
    title: Annotated[str, Field(min_length=1, max_length=TITLE_CHARACTERS_MAX)]
    details: Annotated[str, Field(max_length=DETAILS_CHARACTERS_MAX)] = Field(
        description="Empty only in a thank-you letter that shows an image or a video."
    )
    sections: dict[
        Section, Annotated[str, Field(min_length=1, max_length=SECTION_CHARACTERS_MAX)]
    ] = Field(default_factory=dict, description="What its kind says, by the section's name.")


class ShownText(BaseModel):
    """A text of the update as a page may show it: no script, no handler, no image in it.

    Its links say noopener nofollow. The title is plain text.
    """

    language: str
    details_html: str
    sections_html: dict[str, str]


class ScheduleBody(Body):
    """When the draft goes out by itself."""

    publish_at: Instant


class PublishBody(Body):
    """What whoever publishes an emergency confirms: all of its effects, by their names."""

    confirm: Annotated[list[Identifier], Field(max_length=20)]


class AudienceView(BaseModel):
    """Who is told: distinct backers as of a sequence of the pledges' topic."""

    pledges_sequence: int
    count: int


class HidingView(BaseModel):
    """Why staff hid it, the one appeal, and what another person decided."""

    state: str
    reason: str
    facts: str
    hidden_at: datetime
    appeal: str | None
    ruling: str | None


class VideoView(BaseModel):
    """A card: its creator's title, the host's name, and an address that follows nobody."""

    url: str
    title: str
    host: str


class UpdateView(BaseModel):
    """An update; `unscheduled_because` is why a scheduled one did not go out.

    `paused_because` is what keeps back a scheduled one that goes out when that has ended.
    """

    campaign_id: str
    update_id: str
    author_id: str
    kind: str
    visibility: str
    parts: dict[str, Any] = Field(description="As they were written, see the body of a draft.")
    texts: list[TextBody]
    shown: list[ShownText]
    resolves: list[str]
    rewards: list[str]
    attachments: list[str] = Field(description="Ids; `…/media` shows what they are.")
    videos: list[VideoView] = Field(description="Videos elsewhere: links, never frames.")
    state: str
    drafted_at: datetime
    published_at: datetime | None
    audience: AudienceView | None
    publish_at: datetime | None
    unscheduled_because: str | None
    paused_because: str | None
    revision: int
    corrected_at: datetime | None
    hidings: list[HidingView] = Field(description="Shown to its team and staff, the last one last.")
    url: str


class RevisionView(BaseModel):
    """What an update said until it was changed, and what the change was."""

    number: int
    parts: dict[str, Any]
    texts: list[TextBody]
    shown: list[ShownText]
    replaced_at: datetime
    reason: str
    correction: bool
    changes: list[str]


class RevisionPage(BaseModel):
    items: list[RevisionView]
    next_cursor: int | None


class LinkView(BaseModel):
    """An address outside of the platform; `opens` false: its words are shown, and no link."""

    url: str
    words: str
    opens: bool


class PreviewView(BaseModel):
    """The update as it will be shown, and who is told: by reward, a person once for each.

    Languages are notifier's to know: `…/would-be-told/update-published/languages` there says how
    many read which, as of its own N.
    """

    update: UpdateView
    audience: AudienceView
    by_reward: dict[str, int]
    without_reward: int
    links: list[LinkView] = Field(
        description="Every link that its readers could follow, each address once; they say "
        "noopener nofollow."
    )


class UpdatePage(BaseModel):
    items: list[UpdateView]
    next_cursor: str | None
