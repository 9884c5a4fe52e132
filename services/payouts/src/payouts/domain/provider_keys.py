"""When a provider's key may be used again, and when "not found" means "never done".

`money.md` 6: a key gives the first answer again, and is forgotten after 24 hours. A second key
for the same intent is safe only after a definite answer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

RESEND_WINDOW = timedelta(hours=23)
ATTEMPTS_MAX = 3


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How long a call can stay unseen: a sender's lease and time-out, the provider's delay."""

    lease_seconds: int
    client_timeout_seconds: int
    consistency_seconds: int

    @property
    def quiet(self) -> timedelta:
        """After this time without a send, nothing can still arrive at the provider unseen."""
        return timedelta(
            seconds=self.lease_seconds + self.client_timeout_seconds + self.consistency_seconds
        )


def may_resend(first_sent_at: datetime, now: datetime) -> bool:
    """Whether the provider surely still knows the key; later, look up first."""
    return now - first_sent_at < RESEND_WINDOW


def absence_counts(last_sent_at: datetime, now: datetime, rules: KeyRules) -> bool:
    """Whether a look-up that found nothing is a definite answer."""
    return now - last_sent_at > rules.quiet
