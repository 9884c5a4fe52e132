"""Feeds and Open Graph: what everybody may read, under ids that stay, and nothing else."""

from datetime import timedelta
from xml.etree import ElementTree

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, creator
from services.updates.tests.conftest import UpdatesService, memory_service
from services.updates.tests.contents import body_of
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_http import BODY, UPDATE, client, known, problem
from services.updates.tests.test_markdown import HOSTILE, active
from sosst_contracts import funding
from sosst_contracts.testing import sample
from sosst_contracts.updates import UpdatePublished
from updates.domain.kinds import UpdateKind
from updates.wire.markdown import has_image

__all__ = ["client", "known"]
CAMPAIGN = "/campaigns/campaign-1"
ATOM_ELEMENTS = {
    "feed",
    "id",
    "title",
    "updated",
    "author",
    "name",
    "link",
    "entry",
    "published",
    "category",
    "content",
}
ATOM = "{http://www.w3.org/2005/Atom}"


async def tell(client: httpx.AsyncClient, name: str, **changes: object) -> None:
    path = f"{CAMPAIGN}/updates/{name}"
    assert (await client.put(path, json=BODY | changes)).status_code == 200
    assert (await client.post(f"{path}/publish")).status_code == 200


async def entries(client: httpx.AsyncClient) -> list[ElementTree.Element]:
    answer = await client.get(f"{CAMPAIGN}/feed.atom")
    return ElementTree.fromstring(answer.content).findall(f"{ATOM}entry")


async def ids(client: httpx.AsyncClient) -> tuple[list[str], list[str]]:
    """Return the ids of both feeds, whoever reads them."""
    read = (await client.get(f"{CAMPAIGN}/feed.json")).json()["items"]
    found = [one.findtext(f"{ATOM}id", "") for one in await entries(client)]
    return found, [one["id"] for one in read]


@pytest.fixture
def stranger(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Whoever has no token, asking the same application."""
    return httpx.AsyncClient(transport=client._transport, base_url="http://service")


async def test_only_what_is_public_is_in_a_feed(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    """Drafts and what is for backers are not; a hidden one vanishes, under the same ids."""
    await tell(client, "u1")
    await tell(client, "u2", visibility="backers")
    await client.put(f"{CAMPAIGN}/updates/u3", json=BODY)
    wanted = ["urn:sosst:update:campaign-1:u1"]
    assert await ids(client) == (wanted, wanted)
    tag = (await stranger.get(f"{CAMPAIGN}/feed.atom")).headers["etag"]
    said = {"reason": "abuse", "facts": "An insult."}
    await client.put(f"{UPDATE}/hiding", json=said, headers=bearer(STAFF))
    assert await ids(client) == ([], [])
    assert problem(await client.get(f"{UPDATE}/open-graph"))[0] == 404
    again = await stranger.get(f"{CAMPAIGN}/feed.atom", headers={"if-none-match": tag})
    assert again.status_code == 200


async def test_a_correction_changes_when_and_what_but_not_the_id(
    client: httpx.AsyncClient, known: UpdatesService, stranger: httpx.AsyncClient
) -> None:
    """The tag follows, and whoever has read it is told that nothing is new."""
    await tell(client, "u1")
    for path, media in (
        ("feed.atom", "application/atom+xml"),
        ("feed.json", "application/feed+json"),
    ):
        first = await stranger.get(f"{CAMPAIGN}/{path}")
        assert first.headers["content-type"] == media and first.headers["last-modified"]
        same = {"if-none-match": f'"other", W/{first.headers["etag"]}'}
        assert (await stranger.get(f"{CAMPAIGN}/{path}", headers=same)).status_code == 304
    (before,) = await entries(client)
    known.clock.advance(seconds=timedelta(hours=1).seconds)
    text = {"language": "fr", "title": "Bonjour", "details": "**Tout** va mieux \x08."}
    body = {"draft": BODY | {"kind": "progress_report", "texts": [text]}, "reason": "Une faute."}
    assert (await client.put(f"{UPDATE}/revisions/2", json=body)).status_code == 200
    assert (await stranger.get(f"{CAMPAIGN}/{path}", headers=same)).status_code == 200
    (after,) = await entries(client)
    for name, is_same in (
        ("id", True),
        ("published", True),
        ("updated", False),
        ("content", False),
    ):
        assert (after.findtext(ATOM + name) == before.findtext(ATOM + name)) is is_same, name
    assert after.findtext(f"{ATOM}content") == "<p><strong>Tout</strong> va mieux \ufffd.</p>\n"


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_nothing_hostile_is_more_than_words_in_a_feed(hostile: str) -> None:
    """As a campaign's title, an update's, and its details: no element of the feed, nothing active.

    An image of another host comes into no text at all.
    """
    service = memory_service()
    launch = sample(funding.CampaignLaunched, title=hostile)
    await service.hear((launch, 1), (sample(funding.PledgeCollected), 1))
    written = hostile.replace("\x01", "\ufffd")
    async with client_of(api_of(service), creator("creator-1")) as client:
        text = {"language": "fr", "title": hostile, "details": hostile}
        if has_image(hostile):
            refused = await client.put(UPDATE, json=BODY | {"texts": [text]})
            assert problem(refused) == (422, "image-in-text")
            text["details"] = "Tout avance."
        await tell(client, "u1", texts=[text])
        root = ElementTree.fromstring((await client.get(f"{CAMPAIGN}/feed.atom")).content)
        assert {one.tag.removeprefix(ATOM) for one in root.iter()} == ATOM_ELEMENTS
        (entry,) = root.findall(f"{ATOM}entry")
        titles = [one.findtext(f"{ATOM}title") for one in (root, entry)]
        assert titles == [written, written]
        assert active(entry.findtext(f"{ATOM}content", "")) == []
        read = (await client.get(f"{CAMPAIGN}/feed.json")).json()
        (item,) = read["items"]
        assert (read["title"], item["title"]) == (hostile, hostile)
        assert active(item["content_html"]) == []
        graph = await client.get(f"{UPDATE}/open-graph")
        assert graph.headers["content-type"] == "application/json"
        assert (graph.json()["title"], graph.json()["url"]) == (hostile, UPDATE)


async def test_open_graph_says_plain_words(client: httpx.AsyncClient) -> None:
    """Short ones, without markup; none for what is not public or not there."""
    await tell(client, "u1", texts=[BODY["texts"][0] | {"details": "**Tout** " + "avance " * 50}])
    shown = (await client.get(f"{UPDATE}/open-graph")).json()
    assert shown["description"].startswith("Tout avance") and len(shown["description"]) <= 200
    assert shown["url"] == UPDATE and shown["title"] == "Bonjour" and shown["locale"] == "fr"
    await tell(client, "u2", visibility="backers")
    for name in ("u2", "u3"):
        assert problem(await client.get(f"{CAMPAIGN}/updates/{name}/open-graph"))[0] == 404
    assert problem(await client.get("/campaigns/none/feed.atom"))[0] == 404


@pytest.mark.row("S3")
async def test_thanks_without_words_are_read_everywhere(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """A video alone: on its page, in both feeds, as a link elsewhere, and in the fact of it."""
    card = {"url": "https://vimeo.com/76979871", "title": "Merci"}
    text = BODY["texts"][0] | {"details": ""}
    letter = body_of(UpdateKind.THANK_YOU) | {"texts": [text], "videos": [card]}
    await tell(client, "u1", **letter)
    (shown,) = (await client.get(UPDATE)).json()["shown"]
    assert shown["details_html"] == ""
    (entry,) = await entries(client)
    assert (entry.findtext(f"{ATOM}title"), entry.findtext(f"{ATOM}content")) == ("Bonjour", "")
    (item,) = (await client.get(f"{CAMPAIGN}/feed.json")).json()["items"]
    assert (item["title"], item["content_html"]) == ("Bonjour", "")
    assert (await client.get(f"{UPDATE}/open-graph")).json()["description"] == ""
    (fact,) = [one for one in await known.published() if isinstance(one, UpdatePublished)]
    assert [(one.title, one.excerpt) for one in fact.texts] == [("Bonjour", None)]
    told = await client.put(f"{CAMPAIGN}/updates/u2", json=BODY | {"texts": [text]})
    assert problem(told) == (422, "invalid-details")
