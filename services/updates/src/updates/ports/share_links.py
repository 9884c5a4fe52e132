"""Where share links are kept, how often they were used, and what signs them."""

from datetime import datetime
from typing import Protocol

from updates.domain.share_link import ShareLink, Uses


class ShareLinks(Protocol):
    """Share links, bound to one transaction."""

    async def of_update(self, campaign_id: str, update_id: str) -> list[ShareLink]:
        """Return all of an update's links, by their ids; those taken back are among them."""
        ...

    async def save(self, link: ShareLink) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...


class ShareLinkQueries(Protocol):
    """Reads outside a transaction, and the count of uses, which no decision stands on."""

    async def share_link(
        self, campaign_id: str, update_id: str, link_id: str
    ) -> ShareLink | None: ...

    async def share_links(self, campaign_id: str, update_id: str) -> list[ShareLink]:
        """Return all of an update's links, by their ids."""
        ...

    async def uses(self, campaign_id: str, update_id: str) -> dict[str, Uses]:
        """Return how often each of an update's links was used; one that never was is left out."""
        ...

    async def count_use(self, link: ShareLink, now: datetime) -> None:
        """Count one more, however many come at once."""
        ...


class ShareLinkSigner(Protocol):
    """Makes what whoever has a link brings, and reads it."""

    def sign(self, link: ShareLink) -> str: ...

    def link_id_of(self, campaign_id: str, update_id: str, given: str) -> str | None:
        """Return which link of this update that is, None for what we did not make."""
        ...
