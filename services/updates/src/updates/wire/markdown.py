"""Creators' Markdown as others read it: sanitised HTML on pages, plain words in events and mails.

Two locks: the reader of Markdown takes no HTML and shows it as text, and whatever it makes goes
through a list of what is allowed. Images are attached to an update, never linked: a remote one
would tell its host who reads what.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

_BLOCKS = {"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
_WORDS = {"a", "br", "code", "del", "em", "s", "strong"}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
# What is published changes seldom and is read often; in characters bounded by a text's length.
_KEPT = 512
# Readers of Markdown look back from each mark: 50 000 of them were seen to take eleven seconds.
MARKS_MAX = 4_000
_MARKS = re.compile(r"[][*_~`<|]")


def _described(_: object, tokens: Sequence[Token], index: int, *__: Any) -> str:
    """Show an image by its description."""
    return nh3.clean_text(_words_of(tokens[index].children or ()))


_READER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_READER.add_render_rule("image", _described)
_SANITISER = nh3.Cleaner(
    tags=_BLOCKS | _TABLES | _WORDS,
    attributes=_ATTRIBUTES,
    url_schemes=_SCHEMES,
    url_relative="deny",  # It would point elsewhere on each page, in each mail and in each feed.
    link_rel="noopener nofollow",
)


@lru_cache(maxsize=_KEPT)
def html(markdown: str) -> str:
    """Return what a page may show as it is: no script, no handler, no remote image.

    What has too many marks is shown as it was written.
    """
    if has_too_many_marks(markdown):
        return f"<pre>{nh3.clean_text(markdown)}</pre>\n"
    return _SANITISER.clean(_READER.render(markdown))


def plain(markdown: str) -> str:
    """Return the words alone, a line for each block; nothing of it is markup."""
    if has_too_many_marks(markdown):
        return markdown
    lines = (" ".join(_words_of([token]).split()) for token in _READER.parse(markdown))
    return "\n".join(line for line in lines if line)


def beginning(words: str, characters_max: int) -> str:
    """Return the words, or whole ones of them and an ellipsis where they are too many."""
    if len(words) <= characters_max:
        return words
    cut = words[: characters_max - 1]
    whole = cut.rpartition(" ")[0] or cut
    return f"{whole.rstrip()}…"


def has_too_many_marks(markdown: str) -> bool:
    """Whether to read it as Markdown would keep everybody waiting."""
    return len(_MARKS.findall(markdown)) > MARKS_MAX


def has_image(markdown: str) -> bool:
    """Whether it shows an image, which is remote: one of ours is attached."""
    return any(token.type == "image" for token in _all(_READER.parse(markdown)))


@dataclass(frozen=True, slots=True)
class TextLink:
    """A link in a text; one that does not `open` is shown as its words alone."""

    url: str
    words: str
    opens: bool


def links(markdown: str) -> list[TextLink]:
    """Return the links of a text in its order, each address once."""
    if has_too_many_marks(markdown):
        return []
    found: dict[str, TextLink] = {}
    for token in _READER.parse(markdown):
        children = token.children or []
        for place, one in enumerate(children):
            if one.type == "link_open":
                url = str(one.attrs.get("href", ""))
                until = next(
                    n for n, t in enumerate(children) if n > place and t.type == "link_close"
                )
                words = _words_of(children[place:until])
                opens = urlsplit(url).scheme.lower() in _SCHEMES
                found.setdefault(url, TextLink(url, words, opens))
    return list(found.values())


def _all(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or ())


def _words_of(tokens: Sequence[Token]) -> str:
    return "".join(_words(token) for token in tokens)


def _words(token: Token) -> str:
    if token.type in ("inline", "image"):
        return _words_of(token.children or ())
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content
