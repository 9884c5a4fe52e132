"""Facts of other services move the project view, a batch of them in one save."""

from collections.abc import Sequence
from typing import NamedTuple

from updates.domain import project as view
from updates.domain.project import AsOf, Project
from updates.handlers.facts import (
    ChargedBack,
    Collected,
    Decided,
    FeesTaken,
    Heard,
    Launched,
    Placed,
    RefundFailed,
    RefundSucceeded,
    StageFailed,
    StagePaid,
    TeamChanged,
    Unplaced,
    Withdrawn,
)
from updates.ports.unit import Holding, Joined, UpdatesUnit


async def project_facts(unit: UpdatesUnit, heard: Sequence[Heard]) -> None:
    """Fold the facts into the views of their campaigns, in the given order."""
    fold = _Fold(
        await unit.projects.load({one.campaign_id for one in heard}),
        await unit.backers.known(
            {
                (h.campaign_id, h.said.backer_id)
                for h in heard
                if isinstance(h.said, Collected | Withdrawn)
            }
        ),
        await unit.returns.known(
            {h.said.refund_id for h in heard if isinstance(h.said, RefundSucceeded | RefundFailed)}
        ),
    )
    for one in heard:
        fold.take(one)
    await unit.backers.add(fold.joined)
    await unit.backers.hold(fold.held)
    await unit.returns.add([r for r in fold.returned if r not in fold.known_returns])
    await unit.returns.remove([r for r in fold.known_returns if r not in fold.returned])
    await unit.projects.save(list(fold.projects.values()))


class _Held(NamedTuple):
    """How many pledges a backer holds: with the reward of the fact, and of all."""

    of_reward: int
    of_all: int


class _Fold:
    """What is known so far, moved on by each fact of the batch."""

    def __init__(
        self,
        projects: dict[str, Project],
        backers: dict[tuple[str, str], Holding],
        returned: set[str],
    ) -> None:
        self.projects = projects
        self.joined: dict[tuple[str, str], Joined] = {}
        self.known_returns = frozenset(returned)
        self.returned = set(returned)
        self.held: dict[tuple[str, str], Holding] = {}
        self._backers = dict(backers)

    def take(self, heard: Heard) -> None:
        project = self.projects.get(heard.campaign_id) or Project(heard.campaign_id)
        project = self._moved(project, heard)
        if heard.shown is not None:
            project = heard.shown(project)
        as_of = AsOf(heard.sequence, heard.at)
        self.projects[heard.campaign_id] = view.known_until(project, heard.topic, as_of)

    def _moved(self, project: Project, heard: Heard) -> Project:
        match heard.said:
            case Launched(profile):
                return view.launched(project, profile)
            case TeamChanged(roles):
                return view.staffed(project, roles)
            case Decided(verdict):
                return view.decided(project, verdict, heard.at)
            case Placed(amount):
                return view.placed(project, amount)
            case Unplaced(amount):
                return view.unplaced(project, amount)
            case Collected(backer_id, amount, reward_id):
                moved = self._hold(heard, backer_id, reward_id, 1)
                project = view.holds_more(project, reward_id, int(moved.of_reward == 1))
                return view.collected(project, amount, new_backer=moved.of_all == 1)
            case Withdrawn(backer_id, amount, before_verdict, uncollected, reward_id):
                moved = self._hold(heard, backer_id, reward_id, -1)
                project = view.holds_more(project, reward_id, -int(moved.of_reward == 0))
                return view.withdrawn(
                    project,
                    amount,
                    before_verdict=before_verdict,
                    uncollected=uncollected,
                    last_pledge=moved.of_all == 0,
                )
            case RefundSucceeded(refund_id, amount) if refund_id not in self.returned:
                self.returned.add(refund_id)
                return view.refunded(project, amount)
            case RefundFailed(refund_id, amount) if refund_id in self.returned:
                self.returned.discard(refund_id)
                return view.refund_came_back(project, amount)
            case StagePaid(stage, amount):
                return view.stage_paid(project, stage, amount)
            case StageFailed(stage):
                return view.stage_failed(project, stage)
            case FeesTaken(amount):
                return view.fees_taken(project, amount)
            case ChargedBack(dispute_id, amount):
                return view.charged_back(project, dispute_id, amount)
        return project

    def _hold(self, heard: Heard, backer_id: str, reward_id: str, more: int) -> _Held:
        """Note one pledge more or less of a backer; return how many are held then."""
        pair = (heard.campaign_id, backer_id)
        before = self._backers.get(pair)
        if before is None:
            self.joined[pair] = Joined(heard.sequence, {})
            before = {}
        after = {**before, reward_id: before.get(reward_id, 0) + more}
        self._backers[pair] = after
        if pair in self.joined:
            self.joined[pair] = Joined(self.joined[pair].sequence, after)
        else:
            self.held[pair] = after
        return _Held(after[reward_id], sum(after.values()))
