"""One suite for the places where files are kept: memory, a local folder, and a server of S3."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import MemoryStore

from servicekit.errors import DependencyAway
from updates.adapters.media_objects import PART_BYTES, StoredObjects, object_store

BUCKET = "media"


class Cut(ConnectionError):
    """The line ended in the middle."""


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """A server that speaks S3, with a bucket; how it is reached."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {
        "endpoint": f"http://{host}:{port}",
        "region": "eu-west-3",
        "access_key_id": "anybody",
        "secret_access_key": "nothing",
    }
    bucket_of(access).create()
    yield access
    server.stop()


def bucket_of(access: dict[str, str]):  # type: ignore[no-untyped-def]
    """Return the bucket by S3's other client, so that a test need not believe ours."""
    session = boto3.session.Session(
        access["access_key_id"], access["secret_access_key"], region_name="us-east-1"
    )
    return session.resource("s3", endpoint_url=access["endpoint"]).Bucket(BUCKET)


@pytest.fixture(params=["memory", "folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> StoredObjects:
    if request.param == "memory":
        return StoredObjects(MemoryStore())
    if request.param == "folder":
        return StoredObjects(object_store(f"file://{tmp_path}/kept", {}))
    access = request.getfixturevalue("s3")
    return StoredObjects(object_store(f"s3://{BUCKET}/{tmp_path.name}", access))


async def sent(*chunks: bytes, cut: bool = False) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if cut:
        raise Cut


async def read(objects: StoredObjects, key: str, *range: int) -> bytes | None:
    part = await objects.get(key, *range)
    return None if part is None else b"".join([chunk async for chunk in part.chunks])


async def test_what_was_put_is_read_whole_and_in_parts(objects: StoredObjects) -> None:
    """Also what is longer than a part: from anywhere to anywhere, cut at its end."""
    whole = bytes(number % 251 for number in range(1024)) * (2 * PART_BYTES // 1024 + 3)
    pieces = [whole[at : at + 700_000] for at in range(0, len(whole), 700_000)]
    await objects.put("ab/long", sent(*pieces))
    assert await read(objects, "ab/long") == whole
    part = await objects.get("ab/long", PART_BYTES - 2, PART_BYTES + 2)
    assert part is not None and (part.start, part.end) == (PART_BYTES - 2, PART_BYTES + 2)
    assert part.whole == len(whole)
    assert await read(objects, "ab/long", len(whole) - 3) == whole[-3:]
    assert await read(objects, "ab/long", len(whole) - 3, 10 * len(whole)) == whole[-3:]
    assert await read(objects, "ab/none") is None


async def test_a_cut_line_leaves_nothing(objects: StoredObjects) -> None:
    """What raises in the middle is raised, and neither it nor a part of it is there."""
    with pytest.raises(Cut):
        await objects.put("ab/cut", sent(bytes(PART_BYTES), bytes(PART_BYTES), cut=True))
    assert await read(objects, "ab/cut") is None
    assert await objects.under("ab") == []


async def test_a_thread_reads_from_any_place(objects: StoredObjects) -> None:
    """As a file does, and none that is not there is opened."""
    await objects.put("ab/file", sent(b"0123456789"))

    def look() -> tuple[bytes, bytes]:
        with objects.open("ab/file") as file:
            file.seek(-3, 2)
            tail = bytes(file.read())
            file.seek(0)
            return tail, bytes(file.read(2))

    assert await asyncio.to_thread(look) == (b"789", b"01")
    with pytest.raises(FileNotFoundError):
        await asyncio.to_thread(objects.open, "ab/none")


async def test_a_folder_is_listed_and_emptied(objects: StoredObjects) -> None:
    """Another folder with a longer name is not in it; deleting twice is once."""
    for key in ("ab/1/full", "ab/2/full", "abc/3/full"):
        await objects.put(key, sent(b"x"))
    found = await objects.under("ab")
    assert sorted(one.key for one in found) == ["ab/1/full", "ab/2/full"]
    assert {one.bytes for one in found} == {1}
    for _ in range(2):
        await objects.delete(["ab/1/full", "ab/2/full"])
    assert await objects.under("ab") == []
    assert [one.key for one in await objects.under("abc")] == ["abc/3/full"]


async def test_what_is_not_whole_is_found_in_a_folder_and_removed(tmp_path: Path) -> None:
    """A killed process leaves it, and the library lists it nowhere: it would stay for ever."""
    objects = StoredObjects(object_store(f"file://{tmp_path}/kept", {}))
    stopped = asyncio.Event()

    async def never_ending() -> AsyncIterator[bytes]:
        yield bytes(2 * PART_BYTES)
        await stopped.wait()
        raise Cut

    putting = asyncio.create_task(objects.put("ab/1/sent", never_ending()))
    async with asyncio.timeout(20):
        while not (begun := await objects.under("ab/1")):
            await asyncio.sleep(0.01)
    (one,) = begun
    assert one.key.startswith("ab/1/sent") and one.key != "ab/1/sent"
    # What is known of it but its key changes: it is still being written.
    assert one.key in {kept.key for kept in await objects.under("ab")}
    assert await objects.under("a") == []
    for _ in range(2):
        await objects.delete([one.key])
    assert await objects.under("ab/1") == []
    assert [file.name for file in (tmp_path / "kept").glob("ab/1/*")] == []
    stopped.set()
    with pytest.raises(Cut):
        await putting


async def test_a_cut_line_leaves_no_part_on_s3(s3: dict[str, str]) -> None:
    """A part that nobody lists is paid for all the same."""
    objects = StoredObjects(object_store(f"s3://{BUCKET}", s3))
    with pytest.raises(Cut):
        await objects.put("ab/cut", sent(bytes(2 * PART_BYTES), cut=True))
    client = bucket_of(s3).meta.client
    assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("where", ["folder", "s3"])
@pytest.mark.parametrize("waits", [True, False], ids=["nothing comes", "more comes"])
async def test_an_upload_that_is_cancelled_leaves_no_part(
    s3: dict[str, str], tmp_path: Path, where: str, waits: bool
) -> None:
    """It took too long, or the process ends: parts would stay, and be paid for, for ever."""
    url = f"file://{tmp_path}/kept" if where == "folder" else f"s3://{BUCKET}"
    objects = StoredObjects(object_store(url, s3))
    begun = asyncio.Event()

    async def never_ending() -> AsyncIterator[bytes]:
        while True:
            for _ in range(3):
                yield bytes(PART_BYTES)
            begun.set()
            await (asyncio.Event().wait() if waits else asyncio.sleep(0))

    putting = asyncio.create_task(objects.put("ab/1/sent", never_ending()))
    await asyncio.wait_for(begun.wait(), 20)
    client = bucket_of(s3).meta.client
    if where == "s3":
        async with asyncio.timeout(20):
            while "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET):
                await asyncio.sleep(0.01)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET)
    assert await objects.under("ab/1") == []


async def test_a_store_that_is_away_is_told_from_an_object_that_is_not_there(
    s3: dict[str, str],
) -> None:
    """A bucket that is not there answers nobody's question about an object."""
    objects = StoredObjects(object_store("s3://elsewhere", s3))
    with pytest.raises(DependencyAway):
        await objects.put("ab/one", sent(b"x"))


@pytest.mark.parametrize("url", ["", "/folder", "file://host/folder", "s3:///key", "ftp://x/y"])
def test_an_address_that_is_no_store_is_refused(url: str) -> None:
    """Before anything is written somewhere else."""
    with pytest.raises(ValueError, match="a store is"):
        object_store(url, {})
