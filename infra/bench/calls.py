"""HTTP callers that cost less than what they measure: one connection each, one call at a time."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class CallRefused(Exception):
    """A call was answered with another status than 200; the message holds the answer."""


class Calls:
    """So many callers of one service, each waiting for its answer before it calls again."""

    def __init__(self, url: str, callers: int, headers: Mapping[str, str]) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._callers = callers
        given = {"Host": address.netloc, "Content-Type": "application/json", **headers}
        self._headers = [f"{name}: {value}" for name, value in given.items()]
        self._connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        for _ in range(self._callers):
            self._connections.append(await asyncio.open_connection(self._host, self._port))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for _, writer in self._connections:
            writer.close()

    async def post_all(self, path: str, bodies: Sequence[bytes]) -> None:
        """Send every body once; raise `CallRefused` at the first answer that is not 200."""
        head = "\r\n".join([f"POST {path} HTTP/1.1", *self._headers])
        waiting = iter(bodies)
        await asyncio.gather(
            *(self._caller(connection, head, waiting) for connection in self._connections)
        )

    async def _caller(
        self,
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        head: str,
        waiting: Iterator[bytes],
    ) -> None:
        reader, writer = connection
        for body in waiting:
            writer.write(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            lines = answer.decode().lower().split("\r\n")
            lengths = [line.split(":")[1] for line in lines if line.startswith("content-length")]
            text = await reader.readexactly(int(lengths[0]))
            if lines[0].split()[1] != "200":
                raise CallRefused(f"{lines[0]}: {text.decode()[:500]}")
