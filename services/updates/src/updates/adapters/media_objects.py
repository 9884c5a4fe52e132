"""Objects in a local folder or on S3, by one library."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from servicekit.errors import DependencyAway
from updates.adapters.begun_files import BegunFiles, is_begun
from updates.ports.media import Kept, Part

if TYPE_CHECKING:  # Names that are nowhere but in its types.
    from obstore import GetOptions, GetResult, ReadableFile

# Of an object on its way there are two of these in memory, and two more while it is read.
PART_BYTES = 5 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
TIMEOUT = "20s"
# What the parts of an upload that was cancelled are waited for to be gone.
ABORT_SECONDS_MAX = 10


def object_store(url: str, s3: Mapping[str, str]) -> ObjectStore:
    """Return the store of an address: `file:///folder` or `s3://bucket/prefix`."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc:
        return LocalStore(Path(unquote(parts.path)), mkdir=True)
    if parts.scheme == "s3" and parts.netloc:
        plain = {"allow_http": s3.get("endpoint", "").startswith("http://"), "timeout": TIMEOUT}
        given = {name: value for name, value in s3.items() if value}
        prefix = parts.path.strip("/") or None
        return S3Store(parts.netloc, prefix=prefix, config=given, client_options=plain)  # type: ignore[arg-type]
    raise ValueError("a store is file:///folder or s3://bucket/prefix")


class StoredObjects:
    """`ports.MediaObjects` over a store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._begun = BegunFiles(_root(store)) if isinstance(store, LocalStore) else None

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        sender = _Sender(chunks)
        sending = asyncio.ensure_future(self._send(key, sender))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            # The library aborts what raises, and forgets what is cancelled: its parts would stay.
            sender.stop()
            await asyncio.wait([sending], timeout=ABORT_SECONDS_MAX)
            raise

    async def _send(self, key: str, sender: "_Sender") -> None:
        try:
            with _sorted_errors():
                await obstore.put_async(
                    self._store, key, sender.read(), chunk_size=PART_BYTES, max_concurrency=1
                )
        except (DependencyAway, FileNotFoundError) as error:
            raise sender.error or DependencyAway(f"object store: {error}") from None

    async def get(self, key: str, start: int = 0, end: int | None = None) -> Part | None:
        wanted: GetOptions = {"range": {"offset": start} if end is None else (start, end)}
        try:
            with _sorted_errors():
                found = await obstore.get_async(self._store, key, options=wanted)
        except FileNotFoundError:
            return None
        return Part(*found.range, found.meta["size"], _chunks(found))

    def open(self, key: str) -> BinaryIO:
        with _sorted_errors():
            return io.BufferedReader(_Opened(obstore.open_reader(self._store, key)))

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                with _sorted_errors():
                    await self._delete(key)
            except FileNotFoundError:
                pass  # Another one was faster, or it was never there.

    async def _delete(self, key: str) -> None:
        if self._begun is not None and is_begun(key):
            await asyncio.to_thread(self._begun.remove, key)
        else:
            await obstore.delete_async(self._store, key)

    async def under(self, folder: str) -> list[Kept]:
        with _sorted_errors():
            begun = await asyncio.to_thread(self._begun.under, folder) if self._begun else []
            whole = [
                Kept(one["path"], one["size"], one["last_modified"])
                async for metas in obstore.list(self._store, folder)
                for one in metas
            ]
        return begun + whole


def _root(store: LocalStore) -> Path:
    assert store.prefix is not None, "a store of the whole disk is none of `object_store`"
    return store.prefix


class _Stopped(Exception):
    """Whoever sent is gone."""


class _Sender:
    """What is sent, and what it raised: a line that is cut is no store that is away."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._stopped = False
        self._next: asyncio.Future[bytes] | None = None
        self.error: Exception | None = None

    async def read(self) -> AsyncIterator[bytes]:
        """Yield everything that comes, in the library's own time."""
        try:
            while not self._stopped:
                self._next = asyncio.ensure_future(anext(self._chunks))
                try:
                    chunk = await self._next
                except StopAsyncIteration:
                    return
                except asyncio.CancelledError:
                    break
                yield chunk
            raise _Stopped
        except Exception as error:
            self.error = error
            raise

    def stop(self) -> None:
        """Let what is read raise, now or with what is asked for next."""
        self._stopped = True
        if self._next is not None:
            self._next.cancel()


class _Opened(io.RawIOBase):
    """The library's reader as Python has files."""

    def __init__(self, reader: "ReadableFile") -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._reader.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        with _sorted_errors():
            data = self._reader.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


async def _chunks(found: "GetResult") -> AsyncIterator[bytes]:
    with _sorted_errors():
        async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)


@contextmanager
def _sorted_errors() -> Iterator[None]:
    """Tell a store that is away from an object that is not there."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise DependencyAway(f"object store: {error}") from None
