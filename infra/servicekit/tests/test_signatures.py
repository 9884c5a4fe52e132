"""Signatures: one text each, of one use, by secrets that rotate."""

import base64
import string

import pytest

from servicekit.signatures import TEXT_CHARACTERS_MAX, Signatures, SignedFields

USE = b"a use of these tests\n"
NEW, OLD = "a newer secret, long", "an older secret, long"
FIELDS = SignedFields(USE, [NEW, OLD])
FORBIDDEN = "a stranger's secret"


def test_what_was_written_is_read() -> None:
    """Any text, any whole number, by each secret that is known."""
    for fields in (["anna", "lamp", 7], ["é\n~", "", 0], ["only"]):
        assert FIELDS.read(FIELDS.write(*fields)) == fields
        assert FIELDS.read(SignedFields(USE, [OLD]).write(*fields)) == fields
        assert FIELDS.read(SignedFields(USE, [FORBIDDEN]).write(*fields)) is None
        assert FIELDS.read(SignedFields(b"another use\n", [NEW]).write(*fields)) is None


@pytest.mark.parametrize("person", ["a", "an", "ann", "anna"])
def test_of_what_was_written_there_is_one_text(person: str) -> None:
    """Any one other character, one more and one less are read as nothing.

    Base64 leaves bits over at its end, so that texts could differ and say the same.
    """
    text = FIELDS.write(person, "lamp", 7)
    letters = string.ascii_letters + string.digits + "-_=.~é "
    for place, was in enumerate(text):
        for letter in letters:
            if letter != was:
                assert FIELDS.read(text[:place] + letter + text[place + 1 :]) is None
    for other in (
        text[:-1],
        text[1:],
        "",
        ".",
        f"\ud800{text}",
        f"{text}\ud800",
        *(f"{text}{one}" for one in letters),
    ):
        assert FIELDS.read(other) is None, other


# Written by the release before, of ["anna","lamp",7] and by OLD, for USE.
OF_BEFORE = "WyJhbm5hIiwibGFtcCIsN10.wOr-oKfEfTSElWCcq78Qa96EMKjX24upRk8UeIPAiAo"


def test_a_link_of_the_release_before_is_read() -> None:
    """It stands in mails that were sent: one text, by its secret, of one use."""
    assert FIELDS.read(OF_BEFORE) == ["anna", "lamp", 7]
    assert SignedFields(USE, [NEW]).read(OF_BEFORE) is None
    assert SignedFields(b"another use\n", [OLD]).read(OF_BEFORE) is None
    letters = string.ascii_letters + string.digits + "-_=.~é "
    for place, was in enumerate(OF_BEFORE):
        for letter in letters:
            if letter != was:
                assert FIELDS.read(OF_BEFORE[:place] + letter + OF_BEFORE[place + 1 :]) is None
    for other in (OF_BEFORE[:-1], OF_BEFORE[1:], *(f"{OF_BEFORE}{one}" for one in letters)):
        assert FIELDS.read(other) is None, other


def test_a_signature_of_now_is_not_taken_for_one_of_before() -> None:
    """The other way to write a link that is known: its parts encoded once more say nothing."""
    parts = FIELDS.write("anna", "lamp", 7).split(".")
    raw = (parts[0].encode(), bytes.fromhex(parts[1]))
    again = (base64.urlsafe_b64encode(one).decode().rstrip("=") for one in raw)
    assert FIELDS.read(".".join(again)) is None


def test_what_is_too_long_is_not_judged() -> None:
    """A link is short; nobody makes us sign a megabyte."""
    assert FIELDS.read(FIELDS.write("a" * TEXT_CHARACTERS_MAX)) is None


def test_a_cut_signature_is_of_its_length() -> None:
    """Where room is short: so many characters, and neither fewer nor more verify."""
    cut, whole = Signatures(USE, [NEW], 16), Signatures(USE, [NEW])
    signature = cut.sign("anna", "lamp")
    assert len(signature) == 16 and whole.sign("anna", "lamp").startswith(signature)
    assert cut.verifies(signature, "anna", "lamp")
    for other in (signature[:-1], whole.sign("anna", "lamp"), signature.upper(), ""):
        assert not cut.verifies(other, "anna", "lamp") or other == signature


@pytest.mark.parametrize("secrets", [[], ["short"], [NEW, "short"]])
def test_secrets_that_can_be_guessed_are_refused(secrets: list[str]) -> None:
    """None, or a short one beside a long one, signs nothing."""
    with pytest.raises(ValueError, match="at least 16"):
        SignedFields(USE, secrets)
