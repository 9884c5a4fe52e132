"""Changing a campaign's team: the same team again is the same, every change is on record."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from funding.domain.errors import Refused
from funding.domain.facts import TeamChanged
from funding.domain.team import Team, TeamRole, check_team
from funding.ports import FundingUnit
from servicekit.audit import AuditEntry


async def change_team(
    unit: FundingUnit,
    campaign_id: str,
    roles: Mapping[str, frozenset[TeamRole]],
    by: str,
    now: datetime,
) -> Team:
    """Let these people work on the campaign, and nobody else beside its owner."""
    campaign = (await unit.campaigns.load([campaign_id])).get(campaign_id)
    if campaign is None:
        raise Refused("campaign-unknown", f"no campaign {campaign_id!r}")
    owner = campaign.launch.creator_id
    check_team(owner, roles)
    known = await unit.teams.load(campaign_id) or Team(campaign_id)
    if known.roles == roles:
        return known
    changed = replace(known, roles=dict(roles), changed_by=by, changed_at=now)
    await unit.teams.save(changed)
    await unit.facts.add([TeamChanged(owner, changed)])
    what = {
        "campaign": campaign_id,
        "was": [_said(*one) for one in sorted(known.roles.items())],
        "is": [_said(*one) for one in sorted(roles.items())],
    }
    await unit.plumbing.audit.add(AuditEntry(now, by, "team", what, "", "changed"))
    return replace(changed, version=changed.version + 1)


def _said(person: str, roles: frozenset[TeamRole]) -> str:
    return f"{person}: {', '.join(sorted(roles))}"
