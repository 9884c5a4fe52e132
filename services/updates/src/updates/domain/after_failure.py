"""What backers keep of a campaign that failed: for so long they comment and answer on."""

from datetime import datetime, timedelta

from updates.domain.project import Project, Verdict

AFTER_FAILURE = timedelta(days=90)
_FAILED = frozenset({Verdict.GOAL_MISSED, Verdict.CANCELLED})


def has_failed(project: Project) -> bool:
    """Whether it missed its goal or was cancelled: everybody's money goes back."""
    return project.verdict in _FAILED


def is_over_for_backers(project: Project, now: datetime, kept: timedelta) -> bool:
    """Whether a failed campaign failed so long ago that its backers say nothing more of it.

    It counts from what ended it: one may be cancelled long after its deadline. Of a view that kept
    no instant of that it counts from the deadline.
    """
    deadline = project.profile.deadline if project.profile else None
    ended_at = project.decided_at or deadline
    return ended_at is not None and now >= ended_at + kept
