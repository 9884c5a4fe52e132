"""Updates after a restored backup: what was published is published, without being told again.

The topic holds titles and excerpts, never the whole text: an update whose draft is in the backup
is published as it was, one that is not there must be written again by its creator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from servicekit.own_topics import Unexplained
from servicekit.recovery import ServiceRecovery
from servicekit.units import UnitsOfWork
from updates.domain.update import Audience, Update, UpdateState, publish
from updates.ports import UpdatesUnit


@dataclass(frozen=True, slots=True)
class Published:
    """A publication as the topic tells of it; `says` compares an update with what was told."""

    campaign_id: str
    update_id: str
    audience: Audience
    at: datetime
    says: Callable[[Update], bool]


@dataclass(frozen=True, slots=True)
class RecoverUpdates(ServiceRecovery):
    """What `recover` does for updates; `read` turns records into publications."""

    units: UnitsOfWork[UpdatesUnit]
    read: Callable[[Sequence[Unexplained]], Sequence[Published]]

    lost = (
        "drafts written or changed after the backup, and whole texts published from them",
        "audit records after the backup",
    )

    async def roll_forward(self, unexplained: Sequence[Unexplained]) -> list[str]:
        """Publish what was published; return what was done, and what creators must do."""
        return [
            await self.units.run(partial(publish_again, told=told))
            for told in self.read(unexplained)
        ]


async def publish_again(unit: UpdatesUnit, told: Published) -> str:
    """Bring one update to where the topic has it; return a line that says so, or why not."""
    name = f"update {told.update_id} of {told.campaign_id}"
    known = await unit.updates.load(told.campaign_id, told.update_id)
    if known is not None and known.state is UpdateState.PUBLISHED:
        return f"{name}: published already"
    published = None if known is None else publish(known, told.audience, told.at)
    if published is None or not told.says(published):
        return (
            f"{name}: its creator must write and publish it again under the same id; "
            f"its {told.audience.count} backers were told, and are not told again"
        )
    await unit.updates.save(published)
    return f"{name}: published from its draft"
