"""The raw limit of mail: the same bytes to the same server, by a client that only writes and reads.

Commands go in groups, the next mail's behind the content of the one before (RFC 2920), over as
many connections as the suite keeps. Nothing is rendered, marked, looked up or saved.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from infra.bench.raw import stopwatch


@dataclass(frozen=True, slots=True)
class SentMail:
    """A mail as it came to the server."""

    sender: str
    recipient: str
    content: bytes

    @property
    def commands(self) -> bytes:
        """What goes in front of the content."""
        return f"MAIL FROM:<{self.sender}>\r\nRCPT TO:<{self.recipient}>\r\nDATA\r\n".encode()

    @property
    def ended(self) -> bytes:
        """The content as it goes over the wire."""
        return self.content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


async def send(port: int, mails: Sequence[SentMail], connections: int) -> float:
    """Send all of them; return the seconds."""
    shares = [mails[number::connections] for number in range(min(connections, len(mails)))]
    opened = await asyncio.gather(*(_opened(port) for _ in shares))
    with stopwatch() as took:
        pairs = zip(opened, shares, strict=True)
        await asyncio.gather(*(_send(*streams, share) for streams, share in pairs))
    for _, writer in opened:
        writer.close()
    return took.seconds


async def _opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _reply(reader, b"220")
    writer.write(b"EHLO raw.invalid\r\n")
    await _reply(reader, b"250")
    return reader, writer


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mails: Sequence[SentMail]
) -> None:
    writer.write(mails[0].commands)
    behind = [*(one.commands for one in mails[1:]), b""]
    for mail, following in zip(mails, behind, strict=True):
        for code in (b"250", b"250", b"354"):
            await _reply(reader, code)
        writer.write(mail.ended + following)
        await writer.drain()
        await _reply(reader, b"250")


async def _reply(reader: asyncio.StreamReader, code: bytes) -> None:
    line = await reader.readuntil(b"\n")
    while line[3:4] == b"-":
        line = await reader.readuntil(b"\n")
    assert line.startswith(code), line
