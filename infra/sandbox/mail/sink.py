"""The SMTP side: takes mails, keeps them, then acknowledges; faults hit where a rule says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiosmtpd.smtp import SMTP, Envelope, Session

from infra.sandbox.mail.faults import FaultKind, Faults
from infra.sandbox.mail.reports import bounce_of, complaint_of
from infra.sandbox.mail.store import Mail, MailStore

Report = Callable[[bytes], Awaitable[None]]


class Sink:
    """The handler that aiosmtpd calls; one for all connections."""

    def __init__(
        self, store: MailStore, faults: Faults, report: Report, *, grouped: bool = True
    ) -> None:
        self._store = store
        self._faults = faults
        self._report = report
        self._grouped = grouped
        self._reporting: set[asyncio.Task[None]] = set()

    async def handle_EHLO(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Say that commands may come in groups: the library reads them so, and does not say it."""
        session.host_name = hostname
        return [*responses[:-1], *(["250-PIPELINING"] if self._grouped else []), responses[-1]]

    async def handle_RCPT(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        """Take a recipient, refuse it, or ask to come again."""
        if (slow := self._faults.hit(FaultKind.SLOW, address)) is not None:
            await asyncio.sleep(slow.seconds)
        if (refusal := self._faults.hit(FaultKind.REFUSE, address)) is not None:
            return f"{refusal.code} {refusal.status} the sink was told to refuse"
        rule = self._faults.hit(FaultKind.GREYLIST, address)
        if rule is not None and self._store.first_try(envelope.mail_from or "", address):
            return "451 4.7.1 Greylisted, try again later"
        if self._faults.hit(FaultKind.DROP_BEFORE_DATA, address) is not None:
            _drop(server)
            return "421 gone"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the mail; afterwards the connection may drop, or a report come back."""
        content = envelope.original_content or b""
        mails = [Mail(envelope.mail_from or "", to, content) for to in envelope.rcpt_tos]
        drops = False
        for mail in mails:
            self._store.keep(mail)
            drops |= self._faults.hit(FaultKind.DROP_AFTER_DATA, mail.recipient) is not None
            self._report_later(mail)
        if drops:
            _drop(server)
        return "250 OK: kept"

    def _report_later(self, mail: Mail) -> None:
        if (bounce := self._faults.hit(FaultKind.BOUNCE, mail.recipient)) is not None:
            self._begin(bounce_of(mail, bounce.status))
        if self._faults.hit(FaultKind.COMPLAIN, mail.recipient) is not None:
            self._begin(complaint_of(mail))

    def _begin(self, report: bytes) -> None:
        task = asyncio.get_running_loop().create_task(_told(self._report, report))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)


async def _told(tell: Report, report: bytes) -> None:
    await tell(report)


def _drop(server: SMTP) -> None:
    """Cut the connection as a power failure does: without a word."""
    assert server.transport is not None
    server.transport.abort()  # type: ignore[attr-defined]
