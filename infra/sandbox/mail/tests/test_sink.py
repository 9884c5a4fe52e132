"""The real mail sandbox: what it acknowledged is there, and each fault is what it says."""

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from infra.sandbox.mail.client import MailClient
from infra.suite.processes import MailProcess


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[MailProcess]:
    process = MailProcess(tmp_path / "mail", detached=False)
    await asyncio.to_thread(process.start)
    yield process
    await asyncio.to_thread(process.stop)


async def send(sink: MailProcess, recipient: str, sender: str = "us@sosst.example") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "us@sosst.example", recipient, "Bonjour, été"
    mail["Message-ID"] = f"<{recipient.partition('@')[0]}@sosst.example>"
    mail.set_content("A lamp.\n.\nIt glows.\n")
    await aiosmtplib.send(
        mail,
        hostname="127.0.0.1",
        port=sink.smtp_port,
        sender=sender,
        recipients=[recipient],
        # Else the library asks the network for the machine's name.
        local_hostname="tests.invalid",
        use_tls=False,
        start_tls=False,
    )


async def test_acknowledged_mails_outlive_a_kill(sink: MailProcess) -> None:
    """What was taken is shown after kill -9, whole, and the same mail twice is one different."""
    client = MailClient(sink.url)
    for recipient in ("anna@a.example", "ben@b.example", "anna@a.example"):
        await send(sink, recipient)
    await asyncio.to_thread(sink.kill)
    await asyncio.to_thread(sink.start)
    assert await client.count() == {"mails": 3, "different": 2, "recipients": 2}
    (bens,) = await client.mails("ben@b.example")
    assert bens["subject"] == "Bonjour, été" and bens["message_id"] == "<ben@sosst.example>"
    assert (await client.mail(bens["number"])).get_content() == "A lamp.\r\n.\r\nIt glows.\r\n"


async def test_faults_hit_whom_they_name(sink: MailProcess) -> None:
    """Refused, asked to come again once, dropped before and after: each as the rule says."""
    client = MailClient(sink.url)
    await client.plant("refuse", "*@gone.example", code=550, status="5.1.1")
    await client.plant("greylist", "*@grey.example")
    await client.plant("drop-after-data", "late@*", remaining=1)
    await client.plant("drop-before-data", "early@*", remaining=1)
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(sink, "x@gone.example")
    assert refused.value.recipients[0].code == 550
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as grey:
        await send(sink, "x@grey.example")
    assert grey.value.recipients[0].code == 451
    await send(sink, "x@grey.example")
    for recipient in ("late@a.example", "early@a.example"):
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await send(sink, recipient)
        await send(sink, recipient)
    counted = [len(await client.mails(f"{one}@a.example")) for one in ("late", "early")]
    assert counted == [2, 1]
    assert await client.mails("x@gone.example") == []
