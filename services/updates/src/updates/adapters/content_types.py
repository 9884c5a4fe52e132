"""What content is, by itself: what its sender says of it is not believed."""

import re
from typing import BinaryIO

import puremagic

from updates.adapters.archives import archive_type
from updates.domain.errors import Refused
from updates.domain.media_type import MediaType

HEAD_BYTES = 8 * 1024
_TAIL_BYTES = 1024
# Behind the end of a zip stands at most a comment of so many bytes.
_ZIP_END, _ZIP_END_BYTES = b"PK\x05\x06", 22 + 65_535
# What puremagic may also take these for: it knows many types by the same first bytes.
_BESIDE: dict[str, set[str]] = {
    MediaType.JPEG: set(),
    MediaType.PNG: set(),
    MediaType.GIF: set(),
    MediaType.WEBP: set(),
    MediaType.WEBM: {"application/x-matroska"},
    MediaType.PDF: {"application/vnd.fdf"},
}
_MP4_BRANDS = frozenset(
    {b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"avc1", b"mp41", b"mp42", b"M4V "}
)
_MARKUP = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def type_of(head: bytes, name: str) -> MediaType:
    """Return the type by the first bytes, or raise `Refused`.

    A table in plain text has no signature: it is what is named so and is nothing but text.
    """
    if head.startswith(b"PK\x03\x04"):
        return MediaType.ZIP
    if head[4:8] == b"ftyp" and head[8:12] in _MP4_BRANDS:
        return MediaType.MP4
    likely = _likely(head)
    for known, beside in _BESIDE.items():
        if known in likely and likely <= beside | {known}:
            return MediaType(known)
    if name.lower().endswith(".csv") and _is_text(head):
        return MediaType.CSV
    raise Refused("type-refused", "images, videos, documents, tables and archives are taken")


def whole_file(type: MediaType, content: BinaryIO) -> MediaType:
    """Look at a whole file; return its type more exactly, or raise `Refused`."""
    match type:
        case MediaType.ZIP:
            return archive_type(content)
        case MediaType.PDF:
            _check_pdf(content)
        case MediaType.CSV:
            _check_text(content)
        case _:
            pass
    return type


def _likely(head: bytes) -> set[str]:
    """Return the types that puremagic finds most likely; a type without a name is ''."""
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return set()
    most = max(one.confidence for one in found)
    return {one.mime_type for one in found if one.confidence == most}


def _is_text(data: bytes) -> bool:
    return bool(data.strip()) and not _MARKUP.match(data) and not _CONTROL.search(data)


def _check_text(content: BinaryIO) -> None:
    """Text of any encoding that has no control characters: old spreadsheets write no UTF-8."""
    while chunk := content.read(64 * 1024):
        if _CONTROL.search(chunk):
            raise Refused("type-refused", "a table is plain text")


def _check_pdf(content: BinaryIO) -> None:
    """It begins and ends as a PDF does, and no archive hides behind its end."""
    size = content.seek(0, 2)
    content.seek(max(0, size - _ZIP_END_BYTES))
    tail = content.read()
    if b"%%EOF" not in tail[-_TAIL_BYTES:]:
        raise Refused("file-broken", "the document has no end")
    if _ZIP_END in tail:
        raise Refused("file-unsafe", "an archive hides in the document")
