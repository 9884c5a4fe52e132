"""What comes back by mail, and readers who have enough: each report once, and only of our mails."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import backer
from infra.sandbox.mail.reports import bounce_of, complaint_of
from infra.sandbox.mail.store import Mail as Came
from notifier.adapters.mail_links import SignedMailLinks
from notifier.adapters.mail_reports import read_report
from notifier.domain.bounce import BounceClass
from notifier.domain.delivery import DeliveryState
from notifier.domain.suppression import SuppressionReason
from notifier.http import MailRoutes
from notifier.ports.email import ReportKind, ReturnPath, Unsubscription
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    fact,
    pledges,
    refunded,
    settle,
    update,
)
from services.notifier.tests.post import LINKS, Post, as_it_came, person
from sosst_contracts.updates import ClaimAnswered, SurveyReminderDue

SECRET = "a secret of the mail server"
PATH = ReturnPath("0123456789abcdef0123", 7, "89abcdef")


@dataclass
class Box:
    """A reader's mailbox and the mail server in front of it."""

    post: Post
    http: httpx.AsyncClient

    async def came(self) -> Came:
        """Tell one person of the verdict and return the mail."""
        await self.post.know(person("b0"))
        await self.post.tell(["b0"])
        await self.post.write_all()
        (mail,) = self.post.server.mails
        return as_it_came(mail)

    async def report(self, content: bytes, secret: str = SECRET) -> httpx.Response:
        headers = {"X-Report-Secret": secret}
        return await self.http.post("/mail-reports", content=content, headers=headers)

    async def status(self, content: bytes) -> str:
        answer = await self.report(content)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["status"])


@pytest.fixture
async def box(post: Post) -> AsyncIterator[Box]:
    notifier = post.notifier
    mail = MailRoutes(LINKS, read_report, ["an older one", SECRET])
    async with notifier.http(mail=mail) as http:
        yield Box(post, http)


@pytest.mark.parametrize(
    ("status", "reason", "suppressed"),
    [
        ("5.1.1", "address-refused", SuppressionReason.HARD_BOUNCE),
        ("5.2.2", "address-refused", SuppressionReason.SOFT_BOUNCE),
        ("5.7.1", "content-refused", None),
    ],
)
async def test_a_bounce_is_taken_once(
    box: Box, status: str, reason: str, suppressed: SuppressionReason | None
) -> None:
    """The mail failed after all, its address is remembered; the same report again is known."""
    came = await box.came()
    assert await box.status(bounce_of(came, status)) == "taken"
    assert await box.status(bounce_of(came, status)) == "known"
    assert await box.post.states() == {(DeliveryState.FAILED, reason): 1}
    totals = await box.post.totals()
    assert (totals.failed, totals.delivered, totals.pending) == (1, 0, 0)
    expected = {suppressed: 1} if suppressed else {}
    assert await box.post.queries.suppressed(NOW + timedelta(days=1)) == expected


async def test_the_inbox_says_that_mail_has_stopped(box: Box) -> None:
    """Why and until when; not before, and not once it is over."""
    came = await box.came()
    own = bearer(backer("b0"))

    async def stopped() -> object:
        return (await box.http.get("/people/b0/inbox", headers=own)).json()["mail_stopped"]

    assert await stopped() is None
    await box.report(bounce_of(came, "5.2.2"))
    until = box.post.clock.now() + timedelta(days=5)
    said = await stopped()
    assert said == {"reason": "soft-bounce", "until": until.isoformat().replace("+00:00", "Z")}
    box.post.clock.advance(days=6)
    assert await stopped() is None


async def test_a_delay_is_no_bounce(box: Box) -> None:
    """The server still tries; nothing has failed."""
    came = await box.came()
    assert await box.status(bounce_of(came, "4.4.7")) == "ignored"
    assert await box.post.states() == {(DeliveryState.DELIVERED, ""): 1}


async def test_a_complaint_ends_all_mail(box: Box) -> None:
    """For ever, whatever came before; the mail itself was delivered."""
    came = await box.came()
    assert await box.status(complaint_of(came)) == "taken"
    assert await box.status(complaint_of(came)) == "known"
    assert await box.post.states() == {(DeliveryState.DELIVERED, ""): 1}
    later = NOW + timedelta(days=10_000)
    assert await box.post.queries.suppressed(later) == {SuppressionReason.COMPLAINT: 1}


async def test_a_bounce_of_an_old_address_says_nothing_of_the_new_one(box: Box) -> None:
    """Who has moved meanwhile is written to where they are now."""
    came = await box.came()
    await box.post.know(person("b0", address="new@b.example"))
    assert await box.status(bounce_of(came, "5.1.1")) == "taken"
    assert await box.post.queries.suppressed(NOW) == {}
    assert await box.post.states() == {(DeliveryState.FAILED, "address-refused"): 1}


async def test_nobody_else_can_report(box: Box) -> None:
    """Neither a server without the secret, nor a mail without a return path that we signed."""
    came = await box.came()
    for secret in ("", "wrong", SECRET[:-1]):
        assert (await box.report(bounce_of(came, "5.1.1"), secret)).status_code == 401
    forged = replace(came, sender=came.sender[:-20] + "0" * 7 + came.sender[-13:])
    assert forged.sender != came.sender
    assert await box.status(bounce_of(forged, "5.1.1")) == "ignored"
    strange = LINKS.return_path(PATH)
    assert await box.status(bounce_of(replace(came, sender=strange), "5.1.1")) == "known"
    assert await box.post.states() == {(DeliveryState.DELIVERED, ""): 1}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: I am on holiday\r\n\r\nUntil Monday.\r\n",
        b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: "
        b"message/delivery-status\r\n\r\nAction\r\n\r\n--x--",
        b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: not-spam\r\n",
        b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\nStatus: 9\r\n",
    ],
)
def test_anything_may_come(content: bytes) -> None:
    """What is no report of a mail of ours is ignored, whatever it is."""
    assert read_report(content, LINKS) is None


async def test_endless_reports_are_refused(box: Box) -> None:
    """A megabyte is enough for any report."""
    assert (await box.report(b"x" * 1_000_001)).status_code == 413


def test_return_paths_fit_and_are_only_ours() -> None:
    """Sixty-four letters in front of the @; any other letter, or another's secret, is nobody's."""
    address = LINKS.return_path(PATH)
    assert len(address.partition("@")[0]) <= 64
    assert LINKS.read_return_path(address.upper()) == PATH
    longest = LINKS.return_path(ReturnPath("f" * 20, 9_999, "f" * 8))
    assert len(longest.partition("@")[0]) <= 64
    other = SignedMailLinks(["another secret, long"], "sosst.example", "https://x")
    assert other.read_return_path(address) is None
    both = SignedMailLinks(["another secret, long", "0123456789abcdef"], "s.example", "https://x")
    assert both.read_return_path(address) == PATH
    for place in range(len("bounce+"), address.index("@")):
        changed = "1" if address[place] != "1" else "2"
        assert LINKS.read_return_path(address[:place] + changed + address[place + 1 :]) is None


async def test_one_click_ends_what_its_page_says_and_nothing_else(box: Box) -> None:
    """GET shows, POST acts, twice is once; money is still written of, others still get all."""
    await box.post.know(person("b0"), person("b1"))
    await box.post.notifier.hear(*pledges(["b0", "b1"]), update(2, 2))
    await settle(box.post.notifier)
    await box.post.write_all()
    mine = next(m for m in box.post.server.mails if m.recipient.startswith("b0"))
    header = message_from_bytes(mine.content, policy=default)["List-Unsubscribe"]
    assert "unsubscribe" in header or "?" in header
    token = LINKS.unsubscribe("b0", CAMPAIGN).partition("?link=")[2]
    shown = await box.http.get("/unsubscribe", params={"link": token, "lang": "en"})
    assert shown.status_code == 200 and "<button>No more emails</button>" in shown.text
    assert "no updates, no questions, no answers to a claim" in shown.text
    assert "We will still write to you of a refund, a payment or an emergency" in shown.text
    assert "without an account, your address is erased" in shown.text
    assert (
        await box.post.notifier.units.run(
            lambda unit: unit.unsubscriptions.of(CAMPAIGN, ["b0", "b1"])
        )
        == set()
    )
    for _ in range(2):
        body = {"List-Unsubscribe": "One-Click"}
        done = await box.http.post("/unsubscribe", params={"link": token}, data=body)
        assert done.status_code == 200
    box.post.server.mails.clear()
    await box.post.notifier.hear(update(2, 2, sequence=2, update_id="update-2"))
    asked = fact(SurveyReminderDue, 1, backers=["b0", "b1"])
    answered = fact(ClaimAnswered, 1, backer_id="b0", side="creator")
    await box.post.notifier.hear(refunded("b0", 1), refunded("b1", 2), asked, answered)
    await settle(box.post.notifier)
    await box.post.write_all()
    came = [(m.recipient[:2], b"List-Unsubscribe:" in m.content) for m in box.post.server.mails]
    assert sorted(came) == [("b0", False), ("b1", False), ("b1", True), ("b1", True)]


async def test_links_that_are_not_ours_end_nothing(box: Box) -> None:
    """Changed, of another secret, or for another use: 404 on both, and nobody is unsubscribed."""
    token = LINKS.unsubscribe("b0", CAMPAIGN).partition("?link=")[2]
    other = SignedMailLinks(["another secret, long"], "s.example", "https://x")
    strange = other.unsubscribe("b0", CAMPAIGN).partition("?link=")[2]
    for link in ("", "x", token[:-2], "A" + token[1:], strange, "é", "a" * 1_200):
        for method in ("GET", "POST"):
            answer = await box.http.request(method, "/unsubscribe", params={"link": link})
            assert "argent" not in answer.text, "nothing is said of what no link of ours did"
            assert answer.status_code == 404
    assert LINKS.read_unsubscribe(token) == Unsubscription("b0", CAMPAIGN)


def test_kinds_of_reports() -> None:
    """A bounce and a complaint made by the standard library's other half are read as such."""
    came = Came(LINKS.return_path(PATH), "b0@a.example", b"Subject: x\r\n\r\ny\r\n")
    bounce, complaint = (
        read_report(one, LINKS) for one in (bounce_of(came, "5.1.1"), complaint_of(came))
    )
    assert bounce is not None and complaint is not None
    assert (bounce.kind, bounce.path, bounce.bounce) == (ReportKind.BOUNCE, PATH, BounceClass.HARD)
    assert (complaint.kind, complaint.path) == (ReportKind.COMPLAINT, PATH)
