"""What a mail server's refusal says of the address.

By its enhanced status (RFC 3463), else by its code and by what it answers (RFC 5321). An address is
ended only where the server says that nobody is there. What it says of us (a policy, a relay that
does not know us, spam), of the mail, or of our words fails this mail and leaves the address.
"""

import re
from enum import StrEnum

# Our own network address, which a block list begins with, may look like one.
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b(?!\.\d)")


# Said of the recipient's mailbox or domain. 5.1.0 may mean the sender as well.
_NOBODY = frozenset({"1.1", "1.2", "1.3", "1.4", "1.6", "1.10"})
# The sender's address, and a mail that is too large.
_NOT_THEM = frozenset({"1.7", "1.8", "1.9", "2.3", "3.4"})
# The last two digits of what may be said of a mailbox: of 556 its domain (RFC 7504).
_OF_A_MAILBOX = frozenset({50, 51, 52, 53, 56})
_FULL = 552
# Servers that give no status refuse us by the same codes; only their words tell.
_WORDS_OF_US = re.compile(
    r"relay|spam|junk|block|black|banned|polic|denied|reputation|sender|authenti|too many"
    r"|not (?:allowed|permitted)|\b(?:client|rate|limit|ip|spf|dkim|dmarc|[a-z]*rbl|dnsbl)\b",
    re.IGNORECASE,
)


class Stage(StrEnum):
    """What a server answers: the recipient's address, or the mail itself."""

    RECIPIENT = "recipient"
    CONTENT = "content"


class BounceClass(StrEnum):
    """Hard: nobody is there. Soft: not now. Content: not this mail, whoever reads it."""

    HARD = "hard"
    SOFT = "soft"
    CONTENT = "content"


# What a proof of notice says of who was refused so.
REASONS = {
    BounceClass.HARD: "address-refused",
    BounceClass.SOFT: "address-refused",
    BounceClass.CONTENT: "content-refused",
}


def status_in(text: str) -> str:
    """Return the enhanced status that a server's text begins with, empty if there is none."""
    found = _STATUS.match(text.strip())
    return found[0] if found else ""


def class_of(code: int, words: str, stage: Stage | None) -> BounceClass:
    """Sort a refusal by its code and words; `stage` None is not known, of what is told later.

    One for now (4xx) is sorted for when it is the last word.
    """
    status = status_in(words)
    if status:
        _, subject, detail = status.split(".")
        where = f"{subject}.{detail}"
        is_of_us = subject in ("6", "7") or where in _NOT_THEM or (subject == "5" and detail != "0")
        is_gone = where in _NOBODY
    else:
        of_mailbox = stage is not Stage.CONTENT and code % 100 in _OF_A_MAILBOX
        is_of_us = not of_mailbox or _WORDS_OF_US.search(words) is not None
        is_gone = stage is Stage.RECIPIENT and code != _FULL
    if is_of_us:
        return BounceClass.CONTENT
    is_final = code >= 500 and not status.startswith("4")
    return BounceClass.HARD if is_gone and is_final else BounceClass.SOFT
