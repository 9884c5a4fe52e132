"""An update with a picture: its backers see it, a stranger does not."""

import io

import httpx
import pytest
from PIL import Image

from infra.sandbox.issuer.tokens import Caller, backer
from infra.suite.readings import eventually
from tests.world import CREATOR, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.row("S1")
async def test_a_backer_sees_the_picture_of_an_update_and_a_stranger_does_not(
    world: World,
) -> None:
    """Given a picture for backers only, its link shows it without a token, until withdrawn."""
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

    async with httpx.AsyncClient(base_url=world.suite.services["updates"].url) as line:
        token = await world.suite.tokens.headers(CREATOR)
        answer = await line.put(
            media, params={"name": "lamp.jpg"}, content=written.getvalue(), headers=token
        )
        assert answer.status_code == 200, answer.text
    text = {"language": "fr", "title": "La lampe", "details": "La voici."}
    await do("PUT", f"{media}/words", {"description": "Une lampe."})
    await do("PUT", update, {"texts": [text], "visibility": "backers", "attachments": ["lamp"]})
    await do("POST", f"{update}/publish", None)

    anna = backer(rows[0].backer_id)

    async def shown() -> str | None:
        found = await read(f"{update}/media", anna)
        return found.json()["items"][0]["url"] if found.status_code == 200 else None

    url = await eventually("the backer sees what the update shows", shown)
    assert (await read(media)).status_code == 404
    assert (await read(media, backer("stranger"))).status_code == 404
    by_link = await read(f"{url}&edge=320")
    assert by_link.status_code == 200 and by_link.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(by_link.content)) as image:
        assert max(image.size) == 320
    await do("POST", f"{media}/withdrawal", {"reason": "A face is in it."})
    assert (await read(url)).status_code == 410
