"""Uploaded files over HTTP: what is said of them, and what is shown."""

from typing import Annotated

from pydantic import BaseModel, Field

from updates.domain.media import (
    CAPTIONS_CHARACTERS_MAX,
    CAPTIONS_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    TRANSCRIPT_CHARACTERS_MAX,
    Media,
    MediaState,
    Words,
)
from updates.http.models import Body, Language


class CaptionsBody(Body):
    """What is said and heard, as WebVTT."""

    language: Language
    text: Annotated[str, Field(min_length=6, max_length=CAPTIONS_CHARACTERS_MAX)]


class WordsBody(Body):
    """For those who cannot see or hear it: images one of the first two, videos one of the last."""

    description: Annotated[str, Field(max_length=DESCRIPTION_CHARACTERS_MAX)] = ""
    decorative: bool = False
    transcript: Annotated[str, Field(max_length=TRANSCRIPT_CHARACTERS_MAX)] = ""
    captions: Annotated[list[CaptionsBody], Field(max_length=CAPTIONS_MAX)] = Field(
        default_factory=list
    )


class MediaWithdrawalBody(Body):
    """Why it is taken away; the reason is for the record."""

    reason: Annotated[str, Field(min_length=1, max_length=1_000)]


class CopyView(BaseModel):
    """A smaller copy, by its longer side: `?edge=`."""

    edge: int
    width: int
    height: int
    bytes: int


class MediaView(BaseModel):
    """An image, video or file; a withdrawn one is a marker without an address.

    `url` holds a link of its own, good for a while, where not everybody may read it.
    """

    media_id: str
    kind: str
    type: str
    name: str
    bytes: int
    width: int | None
    height: int | None
    copies: list[CopyView]
    description: str
    decorative: bool
    transcript: str
    captions: list[str] = Field(description="Languages, see `…/captions/{language}`.")
    attached_to: str | None
    withdrawn: bool
    url: str | None


class MediaList(BaseModel):
    items: list[MediaView]


def words_from(body: WordsBody) -> Words:
    captions = tuple((one.language, one.text) for one in body.captions)
    return Words(body.description, body.decorative, body.transcript, captions)


def media_view(media: Media, link: str | None) -> MediaView:
    """Show it to whoever may; `link` is None where everybody may read it."""
    stored, words = media.stored, media.words
    assert stored is not None
    withdrawn = media.state is MediaState.WITHDRAWN
    url = f"{media.url}?link={link}" if link else media.url
    return MediaView(
        media_id=media.media_id,
        kind=stored.type.kind.value,
        type=stored.type.value,
        name=media.filename,
        bytes=stored.bytes,
        width=stored.width,
        height=stored.height,
        copies=[
            CopyView(edge=c.edge, width=c.width, height=c.height, bytes=c.bytes)
            for c in stored.copies
        ],
        description=words.description,
        decorative=words.decorative,
        transcript=words.transcript,
        captions=[language for language, _ in words.captions],
        attached_to=media.attached_to,
        withdrawn=withdrawn,
        url=None if withdrawn else url,
    )
