"""What goes in and out about delivery plans."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from servicekit.instants import Day
from updates.domain.delivery_plan import REASON_CHARACTERS_MAX
from updates.http.models import Body

StepName = Literal["production", "packaging", "delivery", "start", "end"]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX)]


class PlanBody(Body):
    """The days of a batch: production, packaging, delivery of a product, start, end of a service.

    Days are those of the campaign's zone.
    """

    provision: Literal["product", "service"]
    days: dict[StepName, Day]


class MoveBody(Body):
    """Another day for a step; `dependents` moves the steps behind it by as many days."""

    step: StepName
    day: Day
    reason: Reason
    dependents: bool = False


class AnswerBody(Body):
    """The day stands, or the step is done."""

    step: StepName
    answer: Literal["confirmed", "done"]


class PromiseView(BaseModel):
    """A promise; `slip_days` since it was promised at first, `overdue_days` since its day."""

    step: str
    day: date
    first: date
    slip_days: int
    state: str
    confirmed_at: datetime | None
    overdue_days: int
    notice: dict[str, str] | None = Field(
        description="What the page says of a day that is over, by language; absent while it is not."
    )


class LineView(BaseModel):
    reward_id: str
    reward: str
    batch: int
    provision: str
    promises: list[PromiseView]
    published_at: datetime


class PlanView(BaseModel):
    """A campaign's plan; `notice` is what the page says while it is missing, by language."""

    campaign_id: str
    zone: str
    lines: list[LineView]
    missing_rewards: list[str]
    asked_at: datetime | None
    ended: bool
    moves: int
    notice: dict[str, str] | None


class LogEntryView(BaseModel):
    """An entry of the promise log: who moved what, when, why, and in which update."""

    number: int
    reward_id: str
    batch: int
    step: str
    old: date
    new: date
    days: int
    reason: str
    update_id: str | None
    by: str
    at: datetime


class LogPage(BaseModel):
    items: list[LogEntryView]
    next_before: int | None
