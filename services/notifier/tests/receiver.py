"""A real HTTP server on loopback that plays the receiver of webhooks, good or bad."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# To read the system's authorities takes longer than most of these tests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Taken:
    """One request as it came over the wire."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """What came, and how it answers: `answers` are used up first, then `answer` again and again."""

    answer: Answer
    answers: list[Answer] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.taken]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read requests of one connection and answer each."""
        self.connections += 1
        try:
            while True:
                taken = await _request(reader)
                self.taken.append(taken)
                await (self.answers.pop(0) if self.answers else self.answer)(writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Taken:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    headers = {name.lower(): value.strip() for name, _, value in lines}
    return Taken(headers, await reader.readexactly(int(headers["content-length"])))


def status(code: int, *headers: str, body: bytes = b"") -> Answer:
    """Answer with this status."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {code} X", f"content-length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return answer


async def silent(writer: asyncio.StreamWriter) -> None:
    """Say nothing, and keep the connection."""
    await asyncio.sleep(3_600)


async def endless_head(writer: asyncio.StreamWriter) -> None:
    """Say headers for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: " + b"x" * 1_000 + b"\r\n")
        await writer.drain()


async def dripping_head(writer: asyncio.StreamWriter) -> None:
    """Begin well, then say a letter of a header now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nx-more: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless_hints(writer: asyncio.StreamWriter) -> None:
    """Say for ever that the answer is about to come (RFC 8297)."""
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 100)
        await writer.drain()


async def bomb(writer: asyncio.StreamWriter) -> None:
    """Take the fact, and say a little that would be a hundred megabytes for whoever unpacks it."""
    body = gzip.compress(b"0" * 100_000_000, 1)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n")
    writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)


async def half_body(writer: asyncio.StreamWriter) -> None:
    """Take the fact, promise more than comes, and hang up."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nx")
    writer.close()


async def hung_up(writer: asyncio.StreamWriter) -> None:
    """Read the fact, and end the connection without a word."""
    writer.transport.abort()


async def endless_body(writer: asyncio.StreamWriter) -> None:
    """Take the fact, then talk for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"400\r\n" + b"x" * 0x400 + b"\r\n")
        await writer.drain()


async def dripping_body(writer: asyncio.StreamWriter) -> None:
    """Take the fact, then say a letter now and then."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def garbage(writer: asyncio.StreamWriter) -> None:
    """Speak something else than HTTP."""
    writer.write(b"220 mail.example ESMTP\r\n")
    writer.close()


@asynccontextmanager
async def receiver(
    answer: Answer | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Open a receiver on a free port; every connection ends with it."""
    opened = Receiver(answer or status(204))
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        await opened.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
