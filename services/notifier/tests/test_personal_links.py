"""Personal links: one person, one campaign, ninety days; looking at one changes nothing."""

import re
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default

import pytest
from markupsafe import escape

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller, backer
from notifier.adapters.letters import LetterWriter, Sender
from notifier.adapters.letters.styles import inlined
from notifier.adapters.mail_reports import read_report
from notifier.domain.audience import Consent
from notifier.domain.cause import CauseKind
from notifier.domain.kind import ToldAs
from notifier.domain.personal_link import PersonalLink
from notifier.handlers.people import erase_person
from notifier.http import MailRoutes
from notifier.ports.email import Reader
from services.notifier.tests.builders import CAMPAIGN, NOW, Notifier, fact, pledges
from services.notifier.tests.door import LINKS, NEW, OLD, URL, Door, links
from services.notifier.tests.letters import ANNA, BEN, HOSTILE_TITLES, SENDER, letter
from sosst_contracts.funding import CampaignLaunched


@pytest.fixture
async def door(notifier: Notifier) -> AsyncIterator[Door]:
    await notifier.hear(*pledges(["anna"]))
    async with notifier.http(mail=MailRoutes(LINKS, read_report, [])) as client:
        yield Door(notifier, client)


@pytest.mark.row("S16")
async def test_a_backer_chooses_by_the_link_of_a_mail(door: Door) -> None:
    """By the button, again as often as they like; looking chooses nothing."""
    link = door.link()
    page = await door.http.get(link)
    assert page.status_code == 200 and await door.choice() is Consent.NOTHING
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in page.headers["cache-control"]
    for choice in (Consent.RELAUNCH, Consent.RELAUNCH, Consent.KEEP_IN_TOUCH):
        assert (await door.http.post(f"{link}&choice={choice}")).status_code == 200
        assert await door.choice() is choice
    assert (await door.http.post(f"{link}&choice=money")).status_code == 422


@pytest.mark.parametrize("title", HOSTILE_TITLES)
async def test_a_title_is_no_more_than_words_on_the_page(door: Door, title: str) -> None:
    """Its creator wrote it, and who reads it may choose there."""
    await door.notifier.hear(fact(CampaignLaunched, 1, title=title))
    link = door.link()
    for page in (await door.http.get(link), await door.http.post(f"{link}&choice=relaunch")):
        assert page.status_code == 200 and f"<dd><bdi>{escape(title)}</bdi></dd>" in page.text
        assert "<script" not in page.text and "<img" not in page.text


async def test_a_link_opens_nothing_but_its_own(door: Door) -> None:
    """Tampered with, of another secret, of another campaign or person: like none at all."""
    link = door.link()
    stranger = links("a secret of somebody")
    head, token = link.split("-", 1)
    strange = [
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        f"{head[:-1]}0-{token}",
        f"/personal?link={token}",
        "/personal",
        door.link(by=stranger),
        door.link("ben"),
        door.link(campaign="other"),
    ]
    for one in strange:
        joint = "&" if "?" in one else "?"
        for answer in (
            await door.http.get(one),
            await door.http.post(f"{one}{joint}choice=relaunch"),
        ):
            assert answer.status_code == 404
            assert "90 jours" not in answer.text, "nothing is said of what a link does that is none"
    assert {await door.choice(), await door.choice("ben")} == {Consent.NOTHING}


async def test_secrets_are_changed_without_a_link_that_breaks(door: Door) -> None:
    """What the older one signed opens while it is there, and says by which it was signed."""
    older = door.link(by=links(OLD))
    assert (await door.http.get(older)).status_code == 200
    said = older.partition("link=")[2]
    assert links(NEW, OLD).read_personal(said) == links(OLD).read_personal(said)
    assert links(NEW).read_personal(said) is None


async def test_ninety_days_and_a_word_end_it(door: Door) -> None:
    """Revoked by its person or staff and nobody else; one that is made afterwards opens."""
    first, path = door.link(), f"/people/anna/personal-links/{CAMPAIGN}"
    ben = await door.http.delete(path, headers=bearer(backer("ben")))
    assert ben.status_code == 404 and (await door.http.get(first)).status_code == 200
    for who in (backer("anna"), Caller("sam", ("staff",))):
        assert (await door.http.delete(path, headers=bearer(who))).status_code == 200
    gone = await door.http.post(f"{first}&choice=relaunch")
    assert gone.status_code == 410 and "révoqué" in gone.text
    door.later(seconds=1)
    second = door.link()
    assert (await door.http.get(second)).status_code == 200
    door.later(days=90)
    over = await door.http.get(f"{second}&lang=en")
    assert over.status_code == 410 and "90 days" in over.text
    assert await door.choice() is Consent.NOTHING


async def test_a_link_of_somebody_erased_opens_nothing(door: Door) -> None:
    """They asked to be forgotten."""
    await door.notifier.units.run(lambda unit: erase_person(unit, "anna", NOW))
    assert (await door.http.get(door.link())).status_code == 404


def test_letters_that_ask_something_lead_to_ones_own_pledge() -> None:
    """Where such pages are, to backers, in both languages; no news that people forward do."""
    given = (SENDER.address, SENDER.name, SENDER.platform_url, SENDER.unsubscribe, SENDER.follow)
    leading, alone = (Sender(*given, LINKS.personal, own_pages=one) for one in (True, False))

    def links_in(sender: Sender, kind: CauseKind, reader: Reader, role: ToldAs) -> list[str]:
        one = letter(kind, reader, role=role)
        mail = message_from_bytes(LetterWriter(sender, inlined).write(one).content, policy=default)
        parts = [mail.get_body((kind_of,)) for kind_of in ("plain", "html")]
        texts = [str(part.get_content()) for part in parts if part is not None]
        return [link for text in texts for link in re.findall(rf"{URL}/personal\?[\w=.-]+", text)]

    for reader in (ANNA, BEN):
        asked = links_in(leading, CauseKind.RECEIPT_ASKED, reader, ToldAs.BACKER)
        read = {LINKS.read_personal(one.partition("?link=")[2]) for one in asked}
        assert len(asked) == 2
        assert read == {PersonalLink(reader.person_id, CAMPAIGN, int(NOW.timestamp()))}
    news = (CauseKind.UPDATE_PUBLISHED, ToldAs.BACKER), (CauseKind.CLAIM_ANSWERED, ToldAs.CREATOR)
    for kind, role in news:
        assert not links_in(leading, kind, ANNA, role)
    assert not links_in(alone, CauseKind.RECEIPT_ASKED, ANNA, ToldAs.BACKER)


def test_letters_of_an_end_carry_their_readers_own_link() -> None:
    """The verdict of a missed goal and a cancellation; no other letter, and nobody else's link."""
    sender = Sender(*(getattr(SENDER, name) for name in ("address", "name", "platform_url")),
                    SENDER.unsubscribe, SENDER.follow, LINKS.personal)  # fmt: skip
    writer = LetterWriter(sender, inlined)

    def text(kind: CauseKind, **content: object) -> str:
        values = {"title": "A lamp", "collected": 1, "goal": 2, "currency": "EUR", **content}
        # A cause is rendered once, so that another content is another cause.
        one = letter(kind, ANNA, content=values, subject=str(content))
        mail = message_from_bytes(writer.write(one).content, policy=default)
        part = mail.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    verdict, cancelled = CauseKind.VERDICT_REACHED, CauseKind.CAMPAIGN_CANCELLED
    ended = [text(verdict, verdict="goal_missed"), text(cancelled, reason="closed")]
    for shown in ended:
        (link,) = (word for word in shown.split() if word.startswith(f"{URL}/personal"))
        read = LINKS.read_personal(link.partition("?link=")[2])
        assert read == PersonalLink("anna", CAMPAIGN, int(NOW.timestamp()))
    assert f"{URL}/personal" not in text(verdict, verdict="goal_met")
