"""Pictures, films and files of updates: who sees them, and what a hundred at once cost."""

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from PIL import Image

from infra.bench.memory import PeakMemory
from infra.sandbox.issuer.tokens import Caller, backer
from infra.suite.readings import eventually
from services.updates.tests import files
from tests.world import CREATOR, World, backers
from updates.adapters.media_objects import PART_BYTES
from updates.domain.media import MediaState
from updates.domain.media_type import MEBIBYTE, USUAL_LIMITS
from updates.handlers.take_upload import UPLOADS_AT_ONCE

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.row("S1")
@pytest.mark.row("S16")
async def test_a_backer_sees_the_picture_of_an_update_and_a_stranger_does_not(
    world: World,
) -> None:
    """Given all three for backers only, a link shows each without a token, until withdrawn.

    A guest sees them by a share link, until its creator takes that back.
    """
    rows = backers("pictured", 2)
    await world.launch_paid("pictured", rows, goal=1_000, open_seconds=3)
    await world.verdict("pictured")
    media, update = "/campaigns/pictured/media/lamp", "/campaigns/pictured/updates/u1"
    await world.until_known("updates", "/campaigns/pictured")
    written = io.BytesIO()
    Image.new("RGB", (1_200, 800), "navy").save(written, "JPEG")

    async def do(method: str, path: str, body: object) -> None:
        answer = await world.look.ask(method, "updates", path, caller=CREATOR, body=body)
        assert answer.status_code == 200, answer.text

    async def read(path: str, caller: Caller | None = None) -> httpx.Response:
        return await world.look.ask("GET", "updates", path, caller=caller)

    film, plan = "/campaigns/pictured/media/film", "/campaigns/pictured/media/plan"
    updates = world.suite.services["updates"].url
    async with httpx.AsyncClient(base_url=updates, timeout=30, trust_env=False) as line:
        token = await world.suite.tokens.headers(CREATOR)
        for path, name, content in (
            (media, "lamp.jpg", written.getvalue()),
            (film, "lamp.mp4", files.MP4),
            (plan, "plan.pdf", files.PDF),
        ):
            answer = await line.put(path, params={"name": name}, content=content, headers=token)
            assert answer.status_code == 200, answer.text
    text = {"language": "fr", "title": "La lampe", "details": "La voici."}
    shown_with = {"texts": [text], "visibility": "backers", "attachments": ["lamp", "film", "plan"]}
    await do("PUT", f"{media}/words", {"description": "Une lampe."})
    await do("PUT", update, shown_with)
    silent = await world.look.ask("POST", "updates", f"{update}/publish", caller=CREATOR)
    assert silent.json()["type"] == "/problems/media-undescribed", silent.text
    await do("PUT", f"{film}/words", {"transcript": "On allume la lampe."})
    await do("POST", f"{update}/publish", None)

    anna = backer(rows[0].backer_id)

    async def shown() -> list[str] | None:
        found = await read(f"{update}/media", anna)
        if found.status_code != 200:
            return None
        return [one["url"] for one in found.json()["items"]]

    url, film_url, plan_url = await eventually("the backer sees what the update shows", shown)
    for path in (media, film, plan):
        assert (await read(path)).status_code == 404
        assert (await read(path, backer("stranger"))).status_code == 404
    film_by_link, plan_by_link = await read(film_url), await read(plan_url)
    assert film_by_link.headers["content-type"] == "video/mp4"
    assert plan_by_link.headers["content-type"] == "application/pdf"
    assert (film_by_link.content, plan_by_link.content) == (files.MP4, files.PDF)
    assert plan_by_link.headers["content-disposition"].startswith("attachment")
    by_link = await read(f"{url}&edge=320")
    assert by_link.status_code == 200 and by_link.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(by_link.content)) as image:
        assert max(image.size) == 320
    await shown_to_a_guest(world, update)
    await do("POST", f"{media}/withdrawal", {"reason": "A face is in it."})
    assert (await read(url)).status_code == 410


async def shown_to_a_guest(world: World, update: str) -> None:
    """Who pledged nothing reads it by a link of the creator's, until that is taken back."""

    async def ask(method: str, path: str, caller: Caller | None, body: object = None) -> Any:
        return await world.look.ask(method, "updates", path, caller=caller, body=body)

    assert (await ask("GET", update, None)).status_code == 404
    link = f"{update}/share-links/press"
    end = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = (await ask("PUT", link, CREATOR, {"expires_at": end})).json()
    read = await ask("GET", made["url"], None)
    assert read.status_code == 200 and read.json()["update"]["texts"][0]["title"] == "La lampe"
    assert (await ask("GET", read.json()["media"][0]["url"], None)).status_code == 200
    taken_back = (await ask("POST", f"{link}/revocation", CREATOR)).json()
    assert (taken_back["opens"], taken_back["uses"]) == (False, 1)
    assert (await ask("GET", made["url"], None)).status_code == 410


MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
PROGRAM = b"MZ\x90\x00"
PIECE_BYTES = 256 * 1024
# Above what an upload may take: a process that kept films whole would be seen to.
FILM_BYTES = 9 * PART_BYTES + 12_345
IMAGE_BYTES = USUAL_LIMITS.image + PIECE_BYTES
TABLE_BYTES = 1_000
FILMS, TABLES, PROGRAMS, IMAGES, CUT = 24, 46, 10, 10, 10
KEPT = [*(f"film-{n}" for n in range(FILMS)), *(f"table-{n}" for n in range(TABLES))]
# Of an upload that is read two parts are in memory, and two more on their way to the store; of
# one that waits, what its line holds until it is told to wait as well.
READ_BYTES_MAX = UPLOADS_AT_ONCE * 4 * PART_BYTES
WAITING_BYTES_MAX = (len(KEPT) + PROGRAMS + IMAGES + CUT) * 2 * PIECE_BYTES
MEDIA = "/campaigns/filmed/media"


async def sent(head: bytes, length: int, *, cut: bool = False) -> AsyncIterator[bytes]:
    """Yield a file in pieces, none of which is kept; a cut one ends in the middle."""
    yield head
    piece, left = b" " * PIECE_BYTES, length - len(head)
    while left > 0:
        yield piece[:left]
        left -= PIECE_BYTES
        if cut and left < length // 2:
            raise ConnectionError("gone")


async def put(line: httpx.AsyncClient, name: str, body: AsyncIterator[bytes]) -> tuple[int, str]:
    """Upload it and return the status with the type of what came of it; 0 is a cut line."""
    try:
        answer = await line.put(f"{MEDIA}/{name}", params={"name": f"{name}.csv"}, content=body)
    except ConnectionError:
        return 0, "cut"
    return answer.status_code, answer.json()["type"]


@pytest.mark.row("S1")
async def test_a_hundred_uploads_at_once_take_a_fraction_of_their_bytes(world: World) -> None:
    """Given films and tables, with programs, too large images and cut lines among them.

    Memory is bounded, each is answered clearly, and what was refused, cut or withdrawn leaves
    nothing in the store.
    """
    await world.launch("filmed", goal=1_000, open_seconds=600)
    await world.until_known("updates", "/campaigns/filmed")
    updates = world.suite.services["updates"]
    before = kept(world)
    async with httpx.AsyncClient(
        base_url=updates.url,
        headers=await world.suite.tokens.headers(CREATOR),
        limits=httpx.Limits(max_connections=None),
        timeout=None,
        trust_env=False,
    ) as line:
        assert updates.process is not None
        memory = PeakMemory(updates.process.process_id)
        answers = await asyncio.gather(
            *(put(line, f"film-{n}", sent(MP4, FILM_BYTES)) for n in range(FILMS)),
            *(put(line, f"table-{n}", sent(b"name;lamps", TABLE_BYTES)) for n in range(TABLES)),
            *(put(line, f"program-{n}", sent(PROGRAM, FILM_BYTES)) for n in range(PROGRAMS)),
            *(put(line, f"image-{n}", sent(JPEG, IMAGE_BYTES)) for n in range(IMAGES)),
            *(put(line, f"cut-{n}", sent(MP4, FILM_BYTES, cut=True)) for n in range(CUT)),
        )
        grown_bytes = memory.grown_mebibytes() * MEBIBYTE
        assert Counter(answers) == {
            (200, "video/mp4"): FILMS,
            (200, "text/csv"): TABLES,
            (415, "/problems/type-refused"): PROGRAMS,
            (413, "/problems/too-large"): IMAGES,
            (0, "cut"): CUT,
        }
        assert grown_bytes < READ_BYTES_MAX + WAITING_BYTES_MAX < FILMS * FILM_BYTES / 4
        await eventually("what was taken is kept", lambda: stands(world, before, len(KEPT)))
        for name in KEPT:
            reason = {"reason": "It was a trial."}
            answer = await line.post(f"{MEDIA}/{name}/withdrawal", json=reason)
            assert answer.status_code == 200, answer.text
    await eventually("nothing is kept", lambda: stands(world, before, 0))


def kept(world: World) -> set[str]:
    """Return the name of every upload that has a file in the store."""
    return {file.parent.name for file in (world.suite.folder / "media").glob("*/*/*")}


async def stands(world: World, before: set[str], files: int) -> bool:
    """Whether so many of the campaign's uploads are served, and the store has theirs alone."""
    with world.database("updates") as database:
        rows = list(database["media"].find({"campaign_id": "filmed"}))
    served = {row["upload"] for row in rows if row["state"] == MediaState.STORED}
    broken = any(row["state"] == MediaState.UPLOADING for row in rows)
    return len(served) == files and kept(world) - before == served and not broken
