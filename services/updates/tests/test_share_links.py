"""Share links: one update for whoever has one, counted, until it ends or is taken back."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, backer, creator
from servicekit.errors import Conflict, DuplicateKey
from services.updates.tests import files
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.fakes_media import LINKS as MEDIA_LINKS
from services.updates.tests.fakes_media import memory_desk
from services.updates.tests.routes import SIGNER, api_of, client_of
from services.updates.tests.test_handlers import CONTENT
from services.updates.tests.test_http import BODY, UPDATE, problem
from services.updates.tests.test_media_http import DESCRIBED, MEDIA, upload
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.adapters.share_link_signer import HmacShareLinkSigner
from updates.domain.errors import Refused
from updates.domain.share_link import AHEAD_MAX, LINKS_MAX, ShareLink, Uses, make
from updates.domain.update import Update, UpdateState, Visibility
from updates.http.media import MediaShelf

CAMPAIGN = "campaign-1"
LINK = ShareLink(CAMPAIGN, "u1", "press", "creator-1", NOW, NOW + timedelta(days=7), "Le Monde")
WANTED = {"expires_at": (NOW + timedelta(days=7)).isoformat(), "note": "Le Monde"}
PLACE = f"{UPDATE}/share-links/press"
OWNER, ANNA, STAFF_1 = bearer(creator("creator-1")), bearer(backer("backer-1")), bearer(STAFF)


async def backed(service: UpdatesService) -> UpdatesService:
    """A campaign with one backer."""
    await service.hear((sample(funding.CampaignLaunched, creator_id="creator-1"), 1))
    await service.hear((sample(funding.PledgeCollected, backer_id="backer-1"), 1))
    return service


def client_over(service: UpdatesService) -> httpx.AsyncClient:
    """Nobody, unless a test says who."""
    shelf = MediaShelf(memory_desk(service), service.media, MEDIA_LINKS)
    return client_of(api_of(service, media=shelf))


async def published(client: httpx.AsyncClient, visibility: str = "backers", **more: Any) -> None:
    body = BODY | {"visibility": visibility} | more
    assert (await client.put(UPDATE, json=body, headers=OWNER)).status_code == 200
    answer = await client.post(f"{UPDATE}/publish", headers=OWNER)
    assert answer.status_code == 200, answer.text


async def shared(client: httpx.AsyncClient) -> dict[str, Any]:
    """Make the link, as its creator."""
    answer = await client.put(PLACE, json=WANTED, headers=OWNER)
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


@pytest.mark.row("S16")
async def test_a_guest_reads_by_the_link_until_it_is_taken_back(service: UpdatesService) -> None:
    """What a stranger does not see the link shows, counted; taken back it shows nothing."""
    async with client_over(await backed(service)) as client:
        client.headers.update(OWNER)
        assert (await upload(client, files.image())).status_code == 200
        assert (await client.put(f"{MEDIA}/words", json=DESCRIBED)).status_code == 200
        await published(client, attachments=["m1"])
        tabs = await asyncio.gather(*(shared(client) for _ in range(4)))
        link = tabs[0]
        assert tabs == [link] * 4
        del client.headers["authorization"]
        assert (await client.get(UPDATE)).status_code == 404
        for number in (1, 2):
            service.clock.advance(minutes=40)
            guest = await client.get(link["url"])
            assert guest.status_code == 200, guest.text
            (seen,) = (await client.get(f"{UPDATE}/share-links", headers=OWNER)).json()["items"]
            assert (seen["uses"], seen["uses_this_hour"], seen["opens"]) == (number, 1, True)
        read = (await client.get(UPDATE, headers=ANNA)).json()
        assert guest.json()["update"] == read
        assert guest.headers["cache-control"] == "no-store"
        assert guest.headers["referrer-policy"] == "no-referrer"
        picture = await client.get(guest.json()["media"][0]["url"])
        assert picture.status_code == 200
        assert (await client.post(f"{PLACE}/revocation", headers=ANNA)).status_code == 404
        back = await client.post(f"{PLACE}/revocation", headers=STAFF_1)
        assert (back.json()["opens"], back.json()["revoked_by"]) == (False, STAFF.subject)
        again = await client.post(f"{PLACE}/revocation", headers=OWNER)
        assert again.json() == back.json()
        assert problem(await client.get(link["url"])) == (410, "link-ended")
        assert (await client.get(UPDATE, headers=ANNA)).status_code == 200


async def test_every_use_is_counted_and_each_hour_by_itself(service: UpdatesService) -> None:
    """However many come at once; a link of the same update has a count of its own."""
    shares, other = service.share_links, replace(LINK, link_id="friends")
    for link in (LINK, other):
        await service.units.run(lambda unit, link=link: unit.share_links.save(link))
    with pytest.raises((Conflict, DuplicateKey)):
        await service.units.run(lambda unit: unit.share_links.save(LINK))
    await asyncio.gather(*(shares.count_use(LINK, NOW) for _ in range(20)))
    later = NOW + timedelta(hours=1)
    await shares.count_use(LINK, later)
    await shares.count_use(other, NOW)
    assert await shares.uses(CAMPAIGN, "u1") == {
        "press": Uses(21, 1, later),
        "friends": Uses(1, 1, NOW),
    }
    assert await shares.uses(CAMPAIGN, "u2") == {}
    kept = await shares.share_links(CAMPAIGN, "u1")
    assert kept == await service.units.run(lambda unit: unit.share_links.of_update(CAMPAIGN, "u1"))
    assert [one.link_id for one in kept] == ["friends", "press"]
    assert await shares.share_link(CAMPAIGN, "u1", "press") == kept[1]


async def test_a_link_ends_by_itself_and_opens_one_update_alone() -> None:
    """A forged one, one of another update, and one whose time is over show nothing."""
    service = await backed(memory_service())
    async with client_over(service) as client:
        await published(client)
        url = (await shared(client))["url"]
        forged = url[:-1] + ("0" if url[-1] != "0" else "1")
        other = url.replace("/u1/", "/u2/")
        for address in (
            forged,
            other,
            f"{UPDATE}/shared?link=x",
            f"{UPDATE}/shared?link=é~{0:064}",
        ):
            assert problem(await client.get(address)) == (404, "update-unknown")
        service.clock.advance(days=7)
        assert problem(await client.get(url)) == (410, "link-ended")
        (seen,) = (await client.get(f"{UPDATE}/share-links", headers=OWNER)).json()["items"]
        assert (seen["uses"], seen["opens"]) == (0, False)


async def test_a_hidden_update_is_shown_by_no_link() -> None:
    """Staff hid it for everybody: a link that still stands is none."""
    service = await backed(memory_service())
    async with client_over(service) as client:
        await published(client)
        url = (await shared(client))["url"]
        said = {"reason": "abuse", "facts": "An insult."}
        hidden = await client.put(f"{UPDATE}/hiding", json=said, headers=STAFF_1)
        assert hidden.status_code == 200
        assert problem(await client.get(url)) == (404, "update-unknown")


async def test_who_makes_a_link_is_told_why_not() -> None:
    """A draft, a public update, an end behind; another link under the same id; somebody else."""
    service = await backed(memory_service())
    async with client_over(service) as client:
        assert problem(await client.put(PLACE, json=WANTED, headers=OWNER))[1] == "update-unknown"
        draft = BODY | {"visibility": "backers"}
        assert (await client.put(UPDATE, json=draft, headers=OWNER)).status_code == 200
        assert problem(await client.put(PLACE, json=WANTED, headers=OWNER))[1] == "not-published"
        await published(client)
        ends = (NOW, NOW + AHEAD_MAX + timedelta(seconds=1))
        for end in ends:
            body = WANTED | {"expires_at": end.isoformat()}
            assert problem(await client.put(PLACE, json=body, headers=OWNER)) == (
                422,
                "invalid-time",
            )
        first = await shared(client)
        assert await shared(client) == first
        other = WANTED | {"note": "The Times"}
        assert problem(await client.put(PLACE, json=other, headers=OWNER)) == (409, "link-exists")
        for headers in (ANNA, bearer(creator("mallory"))):
            assert problem(await client.put(PLACE, json=WANTED, headers=headers))[0] == 404
        unknown = f"{UPDATE}/share-links/none/revocation"
        assert problem(await client.post(unknown, headers=OWNER)) == (404, "link-unknown")


async def test_what_everybody_reads_needs_no_link() -> None:
    """A public update is not shared by one."""
    service = await backed(memory_service())
    async with client_over(service) as client:
        await published(client, "public")
        answer = await client.put(PLACE, json=WANTED, headers=OWNER)
        assert problem(answer) == (409, "public-already")


def test_an_update_has_so_many_links_and_no_more() -> None:
    """Those that were taken back count: whoever needs more has published to everybody."""
    content = replace(CONTENT, visibility=Visibility.BACKERS)
    update = Update(CAMPAIGN, "u1", content, UpdateState.PUBLISHED, NOW)
    known = [replace(LINK, link_id=f"l{n}", revoked_at=NOW) for n in range(LINKS_MAX)]
    with pytest.raises(Refused) as refused:
        make(update, known, LINK, NOW)
    assert refused.value.reason == "too-many-links"
    assert make(update, known[1:], LINK, NOW) == LINK


def test_a_signature_is_of_a_link_of_an_update_and_secrets_change() -> None:
    """What an older secret signed still opens; another's does not."""
    old, new = "a first secret of tests", "a second secret of tests"
    given = HmacShareLinkSigner([old]).sign(LINK)
    assert HmacShareLinkSigner([new, old]).link_id_of(CAMPAIGN, "u1", given) == "press"
    assert HmacShareLinkSigner([new]).link_id_of(CAMPAIGN, "u1", given) is None
    assert SIGNER.link_id_of(CAMPAIGN, "u1", given) is None
    assert HmacShareLinkSigner([old]).link_id_of(CAMPAIGN, "u2", given) is None
    for few in ([], ["short"]):
        with pytest.raises(ValueError, match="16 characters"):
            HmacShareLinkSigner(few)
