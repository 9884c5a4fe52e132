"""What a mail server's refusal says of the address: by code and enhanced status (RFC 3463)."""

import re
from enum import StrEnum

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")


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


def class_of(code: int, status: str) -> BounceClass:
    """Sort a final refusal (5xx); without an enhanced status the code alone must do."""
    if status:
        _, subject, detail = status.split(".")
        if subject == "7" or subject == "6":
            return BounceClass.CONTENT
        if subject == "1" or (subject, detail) == ("2", "1"):
            return BounceClass.HARD
        return BounceClass.SOFT
    return BounceClass.HARD if code in (550, 551, 553) else BounceClass.SOFT
