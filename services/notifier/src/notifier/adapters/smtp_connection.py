"""One connection to the mail server: opened by the library, then a mail after the other.

A server that says so (RFC 2920) is handed the commands of a mail in one write, the first of them
behind the content of the mail before, so that a mail costs one way there and back, not four. The
library waits for each reply before its next command and drops what comes meanwhile; so it opens,
encrypts and signs in, and mails are written and answers read here, on the transport it made.
A server's words never leave this module: they may repeat the address, and anybody may write them.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import aiosmtplib
from aiosmtplib.protocol import normalize_message_line_endings

from notifier.adapters.smtp_replies import Replies, Reply
from notifier.domain.bounce import Stage, class_of, status_in
from notifier.ports.email import Answer, Answered, Mail

# Words by which a server asks for a password or a quieter client: they say nothing of a reader.
ABOUT_US = frozenset({421, 530, 534, 535, 538})
GO_ON = 354
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


async def opened(account: SmtpAccount) -> "Connection":
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
    if not client.is_connected:
        raise NotReached("closed behind its greeting")
    return Connection(client, account.timeout_seconds)


class Connection:
    """A connection that is opened; one mail at a time."""

    def __init__(self, client: aiosmtplib.SMTP, timeout_seconds: float) -> None:
        self._client = client
        self._grouped = client.supports_extension("pipelining")
        self._begun: Mail | None = None
        # After a refusal the server still has the sender of that mail.
        self._left_open = False
        self._transport = cast(asyncio.Transport, client.transport)
        self._replies = Replies(timeout_seconds, self._transport.abort)
        self._transport.set_protocol(self._replies)

    @property
    def is_good(self) -> bool:
        """Whether it may be kept for the next mail."""
        return self._replies.error is None and not self._transport.is_closing()

    async def send(self, mail: Mail, following: Following) -> Answer:
        """Hand over one mail; raise `NotBegun` where it can go over another connection as well.

        `following` is called at most once, when the mail's own answer is all that is waited for:
        what it returns is the next one sent here, or refused by `NotBegun`.
        """
        begun, self._begun = self._begun, None
        recipient, start = await self._beginning_answered(mail, is_begun=begun is mail)
        if recipient is None or start is None or not recipient.is_good or start.code != GO_ON:
            return await self._abandoned(recipient, start)
        if self._grouped:
            self._begun = following()
        return await self._content_taken(mail.content)

    async def end(self) -> None:
        """Say goodbye if somebody listens, and close."""
        if self.is_good:
            self._transport.write(b"QUIT\r\n")
            await self._replies.some(1)
        self._close()

    async def _beginning_answered(
        self, mail: Mail, *, is_begun: bool
    ) -> tuple[Reply | None, Reply | None]:
        """Return what is said of the recipient and of the content to come, None where nothing is.

        Raises `NotBegun` unless the sender is taken.
        """
        commands = self._beginning(mail)
        self._left_open = False
        replies = await self._answered(commands, is_begun=is_begun)
        before = len(commands) - 2
        refusals = [one.code for one in replies[:before] if not one.is_good]
        if refusals or len(replies) < before:
            self._close()
            error = self._replies.error
            raise NotBegun(f"sender {refusals}" if refusals or error is None else _named(error))
        recipient, start, *_ = [*replies[before:], None, None]
        return recipient, start

    async def _answered(self, commands: list[bytes], *, is_begun: bool) -> list[Reply]:
        """Return what is answered to these; one by one, up to the first that is not taken."""
        if is_begun or self._grouped:
            self._transport.write(b"" if is_begun else b"".join(commands))
            return await self._replies.some(len(commands))
        replies = list[Reply]()
        for command in commands:
            self._transport.write(command)
            replies += await self._replies.some(1)
            if not replies or not replies[-1].is_good:
                break
        return replies

    async def _abandoned(self, recipient: Reply | None, start: Reply | None) -> Answer:
        """End a mail that is refused; where its content is waited for all the same, have none.

        Who refuses and says no more has refused. Who says what answers no command is out of step:
        there the next mail's commands could be taken for this one's content.
        """
        self._left_open = True
        if start is not None and start.code == GO_ON:
            self._transport.write(b".\r\n")
            if not await self._replies.some(1):
                self._close()
        elif start is not None and not is_refusal(start.code):
            self._close()
        refusal = start if recipient is not None and recipient.is_good else recipient
        if refusal is None or not is_refusal(refusal.code):
            self._close()
            # Nothing of the mail's content was sent yet.
            return Answer(Answered.LATER)
        stage = Stage.CONTENT if refusal is start else Stage.RECIPIENT
        return answer_of(refusal.code, refusal.words, stage)

    async def _content_taken(self, content: bytes) -> Answer:
        behind = b"".join(self._beginning(self._begun)) if self._begun is not None else b""
        # Waits for its reply, not for room: no more than one mail lies in front of the server.
        self._transport.write(b"".join((stuffed(content), b".\r\n", behind)))
        for reply in await self._replies.some(1):
            if reply.is_good:
                return Answer(Answered.TAKEN)
            if is_refusal(reply.code):
                return answer_of(reply.code, reply.words, Stage.CONTENT)
        self._close()
        return Answer(Answered.UNKNOWN)

    def _beginning(self, mail: Mail) -> list[bytes]:
        """Return the commands in front of a mail's content."""
        commands = [f"MAIL FROM:<{mail.sender}>", f"RCPT TO:<{mail.recipient}>", "DATA"]
        reset = ["RSET"] if self._left_open else []
        return [f"{one}\r\n".encode() for one in reset + commands]

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


def check_envelope(mail: Mail) -> None:
    """Raise for an address of two words, of which some server would make two commands."""
    assert not _CONTROLS.search(mail.sender + mail.recipient), "an address is one word"


def is_refusal(code: int) -> bool:
    return 400 <= code < 600


def answer_of(code: int, words: str, stage: Stage) -> Answer:
    """Return what a refusal is to whoever sends: never, or not now, or nothing from us."""
    status = status_in(words)
    if code in ABOUT_US:
        return Answer(Answered.AWAY, code, status)
    answered = Answered.REFUSED if code >= 500 else Answered.LATER
    return Answer(answered, code, status, bounce=class_of(code, words, stage))


def _named(error: BaseException) -> str:
    """Return the error's kind and code, without the server's words."""
    code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else ""
    return f"{type(error).__name__} {code}".strip()
