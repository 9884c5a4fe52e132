"""Proof of notice: everybody of a cause by channel and outcome; counts that agree with the rows."""

import csv
import io
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest

from infra.sandbox.issuer.tokens import STAFF
from notifier.adapters.mail_reports import read_report
from notifier.domain.mail_domain import DomainPaces
from notifier.domain.notification import notification_id
from notifier.domain.person import Person
from notifier.handlers.mail_domains import MailDomains
from notifier.http import MailRoutes
from notifier.http.proof import COLUMNS
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    pledges,
    settle,
    verdict,
)
from services.notifier.tests.post import LINKS, with_mail
from sosst_contracts.notifier import NoticeCompleted

CAUSE = f"verdict-reached/{CAMPAIGN}"
PROOF = f"/campaigns/{CAMPAIGN}/notices/{CAUSE}/proof"
# Somebody whose name a spreadsheet would compute.
FORMULA = "=cmd"


async def asked(notifier: Notifier, path: str) -> httpx.Response:
    async with notifier.http(STAFF) as client:
        return await client.get(path)


@pytest.mark.row("S4")
async def test_every_person_stands_in_the_proof_once_for_each_channel(notifier: Notifier) -> None:
    """Told in the inbox all of them, by e-mail those with an address; counts are the rows' sums."""
    backers = [*(f"backer-{number}" for number in range(5)), FORMULA]
    known = [Person(one, NOW, address=f"{n}@a.example") for n, one in enumerate(backers[:3])]
    with_mail(notifier)
    await notifier.units.run(lambda unit: unit.people.save(known))
    await notifier.hear(*pledges(backers), verdict(len(backers)))
    await settle(notifier)
    while await notifier.write():
        pass
    table = await asked(notifier, f"{PROOF}.csv")
    assert table.headers["content-type"].startswith("text/csv")
    header, *rows = csv.reader(io.StringIO(table.text))
    assert tuple(header) == COLUMNS
    as_backers = [row for row in rows if row[1] == "backer"]
    assert {row[0] for row in as_backers} == {*backers[:5], f"'{FORMULA}"}
    told = notification_id(CAUSE, NOW, "backer-0")
    mine = [row[2:] for row in rows if row[0] == "backer-0"]
    assert mine == [[told, "inbox", "delivered", ""], [told, "email", "delivered", ""]]
    outcomes = Counter((row[3], row[4], row[5]) for row in as_backers)
    assert outcomes == {
        ("inbox", "delivered", ""): 6,
        ("email", "delivered", ""): 3,
        ("email", "suppressed", "no-address"): 3,
    }
    counts = (await asked(notifier, PROOF)).json()["channels"]
    for channel in counts:
        name = channel.pop("channel")
        summed = Counter(row[4] for row in rows if row[3] == name)
        assert {word: people for word, people in channel.items() if people} == dict(summed), name


async def test_who_waits_and_whose_reason_is_gone_are_told_apart(notifier: Notifier) -> None:
    """Before anything is told all are pending, in the inbox and on no other channel."""
    await notifier.hear(*pledges(["a", "b"]), verdict(2))
    await notifier.plan()
    (inbox,) = (await asked(notifier, PROOF)).json()["channels"]
    assert (inbox["channel"], inbox["pending"], inbox["delivered"]) == ("inbox", 2, 0)


async def test_an_unknown_cause_has_no_proof(notifier: Notifier) -> None:
    """Neither counts nor a table, and no other campaign's."""
    await notifier.hear(*pledges(["a"], "campaign-2"), verdict(1, campaign="campaign-2"))
    await settle(notifier)
    for path in (PROOF, PROOF.replace(f"reached/{CAMPAIGN}", "reached/campaign-2")):
        for ending in ("", ".csv"):
            assert (await asked(notifier, path + ending)).status_code == 404


async def test_the_end_of_a_cause_says_its_totals_by_channel(notifier: Notifier) -> None:
    """Inbox and e-mail, as they are when nobody's inbox is left to be told."""
    with_mail(notifier)
    await notifier.hear(*pledges(["a", "b"]), verdict(2))
    await settle(notifier)
    (ended,) = [fact for fact in await notifier.facts() if isinstance(fact, NoticeCompleted)]
    assert ended.channels is not None
    by_channel = {one.channel: one for one in ended.channels}
    assert (by_channel["inbox"].delivered, by_channel["inbox"].pending) == (2, 0)
    email = by_channel["email"]
    assert email.delivered + email.suppressed + email.failed + email.pending >= 2


async def test_a_running_fan_out_says_when_it_ends(notifier: Notifier) -> None:
    """In the inbox at the pace so far; by e-mail behind what is as urgent, at the pace allowed."""
    with_mail(notifier)
    notifier.recipients_max = 1
    backers = [f"backer-{number}" for number in range(8)]
    await notifier.hear(*pledges(backers), verdict(len(backers)))
    await notifier.plan()
    notifier.clock.advance(seconds=10)
    mail = MailRoutes(LINKS, read_report, [], mails_per_second=2)
    inbox, *others = await ends(notifier, mail)
    assert (inbox, others) == (None, [])
    # Four chunks of one in a send: half of them are told.
    await notifier.publish()
    inbox, email = await ends(notifier, mail)
    assert inbox == notifier.clock.now() + timedelta(seconds=10)
    assert email == notifier.clock.now() + timedelta(seconds=2)
    await settle(notifier)
    while await notifier.write():
        pass
    assert await ends(notifier, mail) == [None, None]


async def test_who_is_put_off_is_told_of_by_a_process_that_sends_nothing(
    notifier: Notifier,
) -> None:
    """Three wait for their mail domain, a mail in two seconds: the end is the last one's turn."""
    emails = with_mail(notifier).emails
    assert emails is not None
    domains = MailDomains(notifier.clock, 100.0, timedelta(hours=1), DomainPaces(0.5))
    notifier.emails = replace(emails, domains=domains)
    backers = [f"backer-{number}" for number in range(4)]
    known = [Person(one, NOW, address=f"{one}@slow.example") for one in backers]
    await notifier.units.run(lambda unit: unit.people.save(known))
    await notifier.hear(*pledges(backers), verdict(len(backers)))
    await settle(notifier)
    last = notifier.clock.now() + timedelta(seconds=6)
    # At the account's pace alone, of a hundred mails a second, it would be over at once.
    mail = MailRoutes(LINKS, read_report, [], mails_per_second=100)
    for expected in (last, last, last, None):
        while await notifier.write():
            pass
        assert await ends(notifier, mail) == [None, expected]
        notifier.clock.advance(seconds=2)


async def ends(notifier: Notifier, mail: MailRoutes) -> list[datetime | None]:
    """Return when each channel is expected to have told everybody."""
    async with notifier.http(STAFF, mail=mail) as client:
        channels = (await client.get(PROOF)).json()["channels"]
    expected = [channel["expected_end"] for channel in channels]
    return [datetime.fromisoformat(one) if one else None for one in expected]
