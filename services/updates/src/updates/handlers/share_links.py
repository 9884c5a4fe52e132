"""Share links: made for one published update by its editors, taken back by them or by staff."""

from datetime import datetime

from updates.domain.errors import Refused
from updates.domain.share_link import ShareLink, make, revoke
from updates.handlers.publish import known_update
from updates.ports.unit import UpdatesUnit


async def make_link(unit: UpdatesUnit, wanted: ShareLink, now: datetime) -> ShareLink:
    """Make it; the same again under its id is the same."""
    update = await known_update(unit, wanted.campaign_id, wanted.update_id)
    known = await unit.share_links.of_update(wanted.campaign_id, wanted.update_id)
    link = make(update, known, wanted, now)
    if link not in known:
        await unit.share_links.save(link)
    return link


async def revoke_link(
    unit: UpdatesUnit, campaign_id: str, update_id: str, link_id: str, by: str, now: datetime
) -> ShareLink:
    """Take it back at once, whatever became of its update."""
    for link in await unit.share_links.of_update(campaign_id, update_id):
        if link.link_id == link_id:
            revoked = revoke(link, by, now)
            if revoked != link:
                await unit.share_links.save(revoked)
            return revoked
    raise Refused("link-unknown", "there is no such link")
