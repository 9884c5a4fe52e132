"""What one transaction of this service holds, and what its stores promise."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from servicekit.units import Unit
from updates.domain.claim import ClaimFact
from updates.domain.comment import CommentFact
from updates.domain.correction import Revision, UpdateCorrected
from updates.domain.delivery_plan import PlanFact
from updates.domain.follow_up import FollowUpFact
from updates.domain.milestone import MilestoneSubmitted
from updates.domain.project import Project
from updates.domain.questionnaire import QuestionnaireFact
from updates.domain.survey import SurveyFact
from updates.domain.tracking_facts import TrackingFact
from updates.domain.update import Update, UpdateHidden, UpdatePublished, UpdateRestored
from updates.ports.appeals import Appeals
from updates.ports.claims import Claims, Pledges
from updates.ports.codes import Codes
from updates.ports.comments import Comments
from updates.ports.follow_ups import Askers, FollowUps
from updates.ports.media import MediaRows
from updates.ports.milestones import Milestones
from updates.ports.plans import Plans
from updates.ports.questionnaires import AddressExports, Questionnaires, RewardReplies
from updates.ports.relaunch_letters import RelaunchLetters
from updates.ports.reports import Reports
from updates.ports.share_links import ShareLinks
from updates.ports.surveys import Answers, AskedBackers, Surveys
from updates.ports.tracking import OwedRewards, RewardTrackings, Trackings
from updates.ports.view import ViewGate

Fact = (
    UpdatePublished
    | UpdateCorrected
    | UpdateHidden
    | UpdateRestored
    | CommentFact
    | ClaimFact
    | FollowUpFact
    | SurveyFact
    | PlanFact
    | QuestionnaireFact
    | TrackingFact
    | MilestoneSubmitted
)


class Projects(Protocol):
    """Project views, bound to one transaction."""

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Project]: ...

    async def save(self, projects: Sequence[Project]) -> None:
        """Insert new views (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


# How many pledges with each reward ("" is without one) somebody holds now; 0 was once held.
Holding = Mapping[str, int]


class Joined(NamedTuple):
    """A backer's first pledge: its sequence on the pledges' topic, and what is held by now."""

    sequence: int
    holding: Holding


class Backers(Protocol):
    """Who has, or had, a collected pledge in which campaign, bound to one transaction.

    Nobody is removed: whoever withdrew reads on what was told while he was a backer.
    """

    async def known(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Holding]:
        """Return what each (campaign, backer) pair that is there holds."""
        ...

    async def add(self, joined: Mapping[tuple[str, str], Joined]) -> None:
        """Add (campaign, backer) pairs by their first pledges; `DuplicateKey` if one is there."""
        ...

    async def hold(self, pledges: Mapping[tuple[str, str], Holding]) -> None:
        """Keep what each pair that is there holds now."""
        ...


class Returns(Protocol):
    """Refunds that succeeded, so that one which comes back is taken out, in one transaction."""

    async def known(self, refund_ids: Collection[str]) -> set[str]: ...

    async def add(self, refund_ids: Sequence[str]) -> None: ...

    async def remove(self, refund_ids: Sequence[str]) -> None: ...


class Updates(Protocol):
    """Updates, bound to one transaction."""

    async def load(self, campaign_id: str, update_id: str) -> Update | None: ...

    async def save(self, update: Update) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...


class Revisions(Protocol):
    """What published updates said before they were changed, bound to one transaction."""

    async def add(self, revision: Revision) -> None:
        """Add it; `DuplicateKey` if this number of this update is there."""
        ...


class Facts(Protocol):
    """Where facts go, to be published after the transaction."""

    async def add(self, facts: Sequence[Fact]) -> None:
        """Keep the facts in the outbox, each with the next sequence of its topic and campaign."""
        ...


@dataclass(frozen=True, slots=True)
class UpdatesUnit(Unit):
    """One transaction of this service."""

    projects: Projects
    backers: Backers
    returns: Returns
    updates: Updates
    pledges: Pledges
    claims: Claims
    follow_ups: FollowUps
    askers: Askers
    surveys: Surveys
    answers: Answers
    asked: AskedBackers
    plans: Plans
    revisions: Revisions
    comments: Comments
    reports: Reports
    appeals: Appeals
    view: ViewGate
    questionnaires: Questionnaires
    replies: RewardReplies
    exports: AddressExports
    trackings: Trackings
    rewards: RewardTrackings
    owed: OwedRewards
    milestones: Milestones
    codes: Codes
    media: MediaRows
    letters: RelaunchLetters
    share_links: ShareLinks
    facts: Facts
