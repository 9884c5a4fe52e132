"""What the fakes of all stores share: the compare-and-set of a save."""

from dataclasses import replace
from typing import TypeVar

from servicekit.errors import Conflict
from updates.domain.claim import Claim
from updates.domain.comment import Comment
from updates.domain.delivery_plan import DeliveryPlan
from updates.domain.follow_up import FollowUp
from updates.domain.milestone import Milestone
from updates.domain.pledge import Pledge
from updates.domain.project import Project
from updates.domain.report import Case
from updates.domain.reward_tracking import RewardTracking
from updates.domain.survey import Survey
from updates.domain.tracking import Tracking
from updates.domain.update import Update

K = TypeVar("K")
V = TypeVar(
    "V",
    Comment,
    Case,
    Project,
    Update,
    Pledge,
    Claim,
    FollowUp,
    Survey,
    DeliveryPlan,
    Tracking,
    RewardTracking,
    Milestone,
)


def save_versioned(table: dict[K, V], key: K, value: V) -> None:
    """Put the next version in place of the one that was loaded; `Conflict` if it moved on."""
    known = table.get(key)
    if (known.version if known else 0) != value.version:
        raise Conflict("a document was saved by somebody else")
    table[key] = replace(value, version=value.version + 1)
