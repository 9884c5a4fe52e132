"""kill -9 of updates in an upload: nobody sees half a file, a retry makes one, nothing is left.

The store is a folder, as it is by default: in it lies what the killed process had of an object.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.native import NativeStack
from infra.suite.readings import eventually
from servicekit.mongo import Database
from services.updates.tests import files
from tests.delivery.faults import held_command
from tests.delivery.test_kill_matrix import kill, start
from tests.journeys.test_problems import REPORT
from tests.world import CREATOR, World
from updates.adapters.media_objects import PART_BYTES, StoredObjects, object_store
from updates.adapters.mongo_media import MongoMediaQueries
from updates.domain.media import MediaState
from updates.sweeps.media import FOLDERS, ORPHAN_TIME, RemoveOrphans

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR = 3_600
FILM = files.MP4 + bytes(3 * PART_BYTES)


def store(world: World) -> Path:
    return world.suite.folder / "media"


def rows(world: World, name: str) -> dict[str, dict[str, Any]]:
    """Return what updates keeps of the campaign's uploads, by their ids."""
    with world.database("updates") as database:
        return {row["media_id"]: row for row in database["media"].find({"campaign_id": name})}


def kept(world: World, *uploads: str) -> list[str]:
    """Return the names of all files that these uploads have in the store."""
    return sorted(file.name for one in uploads for file in (store(world) / one[:2] / one).glob("*"))


async def launched(world: World, name: str) -> str:
    """Given a campaign that updates knows; return where its files are."""
    await world.launch(name, goal=1_000, open_seconds=HOUR)
    await world.until_known("updates", f"/campaigns/{name}")
    return f"/campaigns/{name}/media"


async def put(world: World, path: str, body: bytes | AsyncIterator[bytes]) -> httpx.Response:
    async with httpx.AsyncClient(
        base_url=world.suite.services["updates"].url,
        headers=await world.suite.tokens.headers(CREATOR),
        timeout=60,
        trust_env=False,
    ) as line:
        return await line.put(path, params={"name": "lampe"}, content=body)


async def assert_not_half_seen(world: World, name: str, media_id: str) -> None:
    """Its own editor is served nothing, and no update can show it."""
    path = f"/campaigns/{name}/media/{media_id}"
    served = await world.look.ask("GET", "updates", path, caller=CREATOR)
    assert (served.status_code, served.json()["type"]) == (404, "/problems/media-unknown")
    draft = REPORT | {"attachments": [media_id]}
    update = f"/campaigns/{name}/updates/u1"
    refused = await world.look.ask("PUT", "updates", update, caller=CREATOR, body=draft)
    assert refused.json()["type"] == "/problems/media-unknown", refused.text


async def sent_again(world: World, path: str, body: bytes) -> dict[str, Any]:
    """Its client comes again, and once more after its answer; return what came of it."""

    async def taken() -> httpx.Response | None:
        answer = await put(world, path, body)
        # Until the server has given up what the dead one had begun.
        assert answer.status_code in (200, 503), answer.text
        return answer if answer.status_code == 200 else None

    first = await eventually("it is taken at the second time", taken)
    again = await put(world, path, body)
    assert again.status_code == 200 and described(again) == described(first)
    return described(first)


def described(answer: httpx.Response) -> dict[str, Any]:
    """Return what is said of a file, without the link that each answer signs anew."""
    return {name: value for name, value in answer.json().items() if name != "url"}


async def remove_orphans(world: World) -> None:
    """Look through the whole store as the sweep does in an hour, a day later."""
    name = world.suite.database("updates")
    database = Database.connect(world.suite.mongodb_uri, name, "orphans")
    objects = StoredObjects(object_store(store(world).absolute().as_uri(), {}))
    sweep = RemoveOrphans(MongoMediaQueries(database), objects)
    for _ in FOLDERS:
        await sweep(datetime.now(UTC) + 2 * ORPHAN_TIME)
    database.close()


@pytest.mark.row("S1")
async def test_kill_9_while_a_film_comes_in_leaves_one_film_or_none(
    fragile_world: World,
) -> None:
    """Two are cut: of the one that is sent again there is one, of the other nothing."""
    world, name = fragile_world, "film-cut-by-a-kill"
    media = await launched(world, name)

    killed = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield FILM[: 2 * PART_BYTES + 1]
        await killed.wait()
        while True:  # Whoever only sends learns from its own sending that nobody reads.
            yield bytes(PART_BYTES)

    cut = [asyncio.create_task(put(world, f"{media}/{one}", half())) for one in ("film", "gone")]

    async def come_in() -> bool:
        begun = [row["upload"] for row in rows(world, name).values()]
        return len(kept(world, *begun)) == len(cut)

    await eventually("something of both is in the store", come_in)
    await kill(world, "updates")
    killed.set()
    for ended in await asyncio.gather(*cut, return_exceptions=True):
        assert isinstance(ended, httpx.TransportError), ended
    before = {one: row["upload"] for one, row in rows(world, name).items()}
    assert len(kept(world, *before.values())) == len(cut)
    await start(world, "updates")

    for one in before:
        await assert_not_half_seen(world, name, one)
    assert (await sent_again(world, f"{media}/film", FILM))["bytes"] == len(FILM)
    film = await world.look.ask("GET", "updates", f"{media}/film", caller=CREATOR)
    assert film.content == FILM

    with world.database("updates") as database:  # The hour is over after which it is broken.
        overdue = {"$set": {"next_due": datetime.now(UTC)}, "$inc": {"version": 1}}
        database["media"].update_one({"upload": before["gone"]}, overdue)

    async def forgotten() -> bool:
        return "gone" not in rows(world, name) and kept(world, before["gone"]) == []

    await eventually("nothing is left of what nobody sent again", forgotten)
    assert len(kept(world, before["film"])) == 1
    await remove_orphans(world)
    await assert_one_file(world, name, "film", before["film"], ["sent"])


@pytest.mark.row("S1")
async def test_kill_9_before_an_image_is_known_leaves_one_image(
    fragile_world: World, breakable_stack: NativeStack
) -> None:
    """Written anew in all its sizes, and not yet kept: it is not there, and sent again it is."""
    world, name = fragile_world, "image-cut-by-a-kill"
    media = await launched(world, name)
    image = files.image("PNG", 1_200, 800)
    collection = f"{world.suite.database('updates')}.media"
    with held_command(breakable_stack, "updates", "update", collection) as held:
        asking = asyncio.create_task(put(world, f"{media}/lamp", image))
        await held.wait()
        await kill(world, "updates")
        with pytest.raises(httpx.TransportError):
            await asking
    before = rows(world, name)["lamp"]
    sizes = ["320", "960", "shown"]
    assert before["state"] == MediaState.UPLOADING
    assert kept(world, before["upload"]) == sizes
    await start(world, "updates")

    await assert_not_half_seen(world, name, "lamp")
    assert (await sent_again(world, f"{media}/lamp", image))["width"] == 1_200
    assert kept(world, before["upload"]) == sizes
    await remove_orphans(world)
    await assert_one_file(world, name, "lamp", before["upload"], sizes)


async def assert_one_file(
    world: World, name: str, media_id: str, cut: str, objects: list[str]
) -> None:
    """There is one, which is whole, and nothing of the upload that was cut."""
    (row,) = rows(world, name).values()
    assert (row["media_id"], row["state"]) == (media_id, MediaState.STORED)
    assert row["upload"] != cut and kept(world, cut) == []
    assert kept(world, row["upload"]) == objects
    path = f"/campaigns/{name}/media/{media_id}"
    served = await world.look.ask("GET", "updates", path, caller=CREATOR)
    assert served.status_code == 200 and len(served.content) == row["stored"]["bytes"]
