"""Routes around mails: what comes back, and the link that turns a project's mails off."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import FastAPI, Request

from notifier.handlers.follow import unsubscribe
from notifier.handlers.mail_reports import take_report
from notifier.http.asking_routes import Question, add_asking_routes
from notifier.http.unsubscribe_page import UNSUBSCRIBE
from notifier.metrics import BOUNCES, COMPLAINTS
from notifier.ports.email import MailLinks, MailReport, ReportKind
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.guests import GuestPace
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

REPORT_BYTES_MAX = 1_000_000
REPORT_SECRET = "X-Report-Secret"


@dataclass(frozen=True, slots=True)
class MailRoutes:
    """What these routes need: `secrets` are those of whoever hands over reports.

    `mails_per_second` is the account's pace, from which follows when everybody is written to.
    `guests` None: what stands in front limits whoever has no account.
    """

    links: MailLinks
    read: Callable[[bytes, MailLinks], MailReport | None]
    secrets: Sequence[str]
    mails_per_second: float = 10.0
    follow_asks_per_hour: int = 1_000
    guests: GuestPace | None = None


def add_mail_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[NotifierUnit],
    mail: MailRoutes,
    clock: Clock,
) -> None:
    """Add them."""

    @api.post(
        "/mail-reports",
        dependencies=[guard.proven_by("secret of the mail server")],
        status_code=202,
    )
    async def take_mail_report(request: Request) -> dict[str, str]:
        """Take a mail that came back, as it came: a bounce, a complaint, or nothing of ours."""
        given = request.headers.get(REPORT_SECRET, "").encode()
        if not any(hmac.compare_digest(given, one.encode()) for one in mail.secrets):
            title = "Not a mail server of ours"
            detail = f"{REPORT_SECRET} is not the secret of mail reports that notifier was given"
            raise Problem(401, "report-secret-refused", title, detail)
        report = mail.read(await _bounded(request), mail.links)
        if report is None:
            return {"status": "ignored"}
        taken = await units.run(lambda unit: take_report(unit, report, clock.now()))
        if taken is None:
            return {"status": "known"}
        if taken.kind is ReportKind.COMPLAINT:
            COMPLAINTS.inc()
        else:
            BOUNCES.labels(taken.bounce).inc()
        return {"status": "taken"}

    add_asking_routes(
        api,
        guard,
        units,
        clock,
        Question(
            UNSUBSCRIBE,
            mail.links.read_unsubscribe,
            unsubscribe,
            asks="Ask whether the mails are to end; nothing changes by it.",
            does="End the mails about a project: by the page's button, or one click in a mail "
            "program.",
        ),
    )


async def _bounded(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > REPORT_BYTES_MAX:
            detail = f"a mail that came back has {REPORT_BYTES_MAX} bytes at most"
            raise Problem(413, "too-large", "The body is too large", detail)
    return body
