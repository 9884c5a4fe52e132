"""A mail's own bytes, read back by the library: what is written by hand says the same."""

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifier.adapters.letters.parts import about, addressed_to, alternatives
from notifier.adapters.letters.writer import one_line

ADDRESSES = st.sampled_from(
    ["anna@a.example", "o'neil+x=y@a.example", f"{'a' * 64}@{'b.' * 90}example", "{|}~@a.example"]
)


def read(head: bytes) -> EmailMessage:
    return message_from_bytes(head + b"\r\n", policy=default)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), ADDRESSES)
@example("Zoé Nº 7", "anna@a.example")
@example('Smith, John \\ "Jack" (x) <y@z.example>', "anna@a.example")
@example("é" * 22, "anna@a.example")
@example("é" * 23, "anna@a.example")
@example("x y " * 20, "anna@a.example")
@example("=?utf-8?q?other?=", "anna@a.example")
@example("a\r\nBcc: x@y.example", "anna@a.example")
@example("x" * 45, f"{'a' * 64}@{'b.' * 90}example")
def test_a_reader_is_named_as_they_named_themselves(written: str, address: str) -> None:
    """Whatever the name: one header, short lines of ASCII, and the library reads both back."""
    name = one_line(written)
    head = addressed_to(name, address)
    *lines, rest = head.decode("ascii").split("\r\n")
    assert rest == "" and all(1 < len(line) <= 320 for line in lines)
    assert all(line.startswith(" ") for line in lines[1:])
    mail = read(head)
    assert mail.keys() == ["To"] and not mail.defects and not mail["To"].defects
    (reader,) = mail["To"].addresses
    assert reader.addr_spec == address
    if head.count(b"=?utf-8?b?") < 2:
        assert reader.display_name == name
    else:
        # Between two encoded words the library reads a blank that RFC 2047 (6.2) says is none.
        (phrase,) = re.findall(r"To: (.*)\r\n <", head.decode(), re.DOTALL)
        assert str(make_header(decode_header(phrase))) == name


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400))
@example("🔥☀️ Lampe 👩‍👩‍👧‍👦 ☀️🔥 a été annulé")
@example("🔥 " * 30)
@example("=?utf-8?q?other?= x")
@example("a\r\nBcc: x@y.example")
@example("x" * 2_000)
@example("a " * 200)
def test_a_subject_is_read_as_it_was_written(written: str) -> None:
    """Every space of it, however long it is: one header, short lines of ASCII."""
    subject = one_line(written) or "x"
    head = about(subject)
    *lines, rest = head.decode("ascii").split("\r\n")
    assert rest == "" and all(1 < len(line) <= 76 for line in lines)
    assert all(line.startswith(" ") for line in lines[1:])
    mail = read(head)
    assert mail.keys() == ["Subject"] and not mail.defects
    value = head.decode().removeprefix("Subject: ").replace("\r\n", "").strip()
    assert str(make_header(decode_header(value))) == subject


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 10_000])
def test_texts_of_any_length_come_whole(size: int) -> None:
    """Both parts decode to what was written, in lines that every server takes."""
    text = ("é\n" * size)[:size]
    content = alternatives(text, f"<p>{text}</p>")
    assert max(map(len, content.split(b"\r\n"))) <= 100
    mail = read(content)
    parts = [str(part.get_payload(decode=True), "utf-8") for part in mail.iter_parts()]
    assert [part.replace("\r\n", "\n") for part in parts] == [text, f"<p>{text}</p>"]
