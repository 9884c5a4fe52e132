"""Who is calling, by what this service itself knows of the campaign."""

from dataclasses import dataclass

from servicekit.access import Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.problems import Problem
from updates.domain.emergency import is_form
from updates.domain.sight import EVERYTHING, STRANGER, Sight
from updates.domain.team import TeamRole
from updates.domain.update import Update, UpdateState, Visibility
from updates.ports.queries import Queries

INSIDERS = "what is for backers only: backers and team of the campaign, staff"
DRAFTS = "drafts: team of the campaign, staff"


@dataclass(frozen=True, slots=True)
class Callers:
    """What a caller is to a campaign."""

    queries: Queries

    @property
    def creator(self) -> Owner:
        """Return the ground on which a campaign's creator is let in."""
        return Owner("creator of the campaign", Role.CREATOR, self._owns_campaign)

    @property
    def editor(self) -> Owner:
        """Return the ground on which whoever writes for a campaign is let in, or its owner."""
        return self._in_team("editor of the campaign", TeamRole.EDITOR)

    @property
    def fulfilment(self) -> Owner:
        """Return the ground of whoever sends a campaign's rewards, or its owner."""
        return self._in_team("fulfilment of the campaign", TeamRole.FULFILMENT)

    @property
    def moderator(self) -> Owner:
        """Return the ground of whoever moderates a campaign's comments, or its owner."""
        return self._in_team("moderator of the campaign", TeamRole.MODERATOR)

    async def is_in_team(self, caller: Principal, campaign_id: str) -> bool:
        """Whether the caller works on the campaign, as its owner or as whatever."""
        if await self.is_creator(caller, campaign_id):
            return True
        project = await self.queries.project(campaign_id)
        return project is not None and caller.subject in project.team

    @property
    def backer(self) -> Owner:
        """Return the ground on which somebody who has, or had, a collected pledge is let in."""
        return Owner("backer of the campaign", Role.BACKER, self._backs_campaign)

    async def is_creator(self, caller: Principal, campaign_id: str) -> bool:
        """Whether the campaign is the caller's."""
        if Role.CREATOR not in caller.roles:
            return False
        project = await self.queries.project(campaign_id)
        profile = project.profile if project else None
        return profile is not None and profile.creator_id == caller.subject

    async def is_backer(self, caller: Principal, campaign_id: str) -> bool:
        """Whether the caller has, or had, a collected pledge in the campaign."""
        return (await self._rewards(caller, campaign_id)) is not None

    async def may_read(self, caller: Principal | None, update: Update) -> bool:
        """Whether the caller is shown this update: a draft, or what is for few, only by right."""
        if update.state is UpdateState.PUBLISHED and not update.hidden:
            if update.content.visibility is Visibility.PUBLIC:
                return True
            return (await self.sight(caller, update.campaign_id)).shows(update.content)
        if is_form(update):
            return caller is not None and caller.subject == update.content.author_id
        return await self.is_inside(caller, update.campaign_id)

    async def is_inside(self, caller: Principal | None, campaign_id: str) -> bool:
        """Whether the caller is of the campaign's team, or staff: they are shown everything."""
        if caller is None:
            return False
        return Role.STAFF in caller.roles or await self.is_in_team(caller, campaign_id)

    async def sight(self, caller: Principal | None, campaign_id: str) -> Sight:
        """Return what of the campaign's published updates this caller is shown."""
        if caller is None:
            return STRANGER
        if await self.is_inside(caller, campaign_id):
            return EVERYTHING
        rewards = await self._rewards(caller, campaign_id)
        return STRANGER if rewards is None else Sight(inside=True, rewards=rewards)

    async def _rewards(self, caller: Principal, campaign_id: str) -> frozenset[str] | None:
        if Role.BACKER not in caller.roles:
            return None
        return await self.queries.rewards_of(campaign_id, caller.subject)

    def _in_team(self, who: str, role: TeamRole) -> Owner:
        async def works_on(caller: Principal, ids: Ids) -> bool:
            campaign_id = ids["campaign_id"]
            if await self.is_creator(caller, campaign_id):
                return True
            project = await self.queries.project(campaign_id)
            return project is not None and role in project.team.get(caller.subject, ())

        # Who is in a team may have any role on the platform, so none is asked for.
        return Owner(who, None, works_on)

    async def _backs_campaign(self, caller: Principal, ids: Ids) -> bool:
        return await self.is_backer(caller, ids["campaign_id"])

    async def _owns_campaign(self, caller: Principal, ids: Ids) -> bool:
        return await self.is_creator(caller, ids["campaign_id"])


def unknown_campaign() -> Problem:
    return Problem(404, "campaign-unknown", "There is no such campaign")


def unknown_update() -> Problem:
    return Problem(404, "update-unknown", "There is no such update in this campaign")
