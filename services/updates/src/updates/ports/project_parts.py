"""What the project view shows of this service's own subjects, read outside a transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from updates.domain.delivery_plan import DeliveryPlan, PromiseMoved


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are: published updates by kind, surveys by state, claims open and ended."""

    updates: Mapping[str, int]
    surveys: Mapping[str, int]
    claims_open: int
    claims_ended: int


@dataclass(frozen=True, slots=True)
class Promised:
    """The delivery plan, None before there is one, and the last moves of it, newest first."""

    plan: DeliveryPlan | None
    moves: list[PromiseMoved]


class ProjectParts(Protocol):
    """Parts of the view that are no other service's facts."""

    async def counts(self, campaign_id: str) -> Counts: ...

    async def promised(self, campaign_id: str, moves: int) -> Promised:
        """Return the plan with so many of its last moves."""
        ...

    async def whole_at(self) -> dict[str, datetime]:
        """Return, by topic, the last instant at which all that stood on it was in the view."""
        ...
