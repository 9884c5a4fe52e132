"""What a delay notice or recovery plan says of the delivery plan's dates.

« Ajuster le calendrier : si nécessaire, mettez à jour la date de livraison et expliquez aux
soutiens les raisons de l'ajustement. »
"""

from dataclasses import dataclass
from datetime import date

from updates.domain.errors import Refused


@dataclass(frozen=True, slots=True)
class DateMove:
    """One date of the plan: whose it is, what it was, what it becomes, and why."""

    reward_id: str
    batch: int
    step: str
    old: date
    new: date
    reason: str


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """The moves; none is the explicit word that dates are unchanged."""

    moves: tuple[DateMove, ...] = ()

    @property
    def unchanged(self) -> bool:
        return not self.moves

    def check(self) -> None:
        """Refuse a date that moves twice, nowhere or without a reason."""
        places = {(move.reward_id, move.batch, move.step) for move in self.moves}
        if len(places) != len(self.moves):
            raise Refused("invalid-part", "a date moves once in one update")
        for move in self.moves:
            if move.new == move.old:
                raise Refused("invalid-part", "a date moves to another day")
            if not move.reason.strip():
                raise Refused("missing-part", "a date moves with a reason")
