"""One connection to the mail server: opened by the library, then a mail after the other.

A server that says so (RFC 2920) is handed the commands of a mail in one write, the first of them
behind the content of the mail before, so that a mail costs one way there and back, not four. The
library waits for each reply before its next command and drops what comes meanwhile; so it opens,
encrypts and signs in, and what is grouped is written and read here, on the transport it made.
A server's words never leave this module: they may repeat the address, and anybody may write them.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import aiosmtplib
from aiosmtplib.protocol import normalize_message_line_endings

from notifier.domain.bounce import status_in
from notifier.ports.email import Answer, Answered, Mail

# Words by which a server asks for a password or a quieter client: they say nothing of a reader.
ABOUT_US = frozenset({421, 530, 534, 535, 538})
TAKEN, GO_ON = 250, 354
REPLY_BYTES_MAX = 32_768
# What a connection that ends, stalls or talks nonsense raises; a time-out is an `OSError`.
BROKEN = (OSError, EOFError, ValueError, asyncio.LimitOverrunError)
_CONTROLS = re.compile(r"[\x00-\x20\x7f<>]")

Security = Literal["starttls", "tls", "none"]
Following = Callable[[], Mail | None]


@dataclass(frozen=True, slots=True)
class SmtpAccount:
    """Where mail is handed over, and as whom; without a user nobody is asked."""

    host: str
    port: int
    security: Security
    hello: str
    user: str = ""
    password: str = ""
    timeout_seconds: float = 30.0
    connections: int = 4


class NotReached(Exception):
    """No connection could be made, or the server wants nothing from us."""


class NotBegun(Exception):
    """The server did not begin this mail: it says nothing of it, and got nothing of it."""


class Connection(Protocol):
    """A connection that is opened; one mail at a time."""

    async def send(self, mail: Mail, following: Following) -> Answer:
        """Hand over one mail; raise `NotBegun` where it can go over another connection as well.

        `following` is called at most once, when the mail's own answer is all that is waited for:
        what it returns is the next one sent here, or refused by `NotBegun`.
        """
        ...

    @property
    def is_good(self) -> bool:
        """Whether it may be kept for the next mail."""
        ...

    async def end(self) -> None:
        """Say goodbye if somebody listens, and close."""
        ...


async def opened(account: SmtpAccount) -> Connection:
    """Connect, encrypt and sign in as the account says; raises `NotReached`."""
    client = aiosmtplib.SMTP(
        hostname=account.host,
        port=account.port,
        local_hostname=account.hello,
        timeout=account.timeout_seconds,
        use_tls=account.security == "tls",
        start_tls=account.security == "starttls",
        username=account.user or None,
        password=account.password or None,
    )
    try:
        await client.connect()
        await client.ehlo()
    except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
        client.close()
        raise NotReached(_named(error)) from error
    if client.supports_extension("pipelining"):
        return GroupedCommands(client, account.timeout_seconds)
    return SingleCommands(client)


class SingleCommands:
    """`Connection` to a server that wants its replies read before the next command."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client

    @property
    def is_good(self) -> bool:
        return self._client.is_connected

    async def send(self, mail: Mail, following: Following) -> Answer:
        try:
            await self._client.mail(mail.sender)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            raise NotBegun(_named(error)) from error
        try:
            await self._client.rcpt(mail.recipient)
        except aiosmtplib.SMTPResponseException as error:
            await self._reset()
            return _sorted(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()
            # Nothing of the mail was sent yet.
            return Answer(Answered.LATER)
        try:
            await self._client.data(mail.content)
        except aiosmtplib.SMTPDataError as error:
            await self._reset()
            return _sorted(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()
            return Answer(Answered.UNKNOWN)
        return Answer(Answered.TAKEN)

    async def end(self) -> None:
        try:
            await self._client.quit()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()

    async def _reset(self) -> None:
        try:
            await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()


@dataclass(frozen=True, slots=True)
class _Reply:
    code: int
    words: str

    @property
    def is_good(self) -> bool:
        return 200 <= self.code < 300


class GroupedCommands:
    """`Connection` to a server that takes commands in groups."""

    def __init__(self, client: aiosmtplib.SMTP, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._begun: Mail | None = None
        # After a refusal the server still has the sender of that mail.
        self._left_open = False
        transport = cast(asyncio.Transport, client.transport)
        loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(limit=REPLY_BYTES_MAX, loop=loop)
        protocol = asyncio.StreamReaderProtocol(self._reader, loop=loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, loop)

    @property
    def is_good(self) -> bool:
        return not self._writer.is_closing() and not self._reader.at_eof()

    async def send(self, mail: Mail, following: Following) -> Answer:
        begun, self._begun = self._begun, None
        await self._sender_taken(mail, begun is mail)
        try:
            recipient, start = await self._reply(), await self._reply()
        except BROKEN:
            self._close()
            # Nothing of the mail's content was sent yet.
            return Answer(Answered.LATER)
        if not recipient.is_good or start.code != GO_ON:
            await self._abandon(start)
            refusal = start if recipient.is_good else recipient
            return _sorted(refusal.code, refusal.words)
        self._begun = following()
        return await self._content_taken(mail.content)

    async def end(self) -> None:
        try:
            await self._write(b"QUIT\r\n")
            await self._reply()
        except BROKEN:
            pass  # It is closed in any case.
        self._close()

    async def _sender_taken(self, mail: Mail, is_begun: bool) -> None:
        try:
            if not is_begun:
                await self._write(self._beginning(mail))
            reset = await self._reply() if self._left_open else None
            self._left_open = False
            reply = await self._reply()
        except BROKEN as error:
            self._close()
            raise NotBegun(_named(error)) from error
        if not reply.is_good or (reset is not None and not reset.is_good):
            self._close()
            raise NotBegun(f"sender {reply.code}")

    async def _abandon(self, start: _Reply) -> None:
        """End a mail that is refused; where its content is waited for all the same, have none."""
        self._left_open = True
        if start.code == GO_ON:
            try:
                await self._write(b".\r\n")
                await self._reply()
            except BROKEN:
                self._close()

    async def _content_taken(self, content: bytes) -> Answer:
        behind = self._beginning(self._begun) if self._begun is not None else b""
        try:
            await self._write(b"".join((stuffed(content), b".\r\n", behind)))
            reply = await self._reply()
        except BROKEN:
            self._close()
            return Answer(Answered.UNKNOWN)
        if reply.code == TAKEN:
            return Answer(Answered.TAKEN)
        return _sorted(reply.code, reply.words)

    def _beginning(self, mail: Mail) -> bytes:
        """Return the commands in front of a mail's content."""
        assert not _CONTROLS.search(mail.sender + mail.recipient), "an address is one word"
        reset = "RSET\r\n" if self._left_open else ""
        commands = f"MAIL FROM:<{mail.sender}>\r\nRCPT TO:<{mail.recipient}>\r\nDATA\r\n"
        return (reset + commands).encode()

    async def _write(self, data: bytes) -> None:
        async with asyncio.timeout(self._timeout_seconds):
            self._writer.write(data)
            await self._writer.drain()

    async def _reply(self) -> _Reply:
        """Return the next reply, whose lines but the last have a dash behind the code."""
        lines: list[bytes] = []
        async with asyncio.timeout(self._timeout_seconds):
            while not lines or lines[-1][3:4] == b"-":
                lines.append(await self._reader.readuntil(b"\n"))
                if sum(map(len, lines)) > REPLY_BYTES_MAX:
                    raise ValueError("a reply without end")
        words = b"\n".join(line[4:].strip() for line in lines)
        return _Reply(int(lines[-1][:3]), words.decode(errors="replace"))

    def _close(self) -> None:
        self._writer.close()
        self._client.close()


def stuffed(content: bytes) -> bytes:
    """Return the content as it goes over the wire: whole lines, none of which ends it.

    An end of line of another kind could end it for some server, and begin a mail of somebody else.
    """
    ends = content.count(b"\r\n")
    if content.count(b"\n") != ends or content.count(b"\r") != ends or content[-2:] != b"\r\n":
        content = normalize_message_line_endings(content)
    doubled = content.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled


def _sorted(code: int, words: str) -> Answer:
    status = status_in(words)
    if code in ABOUT_US:
        return Answer(Answered.AWAY, code, status)
    final = 500 <= code < 600
    return Answer(Answered.REFUSED if final else Answered.LATER, code, status)


def _named(error: BaseException) -> str:
    """Return the error's kind and code, without the server's words."""
    code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else ""
    return f"{type(error).__name__} {code}".strip()
