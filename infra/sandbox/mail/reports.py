"""What comes back after a mail was taken: delivery status notifications and complaints.

Both are made by the standard library, not by what reads them: RFC 3464 and RFC 5965.
"""

from __future__ import annotations

from email.message import EmailMessage, Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.utils import formatdate

from infra.sandbox.mail.store import Mail

HERE = "sink.invalid"


def bounce_of(mail: Mail, status: str) -> bytes:
    """Return the notification that this mail could not be delivered after all."""
    action = "failed" if status.startswith("5") else "delayed"
    host, person = Message(), Message()
    host["Reporting-MTA"] = f"dns; {HERE}"
    host["Arrival-Date"] = formatdate()
    person["Final-Recipient"] = f"rfc822; {mail.recipient}"
    person["Action"] = action
    person["Status"] = status
    person["Diagnostic-Code"] = f"smtp; 550 {status} the sink was told to bounce"
    machine = MIMENonMultipart("message", "delivery-status")
    machine.set_payload([host, person])
    words = MIMEText("A mail of yours could not be delivered.")
    return _report("delivery-status", mail, [words, machine, _headers_of(mail)])


def complaint_of(mail: Mail) -> bytes:
    """Return the report that its reader called this mail unwanted."""
    lines = (
        "Feedback-Type: abuse",
        "User-Agent: sink/1",
        "Version: 1",
        f"Original-Mail-From: <{mail.sender}>",
        f"Original-Rcpt-To: <{mail.recipient}>",
    )
    machine = MIMENonMultipart("message", "feedback-report")
    machine.set_payload("\r\n".join(lines) + "\r\n")
    words = MIMEText("A reader of a mail of yours complained.")
    return _report("feedback-report", mail, [words, machine, MIMEMessage(mail.parsed)])


def _report(kind: str, mail: Mail, parts: list[Message]) -> bytes:
    report = MIMEMultipart("report")
    report.set_param("report-type", kind)
    report["From"] = f"mailer-daemon@{HERE}"
    report["To"] = mail.sender
    report["Subject"] = "Report"
    for part in parts:
        report.attach(part)
    return report.as_bytes()


def _headers_of(mail: Mail) -> Message:
    part = MIMENonMultipart("text", "rfc822-headers")
    parsed: EmailMessage = mail.parsed
    part.set_payload("".join(f"{name}: {value}\n" for name, value in parsed.items()), "utf-8")
    return part
