"""Who gets how much when what is left does not reach for everybody (`money.md` 4, cancellation).

The same code divides the real thing and what the simulator shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from payouts.domain.errors import Refused


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What one pledge could still claim, in minor units: returned, reserved, disputed are out."""

    pledge_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Share:
    """What the pledge gets, and what stays unpaid: the creator's debt, which is not ours."""

    pledge_id: str
    amount: int
    unpaid: int


def divide(distributable: int, entitled: Sequence[Entitlement]) -> tuple[Share, ...]:
    """Divide by entitlement, rounded down; left-over units go to the largest remainders.

    Ties go by pledge id. Nobody gets more than the entitlement: what is beyond all of them is
    divided among nobody and stays where it is. The order of the answer is that of the question.
    """
    if distributable < 0 or any(one.amount < 0 for one in entitled):
        raise Refused("negative-share", "shares are made of amounts that are not below zero")
    whole = sum(one.amount for one in entitled)
    if whole == 0:
        return tuple(Share(one.pledge_id, 0, 0) for one in entitled)
    to_divide = min(distributable, whole)
    floors = {one.pledge_id: to_divide * one.amount // whole for one in entitled}
    left = to_divide - sum(floors.values())
    by_remainder = sorted(
        entitled, key=lambda one: (-(to_divide * one.amount % whole), one.pledge_id)
    )
    for one in by_remainder[:left]:
        floors[one.pledge_id] += 1
    return tuple(
        Share(one.pledge_id, floors[one.pledge_id], one.amount - floors[one.pledge_id])
        for one in entitled
    )
