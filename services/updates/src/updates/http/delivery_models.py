"""What goes in and out about rewards on their way."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from updates.domain.delivery_plan import BATCHES_MAX
from updates.domain.tracking import NUMBER_CHARACTERS_MAX, Tracking, TrackingMove
from updates.handlers.tracking import Report, Result
from updates.http.models import Body

# That a reward came only its backer says, by another route.
MovedState = Literal[
    "not_started", "preparing", "shipped", "partially_shipped", "delivered", "returned"
]
BatchNumber = Annotated[int, Field(ge=1, le=BATCHES_MAX)]
Label = Annotated[str, Field(min_length=1, max_length=NUMBER_CHARACTERS_MAX)]


class ParcelBody(Body):
    """A parcel is added to those that were sent before; one that is known stays as it is."""

    carrier: Label
    number: Label


class DeliveryBody(Body):
    """What is new of one backer's reward; what is not named stays."""

    state: MovedState | None = None
    parcel: ParcelBody | None = None
    batch: BatchNumber | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.state is None and self.parcel is None and self.batch is None:
            raise ValueError("a state, a parcel or a batch is named")
        return self


class MovesBody(Body):
    """Where all are moved who are owed the reward, or those of a batch."""

    state: MovedState
    batch: BatchNumber | None = None


class ParcelView(BaseModel):
    carrier: str
    number: str
    at: datetime


class MoveView(BaseModel):
    """A line of the history; `by` is the side: `backer` or `team`."""

    old: str
    new: str
    by: str
    at: datetime


class DeliveryView(BaseModel):
    """How far a reward is on its way to one backer."""

    reward_id: str
    backer_id: str
    state: str
    batch: int | None
    parcels: list[ParcelView]
    history: list[MoveView]
    received_at: datetime | None


class DeliveryPage(BaseModel):
    items: list[DeliveryView]
    next_cursor: str | None


class RefusalView(BaseModel):
    backer_id: str
    reason: str
    detail: str


class MovesView(BaseModel):
    """What became of all of them; the first hundred of those that were refused are named."""

    changed: int
    unchanged: int
    refused: int
    refusals: list[RefusalView]


def delivery_view(tracking: Tracking) -> DeliveryView:
    """Show it with all that was said of it."""
    return DeliveryView(
        reward_id=tracking.reward_id,
        backer_id=tracking.backer_id,
        state=tracking.state.value,
        batch=tracking.batch,
        parcels=[
            ParcelView(carrier=one.carrier, number=one.number, at=one.at)
            for one in tracking.parcels
        ],
        history=[_move_view(one, tracking.backer_id) for one in tracking.history],
        received_at=tracking.received_at,
    )


def _move_view(one: TrackingMove, backer_id: str) -> MoveView:
    side = "backer" if one.by == backer_id else "team"
    return MoveView(old=one.old.value, new=one.new.value, by=side, at=one.at)


def moves_view(report: Report) -> MovesView:
    """Show what became of a whole reward's move."""
    return MovesView(
        changed=report.changed,
        unchanged=report.unchanged,
        refused=report.refused,
        refusals=[_refusal_view(one) for one in report.refusals],
    )


def _refusal_view(result: Result) -> RefusalView:
    assert result.refused is not None
    return RefusalView(
        backer_id=result.wanted.backer_id,
        reason=result.refused.reason,
        detail=result.refused.detail,
    )
