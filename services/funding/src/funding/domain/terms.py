"""Terms of a campaign: fixed at launch, carried by every later fact (`domain.md` 4)."""

from dataclasses import dataclass

from funding.domain.errors import Refused
from sosst_contracts.money import floor_share, half_up_share

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Terms:
    """Shares and rates in basis points, the fixed fee in minor units, durations in seconds.

    `dispute_reserve_basis_points` of the base may be charged back and undecided before stages wait.

    `pending_window_seconds` is for cards. The `errored_…` times count from a payment's failure.
    """

    stage_shares_basis_points: tuple[int, int, int]
    platform_fee_basis_points: int
    processing_fee_basis_points: int
    processing_fee_fixed: int
    tax_basis_points: int
    settle_seconds: int
    pending_window_seconds: int
    # Campaigns launched before these were terms have the standard of that time.
    other_pending_window_seconds: int = 604_800
    errored_reminders_seconds: tuple[int, ...] = (86_400, 259_200, 432_000)
    errored_last_try_seconds: int = 518_400
    errored_drop_seconds: int = 604_800
    dispute_reserve_basis_points: int = 200


def check_terms(terms: Terms) -> None:
    """Refuse terms that cannot be paid out (`money.md` 4).

    The three shares must sum to 10 000; fees with tax must stay below half, and within what the
    last stage gets, out of which they are taken.
    """
    shares = terms.stage_shares_basis_points
    if sum(shares) != BASIS_POINTS or min(shares) < 0:
        raise Refused("invalid-terms", "the stage shares must be three parts of 10000")
    windows = (terms.pending_window_seconds, terms.other_pending_window_seconds)
    durations = (terms.settle_seconds, *windows)
    rates = (terms.platform_fee_basis_points, terms.processing_fee_basis_points)
    if min(*durations, *rates, terms.processing_fee_fixed, terms.tax_basis_points) < 0:
        raise Refused("invalid-terms", "rates, fees and durations cannot be negative")
    if not 0 <= terms.dispute_reserve_basis_points <= BASIS_POINTS:
        raise Refused("invalid-terms", "the reserve is a part of what is collected")
    ends = (terms.errored_last_try_seconds, terms.errored_drop_seconds)
    steps = [0, *terms.errored_reminders_seconds, *ends]
    if steps != sorted(steps):
        raise Refused("invalid-terms", "reminders come first, then the last try, then the drop")
    with_tax = sum(rates) * (BASIS_POINTS + terms.tax_basis_points)
    if 2 * with_tax >= BASIS_POINTS * BASIS_POINTS:
        raise Refused("fees-too-high", "fees with tax reach half of what is collected")
    if with_tax > shares[-1] * BASIS_POINTS:
        raise Refused("fees-too-high", "fees with tax are more than the last stage gets")


def check_smallest_pledge(terms: Terms, amount: int) -> None:
    """Refuse terms by which a campaign of such pledges only would not pay its own fees.

    The fixed fee of each weighs the more, the smaller it is. The fees must stay below half, and
    within what the last stage gets (`money.md` 4).
    """
    platform = floor_share(amount, terms.platform_fee_basis_points)
    share = half_up_share(amount, terms.processing_fee_basis_points)
    before_tax = platform + share + terms.processing_fee_fixed
    fees = before_tax + half_up_share(before_tax, terms.tax_basis_points)
    last = amount - sum(floor_share(amount, one) for one in terms.stage_shares_basis_points[:-1])
    if 2 * fees >= amount or fees > last:
        detail = f"a smallest pledge of {amount} has fees of {fees}, and a last stage of {last}"
        raise Refused("smallest-pledge-too-small", detail)
