"""What is asked before money leaves: who stopped it, whether it is there, what was read."""

from datetime import datetime
from typing import Protocol

from payouts.domain.stopping import Stopped


class Brake(Protocol):
    """Whether operators have stopped the money; at most two seconds old."""

    def stopped(self, campaign_id: str) -> Stopped | None:
        """Return who stopped this campaign's money, or all money, None if nobody did."""
        ...

    async def stop(self, campaign_id: str, by: str, why: str) -> None:
        """Stop this campaign's money, on record, until a person lets it go; repeatable."""
        ...


class Ledger(Protocol):
    """Sums over all books in one currency, minor units; may be a second old."""

    async def booked_and_leaving(self, currency: str) -> tuple[int, int]:
        """Return the sum of `provider_balance`, and what was sent but is not booked as cash."""
        ...

    async def lendings(self, currency: str) -> int:
        """Return how often the platform has given of its own money so far."""
        ...


class Freshness(Protocol):
    """Whether this service has read what was published since money was decided about."""

    async def fresh_since(self, decision_id: str) -> datetime | None:
        """Return since when it has, a minute ago at most; None while it has not or cannot tell.

        Counts from the first time that it is asked, so ask only once it is decided. Who asks more
        than a minute after a yes, or five after a question without one, asks anew, of what was
        published by then.
        """
        ...
