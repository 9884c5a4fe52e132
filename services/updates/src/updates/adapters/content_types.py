"""What content is, by itself: what its sender says of it is not believed."""

import re
import struct
from typing import BinaryIO

import puremagic

from updates.adapters.archives import archive_type
from updates.domain.errors import Refused
from updates.domain.media_type import MediaType

HEAD_BYTES = 8 * 1024
_TAIL_BYTES = 1024
# Behind the end of a zip stands at most a comment of so many bytes.
_ZIP_END, _ZIP_END_BYTES = b"PK\x05\x06", 22 + 65_535
_ENDS_MAX = 4
# How each entry of its list begins, and what leads to a list beyond four gigabytes.
_ZIP_LISTED, _ZIP_LONG = b"PK\x01\x02", b"PK\x06\x07"
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
# The length of an MP4's first box is a few bytes. One that says more could be the first word of a
# page or a program, such as `<!--` or `/*//`, behind which the rest is a comment.
_FTYP = re.compile(rb"\x00\x00..ftyp", re.DOTALL)
_MARKUP = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def type_of(head: bytes, name: str) -> MediaType:
    """Return the type by the first bytes, or raise `Refused`.

    A table in plain text has no signature: it is what is named so and is nothing but text.
    """
    if head.startswith(b"PK\x03\x04"):
        return MediaType.ZIP
    if _FTYP.match(head) and head[8:12] in _MP4_BRANDS:
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
        case MediaType.MP4 | MediaType.WEBM:
            _check_video(content)
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
    tail, _ = _tail(content)
    if b"%%EOF" not in tail[-_TAIL_BYTES:]:
        raise Refused("file-broken", "the document has no end")
    if _ZIP_END in tail:
        raise Refused("file-unsafe", "an archive hides in the document")


def _check_video(content: BinaryIO) -> None:
    """No archive hides in it. A page that does is none: `media_serving` says as what it is read."""
    tail, start = _tail(content)
    ends = [start + found.start() for found in re.finditer(re.escape(_ZIP_END), tail)]
    # Each look may be a request to a bucket, and by chance none has a second.
    if len(ends) > _ENDS_MAX or any(_ends_list(content, at) for at in ends):
        raise Refused("file-unsafe", "an archive hides in the video")


def _tail(content: BinaryIO) -> tuple[bytes, int]:
    """Return all in which an archive's end may stand, and where in the file that begins."""
    start = max(0, content.seek(0, 2) - _ZIP_END_BYTES)
    content.seek(start)
    return content.read(), start


def _ends_list(content: BinaryIO, at: int) -> bool:
    """Whether here a list of files ends, and not four bytes of a picture that look like it.

    One of sixty thousand videos has those four where they are looked for.
    """
    content.seek(at + 12)
    fields = content.read(8)
    if len(fields) < 8:
        return False
    length, offset = struct.unpack("<II", fields)
    signs = {at - length: _ZIP_LISTED, offset: _ZIP_LISTED, at - 20: _ZIP_LONG}
    return any(_stands(content, place, sign) for place, sign in signs.items() if 0 <= place < at)


def _stands(content: BinaryIO, place: int, sign: bytes) -> bool:
    content.seek(place)
    return content.read(len(sign)) == sign
