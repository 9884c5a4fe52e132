"""What the platform takes of a campaign, once, out of the last stage (`money.md` 4).

Amounts are integers in minor units of the campaign's currency. Returns never reduce fees.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from payouts.domain.errors import Refused
from payouts.domain.quantum import floor_to
from sosst_contracts.money import BASIS_POINTS, floor_share, half_up_share


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """Rates in basis points, the fixed fee per pledge in minor units; fixed at launch."""

    platform_basis_points: int
    processing_basis_points: int
    processing_fixed: int
    tax_basis_points: int

    def __post_init__(self) -> None:
        rates = (self.platform_basis_points, self.processing_basis_points, self.tax_basis_points)
        if min(*rates, self.processing_fixed) < 0 or max(rates) > BASIS_POINTS:
            raise Refused("invalid-terms", "rates lie between 0 and 10 000, a fee is not negative")


@dataclass(frozen=True, slots=True)
class Fees:
    """F, P and T of `money.md` 4."""

    platform: int
    processing: int
    tax: int

    @property
    def total(self) -> int:
        return self.platform + self.processing + self.tax


def processing_fee(amount: int, terms: FeeTerms) -> int:
    """Return one pledge's share of P: rounded half up per pledge, plus the fixed part."""
    return half_up_share(amount, terms.processing_basis_points) + terms.processing_fixed


def fees_of(pledges: Iterable[int], terms: FeeTerms) -> Fees:
    """Return the fees of all collected pledges, counted and late, given by their amounts.

    F is taken once of the sum, rounded down; P per pledge; the tax once of both, half up.
    """
    collected = processing = 0
    for amount in pledges:
        collected += amount
        processing += processing_fee(amount, terms)
    return fees_from(collected, processing, terms)


def fees_from(collected: int, processing: int, terms: FeeTerms) -> Fees:
    """Return the fees from the sum of the pledges and of their `processing_fee`."""
    platform = floor_share(collected, terms.platform_basis_points)
    return Fees(platform, processing, half_up_share(platform + processing, terms.tax_basis_points))


def waive(fees: Fees, amount: int, terms: FeeTerms) -> Fees:
    """Return the fees with so much less of the platform's, and the tax on what is left."""
    platform = max(0, fees.platform - amount)
    tax = half_up_share(platform + fees.processing, terms.tax_basis_points)
    return Fees(platform, fees.processing, tax)


@dataclass(frozen=True, slots=True)
class LastStage:
    """How `available` is divided when the last stage is approved (row 14).

    `covered` are the fees that the campaign's money pays, tax first, then processing, then the
    platform's; `owed` is what the creator owes of each; `payable` is what the creator gets, and
    `dust` what is left because the provider pays out whole quanta only.
    """

    covered: Fees
    owed: Fees
    payable: int
    dust: int = 0


def divide_last(available: int, fees: Fees, quantum: int = 1) -> LastStage:
    """Take the fees out of what is left, in their order; the rest is the creator's, but dust."""
    if available < 0:
        raise Refused("account-short", f"there is no last stage of {available}")
    tax = min(available, fees.tax)
    processing = min(available - tax, fees.processing)
    platform = min(available - tax - processing, fees.platform)
    covered = Fees(platform, processing, tax)
    owed = Fees(fees.platform - platform, fees.processing - processing, fees.tax - tax)
    rest = available - covered.total
    payable = floor_to(rest, quantum)
    return LastStage(covered, owed, payable, rest - payable)
