"""What a campaign promised at its launch, as far as its money depends on it."""

from dataclasses import dataclass

from payouts.domain.fees import FeeTerms


@dataclass(frozen=True, slots=True)
class LaunchTerms:
    """The goal in minor units of the currency, the shares of the stages, the fees; all fixed.

    The title is what people know it by, empty for what was launched before it was kept.
    """

    campaign_id: str
    currency: str
    goal: int
    shares_basis_points: tuple[int, ...]
    fees: FeeTerms
    title: str = ""
