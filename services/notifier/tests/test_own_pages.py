"""From a personal link to a token for the pages of one's own pledge: by the button, in a form."""

import base64
import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import backer
from notifier.adapters.mail_reports import read_report
from notifier.http import MailRoutes
from notifier.http.own_pages import OwnPages
from servicekit.issuer_keys import FixedKeys, keys_of
from servicekit.link_tokens import LinkAct, LinkTokenKeys, LinkTokenVerifier
from services.notifier.tests.builders import CAMPAIGN, memory_notifier, pledges
from services.notifier.tests.door import LINKS, Door

PAGES = OwnPages(
    "https://updates.sosst.example/mine", LinkTokenKeys([base64.b64encode(b"n" * 32).decode()])
)
VERIFIER = LinkTokenVerifier("updates", FixedKeys(*keys_of(PAGES.keys.published()).values()))


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """In memory: what a link opens is asked of the real stores in `test_personal_links.py`."""
    notifier = memory_notifier()
    await notifier.hear(*pledges(["anna"]))
    async with notifier.http(mail=MailRoutes(LINKS, read_report, []), own_pages=PAGES) as client:
        yield Door(notifier, client)


def entry(link: str) -> str:
    return link.replace("/personal?", "/personal/entry?")


def token_in(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    return unescape(found.group(1)) if found else ""


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_a_link_is_exchanged_for_a_token_of_its_person_and_campaign(
    door: Door, language: str
) -> None:
    """The personal page leads there by a button; the token stands in a form and nowhere else."""
    shown = await door.http.get(f"{door.link()}&lang={language}")
    (button,) = re.findall(r'action="(/personal/entry[^"]+)"', shown.text)
    page = await door.http.post(unescape(button))
    holder = await VERIFIER.holder(token_in(page.text), LinkAct.CLAIM)
    assert (holder.person_id, holder.about) == ("anna", CAMPAIGN)
    assert holder.acts == set(LinkAct)
    assert page.text.count(token_in(page.text)) == 1
    assert not any(token_in(page.text) in value for value in page.headers.values())
    assert page.headers["content-language"] == language


async def test_no_token_leaves_by_looking(door: Door) -> None:
    """A scanner that opens every link of a mail, and whatever is behind it, gets none."""
    link = door.link()
    for address in (link, entry(link)):
        assert not token_in((await door.http.get(address)).text)
    assert (await door.http.get(entry(link))).status_code == 405


async def test_a_link_that_opens_nothing_is_exchanged_for_nothing(door: Door) -> None:
    """Tampered with, of another campaign, revoked, too old: the same answers as of its page."""
    link = door.link()
    for strange in (link[:-1], door.link(campaign="other"), door.link("ben"), "/personal?"):
        answer = await door.http.post(entry(strange))
        assert answer.status_code == 404 and not token_in(answer.text)
    path = f"/people/anna/personal-links/{CAMPAIGN}"
    assert (await door.http.delete(path, headers=bearer(backer("anna")))).status_code == 200
    revoked = await door.http.post(entry(link))
    assert revoked.status_code == 410 and not token_in(revoked.text)
    door.later(seconds=1)
    second = door.link()
    assert (await door.http.post(entry(second))).status_code == 200
    door.later(days=90)
    assert (await door.http.post(entry(second))).status_code == 410


async def test_nothing_that_a_caller_says_turns_the_form_elsewhere(door: Door) -> None:
    """One target, which the settings name; the browser is told to send forms nowhere else."""
    more = "&next=https://evil.example&pages=https://evil.example/mine&lang=//"
    headers = {"Host": "evil.example", "Origin": "https://evil.example"}
    page = await door.http.post(entry(door.link()) + more, headers=headers)
    assert "evil" not in page.text
    assert re.findall(r'action="([^"]+)"', page.text) == [PAGES.url]
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://updates.sosst.example;" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in page.headers["cache-control"] and "location" not in page.headers


async def test_without_keys_a_link_leads_nowhere(door: Door) -> None:
    """No button, no exchange, no keys that are published."""
    async with door.notifier.http(mail=MailRoutes(LINKS, read_report, [])) as client:
        assert "/personal/entry" not in (await client.get(door.link())).text
        assert (await client.post(entry(door.link()))).status_code == 404
        assert (await client.get("/.well-known/jwks.json")).status_code == 404
