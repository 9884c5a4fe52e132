"""Whatever a bad mail server does to one mail, that one's outcome is right and no other's changes.

Each server here speaks SMTP over a real connection, in groups and one by one, and does something
wrong where its script says so.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import pytest

from notifier.adapters.smtp import SmtpServer
from notifier.adapters.smtp_connection import SmtpAccount
from notifier.domain.bounce import BounceClass
from notifier.ports.email import Answered, Mail
from servicekit.errors import DependencyAway

# How long an answer may take: briefly only where it never comes.
BRIEF_SECONDS, PATIENT_SECONDS = 2.0, 30.0
END = "."
FOR_EVERYBODY = frozenset({"greeting", "EHLO", "STARTTLS", "AUTH"})


@dataclass(frozen=True, slots=True)
class Says:
    """What a server says, and what it does then."""

    words: bytes = b""
    then: Literal["goes on", "closes", "is silent"] = "goes on"


SILENT = Says(then="is silent")


@dataclass(slots=True)
class BadServer:
    """Follows its script: for the mails to `bad@…` after MAIL, RCPT, DATA and their end.

    For everybody after the greeting, EHLO, STARTTLS and AUTH. `times` is how often it does so.
    """

    script: Mapping[str, Says]
    grouped: bool = True
    times: int = 1_000
    encrypts: bool = False
    signs_in: bool = False
    took: list[tuple[str, bytes]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def _scripted(self, step: str, is_bad: bool, usual: bytes) -> Says:
        if not is_bad or step not in self.script or self.times == 0:
            return Says(usual)
        self.times -= 1
        return self.script[step]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, is_bad, is_begun = "", False, False
        line, step = b"", "greeting"
        while True:
            usual = b"250 OK\r\n"
            match step:
                case "greeting":
                    usual = b"220 bad.invalid\r\n"
                case "EHLO":
                    offers = [b"bad.invalid"]
                    offers += [b"STARTTLS"] * self.encrypts + [b"PIPELINING"] * self.grouped
                    offers += [b"AUTH CRAM-MD5"] * self.signs_in
                    lines = [b"250-" + one for one in offers[:-1]] + [b"250 " + offers[-1]]
                    usual = b"\r\n".join(lines) + b"\r\n"
                case "MAIL" | "RCPT":
                    to = line.decode().partition("<")[2].rstrip(">\r\n")
                    is_bad = to.startswith("bad")
                case "DATA":
                    usual = b"354 go on\r\n" if is_begun else b"503 nobody\r\n"
                case "RSET":
                    is_begun = False
                case "QUIT":
                    usual = b"221 Bye\r\n"
            said = self._scripted(step, is_bad or step in FOR_EVERYBODY, usual)
            is_begun = said.words.startswith(b"2") if step == "RCPT" else is_begun
            writer.write(said.words)
            await writer.drain()
            if said.then == "is silent":
                await reader.read()
            if said.then != "goes on" or step == "QUIT":
                return
            if step == "DATA" and said.words.startswith(b"354"):
                content = await reader.readuntil(b"\r\n.\r\n")
                step, is_begun = END, False
                ended = self._scripted(END, is_bad, b"250 kept\r\n")
                if ended.words.startswith(b"2"):
                    self.took.append((to, content))
                writer.write(ended.words)
                await writer.drain()
                if ended.then == "is silent":
                    await reader.read()
                if ended.then != "goes on":
                    return
            line = await reader.readuntil(b"\r\n")
            step = line.decode("latin-1").strip().upper().partition(" ")[0]
            self.heard.append(step)


@asynccontextmanager
async def reached(
    server: BadServer,
    timeout_seconds: float = PATIENT_SECONDS,
    security: Literal["starttls", "none"] = "none",
    user: str = "",
    hello: str = "tests.invalid",
) -> AsyncIterator[SmtpServer]:
    """Give a client with one connection, so that the mails stand in one group behind another."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    account = SmtpAccount(
        "127.0.0.1",
        port,
        security,
        hello,
        user,
        "a password",
        timeout_seconds=timeout_seconds,
        connections=1,
    )
    client = SmtpServer(account)
    async with listener:
        yield client
        await client.close()


def mail(name: str) -> Mail:
    return Mail(f"{name}@us.example", f"{name}@a.example", f"To: {name}\r\n\r\nhello".encode())


HARD, SOFT, CONTENT = BounceClass.HARD, BounceClass.SOFT, BounceClass.CONTENT
REFUSED, LATER, UNKNOWN = Answered.REFUSED, Answered.LATER, Answered.UNKNOWN
TAKEN, AWAY = Answered.TAKEN, Answered.AWAY

# Who is refused: what the server says where, what becomes of the mail, what it says of the address.
REFUSALS = [
    ("RCPT", Says(b"550 5.1.1 nobody\r\n"), REFUSED, HARD),
    ("RCPT", Says(b"550 no such user\r\n"), REFUSED, HARD),
    ("RCPT", Says(b"550 relay not permitted\r\n"), REFUSED, CONTENT),
    ("RCPT", Says(b"554 5.7.1 relay access denied\r\n"), REFUSED, CONTENT),
    ("RCPT", Says(b"550-blocked by us,\r\n550 see http://bl.example\r\n"), REFUSED, CONTENT),
    ("RCPT", Says(b"550 5.1.1 inconnu \xe9\xff\x00\r\n"), REFUSED, HARD),
    ("RCPT", Says(b"550 5.1.1 nobody, and no more\r\n", "closes"), REFUSED, HARD),
    ("RCPT", Says(b"452 4.5.3 too many recipients\r\n"), LATER, CONTENT),
    ("RCPT", Says(b"452 mailbox full\r\n"), LATER, SOFT),
    ("RCPT", Says(b"451 4.7.1 greylisted\r\n", "closes"), LATER, CONTENT),
    ("RCPT", Says(b"421 4.3.2 closing\r\n", "closes"), AWAY, CONTENT),
    ("DATA", Says(b"550 no\r\n"), REFUSED, CONTENT),
    ("DATA", Says(b"554 5.7.1 no\r\n", "closes"), REFUSED, CONTENT),
    ("DATA", Says(b"451 4.3.0 not now\r\n"), LATER, SOFT),
    ("DATA", Says(b"421 closing\r\n", "closes"), AWAY, CONTENT),
    (END, Says(b"550 we take no such mail\r\n"), REFUSED, CONTENT),
    (END, Says(b"554 5.7.1 spam\r\n", "closes"), REFUSED, CONTENT),
    (END, Says(b"550 5.1.1 nobody after all\r\n"), REFUSED, HARD),
    (END, Says(b"552 5.2.2 full\r\n"), REFUSED, SOFT),
    (END, Says(b"452 4.3.1 no room\r\n", "closes"), LATER, SOFT),
    (END, Says(b"421 4.3.2 closing\r\n", "closes"), AWAY, CONTENT),
]
# Who gets no answer that is one: whether something was sent decides.
BROKEN = [
    ("RCPT", Says(then="closes"), LATER),
    ("RCPT", Says(b"what?\r\n"), LATER),
    ("RCPT", Says(b"354 go on\r\n"), LATER),
    ("RCPT", Says(b"250-more\r\n" * 9_000), LATER),
    ("DATA", Says(then="closes"), LATER),
    ("DATA", Says(b"250 kept, though nothing came\r\n"), LATER),
    (END, Says(then="closes"), UNKNOWN),
    (END, Says(b"354 go on\r\n"), UNKNOWN),
    (END, Says(b"999 well\r\n"), UNKNOWN),
    (END, Says(b"250-more\r\n" * 9_000), UNKNOWN),
]


def ids(rows: list[tuple[str, Says, Answered]]) -> list[str]:
    return [f"{one[0]} {one[1].words[:24]!r} {one[1].then}" for one in rows]


async def assert_answered(server: BadServer, answered: Answered) -> BounceClass:
    """Send one that it is bad to between good ones; return what its answer says of the address."""
    names = ["one", "two", "bad", "three", "four"]
    async with reached(server) as client, asyncio.timeout(PATIENT_SECONDS):
        answers = await asyncio.gather(*(client.send(mail(name)) for name in names))
        last = await client.send(mail("last"))
    found = dict(zip(names, (one.answered for one in answers), strict=True))
    assert found == dict.fromkeys(names, TAKEN) | {"bad": answered}
    assert last.answered is TAKEN
    good = [name for name in [*names, "last"] if name != "bad"]
    for name, (to, content) in zip(
        good, [one for one in server.took if one[0] != "bad@a.example"], strict=True
    ):
        assert to == f"{name}@a.example" and content.startswith(f"To: {name}\r\n".encode())
    return answers[2].bounce


@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "one by one"])
@pytest.mark.parametrize(
    ("step", "says", "answered", "bounce"), REFUSALS, ids=ids([one[:3] for one in REFUSALS])
)
async def test_a_refusal_is_what_its_words_say_where_they_are_said(
    step: str, says: Says, answered: Answered, bounce: BounceClass, grouped: bool
) -> None:
    """Also of a server that hangs up on it; the mails around it go, each once."""
    server = BadServer({step: says}, grouped)
    assert await assert_answered(server, answered) is bounce
    assert "bad@a.example" not in dict(server.took)


@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "one by one"])
@pytest.mark.parametrize(("step", "says", "answered"), BROKEN, ids=ids(BROKEN))
async def test_what_is_no_answer_leaves_open_only_what_was_sent(
    step: str, says: Says, answered: Answered, grouped: bool
) -> None:
    """Before the content nothing was sent, behind it nobody knows; no other mail is touched."""
    await assert_answered(BadServer({step: says}, grouped), answered)


@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "one by one"])
@pytest.mark.parametrize(
    "script",
    [
        {END: Says(b"250 kept\r\n", "closes")},
        {"MAIL": Says(then="closes")},
        {"MAIL": Says(b"421 4.7.0 enough\r\n", "closes")},
        {"MAIL": Says(b"451 4.3.0 not now\r\n")},
    ],
    ids=["closes between two mails", "closes at the next", "421 at the next", "451 at the next"],
)
async def test_a_connection_that_ends_between_two_mails_costs_none(
    script: Mapping[str, Says], grouped: bool
) -> None:
    """What had not begun goes over the next connection; each comes once."""
    await assert_answered(BadServer(script, grouped, times=1), TAKEN)


@pytest.mark.parametrize(
    "words", [b"200 fine\r\n", b"251 forwarded\r\n", b"250\r\n", b"250-a\r\n250 b\r\n"]
)
async def test_any_good_reply_takes_the_mail(words: bytes) -> None:
    """The first digit counts (RFC 5321 4.2.1): a mail that was taken is not sent again."""
    server = BadServer({END: Says(words)})
    await assert_answered(server, TAKEN)
    assert [to for to, _ in server.took].count("bad@a.example") == 1


@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "one by one"])
@pytest.mark.parametrize(
    ("step", "answered"), [("MAIL", AWAY), ("RCPT", LATER), ("DATA", LATER), (END, UNKNOWN)]
)
async def test_a_server_that_stalls_is_left(step: str, answered: Answered, grouped: bool) -> None:
    """After what it took: nothing yet, or all of the mail; later ones go over another one."""
    server = BadServer({step: SILENT}, grouped)
    async with reached(server, BRIEF_SECONDS) as client, asyncio.timeout(PATIENT_SECONDS):
        assert (await client.send(mail("bad"))).answered is answered
        assert (await client.send(mail("good"))).answered is TAKEN
    assert [to for to, _ in server.took] == ["good@a.example"]


async def test_a_reply_too_many_gives_no_mail_to_another_reader() -> None:
    """Replies that are out of step with commands end the connection, before any content goes."""
    server = BadServer({END: Says(b"250 kept\r\n250 and once more\r\n")})
    names = ["bad", *(f"good{number}" for number in range(10))]
    async with reached(server) as client, asyncio.timeout(PATIENT_SECONDS):
        answers = await asyncio.gather(*(client.send(mail(name)) for name in names))
    assert [one.answered for one in answers] == [TAKEN, LATER, *[TAKEN] * 9]
    for to, content in server.took:
        assert content.startswith(f"To: {to.partition('@')[0]}\r\n".encode())


@pytest.mark.parametrize(
    "says",
    [
        Says(b"554 5.7.1 not you\r\n", "closes"),
        Says(b"421 4.7.0 too many connections\r\n", "closes"),
        Says(then="closes"),
        Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Says(b"\xff\xfe\x00\r\n"),
        Says(b"\r\n"),
        Says(b"220-more\r\n" * 9_000),
        Says(b"220 " + b"x" * 40_000),
        Says(b"220 well\r\n", "closes"),
        Says(b"250 well\r\n", "closes"),
        SILENT,
    ],
    ids=lambda says: f"{says.words[:20]!r} {says.then}",
)
@pytest.mark.parametrize("step", ["greeting", "EHLO"])
async def test_a_server_that_lets_nobody_in_blames_nobody(step: str, says: Says) -> None:
    """All that wait are told so, and those that come later are sent once it does."""
    server = BadServer({step: says}, times=1)
    brief = says.then == "is silent"
    names = ["one", "two"]
    async with (
        reached(server, BRIEF_SECONDS if brief else PATIENT_SECONDS) as client,
        asyncio.timeout(PATIENT_SECONDS),
    ):
        answers = await asyncio.gather(*(client.send(mail(name)) for name in names))
        assert [one.answered for one in answers] == [AWAY, AWAY]
        assert (await client.send(mail("later"))).answered is TAKEN
    assert [to for to, _ in server.took] == ["later@a.example"]


@pytest.mark.parametrize(
    "says",
    [
        None,
        Says(b"454 4.7.0 not available\r\n"),
        Says(b"220 go\r\n", "closes"),
        Says(b"220 go\r\nthis is no TLS at all\r\n"),
        Says(b"220 go\r\n" + ssl.PROTOCOL_TLS_CLIENT.to_bytes(8, "big") * 40, "closes"),
        Says(b"220 go\r\n", "is silent"),
        Says(b"what?\r\n"),
    ],
    ids=lambda says: f"{says.words[:20]!r} {says.then}" if says else "not offered",
)
async def test_what_cannot_be_encrypted_is_not_sent(says: Says | None) -> None:
    """A STARTTLS that is missing, refused or breaks: no password and no mail goes in the clear."""
    server = BadServer({"STARTTLS": says} if says else {}, encrypts=says is not None)
    async with (
        reached(server, BRIEF_SECONDS, "starttls", "us") as client,
        asyncio.timeout(PATIENT_SECONDS),
    ):
        assert (await client.send(mail("one"))).answered is AWAY
    assert set(server.heard) <= {"EHLO", "STARTTLS", "QUIT"} and server.took == []


@pytest.mark.parametrize(
    "says",
    [
        Says(b"535 5.7.8 who are you\r\n"),
        Says(b"454 4.7.0 not now\r\n"),
        Says(b"334 no challenge at all\r\n"),
        Says(b"334 \xff\r\n"),
        Says(then="closes"),
    ],
    ids=lambda says: f"{says.words[:20]!r} {says.then}",
)
async def test_a_server_that_signs_nobody_in_blames_nobody(says: Says) -> None:
    """Whatever it says to our password, whoever sends hears of it, and no mail begins."""
    server = BadServer({"AUTH": says}, signs_in=True)
    async with reached(server, user="us") as client, asyncio.timeout(PATIENT_SECONDS):
        assert (await client.send(mail("one"))).answered is AWAY
        with pytest.raises(DependencyAway):
            await client.check()
    assert "MAIL" not in server.heard and server.took == []


async def test_a_connection_that_we_cannot_open_is_heard_by_whoever_sends() -> None:
    """A name of ours that no command can hold is our fault: each mail ends with it, none waits."""
    server = BadServer({})
    async with (
        reached(server, hello="b\u00fccher.example") as client,
        asyncio.timeout(BRIEF_SECONDS),
    ):
        sends = [client.send(mail("one")), client.send(mail("two"))]
        answers = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(one) for one in answers] == [UnicodeEncodeError] * 2 and server.took == []
