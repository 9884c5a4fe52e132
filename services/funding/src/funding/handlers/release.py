"""A person has looked at a campaign whose history did not fold, and lets it decide."""

from datetime import datetime

from funding.domain.errors import Refused
from funding.ports import FundingUnit
from servicekit.audit import AuditEntry


async def release(unit: FundingUnit, campaign_id: str, by: str, why: str, now: datetime) -> None:
    """Let the campaign go, on record; raises `Refused` where nothing is left to decide."""
    held = await unit.held.load(campaign_id)
    if held is None:
        raise Refused("not-held", f"nobody holds campaign {campaign_id}")
    if held.verdict is not None:
        detail = f"the verdict of {campaign_id} was told and stands: {held.verdict.outcome}"
        raise Refused("verdict-told", detail)
    await unit.held.remove(campaign_id)
    entry = AuditEntry(now, by, "release", {"campaign": campaign_id}, why, f"was held: {held.why}")
    await unit.plumbing.audit.add(entry)
