"""Personal links as text: signed, so that nobody makes one up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LinkName:
    """Which link of which refund a text names."""

    campaign_id: str
    refund_id: str
    number: int
    issued_at: datetime


class ClaimLinkKeys(Protocol):
    """Secrets that sign links: the current one signs, all verify."""

    def sign(self, name: LinkName) -> str:
        """Return the text of the link: the same name gives the same text, while the key stays."""
        ...

    def read(self, text: str) -> LinkName | None:
        """Return what the text names, None for one that no secret of ours has signed."""
        ...
