"""Creators' Markdown is shown and quoted, and does nothing wherever it goes."""

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from updates.domain.update import UpdateText, Visibility
from updates.wire.markdown import (
    TextLink,
    beginning,
    has_image,
    has_too_many_marks,
    html,
    links,
    plain,
)
from updates.wire.posts import excerpt

# What people tried elsewhere, each in its own way.
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "[x](\x01javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    '![x](y "onerror=alert(1)")',
    '[x](https://a.example "\\" onmouseover=alert(1)")',
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    '```"><script>alert(1)</script>\nx\n```',
    "`<script>`",
    "<style>*{background:url(https://evil.example)}</style>",
    "<iframe src=https://evil.example></iframe>",
    "<form action=https://evil.example><input name=q></form>",
    "|a|\n|-|\n|<img src=x onerror=alert(1)>|",
    "<!--><script>alert(1)</script>-->",
    "[](:)",
    "[x](//evil.example)",
    "[x](../campaigns/other)",
    "<math><mtext></p><style><img title='</style><img src=x onerror=alert(1)>'>",
)
_WHOLE = ["](", "![", "&#x6a;", "on", "javascript:", "data:text/html,", "<script", "onload"]
_PIECES = st.sampled_from([*"<>\"'&[)\n`|\\=\x00\ta", *_WHOLE])
# Text alone, and text made of what breaks sanitisers.
WRITTEN = st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=30).map("".join))


class _Read(HTMLParser):
    """Reads what a browser would: the tags, and the attributes of each."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def active(page: str) -> list[str]:
    """Return what in a piece of HTML does something, or fetches something, by itself."""
    reader = _Read()
    reader.feed(page)
    found = [
        tag
        for tag, _ in reader.seen
        if tag in ("script", "img", "svg", "iframe", "style", "form", "input", "math", "object")
    ]
    for tag, attributes in reader.seen:
        found += [name for name in attributes if name not in ("href", "title", "start", "rel")]
        target = attributes.get("href")
        if target is not None and not _harmless(target):
            found.append(target)
        if tag == "a" and attributes.get("rel") != "noopener nofollow":
            found.append("a link without rel")
    return found


def _harmless(target: str) -> bool:
    return target.partition(":")[0].lower() in ("http", "https", "mailto")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_becomes_active(hostile: str) -> None:
    """No script, no handler, no foreign scheme, no image; also within other words."""
    for words in (hostile, f"Avant {hostile} après", f"- {hostile}", f"> {hostile}"):
        assert active(html(words)) == [], html(words)


@given(WRITTEN)
@example("".join(HOSTILE))
def test_no_text_at_all_becomes_active(words: str) -> None:
    """Whatever is written, what is shown of it is inert, and shown again is the same."""
    shown = html(words)
    assert active(shown) == [], shown
    assert html.__wrapped__(words) == shown


def test_the_look_for_what_is_active_finds_it() -> None:
    """The test above can fail: raw HTML of each sort is found."""
    for raw in ("<script>", "<p onclick=x>", '<a href="javascript:x" rel="noopener nofollow">'):
        assert active(raw), raw
    assert active('<a href="https://a.example">') == ["a link without rel"]


def test_what_creators_write_is_shown_as_they_mean_it() -> None:
    """Emphasis, lists, tables, links; HTML stands there as text, an image as its description."""
    assert html("**Bravo** & *merci*") == "<p><strong>Bravo</strong> &amp; <em>merci</em></p>\n"
    assert "<li>un</li>" in html("- un\n- deux") and "<td>1</td>" in html("|a|\n|-|\n|1|")
    assert html("[là](https://a.example)") == (
        '<p><a href="https://a.example" rel="noopener nofollow">là</a></p>\n'
    )
    assert html("<b>non</b>") == "<p>&lt;b&gt;non&lt;/b&gt;</p>\n"
    assert "une lampe" in html("![une lampe](https://a.example/x.png)")


def test_a_text_that_only_costs_time_is_shown_as_it_is() -> None:
    """What makes readers of Markdown look back for ever is not read, and is inert all the same."""
    for words in ("[" * 50_000, "![" * 25_000, "<script>" * 6_000):
        assert has_too_many_marks(words)
        assert active(html(words)) == [] and html(words).startswith("<pre>")
        assert plain(words) == words
    assert not has_too_many_marks("[un lien](https://a.example) et *mot* " * 500)


def test_an_image_in_a_text_is_seen() -> None:
    """However it is written; a word that looks like one is none."""
    for words in ("![x](y)", "- ![x](https://a.example)", "![x]\n\n[x]: y", "[![x](y)](z)"):
        assert has_image(words), words
    assert not has_image("`![x](y)`") and not has_image("wow! [x](y)")


def test_an_excerpt_is_plain_words() -> None:
    """No markup, whole words, and only of what everybody may read: the event is for everybody."""
    text = UpdateText(
        "fr", "t", "# Bravo\n\n**Tout** [avance](https://a.example) :\n- un\n- `deux`"
    )
    assert excerpt(text, Visibility.PUBLIC) == "Bravo\nTout avance :\nun\ndeux"
    assert excerpt(text, Visibility.BACKERS) is None
    assert excerpt(UpdateText("fr", "t", "---"), Visibility.PUBLIC) is None
    long = excerpt(UpdateText("fr", "t", "mot " * 500), Visibility.PUBLIC)
    assert long is not None and len(long) <= 500 and long.endswith("mot…")
    assert beginning("x" * 501, 500) == "x" * 499 + "…"
    assert plain("a&amp;b <i>c</i>") == "a&b <i>c</i>"


@given(WRITTEN)
@example('[x](HTTPS://a.example/%20?a=1&b="2")')
@example("[x](mailto:a@b.example) [y](MAILTO:a@b.example) <https://c.example>")
@example("[x](ftp://a.example) [y](tel:112) [z](/campaigns/other)")
def test_every_link_that_a_reader_can_follow_is_listed(written: str) -> None:
    """What is said to open does; what is shown as its words alone is not said to."""
    read = _Read()
    read.feed(html(written))
    followed = {attributes["href"] for tag, attributes in read.seen if "href" in attributes}
    assert {one.url for one in links(written) if one.opens} == followed


def test_links_are_listed_once_with_their_words() -> None:
    """In the order of the text, also those that open nothing; what is no link is none."""
    written = "**[Our _shop_](https://a.example)**, [again](https://a.example)\n\n- [old](ftp://b)"
    assert links(written) == [
        TextLink("https://a.example", "Our shop", opens=True),
        TextLink("ftp://b", "old", opens=False),
    ]
    assert links("`[x](https://a.example)` and [y](javascript:alert(1))") == []
