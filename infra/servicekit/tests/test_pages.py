"""Pages for people: words as their language is set, and nothing wider than a telephone."""

import pytest

from servicekit.pages import STYLE, typeset


@pytest.mark.parametrize(
    ("typed", "french", "english"),
    [
        ("C'est fait : oui !", "C’est fait\u00a0: oui\u00a0!", "C’est fait : oui !"),
        ("« Lampe » ; quoi ?", "«\u00a0Lampe\u00a0»\u00a0; quoi\u00a0?", "« Lampe » ; quoi ?"),
        ("Yes: it's done.", "Yes: it’s done.", "Yes: it’s done."),
    ],
)
def test_words_are_set_as_printers_do(typed: str, french: str, english: str) -> None:
    """In French no line begins with a sign; an apostrophe is one everywhere."""
    said = typeset({language: {"word": typed} for language in ("fr", "en")})
    assert (said["fr"]["word"], said["en"]["word"]) == (french, english)


def test_a_word_without_end_is_broken() -> None:
    """A title of 140 letters and no space moves no button out of sight."""
    assert "overflow-wrap:anywhere" in STYLE
