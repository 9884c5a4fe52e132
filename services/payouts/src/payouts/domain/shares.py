"""Who gets how much when what is left does not reach for everybody (`money.md` 4, cancellation).

The same code divides the real thing and what the simulator shows. How it is divided is frozen
first: then each pledge's share follows from that and its own entitlement, page by page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from payouts.domain.errors import Refused


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What one pledge can claim of it, in minor units (`domain.entitlement`)."""

    pledge_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Share:
    """What the pledge gets, and what stays unpaid: the creator's debt, which is not ours."""

    pledge_id: str
    amount: int
    unpaid: int


@dataclass(frozen=True, slots=True)
class Division:
    """How `amount` is divided by the entitlements, which are `whole` together.

    Everybody gets the exact share rounded down. The left-over units go to the pledges whose
    remainder is above `cut_remainder`, and to those with just this one up to `cut_pledge_id`;
    both are None where no unit is left over.
    """

    amount: int
    whole: int
    cut_remainder: int | None = None
    cut_pledge_id: str | None = None


def freeze(distributable: int, entitled: Sequence[Entitlement]) -> Division:
    """Decide how what is there is divided; ties go by pledge id, whatever the order.

    Nobody gets more than the entitlement: what is beyond all of them is divided among nobody and
    stays where it is.
    """
    if distributable < 0 or any(one.amount < 0 for one in entitled):
        raise Refused("negative-share", "shares are made of amounts that are not below zero")
    whole = sum(one.amount for one in entitled)
    amount = min(distributable, whole)
    if amount == whole:
        return Division(amount, whole)
    left = amount - sum(amount * one.amount // whole for one in entitled)
    if not left:
        return Division(amount, whole)
    ranks = sorted((-(amount * one.amount % whole), one.pledge_id) for one in entitled)
    negative_remainder, pledge_id = ranks[left - 1]
    return Division(amount, whole, -negative_remainder, pledge_id)


def share_of(division: Division, entitled: Entitlement) -> Share:
    """Return what one pledge gets of it."""
    if not division.whole:
        return Share(entitled.pledge_id, 0, entitled.amount)
    floor, remainder = divmod(division.amount * entitled.amount, division.whole)
    amount = floor + int(_gets_a_unit_more(division, remainder, entitled.pledge_id))
    return Share(entitled.pledge_id, amount, entitled.amount - amount)


def _gets_a_unit_more(division: Division, remainder: int, pledge_id: str) -> bool:
    cut, last = division.cut_remainder, division.cut_pledge_id
    if cut is None or last is None:
        return False
    return (-remainder, pledge_id) <= (-cut, last)
