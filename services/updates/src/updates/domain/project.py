"""The project view: what other services' facts say about a campaign, each figure as of when.

Facts of different topics come in any order, so every part stands for itself and the view is
whatever is known so far (`events.md` rule 8: a projection may be rebuilt from zero).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from updates.domain.stage_seen import (
    MilestoneSeen,
    Stages,
    StageSeen,
    milestone_decided,
    stage_moved,
)


class Verdict(StrEnum):
    GOAL_MET = "goal_met"
    GOAL_MISSED = "goal_missed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class DisputeStanding(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a relaunch says otherwise; None where one of the two says nothing of it."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Profile:
    """What the launch says of a campaign; the goal in minor units of its currency.

    `relaunch_of` is the campaign that it launches again, with what is different.
    """

    creator_id: str
    title: str
    currency: str
    goal: int
    deadline: datetime
    launched_at: datetime
    relaunch_of: str | None = None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Minor units. *raised* and *collected* are funding's, the others are payouts'.

    `fees` are what the platform takes of the campaign's money with the last stage, tax included.
    `charged_back` is what banks took of it for backers, decided or not. `refunds` counts those that
    `refunded` sums up.
    """

    raised: int = 0
    collected: int = 0
    pledges: int = 0
    refunded: int = 0
    paid: int = 0
    fees: int = 0
    charged_back: int = 0
    refunds: int = 0

    @property
    def held(self) -> int:
        """What was collected and has not gone anywhere yet."""
        return self.collected - self.refunded - self.paid - self.fees - self.charged_back


@dataclass(frozen=True, slots=True)
class AsOf:
    """How far a topic is known for this campaign: its last sequence, and when that happened."""

    sequence: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Project:
    """One campaign's view; `backers` counts distinct people with a collected pledge.

    `paid_stages` holds the amount of each stage that is paid, so that one that bounces is taken
    out again, `charged_back` likewise what each dispute takes. `team` says which roles each person
    has who works on the campaign, `backers_by_reward` how many hold a pledge with each ("" is
    without one). `version` is the compare-and-set guard of every save.
    """

    campaign_id: str
    profile: Profile | None = None
    verdict: Verdict | None = None
    figures: Figures = field(default_factory=Figures)
    backers: int = 0
    paid_stages: Mapping[str, int] = field(default_factory=dict)
    as_of: Mapping[str, AsOf] = field(default_factory=dict)
    version: int = 0
    charged_back: Mapping[str, int] = field(default_factory=dict)
    team: Mapping[str, frozenset[str]] = field(default_factory=dict)
    decided_at: datetime | None = None
    backers_by_reward: Mapping[str, int] = field(default_factory=dict)
    stages: Stages = ()
    disputes: Mapping[str, DisputeStanding] = field(default_factory=dict)


def launched(project: Project, profile: Profile) -> Project:
    return replace(project, profile=profile)


def staffed(project: Project, team: Mapping[str, frozenset[str]]) -> Project:
    """These people work on the campaign, and nobody else."""
    return replace(project, team=team)


def decided(project: Project, verdict: Verdict, at: datetime) -> Project:
    return replace(project, verdict=verdict, decided_at=at)


def placed(project: Project, amount: int) -> Project:
    return _figures(project, raised=project.figures.raised + amount)


def unplaced(project: Project, amount: int) -> Project:
    """A pledge was given up before the verdict: the public total loses it."""
    return _figures(project, raised=project.figures.raised - amount)


def collected(project: Project, amount: int, *, new_backer: bool) -> Project:
    moved = _figures(
        project,
        collected=project.figures.collected + amount,
        pledges=project.figures.pledges + 1,
    )
    return replace(moved, backers=project.backers + int(new_backer))


def holds_more(project: Project, reward_id: str, backers: int) -> Project:
    """So many more backers hold a pledge with this reward ("" is without one)."""
    if not backers:
        return project
    count = project.backers_by_reward.get(reward_id, 0) + backers
    return replace(project, backers_by_reward={**project.backers_by_reward, reward_id: count})


def withdrawn(
    project: Project, amount: int, *, before_verdict: bool, uncollected: bool, last_pledge: bool
) -> Project:
    """A collected pledge was taken back; after a verdict the public total stays.

    `uncollected` says that funding's own collected lost it, `last_pledge` that its backer left.
    """
    figures = project.figures
    moved = _figures(
        project,
        raised=figures.raised - (amount if before_verdict else 0),
        collected=figures.collected - (amount if uncollected else 0),
        pledges=figures.pledges - int(uncollected),
    )
    return replace(moved, backers=project.backers - int(last_pledge))


def refunded(project: Project, amount: int) -> Project:
    figures = project.figures
    return _figures(project, refunded=figures.refunded + amount, refunds=figures.refunds + 1)


def refund_came_back(project: Project, amount: int) -> Project:
    """A refund that had succeeded failed after all."""
    figures = project.figures
    return _figures(project, refunded=figures.refunded - amount, refunds=figures.refunds - 1)


def stage_paid(project: Project, stage: int, amount: int) -> Project:
    return _stages(project, {**project.paid_stages, str(stage): amount})


def stage_failed(project: Project, stage: int) -> Project:
    """An attempt failed; if the stage had been paid, it no longer is."""
    left = {number: paid for number, paid in project.paid_stages.items() if number != str(stage)}
    return _stages(project, left)


def fees_taken(project: Project, amount: int) -> Project:
    """The last stage is approved; 0 where its approval has fallen."""
    return _figures(project, fees=amount)


def charged_back(project: Project, dispute_id: str, amount: int) -> Project:
    """A dispute takes so much of the campaign's money now; 0 where the bank gave it back."""
    taken = {**project.charged_back, dispute_id: amount}
    moved = _figures(project, charged_back=sum(taken.values()))
    return replace(moved, charged_back=taken)


def shows_stage(project: Project, stage: StageSeen) -> Project:
    return replace(project, stages=stage_moved(project.stages, stage))


def plans_stages(project: Project, stages: Stages) -> Project:
    """What is planned is shown until something is known of it."""
    for stage in stages:
        project = shows_stage(project, stage)
    return project


def shows_milestone(project: Project, number: int, milestone: MilestoneSeen) -> Project:
    return replace(project, stages=milestone_decided(project.stages, number, milestone))


def shows_dispute(project: Project, dispute_id: str, standing: DisputeStanding) -> Project:
    return replace(project, disputes={**project.disputes, dispute_id: standing})


def known_until(project: Project, topic: str, as_of: AsOf) -> Project:
    """Note how far the topic is known, whatever its fact was."""
    return replace(project, as_of={**project.as_of, topic: as_of})


def _stages(project: Project, paid_stages: Mapping[str, int]) -> Project:
    moved = _figures(project, paid=sum(paid_stages.values()))
    return replace(moved, paid_stages=paid_stages)


def _figures(project: Project, **changes: int) -> Project:
    return replace(project, figures=replace(project.figures, **changes))
