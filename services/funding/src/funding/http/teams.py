"""Routes of a campaign's team."""

from typing import Annotated

from fastapi import FastAPI

from funding.domain.errors import Refused
from funding.domain.team import Team, TeamRole
from funding.handlers.team import change_team
from funding.http.callers import Callers, unknown_campaign
from funding.http.models import MemberView, TeamBody, TeamView
from funding.http.parts import Parts
from funding.http.paths import CampaignId
from funding.wire import to_the_millisecond
from servicekit.auth import Principal, Role


def add_team_routes(api: FastAPI, callers: Callers, parts: Parts) -> None:
    """Add them."""
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    creator = callers.creator

    @api.put("/campaigns/{campaign_id}/team")
    async def put_team(
        caller: Annotated[Principal, guard.allow(creator, unknown=unknown_campaign)],
        campaign_id: CampaignId,
        body: TeamBody,
    ) -> TeamView:
        """Say who works on the campaign, all of them; who is not named works on it no longer."""
        now = to_the_millisecond(clock.now())
        roles = _roles(body)
        team = await units.run(
            lambda unit: change_team(unit, campaign_id, roles, caller.subject, now)
        )
        return _view(caller.subject, team)

    @api.get(
        "/campaigns/{campaign_id}/team",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=unknown_campaign)],
    )
    async def read_team(campaign_id: CampaignId) -> TeamView:
        """Show who works on the campaign, its owner first."""
        campaign = await queries.campaign(campaign_id)
        if campaign is None:
            raise unknown_campaign()
        team = await queries.team(campaign_id)
        return _view(campaign.launch.creator_id, team or Team(campaign_id))


def _roles(body: TeamBody) -> dict[str, frozenset[TeamRole]]:
    people = [member.person_id for member in body.members]
    if len(set(people)) != len(people):
        raise Refused("person-twice", "somebody stands twice in the team")
    return {m.person_id: frozenset(TeamRole(role) for role in m.roles) for m in body.members}


def _view(owner: str, team: Team) -> TeamView:
    people = [(owner, frozenset({TeamRole.OWNER})), *sorted(team.roles.items())]
    return TeamView(
        campaign_id=team.campaign_id,
        members=[MemberView(person_id=p, roles=sorted(roles)) for p, roles in people],
        changed_at=team.changed_at,
    )
