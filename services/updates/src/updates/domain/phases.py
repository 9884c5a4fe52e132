"""Which kind of update may be published when: one table, every pair of it tested."""

from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.kinds import UpdateKind
from updates.domain.project import Project, Verdict


class Phase(StrEnum):
    """Where a campaign stands; unknown is a verdict that this release has no word for."""

    RUNNING = "running"
    MET = "met"
    MISSED = "missed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


_OF_VERDICT = {
    None: Phase.RUNNING,
    Verdict.GOAL_MET: Phase.MET,
    Verdict.GOAL_MISSED: Phase.MISSED,
    Verdict.CANCELLED: Phase.CANCELLED,
    Verdict.UNKNOWN: Phase.UNKNOWN,
}

_GOING_ON = frozenset({Phase.RUNNING, Phase.MET, Phase.UNKNOWN})

# A met campaign stays met after delivery: reports on the product, recalls and thanks go on.
PUBLISHABLE: dict[UpdateKind, frozenset[Phase]] = {
    UpdateKind.PROGRESS_REPORT: _GOING_ON,
    UpdateKind.THANK_YOU: _GOING_ON,
    UpdateKind.DELAY_NOTICE: _GOING_ON,
    UpdateKind.EMERGENCY: _GOING_ON,
    UpdateKind.RECOVERY_PLAN: _GOING_ON,
    UpdateKind.DELIVERY_NOTICE: frozenset({Phase.MET, Phase.UNKNOWN}),
    UpdateKind.FAILURE_LETTER: frozenset({Phase.MISSED, Phase.CANCELLED, Phase.UNKNOWN}),
    UpdateKind.PLAN_ADJUSTMENT: _GOING_ON,
    UpdateKind.NEWS: frozenset(Phase),
}

_REFUSALS = {
    Phase.RUNNING: ("campaign-running", "the campaign still collects"),
    Phase.MET: ("goal-met", "the goal was met"),
    Phase.MISSED: ("campaign-missed", "the goal was missed"),
    Phase.CANCELLED: ("campaign-cancelled", "it was cancelled"),
}


def phase_of(project: Project) -> Phase:
    """Return where the campaign stands, as far as this service knows."""
    return _OF_VERDICT[project.verdict]


def check_launched(project: Project | None) -> Project:
    """Return the project, or raise `Refused`: nothing is known of its launch."""
    if project is None or project.profile is None:
        raise Refused("campaign-unknown", "there is no such campaign")
    return project


def check_may_publish(project: Project | None, kind: UpdateKind) -> Project:
    """Return the project, or raise `Refused`: there is none, or nothing of this kind to say now."""
    project = check_launched(project)
    phase = phase_of(project)
    if phase not in PUBLISHABLE[kind]:
        reason, why = _REFUSALS[phase]
        raise Refused(reason, f"{why}: no {kind} is published now")
    return project
