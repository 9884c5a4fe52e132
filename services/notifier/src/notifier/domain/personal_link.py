"""A personal link: one person, one campaign, ninety days, revocable; whoever has it may act so far.

What it opens can harm nobody: it shows that the person backs the campaign, and lets them choose
what they hear of it. Neither money nor an address is behind it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.domain.errors import Refused

VALID = timedelta(days=90)
OVER, REVOKED, UNKNOWN = "personal-link-over", "personal-link-revoked", "personal-link-unknown"


@dataclass(frozen=True, slots=True)
class PersonalLink:
    """What the link says; `issued_at` in seconds since 1970."""

    person_id: str
    campaign_id: str
    issued_at: int


def must_be_open(link: PersonalLink, revoked_until: datetime | None, now: datetime) -> None:
    """Raise `Refused` for a link that is too old, or was made before all were revoked."""
    if now.timestamp() - link.issued_at >= VALID.total_seconds():
        raise Refused(OVER, "ninety days have passed since it was made")
    if revoked_until is not None and link.issued_at <= revoked_until.timestamp():
        raise Refused(REVOKED, "it was revoked")
