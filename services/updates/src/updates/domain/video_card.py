"""A video elsewhere, shown as a card: a title and an address, of a few hosts that are known.

Nothing is asked of the host, neither now nor when the card is read: the title is the creator's, and
nobody who reads an update is known to the host before following the link (`domain.md` 6).
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from updates.domain.errors import Refused

TITLE_CHARACTERS_MAX = 140


@dataclass(frozen=True, slots=True)
class VideoCard:
    """One card; its address names the video and nothing else."""

    url: str
    title: str
    host: str


@dataclass(frozen=True, slots=True)
class _Way:
    """One way in which a host names its videos, and the one address that they are given."""

    host: str
    names: frozenset[str]
    path: re.Pattern[str]
    url: str


_YOUTUBE = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com"})
_YOUTUBE_URL = "https://www.youtube.com/watch?v={}"
_DAILYMOTION_URL = "https://www.dailymotion.com/video/{}"
_WAYS = (
    _Way("YouTube", _YOUTUBE, re.compile(r"/watch\?v=([\w-]{11})", re.ASCII), _YOUTUBE_URL),
    _Way("YouTube", _YOUTUBE, re.compile(r"/(?:live|shorts)/([\w-]{11})", re.ASCII), _YOUTUBE_URL),
    _Way("YouTube", frozenset({"youtu.be"}), re.compile(r"/([\w-]{11})", re.ASCII), _YOUTUBE_URL),
    _Way(
        "Vimeo",
        frozenset({"vimeo.com", "www.vimeo.com"}),
        re.compile(r"/([0-9]{1,12})"),
        "https://vimeo.com/{}",
    ),
    _Way(
        "Dailymotion",
        frozenset({"dailymotion.com", "www.dailymotion.com"}),
        re.compile(r"/video/([a-z0-9]{1,20})"),
        _DAILYMOTION_URL,
    ),
    _Way("Dailymotion", frozenset({"dai.ly"}), re.compile(r"/([a-z0-9]{1,20})"), _DAILYMOTION_URL),
)


def card_of(address: str, title: str) -> VideoCard:
    """Return the card of a video's address; what would follow its reader is left out."""
    if not 1 <= len(title.strip()) <= TITLE_CHARACTERS_MAX or not title.isprintable():
        raise Refused("invalid-card", f"a card has a title of 1 to {TITLE_CHARACTERS_MAX}")
    name, path = _named(address)
    for way in _WAYS:
        found = way.path.fullmatch(path) if name in way.names else None
        if found is not None:
            return VideoCard(way.url.format(found[1]), title.strip(), way.host)
    hosts = ", ".join(dict.fromkeys(way.host for way in _WAYS))
    raise Refused("invalid-card", f"a card is of one video at {hosts}; upload any other")


def _named(address: str) -> tuple[str, str]:
    """Return the host and what names the video; nothing for what is no plain https address."""
    try:
        parts = urlsplit(address)
        plain = parts.scheme == "https" and parts.netloc == parts.hostname
        videos = parse_qs(parts.query).get("v", [])
    except ValueError:
        return "", ""
    if not plain:
        return "", ""
    path = parts.path.removesuffix("/")
    return parts.netloc, f"{path}?v={videos[0]}" if path == "/watch" and videos else path
