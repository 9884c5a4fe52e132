"""The project view as people see it: joined from facts of all services, none of them private."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from pydantic import BaseModel, Field

from updates.domain.follow_up import FollowUp, FollowUpTerms
from updates.domain.plan_terms import PlanTerms
from updates.domain.project import DisputeStanding, Profile, Project
from updates.domain.stage_seen import StageSeen
from updates.domain.update import Update
from updates.http.follow_up_views import FollowUpView, follow_up_view
from updates.http.models import UpdateView
from updates.http.plan_models import LogEntryView, PlanView
from updates.http.plan_views import log_entry_view, plan_view
from updates.http.views import update_view
from updates.ports.project_parts import Counts, Promised


class AsOfView(BaseModel):
    """How far a topic is known here, and when its last fact happened."""

    sequence: int
    at: datetime


class FiguresView(BaseModel):
    """Minor units. raised and collected are funding's, refunded and paid payouts'.

    held is what was collected and is neither refunded, paid, charged back, nor taken as fees yet.
    """

    currency: str
    raised: int
    collected: int
    pledges: int
    refunded: int
    refunds: int = Field(description="How many refunds `refunded` sums up.")
    paid: int
    held: int
    fees: int
    charged_back: int


class MilestoneView(BaseModel):
    decision: str
    revision: int
    at: datetime


class StageView(BaseModel):
    """A stage of the payout, and the last decision about the milestone that releases it."""

    number: int
    kind: str
    amount: int
    standing: str
    since: datetime
    milestone: MilestoneView | None


class CountsView(BaseModel):
    """How many there are, and nothing of what they say."""

    updates: dict[str, int] = Field(description="Published, by kind.")
    surveys: dict[str, int] = Field(description="Opened, by state.")
    claims_open: int
    claims_ended: int


class DifferenceView(BaseModel):
    """One thing that a relaunch says otherwise than the campaign that it launches again."""

    field: str
    old: str | None
    new: str | None


class ProjectView(BaseModel):
    """`whole_at` says by topic when all that stood on it was last known to be in here."""

    campaign_id: str
    creator_id: str
    title: str
    goal: int
    deadline: datetime
    verdict: str | None
    decided_at: datetime | None
    relaunch_of: str | None = Field(description="The campaign that this one launches again.")
    differences: list[DifferenceView] = Field(description="Field by field, where it does.")
    backers: int
    figures: FiguresView
    stages: list[StageView]
    disputes: dict[str, int] = Field(description="Chargebacks, by how they stand.")
    as_of: dict[str, AsOfView]
    whole_at: dict[str, datetime]
    counts: CountsView
    delivery_plan: PlanView | None
    promise_log: list[LogEntryView] = Field(description="The last moves, newest first.")
    updates: list[UpdateView]
    follow_up: FollowUpView


def project_view(
    project: Project,
    updates: Sequence[Update],
    follow_up: FollowUp | None,
    terms: FollowUpTerms,
    counts: Counts,
    promised: Promised,
    plan_terms: PlanTerms,
    whole_at: Mapping[str, datetime],
    now: datetime,
) -> ProjectView:
    """Show what is known of a launched campaign."""
    profile, figures = project.profile, project.figures
    assert profile is not None
    return ProjectView(
        campaign_id=project.campaign_id,
        creator_id=profile.creator_id,
        title=profile.title,
        goal=profile.goal,
        deadline=profile.deadline,
        verdict=project.verdict.value if project.verdict else None,
        decided_at=project.decided_at,
        relaunch_of=profile.relaunch_of,
        differences=differences_view(profile),
        backers=project.backers,
        figures=FiguresView(currency=profile.currency, held=figures.held, **asdict(figures)),
        stages=[_stage_view(stage) for stage in project.stages],
        disputes=_standings(project),
        as_of={t: AsOfView(sequence=a.sequence, at=a.at) for t, a in project.as_of.items()},
        whole_at={topic: whole_at[topic] for topic in project.as_of if topic in whole_at},
        counts=CountsView(**asdict(counts)),
        delivery_plan=plan_view(promised.plan, now, plan_terms) if promised.plan else None,
        promise_log=[log_entry_view(entry) for entry in promised.moves],
        updates=[update_view(update) for update in updates],
        follow_up=follow_up_view(follow_up, terms),
    )


def differences_view(profile: Profile) -> list[DifferenceView]:
    return [DifferenceView(**asdict(one)) for one in profile.differences]


def _stage_view(stage: StageSeen) -> StageView:
    decided = stage.milestone
    return StageView(
        number=stage.number,
        kind=stage.kind,
        amount=stage.amount,
        standing=stage.standing.value,
        since=stage.since,
        milestone=decided
        and MilestoneView(
            decision=decided.decision.value, revision=decided.revision, at=decided.at
        ),
    )


def _standings(project: Project) -> dict[str, int]:
    standings = list(project.disputes.values())
    return {one.value: standings.count(one) for one in DisputeStanding if one in standings}
