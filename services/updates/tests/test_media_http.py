"""Files over HTTP: uploaded as a stream, served safely to whoever may read what shows them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, backer, creator
from servicekit.access import access_of
from services.updates.tests import files
from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.fakes_media import LINKS, memory_desk
from services.updates.tests.routes import api_of
from services.updates.tests.test_http import BODY, UPDATE, known, problem
from services.updates.tests.test_media import kept
from updates.domain.media import UNATTACHED_MAX, Media
from updates.domain.media_type import USUAL_LIMITS, UploadLimits
from updates.handlers.take_upload import UploadDesk
from updates.http.media import MediaShelf
from updates.http.media_serving import SAFE_HEADERS
from updates.settings import UpdatesSettings

__all__ = ["known"]
MEDIA = "/campaigns/campaign-1/media/m1"
OWNER, ANNA, STRANGER = (
    bearer(one) for one in (creator("creator-1"), backer("backer-1"), backer("b2"))
)
DESCRIBED = {"description": "Une lampe."}


@pytest.fixture
def desk(known: UpdatesService) -> UploadDesk:
    return memory_desk(known)


@pytest.fixture
def api(known: UpdatesService, desk: UploadDesk) -> FastAPI:
    return api_of(known, media=MediaShelf(desk, known.media, LINKS))


@pytest.fixture
async def client(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The campaign's creator."""
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://updates", headers=OWNER
    ) as client:
        yield client


async def upload(
    client: httpx.AsyncClient, data: bytes, name: str = "a.jpg", path: str = MEDIA
) -> httpx.Response:
    return await client.put(path, params={"name": name}, content=data)


async def show(client: httpx.AsyncClient, words: Any = DESCRIBED, **changes: Any) -> None:
    """Publish an update that shows the file."""
    body = BODY | {"attachments": ["m1"]} | changes
    assert (await client.put(f"{MEDIA}/words", json=words)).status_code == 200
    assert (await client.put(UPDATE, json=body)).status_code == 200
    published = await client.post(f"{UPDATE}/publish")
    assert published.json()["attachments"] == ["m1"], published.text


async def test_whoever_piles_up_files_is_not_told_to_wait(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """409 until one of them is withdrawn, which helps at once; by itself each goes in a day."""
    other = "/campaigns/campaign-1/media/m2"
    assert (await upload(client, files.PDF, "a.pdf")).status_code == 200
    for number in range(1, UNATTACHED_MAX):
        waiting = Media("campaign-1", f"w{number}", "a", "creator-1", f"{number:032x}", NOW)
        await known.units.run(lambda unit, waiting=waiting: unit.media.save(waiting))
    refused = await upload(client, files.PDF, "b.pdf", other)
    assert problem(refused) == (409, "too-many-files") and "retry-after" not in refused.headers
    done = await client.post(f"{MEDIA}/withdrawal", json={"reason": "not needed"})
    assert done.status_code == 200, done.text
    assert (await upload(client, files.PDF, "b.pdf", other)).status_code == 200


@pytest.mark.row("S1")
async def test_what_is_for_backers_only_needs_a_token_or_a_link(client: httpx.AsyncClient) -> None:
    """A backer reads it and gets a link for its element; for a stranger there is no such file."""
    data = files.image("JPEG", 400, 300)
    assert (await upload(client, data)).json()["type"] == "image/jpeg"
    assert problem(await client.get(MEDIA, headers=ANNA))[0] == 404
    await show(client, visibility="backers")
    listed = await client.get(f"{UPDATE}/media", headers=ANNA)
    (item,) = listed.json()["items"]
    assert (item["description"], item["width"], item["withdrawn"]) == ("Une lampe.", 400, False)
    assert problem(await client.get(f"{UPDATE}/media", headers=STRANGER))[0] == 404
    for headers, status in ((ANNA, 200), (STRANGER, 404), (bearer(STAFF), 200)):
        assert (await client.get(MEDIA, headers=headers)).status_code == status
    del client.headers["authorization"]
    assert (await client.get(MEDIA)).status_code == 404
    linked = await client.get(item["url"])
    assert linked.status_code == 200 and linked.headers["cache-control"] == "private, no-cache"
    small = await client.get(f"{item['url']}&edge=300")
    assert len(small.content) == item["copies"][0]["bytes"] < len(linked.content)
    forged = item["url"][:-1] + ("0" if item["url"][-1] != "0" else "1")
    assert (await client.get(forged)).status_code == 404


async def test_what_everybody_may_read_is_served_safely(client: httpx.AsyncClient) -> None:
    """Nothing in it runs; it is asked for again before it is shown anew, with 304."""
    await upload(client, files.image(), "Une lampe.jpeg")
    await show(client)
    del client.headers["authorization"]
    whole = await client.get(MEDIA)
    assert {name: whole.headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS
    assert whole.headers["content-type"] == "image/jpeg"
    assert whole.headers["content-disposition"] == "inline; filename*=UTF-8''Une%20lampe.jpg"
    assert whole.headers["cache-control"] == "public, no-cache"
    again = await client.get(MEDIA, headers={"If-None-Match": whole.headers["etag"]})
    assert again.status_code == 304 and not again.content
    (item,) = (await client.get(f"{UPDATE}/media")).json()["items"]
    assert item["url"] == MEDIA


@pytest.mark.parametrize(
    ("data", "name", "type"),
    [
        (files.MP4_WITH_PAGE, "film.html", "video/mp4"),
        (files.WEBM_WITH_PAGE, "film.js", "video/webm"),
    ],
    ids=["mp4", "webm"],
)
async def test_a_page_in_a_video_is_read_as_a_video_alone(
    client: httpx.AsyncClient, data: bytes, name: str, type: str
) -> None:
    """Whole, or a range that begins with the page: no type but its own, no guess, no script."""
    assert (await upload(client, data, name)).json()["type"] == type
    await show(client, {"transcript": "On allume la lampe."})
    del client.headers["authorization"]
    at = data.index(files.PAGE)
    for headers, shown in (({}, data), ({"Range": f"bytes={at}-"}, data[at:])):
        answer = await client.get(MEDIA, headers=headers)
        assert answer.content == shown and answer.headers["content-type"] == type
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        ending = f"film.{type.partition('/')[2]}"
        assert answer.headers["content-disposition"] == f"inline; filename*=UTF-8''{ending}"


@pytest.mark.parametrize(
    ("range", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=100-", 206, 100, None),
        ("bytes=-7", 206, -7, None),
        ("bytes=10-99999999", 206, 10, None),
        ("bytes=0-0,5-6", 200, 0, None),
        ("bytes=9-5", 200, 0, None),
        ("lines=1-2", 200, 0, None),
        ("bytes=-", 200, 0, None),
        ("bytes=99999999-", 416, None, None),
        ("bytes=-0", 416, None, None),
    ],
)
async def test_ranges_are_served_as_rfc_9110_says(
    client: httpx.AsyncClient, range: str, status: int, start: int | None, end: int | None
) -> None:
    """A film is watched from anywhere; a range of another edition is answered with all."""
    await upload(client, files.MP4, "a.mp4")
    answer = await client.get(MEDIA, headers={"Range": range})
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(files.MP4)}"
        return
    expected = files.MP4[start:end]
    assert answer.content == expected and answer.headers["content-length"] == str(len(expected))
    if status == 206:
        first = len(files.MP4) + start if start and start < 0 else start or 0
        told = f"bytes {first}-{first + len(expected) - 1}/{len(files.MP4)}"
        assert answer.headers["content-range"] == told
    other = await client.get(MEDIA, headers={"Range": range, "If-Range": '"another"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("data", "name"), [(files.CSV, "soutiens.csv"), (files.PDF, "plan.pdf"), (files.ZIP, "x.zip")]
)
async def test_files_are_saved_and_never_shown(
    client: httpx.AsyncClient, data: bytes, name: str
) -> None:
    """Also a table whose cells are formulas: its bytes are its sender's, its place is a folder."""
    assert (await upload(client, data, name)).json()["kind"] == "file"
    answer = await client.get(MEDIA)
    assert answer.content == data
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"


async def test_captions_are_served_as_an_element_takes_them(client: httpx.AsyncClient) -> None:
    """By language, as WebVTT, to whoever may read the video."""
    await upload(client, files.WEBM, "a.webm")
    said = "WEBVTT\n\n00:00.000 --> 00:01.000\nBonjour"
    await show(client, {"captions": [{"language": "fr", "text": said}]}, visibility="backers")
    for headers, status in ((ANNA, 200), (STRANGER, 404)):
        answer = await client.get(f"{MEDIA}/captions/fr", headers=headers)
        assert answer.status_code == status
    answer = await client.get(f"{MEDIA}/captions/fr", headers=ANNA)
    assert answer.text == said and answer.headers["content-type"].startswith("text/vtt")
    assert problem(await client.get(f"{MEDIA}/captions/en"))[1] == "captions-unknown"


async def test_a_withdrawn_file_is_gone_at_once_and_its_marker_stays(
    client: httpx.AsyncClient,
) -> None:
    """410 to whoever might read it, also by a link; the list says that something was there."""
    await upload(client, files.image())
    await show(client, visibility="backers")
    (before,) = (await client.get(f"{UPDATE}/media", headers=ANNA)).json()["items"]
    reason = {"reason": "a face"}
    assert problem(await client.post(f"{MEDIA}/withdrawal", json=reason, headers=ANNA))[0] == 404
    withdrawn = await client.post(f"{MEDIA}/withdrawal", json=reason, headers=bearer(STAFF))
    assert withdrawn.json()["withdrawn"] and "face" not in withdrawn.text
    for headers, status in ((ANNA, 410), (STRANGER, 404)):
        assert (await client.get(MEDIA, headers=headers)).status_code == status
    assert problem(await client.get(before["url"], headers=STRANGER)) == (410, "media-withdrawn")
    (marker,) = (await client.get(f"{UPDATE}/media", headers=ANNA)).json()["items"]
    assert marker["withdrawn"] and marker["url"] is None


@pytest.mark.parametrize(
    ("data", "name", "status", "type"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", 415, "type-refused"),
        (files.png_bomb(), "a.png", 422, "file-unsafe"),
        (files.image()[:90], "a.jpg", 422, "file-broken"),
        (files.image("PNG") + bytes(10 * 1024 * 1024), "a.png", 413, "too-large"),
        (files.PDF, "../a.pdf", 422, "invalid-name"),
    ],
)
async def test_each_refusal_is_a_clear_problem(
    client: httpx.AsyncClient, desk: UploadDesk, data: bytes, name: str, status: int, type: str
) -> None:
    """With a stable word, and nothing is left of it."""
    assert problem(await upload(client, data, name)) == (status, type)
    assert await kept(desk) == []
    assert problem(await client.get(MEDIA)) == (404, "media-unknown")


async def test_no_upload_is_longer_than_the_largest(client: httpx.AsyncClient) -> None:
    """The route's own limit, beyond that of all other bodies, holds before any is judged."""

    async def endless() -> AsyncIterator[bytes]:
        yield files.MP4
        for _ in range(USUAL_LIMITS.largest // 4_000_000 + 2):
            yield bytes(4_000_000)

    answer = await client.put(MEDIA, params={"name": "a.mp4"}, content=endless())
    assert problem(answer) == (413, "too-large")


async def test_how_large_an_upload_may_be_is_the_deployments(known: UpdatesService) -> None:
    """By its kind, and the route takes no more bytes, and no fewer, than the largest of them."""
    settings = UpdatesSettings.model_construct(media_video_bytes=2 * USUAL_LIMITS.largest)
    for limits in (settings.upload_limits(), UploadLimits(30_000, 30_000, 30_000)):
        api = api_of(known, media=MediaShelf(memory_desk(known, limits=limits), known.media, LINKS))
        uploading = [
            access_of(route)
            for route in api.routes
            if isinstance(route, APIRoute)
            and "PUT" in route.methods
            and route.path.endswith("_id}")
            if "/media/" in route.path
        ]
        assert [one.body_bytes_max for one in uploading] == [limits.largest]
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://updates") as client:
        client.headers.update(OWNER)
        answer = await upload(client, files.MP4 + bytes(10_000), "a.mp4")
    assert problem(answer) == (413, "too-large")


async def test_a_line_that_is_cut_leaves_nothing(api: FastAPI, desk: UploadDesk) -> None:
    """Over a real socket, in the middle of a body that said how long it would be."""
    server = uvicorn.Server(uvicorn.Config(api, log_config=None, lifespan="off"))
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        _, writer = await asyncio.open_connection(*listening.getsockname())
        head = f"PUT {MEDIA}?name=a.mp4 HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
        head += f"Authorization: {OWNER['Authorization']}\r\n\r\n"
        writer.write(head.encode() + files.MP4)
        await writer.drain()
        await until(lambda: rows(desk) == 1)
        writer.close()
        await until(lambda: rows(desk) == 0)
    finally:
        server.should_exit = True
        await serving
    assert await kept(desk) == []


def rows(desk: UploadDesk) -> int:
    database: Any = desk.units
    return len(database._database.table("media"))


async def until(true: Any) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


async def test_attachments_are_fixed_at_publication(client: httpx.AsyncClient) -> None:
    """A correction shows the same files; one of them can be withdrawn, none is added."""
    await upload(client, files.image())
    await upload(client, files.PDF, "a.pdf", MEDIA.replace("m1", "m2"))
    await show(client)
    text = {"language": "fr", "title": "Bonjour", "details": "Autrement."}
    draft = BODY | {"kind": "progress_report", "attachments": ["m1", "m2"], "texts": [text]}
    other = await client.put(f"{UPDATE}/revisions/2", json={"draft": draft, "reason": "x"})
    assert problem(other) == (409, "fixed-at-publication")
    same = {"draft": draft | {"attachments": ["m1"]}, "reason": "x"}
    assert (await client.put(f"{UPDATE}/revisions/2", json=same)).status_code == 200


async def test_a_hidden_update_hides_its_files(client: httpx.AsyncClient) -> None:
    """Also from a link that was given before; its team goes on reading them."""
    await upload(client, files.image())
    await show(client, visibility="backers")
    (item,) = (await client.get(f"{UPDATE}/media", headers=ANNA)).json()["items"]
    assert (await client.get(item["url"], headers=STRANGER)).status_code == 200
    said = {"reason": "abuse", "facts": "An insult."}
    hidden = await client.put(f"{UPDATE}/hiding", json=said, headers=bearer(STAFF))
    assert hidden.status_code == 200
    for path, headers in ((MEDIA, ANNA), (item["url"], STRANGER), (f"{UPDATE}/media", ANNA)):
        assert (await client.get(path, headers=headers)).status_code == 404
    assert (await client.get(MEDIA)).status_code == 200
