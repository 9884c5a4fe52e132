"""A mail's bytes: the library's headers, and two alternatives of one text in base64.

Two headers are written here. Of the one that names the reader the library takes three times as
long as of everything else of a mail; of a long subject it loses the space between encoded words.
"""

import binascii
import re
import secrets
import textwrap
from collections.abc import Iterator
from email.message import EmailMessage

# Of every mail of this process; base64 has no dash, so no part can contain it.
BOUNDARY = f"--={secrets.token_hex(12)}"
LINE_LETTERS = 76
# An encoded word has seventy-five letters at most (RFC 2047), twelve of them around what it says.
ENCODED_BYTES_MAX = 45
# Of a subject fewer, as its name stands in front of the first one.
SUBJECT_BYTES_MAX = 39
HEADER_LETTERS_MAX = 76
_WORDS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTABLE = re.compile(r"[\x20-\x7e]+")


def head_of(mail: EmailMessage) -> bytes:
    """Return the headers of a mail without content, each with the end of its line."""
    return mail.as_bytes().removesuffix(b"\r\n")


def addressed_to(name: str, address: str) -> bytes:
    """Return the header that names the reader; the address is one that servers take."""
    if not name:
        return f"To: {address}\r\n".encode()
    named = _phrase(name)
    line = f"To: {named} <{address}>"
    if len(line) > HEADER_LETTERS_MAX:
        line = f"To: {named}\r\n <{address}>"
    return f"{line}\r\n".encode()


def about(subject: str) -> bytes:
    """Return the header that says what a mail is about: one line, its words a space apart."""
    words = list(_encoded_words(subject, SUBJECT_BYTES_MAX))
    if _QUOTABLE.fullmatch(subject) and "=?" not in subject:
        # Between words alone: what a word too long for a line says is encoded.
        lines = textwrap.wrap(
            subject, HEADER_LETTERS_MAX - 9, break_long_words=False, break_on_hyphens=False
        )
        if max(map(len, lines)) < HEADER_LETTERS_MAX:
            words = lines
    return "Subject: {}\r\n".format("\r\n ".join(words)).encode()


def _phrase(name: str) -> str:
    """Return a name as headers have it; what looks encoded would be decoded, so it is encoded."""
    if len(name) <= ENCODED_BYTES_MAX and "=?" not in name:
        if _WORDS.fullmatch(name):
            return name
        if _QUOTABLE.fullmatch(name):
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
    return "\r\n ".join(_encoded_words(name))


def _encoded_words(text: str, most: int = ENCODED_BYTES_MAX) -> Iterator[str]:
    """Yield words that readers join again without anything between; a letter is in one of them."""
    word = b""
    for letter in text:
        more = word + letter.encode()
        if len(more) > most:
            yield _encoded(word)
            more = letter.encode()
        word = more
    yield _encoded(word)


def _encoded(word: bytes) -> str:
    return f"=?utf-8?b?{binascii.b2a_base64(word, newline=False).decode()}?="


def alternatives(text: str, html: str) -> bytes:
    """Return the rest of the mail: the same content as text and as HTML."""
    boundary = BOUNDARY.encode()
    return b"".join(
        (
            b'Content-Type: multipart/alternative; boundary="',
            boundary,
            b'"\r\n\r\n--',
            boundary,
            _part("plain", text),
            b"--",
            boundary,
            _part("html", html),
            b"--",
            boundary,
            b"--\r\n",
        )
    )


def _part(subtype: str, content: str) -> bytes:
    # Lines end as the protocol's do.
    data = content.replace("\n", "\r\n").encode()
    encoded = binascii.b2a_base64(data, newline=False)
    places = range(0, len(encoded), LINE_LETTERS)
    lines = [encoded[begin : begin + LINE_LETTERS] for begin in places]
    head = (
        f"\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode() + b"\r\n".join(lines) + b"\r\n"
