"""Files are scanned by clamd, ClamAV's server, over its INSTREAM command."""

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from servicekit.errors import DependencyAway

SECONDS_MAX = 120
_CHUNK_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClamdScanner:
    """`ports.MediaScanner`; `address` is host:port, or the path of a socket."""

    address: str

    async def scan(self, chunks: AsyncIterator[bytes]) -> str | None:
        try:
            async with asyncio.timeout(SECONDS_MAX):
                answer = await self._ask(chunks)
        except (OSError, EOFError, TimeoutError) as error:
            raise DependencyAway(f"virus scanner: {error!r}") from None
        if answer.endswith(": OK"):
            return None
        if answer.endswith(" FOUND"):
            return answer.removesuffix(" FOUND").partition(": ")[2]
        # Also a file above its own limit: what nobody looked at was not found clean.
        raise DependencyAway(f"virus scanner: {answer}")

    async def _ask(self, chunks: AsyncIterator[bytes]) -> str:
        reader, writer = await self._connect()
        try:
            writer.write(b"zINSTREAM\0")
            async for chunk in chunks:
                for at in range(0, len(chunk), _CHUNK_BYTES_MAX):
                    piece = chunk[at : at + _CHUNK_BYTES_MAX]
                    writer.write(struct.pack(">I", len(piece)) + piece)
                    await writer.drain()
            writer.write(struct.pack(">I", 0))
            await writer.drain()
            return (await reader.readuntil(b"\0")).rstrip(b"\0").decode("utf-8", "replace")
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.address.startswith("/"):
            return await asyncio.open_unix_connection(self.address)
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host, int(port))
