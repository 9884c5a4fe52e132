"""What comes back by mail: notifications that a mail could not be delivered (RFC 3464) and
complaints (RFC 5965), read by the standard library.

A report counts only if it names a return path of ours, which nobody but its recipient has seen.
"""

import re
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default

from notifier.domain.bounce import BounceClass, class_of, status_in
from notifier.ports.email import MailLinks, MailReport, ReportKind, ReturnPath

_RETURN_PATH = re.compile(rb"bounce\+[0-9a-f-]{40,64}@[A-Za-z0-9.-]+", re.IGNORECASE)
_CODE = re.compile(r"\b([245]\d\d)\b")
FAILED = "failed"
# Told by readers or their mail programs; what else there is says nothing against us.
COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "other"})
PATHS_TRIED_MAX = 20


def read_report(content: bytes, links: MailLinks) -> MailReport | None:
    """Return what a mail reports, None for what is no report, or not of a mail of ours."""
    try:
        mail = message_from_bytes(content, policy=default)
        what = _complaint(mail) or _bounce(mail)
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        # Anybody may send anything, and the library believes what it is told.
        return None
    path = _path(content, links) if what is not None else None
    if what is None or path is None:
        return None
    kind, bounce = what
    return MailReport(kind, path, bounce)


def _path(content: bytes, links: MailLinks) -> ReturnPath | None:
    for found in _RETURN_PATH.findall(content)[:PATHS_TRIED_MAX]:
        path = links.read_return_path(found.decode("ascii"))
        if path is not None:
            return path
    return None


def _complaint(mail: EmailMessage) -> tuple[ReportKind, BounceClass] | None:
    for part in mail.walk():
        if part.get_content_type() == "message/feedback-report":
            kind = _fields(part).get("feedback-type", "").strip().casefold()
            return (ReportKind.COMPLAINT, BounceClass.HARD) if kind in COMPLAINTS else None
    return None


def _bounce(mail: EmailMessage) -> tuple[ReportKind, BounceClass] | None:
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status":
            for person in _blocks(part):
                if str(person.get("Action", "")).strip().casefold() == FAILED:
                    return ReportKind.BOUNCE, _class(person)
    return None


def _class(person: Message) -> BounceClass:
    status = status_in(str(person.get("Status", "")))
    words = str(person.get("Diagnostic-Code", ""))
    found = _CODE.search(words)
    code = int(found[1]) if found else 100 * int(status[:1] or 0)
    # What the server was asked that said so is not told.
    return class_of(code, status or words, None)


def _fields(part: Message) -> dict[str, str]:
    """Return the fields of a machine's part, however the library has parsed it."""
    blocks = _blocks(part)
    if blocks:
        return {name.casefold(): str(value) for one in blocks for name, value in one.items()}
    lines = (line.partition(":") for line in str(part.get_payload()).splitlines())
    return {name.strip().casefold(): value for name, _, value in lines}


def _blocks(part: Message) -> list[Message]:
    """Return the blocks of fields that the library has found in a part."""
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []
