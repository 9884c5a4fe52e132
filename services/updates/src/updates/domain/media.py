"""An image, video or file from its first byte to its withdrawal (`domain.md` 6).

What was uploaded is kept under a name that is drawn for each upload, so that two uploads never
write over each other, and a repeat is known by the digest of what was sent. A file belongs to one
thing that shows it; one that nothing shows is removed after a day. A withdrawn one leaves a marker.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.media_type import MediaKind, MediaType

NAME_CHARACTERS_MAX = 150
DESCRIPTION_CHARACTERS_MAX = 1_000
TRANSCRIPT_CHARACTERS_MAX = 100_000
CAPTIONS_CHARACTERS_MAX = 200_000
CAPTIONS_MAX = 20
ATTACHMENTS_MAX = 20
# So many of a campaign may wait for something that shows them.
UNATTACHED_MAX = 100
# Behind it an upload that did not end is taken for broken; above the longest that one may last.
UPLOAD_TIME = timedelta(hours=1)
UNATTACHED_TIME = timedelta(days=1)


class MediaState(StrEnum):
    UPLOADING = "uploading"
    STORED = "stored"
    WITHDRAWN = "withdrawn"


# What is broken, or shown nowhere for a day, is removed: it is no state.
TRANSITIONS: dict[MediaState, frozenset[MediaState]] = {
    MediaState.UPLOADING: frozenset({MediaState.STORED}),
    MediaState.STORED: frozenset({MediaState.WITHDRAWN}),
    MediaState.WITHDRAWN: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Copy:
    """One size in which an image is there; `edge` is its longer side, in pixels."""

    edge: int
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of an upload: the type by content, how much is served, smaller copies.

    `digest` is of what was sent, which is not what is served of an image.
    """

    type: MediaType
    bytes: int
    digest: str
    width: int | None = None
    height: int | None = None
    copies: tuple[Copy, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """What is said for those who cannot see or hear it; captions are WebVTT by language."""

    description: str = ""
    decorative: bool = False
    transcript: str = ""
    captions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MediaWithdrawal:
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Media:
    """One uploaded thing; `upload` names its objects, `version` is the guard of every save.

    `attached_to` names what shows it, such as `updates/u1`. `next_due` is when the sweep has to
    look at it: what is broken or unattached goes, and the objects of what was withdrawn.
    """

    campaign_id: str
    media_id: str
    name: str
    uploaded_by: str
    upload: str
    begun_at: datetime
    state: MediaState = MediaState.UPLOADING
    stored: Stored | None = None
    words: Words = field(default_factory=Words)
    attached_to: str | None = None
    withdrawal: MediaWithdrawal | None = None
    next_due: datetime | None = None
    version: int = 0

    @property
    def url(self) -> str:
        """Return where it is served, relative to the platform."""
        return f"/campaigns/{self.campaign_id}/media/{self.media_id}"

    @property
    def served(self) -> bool:
        """Whether it is there to be shown."""
        return self.state is MediaState.STORED

    @property
    def filename(self) -> str:
        """Return the name of a saved copy, whose ending is its type's and not its sender's."""
        assert self.stored is not None
        stem = self.name.rsplit(".", 1)[0].strip(". ") or "file"
        return f"{stem}{self.stored.type.ending}"


# Beside separators and control characters: those that turn the direction of what follows.
_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]')


def check_name(name: str) -> str:
    """Return the name that a file was given, or raise `Refused` for one that could mislead."""
    normal = unicodedata.normalize("NFC", name)
    plain = normal.strip(". ") == normal and 1 <= len(normal) <= NAME_CHARACTERS_MAX
    if not plain or _FORBIDDEN.search(normal):
        raise Refused("invalid-name", "a name is a plain one: no path, no control characters")
    return normal


def move(media: Media, state: MediaState) -> Media:
    """Return it in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[media.state]:
        raise Refused("impossible-transition", f"{media.state} does not become {state}")
    return replace(media, state=state)


def begin(known: Media | None, asked: Media, unattached: int) -> Media:
    """Begin an upload, or begin again one that did not end; `unattached` wait already."""
    if known is None:
        if unattached >= UNATTACHED_MAX:
            raise Refused("too-many-files", "attach or withdraw some of what was uploaded first")
        return replace(asked, next_due=asked.begun_at + UPLOAD_TIME)
    if known.state is MediaState.WITHDRAWN:
        raise Refused("media-withdrawn", "it was withdrawn; upload it under another id")
    if known.state is not MediaState.UPLOADING:
        raise Refused("media-exists", "this id stands for another file")
    return replace(asked, version=known.version, next_due=asked.begun_at + UPLOAD_TIME)


def finish(media: Media, upload: str, stored: Stored, now: datetime) -> Media:
    """Keep what this upload brought, unless another one began since."""
    if media.upload != upload or media.state is not MediaState.UPLOADING:
        raise Refused("upload-overtaken", "another upload under this id has begun since")
    moved = move(media, MediaState.STORED)
    return replace(moved, stored=stored, next_due=now + UNATTACHED_TIME)


def check_same(media: Media, digest: str) -> Media:
    """Return what is stored where the same was sent again, or raise `Refused`."""
    if media.stored is None or media.stored.digest != digest:
        raise Refused("media-exists", "this id stands for another file")
    return media


def describe(media: Media, words: Words) -> Media:
    """Say it in words; what is withdrawn needs none."""
    _check_there(media)
    if words.decorative and words.description:
        raise Refused("invalid-description", "what only decorates is not described")
    if len({language for language, _ in words.captions}) != len(words.captions):
        raise Refused("invalid-captions", "two captions have the same language")
    if not all(text.startswith("WEBVTT") for _, text in words.captions):
        raise Refused("invalid-captions", "captions are WebVTT")
    return replace(media, words=words)


def withdraw(media: Media, withdrawal: MediaWithdrawal) -> Media:
    """Take it away at once; its marker stays. Withdrawn already is the same, whoever asks."""
    if media.state is MediaState.WITHDRAWN:
        return media
    _check_there(media)
    moved = move(media, MediaState.WITHDRAWN)
    return replace(moved, withdrawal=withdrawal, next_due=withdrawal.at)


def attach(media: Media, place: str) -> Media:
    """Let this place show it; no other one does already."""
    _check_there(media)
    if media.attached_to not in (None, place):
        raise Refused("media-taken", "it is shown elsewhere; upload it once more")
    return replace(media, attached_to=place, next_due=None)


def detach(media: Media, now: datetime) -> Media:
    """Show it nowhere: it goes after a day."""
    due = media.next_due if media.state is MediaState.WITHDRAWN else now + UNATTACHED_TIME
    return replace(media, attached_to=None, next_due=due)


def check_attachments(ids: Sequence[str]) -> None:
    """Refuse too many, and one twice."""
    if len(ids) > ATTACHMENTS_MAX or len(set(ids)) != len(ids):
        most = f"at most {ATTACHMENTS_MAX} attachments, each once"
        raise Refused("invalid-attachments", most)


def check_publishable(attached: Collection[Media]) -> None:
    """Refuse to publish what is not there, or says nothing to who cannot see or hear it."""
    for media in attached:
        _check_there(media)
        words, kind = media.words, media.stored.type.kind if media.stored else None
        if kind is MediaKind.IMAGE and not (words.decorative or words.description.strip()):
            raise Refused(
                "media-undescribed", f"{media.media_id}: describe it, or say it decorates"
            )
        if kind is MediaKind.VIDEO and not (words.captions or words.transcript.strip()):
            raise Refused("media-undescribed", f"{media.media_id}: captions, or a transcript")


def check_shows(attached: Collection[Media]) -> None:
    """Refuse files of which none is seen: an update without words says nothing by them."""
    there = [one.stored for one in attached if one.state is not MediaState.WITHDRAWN]
    kinds = {stored.type.kind for stored in there if stored}
    if not kinds & {MediaKind.IMAGE, MediaKind.VIDEO}:
        why = "details may be empty only where an image or a video is shown"
        raise Refused("invalid-details", why)


def _check_there(media: Media) -> None:
    if media.state is MediaState.WITHDRAWN:
        raise Refused("media-withdrawn", f"{media.media_id} was withdrawn")
    if media.state is not MediaState.STORED:
        raise Refused("media-unknown", f"{media.media_id} is not there")
