"""Every environment variable of funding."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from funding.domain.errors import Refused
from funding.domain.terms import Terms, check_terms
from servicekit.settings import LISTED, ServiceSettings
from sosst_contracts.money import exponent


def _known(currency: str) -> str:
    # One that nobody knows would refuse each launch, and say so to creators only.
    exponent(currency)
    return currency


Currency = Annotated[str, AfterValidator(_known)]


class FundingSettings(ServiceSettings):
    """Variables are named `FUNDING_` and the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="FUNDING_")

    payments_intake: bool = Field(
        True, description="Read payments from `platform.payments`; false where only HTTP is used."
    )
    settlement_currencies: Annotated[tuple[Currency, ...], *LISTED] = Field(
        ("EUR",),
        min_length=1,
        description="Currencies in which the payment provider's account keeps a balance, separated "
        "by commas; a campaign in any other is not launched.",
    )
    stage_shares_basis_points: Annotated[tuple[int, int, int], *LISTED] = Field(
        (2000, 3000, 5000), description="Standard shares of the three stages, sum 10000."
    )
    platform_fee_basis_points: int = Field(500, description="Standard platform fee.")
    processing_fee_basis_points: int = Field(290, description="Standard processing fee.")
    processing_fee_fixed: int = Field(30, description="Standard fixed fee per pledge, minor units.")
    tax_basis_points: int = Field(0, description="Standard tax on fees.")
    dispute_reserve_basis_points: int = Field(
        200,
        ge=0,
        le=10_000,
        description="Standard share of what is collected that may be charged back and undecided "
        "before stages wait.",
    )
    settle_seconds: int = Field(900, ge=0, description="Standard minimum settle time.")
    pending_window_seconds: int = Field(
        3600, ge=0, description="Standard time that a pending card payment may take."
    )
    other_pending_window_seconds: int = Field(
        604_800, ge=0, description="The same for any other payment method."
    )
    errored_reminders_seconds: Annotated[tuple[int, ...], *LISTED] = Field(
        (86_400, 259_200, 432_000),
        max_length=20,
        description="Standard times of reminders about an errored pledge, after its failure.",
    )
    errored_last_try_seconds: int = Field(
        518_400, ge=0, description="Standard time of its last automatic try."
    )
    errored_drop_seconds: int = Field(
        604_800, ge=0, description="Standard time at which it is dropped."
    )

    @model_validator(mode="after")
    def _can_be_paid_out(self) -> Self:
        # Else each launch that names no terms would be refused, and say so to creators only.
        try:
            check_terms(self.standard_terms())
        except Refused as refusal:
            raise ValueError(f"standard terms: {refusal.detail}") from None
        return self

    def standard_terms(self) -> Terms:
        """Return the terms of a launch that names none."""
        return Terms(**{name: getattr(self, name) for name in Terms.__slots__})
