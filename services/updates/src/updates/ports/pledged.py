"""What was pledged, as the topic of pledges tells of it: for who cannot wait to have heard it."""

from collections.abc import Collection, Mapping
from typing import Protocol

from updates.domain.pledge import Promise

# Its campaign's id and its own.
PledgePlace = tuple[str, str]


class Pledged(Protocol):
    """The whole topic, read outside any group; what it says is heard later all the same."""

    async def promises(self, pledges: Collection[PledgePlace]) -> Mapping[PledgePlace, Promise]:
        """Return what was promised for those of these pledges that were ever collected.

        Raises `DependencyAway` if no broker answers.
        """
        ...
