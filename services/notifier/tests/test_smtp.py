"""The SMTP client against the real mail sandbox: each answer is what the server meant."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.sandbox.mail.client import MailClient
from infra.sandbox.mail.faults import Fault, FaultKind
from infra.suite.processes import MailProcess
from notifier.adapters.smtp import SmtpServer
from notifier.adapters.smtp_connection import stuffed
from notifier.domain.bounce import BounceClass
from notifier.domain.cause import CauseKind
from notifier.ports.email import Answer, Answered, Mail, Reader
from servicekit.errors import DependencyAway
from services.notifier.tests.letters import letter, letter_writer
from services.notifier.tests.mail_server import PATIENT_SECONDS, Box, listening, server_at

# Far more than lies in the buffers between two ends of a connection.
BABBLE_BYTES = 64 * 1024 * 1024
# How long an answer may take that never comes.
BRIEF_SECONDS = 4.0


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailProcess]:
    process = MailProcess(tmp_path_factory.mktemp("mail"), detached=False)
    process.start()
    yield process
    process.stop()


@pytest.fixture(params=["grouped", "one by one"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    """With a server that takes commands in groups, and with one that does not say so."""
    return Box(tmp_path, grouped=request.param == "grouped")


@pytest.fixture
async def server(box: Box) -> AsyncIterator[SmtpServer]:
    async with listening(box.speak) as client:
        yield client


def mail_to(address: str) -> Mail:
    reader = Reader(address, address, "Zoë\r\nBcc: x@y.example", "en", "UTC")
    return letter_writer().write(letter(CauseKind.REFUND_SUCCEEDED, reader))


FAULTS = [
    (None, Answered.TAKEN, 1),
    (Fault(FaultKind.REFUSE, code=550, status="5.1.1"), Answered.REFUSED, 0),
    (Fault(FaultKind.REFUSE, code=452, status="4.2.2"), Answered.LATER, 0),
    (Fault(FaultKind.REFUSE, code=421, status="4.3.2"), Answered.AWAY, 0),
    (Fault(FaultKind.GREYLIST), Answered.LATER, 0),
    (Fault(FaultKind.DROP_BEFORE_DATA), Answered.LATER, 0),
    (Fault(FaultKind.DROP_AFTER_DATA), Answered.UNKNOWN, 1),
    (Fault(FaultKind.SLOW, seconds=30.0), Answered.LATER, 0),
]


@pytest.mark.parametrize(
    ("fault", "answered", "kept"),
    FAULTS,
    ids=[f"{one.kind} {one.code}" if one else "well" for one, _, _ in FAULTS],
)
async def test_each_answer_is_what_the_server_meant(
    box: Box, fault: Fault | None, answered: Answered, kept: int
) -> None:
    """Taken, later, never, unknown, or nobody there; and all others at the same server go."""
    is_slow = fault is not None and fault.kind is FaultKind.SLOW
    async with listening(box.speak, BRIEF_SECONDS if is_slow else PATIENT_SECONDS) as server:
        await assert_answered(server, box, fault, answered, kept)


async def assert_answered(
    server: SmtpServer, box: Box, fault: Fault | None, answered: Answered, kept: int
) -> None:
    whom = "whom@a.example"
    if fault is not None:
        box.faults.rules = [Fault(fault.kind, whom, None, fault.seconds, fault.code, fault.status)]
    others = [f"other{number}@a.example" for number in range(20)]
    people = [*others[:10], whom, *others[10:]]
    answers = await asyncio.gather(*(server.send(mail_to(one)) for one in people))
    found = dict(zip(people, answers, strict=True))
    assert found[whom].answered is answered
    assert len(box.came(whom)) == kept
    assert {found[one].answered for one in others} == {Answered.TAKEN}
    assert sorted(one for one in box.came() if one != whom) == sorted(others)
    assert (await server.send(mail_to("next@a.example"))).answered is Answered.TAKEN
    if answered is Answered.REFUSED:
        assert found[whom].bounce is BounceClass.HARD


async def test_many_at_once_over_few_connections(server: SmtpServer, box: Box) -> None:
    """Each of five hundred comes once, to its own reader; no connection carries more than 100."""
    people = [f"many{number}@a.example" for number in range(500)]
    answers = await asyncio.gather(*(server.send(mail_to(one)) for one in people))
    assert {answer.answered for answer in answers} == {Answered.TAKEN}
    assert sorted(box.came()) == sorted(people)
    assert 5 <= box.connections <= 9


async def test_a_refusal_in_a_group_is_its_own(server: SmtpServer, box: Box) -> None:
    """Every third is refused, others are dropped before or after: each has its own outcome."""
    box.faults.rules = [
        Fault(FaultKind.REFUSE, "gone*@a.example"),
        Fault(FaultKind.DROP_BEFORE_DATA, "early*@a.example"),
        Fault(FaultKind.DROP_AFTER_DATA, "late*@a.example"),
    ]
    expected = {
        "well": Answered.TAKEN,
        "gone": Answered.REFUSED,
        "early": Answered.LATER,
        "late": Answered.UNKNOWN,
    }
    people = {f"{who}{number}@a.example": who for number in range(30) for who in expected}
    answers = await asyncio.gather(*(server.send(mail_to(one)) for one in people))
    for who, answer in zip(people.values(), answers, strict=True):
        assert answer.answered is expected[who]
    came = box.came()
    assert len(came) == len(set(came)) == 60
    assert all(one.startswith(("well", "late")) for one in came)


async def test_a_server_that_is_gone_and_back(process: MailProcess) -> None:
    """Nobody is blamed while it is away, and a connection that ended meanwhile costs nothing."""
    server = server_at(process.smtp_port)
    assert (await server.send(mail_to("before@a.example"))).answered is Answered.TAKEN
    await asyncio.to_thread(process.kill)
    during = [server.send(mail_to(f"during{number}@a.example")) for number in range(20)]
    assert {one.answered for one in await asyncio.gather(*during)} == {Answered.AWAY}
    with pytest.raises(DependencyAway):
        await server.check()
    await asyncio.to_thread(process.start)
    await server.check()
    assert (await server.send(mail_to("after@a.example"))).answered is Answered.TAKEN
    await server.close()
    came = [one["recipient"] for one in await MailClient(process.url).mails()]
    assert came == ["before@a.example", "after@a.example"]


@dataclass(slots=True)
class OddServer:
    """A server that takes groups and has its own way with some things; `took` are recipients."""

    mails_most: int = 1_000
    connections_most: int = 1_000
    waits_for_refused: bool = False
    ending: str = "250 kept"
    # What it says on and on behind a mail, once that is wanted, as long as somebody listens.
    babble: bytes = b""
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    took: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    connected: int = 0
    left: bool = False
    all_connected: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self.all_connected += 1
        if self.connected > self.connections_most:
            writer.write(b"421 4.7.0 too many connections\r\n")
        else:
            writer.write(b"220 odd.invalid\r\n")
            await self._talk(reader, writer)
        writer.close()
        self.connected -= 1

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mails, to, is_open = 0, "", False
        while line := (await reader.readline()).decode().strip():
            verb = line.upper().partition(" ")[0].partition(":")[0]
            match verb:
                case "EHLO":
                    reply = "250-odd.invalid\r\n250 PIPELINING"
                case "MAIL" if mails >= self.mails_most:
                    writer.write(b"421 4.7.0 enough for this connection\r\n")
                    return
                case "MAIL":
                    reply = "503 nested" if is_open else "250 OK"
                    is_open, to = True, ""
                case "RCPT" if "gone" in line:
                    reply = "550-5.1.1 nobody\r\n550 5.1.1 there"
                case "RCPT":
                    to, reply = line.partition("<")[2].rstrip(">"), "250 OK"
                case "DATA" if to or self.waits_for_refused:
                    writer.write(b"354 go on\r\n")
                    content = await self._content(reader)
                    mails, is_open = mails + 1, False
                    reply = self.ending if to else "554 no valid recipients"
                    if to and reply == "250 kept":
                        self.took.append(to)
                        self.contents.append(content)
                case "DATA":
                    reply = "503 nobody to give it to"
                case "RSET":
                    is_open, reply = False, "250 OK"
                case _:
                    reply = "221 Bye"
            writer.write(f"{reply}\r\n".encode())
            if verb == "QUIT":
                return
            if verb == "DATA" and self.babble:
                self.left = await self._left_alone(writer)
                return

    async def _left_alone(self, writer: asyncio.StreamWriter) -> bool:
        """Say on and on what nobody asked for; return whether the other side has hung up."""
        await self.wanted.wait()
        try:
            for _ in range(BABBLE_BYTES // len(self.babble)):
                writer.write(self.babble)
                await writer.drain()
        except ConnectionError:
            return True
        return False

    async def _content(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await reader.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)


@asynccontextmanager
async def odd(
    server: OddServer, connections: int = 4, timeout_seconds: float = PATIENT_SECONDS
) -> AsyncIterator[SmtpServer]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    client = server_at(listener.sockets[0].getsockname()[1], connections, timeout_seconds)
    async with listener:
        yield client
        await client.close()


async def send_all(client: SmtpServer, people: list[str]) -> dict[str, Answered]:
    answers = await asyncio.gather(*(client.send(mail_to(one)) for one in people))
    return {one: answer.answered for one, answer in zip(people, answers, strict=True)}


PEOPLE = [f"{'gone' if number % 3 == 1 else 'b'}{number}@a.example" for number in range(30)]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_refused_reader_gets_nobody_elses_mail(waits: bool) -> None:
    """Also where the server waits for content that nobody would get: it is given none."""
    server = OddServer(waits_for_refused=waits)
    async with odd(server, connections=1) as client:
        found = await send_all(client, PEOPLE)
    assert {one for one in PEOPLE if found[one] is Answered.REFUSED} == set(PEOPLE[1::3])
    assert server.took == [one for one in PEOPLE if found[one] is Answered.TAKEN]
    for person, content in zip(server.took, server.contents, strict=True):
        assert f"<{person}>".encode() in content


async def test_a_server_that_has_enough_of_a_connection_blames_nobody() -> None:
    """What it does not begin there goes over the next connection; each mail comes once."""
    server = OddServer(mails_most=7)
    people = [f"b{number}@a.example" for number in range(50)]
    async with odd(server, connections=2) as client:
        assert set((await send_all(client, people)).values()) == {Answered.TAKEN}
    assert sorted(server.took) == sorted(people)


@pytest.mark.parametrize("babble", [b"250 more\r\n" * 5_000, b"x" * 50_000], ids=["lines", "word"])
async def test_a_server_that_babbles_while_nothing_is_sent_is_hung_up_on(babble: bytes) -> None:
    """Its connection is kept for the next mail, and nobody looks at it: what it says would pile up.

    The next mail goes over another connection.
    """
    server = OddServer(babble=babble)
    async with odd(server, connections=1) as client:
        for person in ("a@a.example", "b@a.example"):
            server.wanted.clear()
            assert (await client.send(mail_to(person))).answered is Answered.TAKEN
            server.wanted.set()
            async with asyncio.timeout(PATIENT_SECONDS):
                while server.connected:
                    await asyncio.sleep(0.01)
            assert server.left
    assert server.took == ["a@a.example", "b@a.example"]


async def test_a_connection_too_many_costs_nothing_while_another_works() -> None:
    """A server that allows one of four: all mails go over that one, and none comes back."""
    server = OddServer(connections_most=1)
    people = [f"b{number}@a.example" for number in range(50)]
    async with odd(server) as client:
        await client.send(mail_to("first@a.example"))
        assert set((await send_all(client, people)).values()) == {Answered.TAKEN}
    assert sorted(server.took[1:]) == sorted(people)


@pytest.mark.parametrize(
    ("ending", "answered"),
    [
        ("554 5.7.1 spam", Answered.REFUSED),
        ("451 4.3.0 full", Answered.LATER),
        ("421 4.3.2 closing", Answered.AWAY),
        ("what?", Answered.UNKNOWN),
        ("250-" + "x" * 40_000, Answered.UNKNOWN),
        ("\r\n".join(["250-x"] * 9_000), Answered.UNKNOWN),
    ],
    ids=["refused", "later", "closing", "nonsense", "a line without end", "lines without end"],
)
async def test_what_is_said_of_the_content_is_what_becomes_of_it(
    ending: str, answered: Answered
) -> None:
    """All of it was sent: what no answer says is unknown, and the next mail is not blamed."""
    server = OddServer(ending=ending)
    async with odd(server, connections=1) as client:
        assert (await client.send(mail_to("one@a.example"))).answered is answered
        server.ending = "250 kept"
        assert (await client.send(mail_to("two@a.example"))).answered is Answered.TAKEN
    assert server.took == ["two@a.example"]


async def test_a_mail_that_we_cannot_send_fails_alone() -> None:
    """An address of two words is a bug of ours: no command is made of it, and the others go."""
    server = OddServer()
    smuggled = Mail("us@a.example", "x@a.example>\r\nRCPT TO:<y@a.example", b"")
    async with odd(server, connections=1) as client:
        mails = [mail_to("one@a.example"), smuggled, mail_to("two@a.example")]
        sends = (client.send(mail) for mail in mails)
        first, second, third = await asyncio.gather(*sends, return_exceptions=True)
    assert isinstance(second, AssertionError)
    assert first == third == Answer(Answered.TAKEN)
    assert server.took == ["one@a.example", "two@a.example"] and server.all_connected == 1
    assert [b"To: " in one for one in server.contents] == [True, True]


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b".a\r\n.\r\n..b\r\n", b"..a\r\n..\r\n...b\r\n"),
        (b"a\n.\nMAIL FROM:<x>\r\n", b"a\r\n..\r\nMAIL FROM:<x>\r\n"),
        (b"a\r.\r\n", b"a\r\n..\r\n"),
        (b"a\r\n\r", b"a\r\n\r\n"),
        (b"no end", b"no end\r\n"),
        (b"", b"\r\n"),
    ],
)
def test_no_content_ends_itself(content: bytes, wire: bytes) -> None:
    """A line of one dot ends a mail, and some servers take half an end of line for one."""
    assert stuffed(content) == wire


async def test_content_arrives_as_it_was_written(process: MailProcess) -> None:
    """Byte for byte, with a name that would have been a header."""
    server, box = server_at(process.smtp_port), MailClient(process.url)
    mail = mail_to("exact@a.example")
    await server.send(mail)
    await server.close()
    (came,) = await box.mails("exact@a.example")
    assert came["sender"] == mail.sender
    received = await box.mail(came["number"])
    assert received["Bcc"] is None and received["To"].addresses[0].display_name.startswith("Zoë")
    assert received["Message-ID"] == came["message_id"]
