"""A campaign's public updates for readers of feeds: Atom (RFC 4287) and JSON Feed 1.1.

Ids name campaign and update, and never change; what was corrected says when. Addresses are made
from where people read the platform; without one they are relative.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from updates.domain.update import Update, UpdateText
from updates.wire.markdown import html

_ATOM = "http://www.w3.org/2005/Atom"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# What XML has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed is made of: a campaign, its public updates newest first, and a language."""

    campaign_id: str
    title: str
    launched_at: datetime
    updates: Sequence[Update]
    public_url: str = ""
    language: str = ""

    @property
    def changed_at(self) -> datetime:
        """Return when something of it last changed."""
        return max([changed_at(one) for one in self.updates], default=self.launched_at)


def changed_at(update: Update) -> datetime:
    """Return when it was published or, later, corrected for everybody to see."""
    assert update.published_at is not None
    return update.corrected_at or update.published_at


def text_in(update: Update, language: str) -> UpdateText:
    """Return the text in this language, else the first one."""
    texts = update.content.texts
    return next((one for one in texts if one.language == language), texts[0])


def atom(feed: Feed) -> bytes:
    """Return the feed as Atom."""
    # ElementTree refuses a default namespace beside attributes that have none.
    root = ElementTree.Element("feed", {"xmlns": _ATOM})
    _add(root, "id", _id("campaign", feed.campaign_id))
    _add(root, "title", feed.title)
    _add(root, "updated", _instant(feed.changed_at))
    _add(_add(root, "author"), "name", feed.title)
    _link(root, "alternate", f"{feed.public_url}/campaigns/{feed.campaign_id}")
    _link(root, "self", f"{feed.public_url}/campaigns/{feed.campaign_id}/feed.atom")
    for update in feed.updates:
        _entry(root, feed, update)
    return bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True))


def _entry(root: ElementTree.Element, feed: Feed, update: Update) -> None:
    assert update.published_at is not None
    text = text_in(update, feed.language)
    entry = _add(root, "entry")
    _add(entry, "id", _id("update", feed.campaign_id, update.update_id))
    _add(entry, "title", text.title).set(_LANGUAGE, text.language)
    _add(entry, "published", _instant(update.published_at))
    _add(entry, "updated", _instant(changed_at(update)))
    _link(entry, "alternate", f"{feed.public_url}{update.url}")
    _add(entry, "category").set("term", update.content.kind.value)
    content = _add(entry, "content", html(text.details))
    content.set("type", "html")
    content.set(_LANGUAGE, text.language)


def json_feed(feed: Feed) -> bytes:
    """Return the feed as JSON Feed."""
    home = f"{feed.public_url}/campaigns/{feed.campaign_id}"
    shown = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": home,
        "feed_url": f"{home}/feed.json",
        "items": [_item(feed, update) for update in feed.updates],
    }
    return json.dumps(shown, ensure_ascii=False).encode()


def _item(feed: Feed, update: Update) -> dict[str, Any]:
    assert update.published_at is not None
    text = text_in(update, feed.language)
    return {
        "id": _id("update", feed.campaign_id, update.update_id),
        "url": f"{feed.public_url}{update.url}",
        "title": text.title,
        "content_html": html(text.details),
        "date_published": _instant(update.published_at),
        "date_modified": _instant(changed_at(update)),
        "language": text.language,
        "tags": [update.content.kind.value],
    }


def _id(*names: str) -> str:
    return ":".join(("urn", "sosst", *names))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _add(parent: ElementTree.Element, name: str, words: str = "") -> ElementTree.Element:
    made = ElementTree.SubElement(parent, name)
    made.text = _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", words) or None
    return made


def _link(parent: ElementTree.Element, relation: str, address: str) -> None:
    link = _add(parent, "link")
    link.set("rel", relation)
    link.set("href", address)
