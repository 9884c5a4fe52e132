"""Facts of other services move the project view, a batch of them in one save."""

from collections.abc import Sequence

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
    Unplaced,
    Withdrawn,
)
from updates.ports import UpdatesUnit


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


class _Fold:
    """What is known so far, moved on by each fact of the batch."""

    def __init__(
        self,
        projects: dict[str, Project],
        backers: dict[tuple[str, str], int],
        returned: set[str],
    ) -> None:
        self.projects = projects
        self.joined: list[tuple[str, str, int]] = []
        self.known_returns = frozenset(returned)
        self.returned = set(returned)
        self.held: dict[tuple[str, str], int] = {}
        self._backers = dict(backers)

    def take(self, heard: Heard) -> None:
        project = self.projects.get(heard.campaign_id) or Project(heard.campaign_id)
        project = self._moved(project, heard)
        as_of = AsOf(heard.sequence, heard.at)
        self.projects[heard.campaign_id] = view.known_until(project, heard.topic, as_of)

    def _moved(self, project: Project, heard: Heard) -> Project:
        match heard.said:
            case Launched(profile):
                return view.launched(project, profile)
            case Decided(verdict):
                return view.decided(project, verdict)
            case Placed(amount):
                return view.placed(project, amount)
            case Unplaced(amount):
                return view.unplaced(project, amount)
            case Collected(backer_id, amount):
                return view.collected(project, amount, new_backer=self._joins(heard, backer_id))
            case Withdrawn(backer_id, amount, before_verdict, uncollected):
                return view.withdrawn(
                    project,
                    amount,
                    before_verdict=before_verdict,
                    uncollected=uncollected,
                    last_pledge=self._leaves(heard, backer_id),
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

    def _joins(self, heard: Heard, backer_id: str) -> bool:
        pair = (heard.campaign_id, backer_id)
        if pair not in self._backers:
            self.joined.append((*pair, heard.sequence))
            self._backers[pair] = 1
            return True
        return self._hold(pair, 1) == 1

    def _leaves(self, heard: Heard, backer_id: str) -> bool:
        return self._hold((heard.campaign_id, backer_id), -1) == 0

    def _hold(self, pair: tuple[str, str], more: int) -> int:
        self._backers[pair] = self.held[pair] = self._backers[pair] + more
        return self._backers[pair]
