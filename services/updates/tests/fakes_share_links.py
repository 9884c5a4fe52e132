"""Share links in memory; `test_share_links.py` holds both kinds to one suite."""

from datetime import datetime

from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.share_link import ShareLink, Uses

Name = tuple[str, str, str]


class MemoryShareLinks:
    """Both the store of a transaction and the reads outside of one."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._links: dict[Name, ShareLink] = database.table("share_links")
        self._uses: dict[Name, Uses] = database.table("share_link_uses")

    async def of_update(self, campaign_id: str, update_id: str) -> list[ShareLink]:
        place = (campaign_id, update_id)
        return [link for name, link in sorted(self._links.items()) if name[:2] == place]

    async def save(self, link: ShareLink) -> None:
        save_versioned(self._links, _name(link), link)

    async def share_link(self, campaign_id: str, update_id: str, link_id: str) -> ShareLink | None:
        return self._links.get((campaign_id, update_id, link_id))

    async def share_links(self, campaign_id: str, update_id: str) -> list[ShareLink]:
        return await self.of_update(campaign_id, update_id)

    async def uses(self, campaign_id: str, update_id: str) -> dict[str, Uses]:
        place = (campaign_id, update_id)
        return {name[2]: used for name, used in self._uses.items() if name[:2] == place}

    async def count_use(self, link: ShareLink, now: datetime) -> None:
        self._uses[_name(link)] = self._uses.get(_name(link), Uses()).at(now)


def _name(link: ShareLink) -> Name:
    return (link.campaign_id, link.update_id, link.link_id)
