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

from notifier.adapters.smtp_replies import Replies, Reply
from notifier.domain.bounce import status_in
from notifier.ports.email import Answer, Answered, Mail

# Words by which a server asks for a password or a quieter client: they say nothing of a reader.
ABOUT_US = frozenset({421, 530, 534, 535, 538})
TAKEN, GO_ON = 250, 354
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


class GroupedCommands:
    """`Connection` to a server that takes commands in groups."""

    def __init__(self, client: aiosmtplib.SMTP, timeout_seconds: float) -> None:
        self._client = client
        self._begun: Mail | None = None
        # After a refusal the server still has the sender of that mail.
        self._left_open = False
        self._transport = cast(asyncio.Transport, client.transport)
        self._replies = Replies(timeout_seconds, self._transport.abort)
        self._transport.set_protocol(self._replies)

    @property
    def is_good(self) -> bool:
        return self._replies.error is None and not self._transport.is_closing()

    async def send(self, mail: Mail, following: Following) -> Answer:
        begun, self._begun = self._begun, None
        if begun is not mail:
            self._transport.write(self._beginning(mail))
        recipient, start = await self._beginning_answered()
        if recipient is None or start is None:
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
        if self.is_good:
            self._transport.write(b"QUIT\r\n")
            await self._replies.some(1)
        self._close()

    async def _beginning_answered(self) -> tuple[Reply | None, Reply | None]:
        """Return what is said of the recipient and of the content to come, None where nothing is.

        Raises `NotBegun` unless the sender is taken.
        """
        before = 2 if self._left_open else 1
        self._left_open = False
        replies = await self._replies.some(before + 2)
        refusals = [one.code for one in replies[:before] if not one.is_good]
        if refusals or len(replies) < before:
            self._close()
            error = self._replies.error
            raise NotBegun(f"sender {refusals}" if refusals or error is None else _named(error))
        recipient, start, *_ = [*replies[before:], None, None]
        return recipient, start

    async def _abandon(self, start: Reply) -> None:
        """End a mail that is refused; where its content is waited for all the same, have none."""
        self._left_open = True
        if start.code == GO_ON:
            self._transport.write(b".\r\n")
            if not await self._replies.some(1):
                self._close()

    async def _content_taken(self, content: bytes) -> Answer:
        behind = self._beginning(self._begun) if self._begun is not None else b""
        # Waits for its reply, not for room: no more than one mail lies in front of the server.
        self._transport.write(b"".join((stuffed(content), b".\r\n", behind)))
        replies = await self._replies.some(1)
        if not replies:
            self._close()
            return Answer(Answered.UNKNOWN)
        (reply,) = replies
        if reply.code == TAKEN:
            return Answer(Answered.TAKEN)
        return _sorted(reply.code, reply.words)

    def _beginning(self, mail: Mail) -> bytes:
        """Return the commands in front of a mail's content."""
        assert not _CONTROLS.search(mail.sender + mail.recipient), "an address is one word"
        reset = "RSET\r\n" if self._left_open else ""
        commands = f"MAIL FROM:<{mail.sender}>\r\nRCPT TO:<{mail.recipient}>\r\nDATA\r\n"
        return (reset + commands).encode()

    def _close(self) -> None:
        self._transport.close()
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
