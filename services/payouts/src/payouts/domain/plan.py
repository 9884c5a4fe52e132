"""How much each stage of a campaign gets (`money.md` 4), in minor units of its currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from payouts.domain.errors import Refused
from payouts.domain.quantum import floor_to
from sosst_contracts.money import BASIS_POINTS, floor_share


class StageKind(StrEnum):
    FIRST = "first"
    SECOND = "second"
    LAST = "last"
    SUPPLEMENT = "supplement"


KINDS = (StageKind.FIRST, StageKind.SECOND, StageKind.LAST)


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One line of the plan; the last one's amount is before fees, which are taken from it."""

    number: int
    kind: StageKind
    share_basis_points: int
    amount: int


def split(base: int, shares: Sequence[int], quantum: int = 1) -> tuple[PlannedStage, ...]:
    """Split the frozen base by the campaign's shares; the amounts always sum to the base.

    `quantum` is the smallest unit that the provider pays out in this currency: stages floor to
    it and the remainder stays for the last.
    """
    check_shares(shares)
    first = floor_to(floor_share(base, shares[0]), quantum)
    second = floor_to(floor_share(base, shares[1]), quantum)
    amounts = (first, second, base - first - second)
    return tuple(
        PlannedStage(number, kind, share, amount)
        for number, (kind, share, amount) in enumerate(
            zip(KINDS, shares, amounts, strict=True), start=1
        )
    )


def stage_amount(
    number: int,
    base: int,
    shares: Sequence[int],
    backer_funds: int,
    approved: int,
    quantum: int = 1,
) -> int:
    """Return what stage 1 or 2 gets now: never more than the plan, nor than what is left allows.

    `approved` is the sum of the stages approved before it; with `backer_funds` it is M of the
    rule. With nothing returned the answer is the plan's; after losses no backer's money is taken.
    """
    if number not in (1, 2):
        raise Refused("no-such-rule", f"stage {number} is not paid by shares of the base")
    planned = floor_share(base, shares[number - 1])
    cumulative = floor_share(backer_funds + approved, sum(shares[:number]))
    return floor_to(max(0, min(planned, cumulative - approved)), quantum)


def check_shares(shares: Sequence[int]) -> None:
    """Raise `Refused` unless there are three shares that sum to the whole."""
    whole = len(shares) == len(KINDS) and min(shares) >= 0 and sum(shares) == BASIS_POINTS
    if not whole:
        raise Refused("invalid-shares", f"shares {list(shares)} are not three parts of 10 000")
