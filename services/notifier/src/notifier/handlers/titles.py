"""What a campaign is called where people read of it."""

from notifier.ports.unit import NotifierUnit


async def title_of(unit: NotifierUnit, campaign_id: str) -> str:
    """Return the campaign's title, its id until a title was heard."""
    return (await unit.titles.load([campaign_id])).get(campaign_id, campaign_id)
