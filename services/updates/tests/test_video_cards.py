"""Videos elsewhere are cards: known hosts alone, addresses that follow nobody, nothing fetched."""

import httpx
import pytest

from services.updates.tests.conftest import UpdatesService
from services.updates.tests.test_handlers import CAMPAIGN, CONTENT, publish, write
from services.updates.tests.test_http import BODY, UPDATE, client, known, problem
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.domain.errors import Refused
from updates.domain.media import ATTACHMENTS_MAX
from updates.domain.video_card import TITLE_CHARACTERS_MAX, card_of

__all__ = ["client", "known"]
YOUTUBE = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
VIMEO, DAILYMOTION = "https://vimeo.com/76979871", "https://www.dailymotion.com/video/x8abc12"


@pytest.mark.row("S1")
@pytest.mark.parametrize(
    ("address", "url"),
    [
        (YOUTUBE, YOUTUBE),
        (f"{YOUTUBE}&list=PL1&si=who-sent-it&t=12", YOUTUBE),
        ("https://youtu.be/dQw4w9WgXcQ?si=who-sent-it", YOUTUBE),
        ("https://m.youtube.com/shorts/dQw4w9WgXcQ", YOUTUBE),
        ("https://youtube.com/live/dQw4w9WgXcQ/", YOUTUBE),
        (f"{VIMEO}?share=copy#t=3", VIMEO),
        (DAILYMOTION, DAILYMOTION),
        ("https://dai.ly/x8abc12", DAILYMOTION),
        ("http://www.youtube.com/watch?v=dQw4w9WgXcQ", None),
        ("https://www.youtube.com/@somebody", None),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ%22onload", None),
        ("https://www.youtube.com.example.org/watch?v=dQw4w9WgXcQ", None),
        ("https://who@www.youtube.com/watch?v=dQw4w9WgXcQ", None),
        ("https://www.youtube.com:8443/watch?v=dQw4w9WgXcQ", None),
        ("https://videos.example.org/watch?v=dQw4w9WgXcQ", None),
        ("javascript:alert(1)//vimeo.com/1", None),
        ("https://[vimeo.com/1", None),
        ("https://vimeo.com/\u0661\u0662", None),
        ("", None),
    ],
)
def test_a_card_names_one_video_of_a_known_host(address: str, url: str | None) -> None:
    """And nothing of who sent the link; whatever is no such address is refused."""
    if url is not None:
        assert card_of(address, " Le premier essai ").url == url
        assert card_of(address, " Le premier essai ").title == "Le premier essai"
        return
    with pytest.raises(Refused) as refused:
        card_of(address, "Le premier essai")
    assert refused.value.reason == "invalid-card"


@pytest.mark.parametrize("title", ["", "  ", "a\nb", "x" * (TITLE_CHARACTERS_MAX + 1)])
def test_a_card_has_a_title_of_its_creator(title: str) -> None:
    """Nobody asks the host for one."""
    with pytest.raises(Refused):
        card_of(VIMEO, title)


async def test_cards_are_kept_with_what_shows_them(service: UpdatesService) -> None:
    """As they were written, also of what is published."""
    await service.hear((sample(funding.CampaignLaunched), 1))
    cards = (card_of(YOUTUBE, "Un"), card_of(VIMEO, "Deux"))
    content = CONTENT.__class__(
        CONTENT.author_id, CONTENT.parts, CONTENT.visibility, CONTENT.texts, videos=cards
    )
    await write(service, content)
    await publish(service)
    found = await service.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.content.videos == cards


@pytest.mark.row("S1")
async def test_an_update_shows_links_to_videos_as_cards(client: httpx.AsyncClient) -> None:
    """Title, host and address; too many are refused, and after publication they stay."""
    said = [{"url": f"{YOUTUBE}&si=me", "title": "Le premier essai"}]
    written = await client.put(UPDATE, json=BODY | {"videos": said})
    card = {"url": YOUTUBE, "title": "Le premier essai", "host": "YouTube"}
    assert written.json()["videos"] == [card], written.text
    assert (await client.post(f"{UPDATE}/publish")).status_code == 200
    assert (await client.get(UPDATE)).json()["videos"] == [card]
    other = {"draft": BODY | {"kind": "progress_report", "videos": []}, "reason": "x"}
    assert problem(await client.put(f"{UPDATE}/revisions/2", json=other)) == (
        409,
        "fixed-at-publication",
    )
    bad = [{"url": "https://videos.example.org/1", "title": "x"}]
    draft = UPDATE.replace("u1", "u2")
    assert problem(await client.put(draft, json=BODY | {"videos": bad})) == (422, "invalid-card")
    many = BODY | {"videos": said * ATTACHMENTS_MAX, "attachments": ["m1"]}
    assert problem(await client.put(draft, json=many)) == (422, "invalid-attachments")
