"""How a file is served: some of it where a range is asked for, and never as a page of ours."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from servicekit.problems import Problem
from updates.domain.media import Media
from updates.domain.media_type import MediaKind

# Also if a browser took it for a page: nothing in it runs, nothing is loaded, and its address,
# in which a link may stand, is told to nobody.
SAFE_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Accept-Ranges": "bytes",
}
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def range_of(header: str, whole: int) -> tuple[int, int] | None:
    """Return which bytes are asked for, None for all; a problem where there are none of them.

    Several ranges at once, and what is no range, are answered with all, as RFC 9110 allows.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, whole - int(last)), whole
    else:
        start, end = int(first), min(whole, int(last) + 1) if last else whole
    if first and last and int(last) < int(first):
        return None
    if start >= end:
        nothing = {"Content-Range": f"bytes */{whole}"}
        raise Problem(416, "range-unsatisfiable", "It is not so long", headers=nothing)
    return start, end


def tag_of(media: Media, key: str) -> str:
    """Return the entity tag: what is under a key is never another."""
    return f'"{key.replace("/", "-")}"'


def headers_of(media: Media, tag: str, *, public: bool) -> dict[str, str]:
    """Return the headers of a whole answer.

    Everybody asks again before they show it anew, because it may have been withdrawn.
    """
    assert media.stored is not None
    name = quote(media.filename, safe="")
    shown = "attachment" if media.stored.type.kind is MediaKind.FILE else "inline"
    return {
        **SAFE_HEADERS,
        "Content-Disposition": f"{shown}; filename*=UTF-8''{name}",
        "Cache-Control": "public, no-cache" if public else "private, no-cache",
        "ETag": tag,
    }
