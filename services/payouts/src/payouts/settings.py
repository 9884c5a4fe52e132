"""Every environment variable of payouts."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, Json, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from payouts.adapters.claim_link_keys import SignedClaimLinks
from payouts.adapters.ledger_keys import LedgerKeys
from payouts.adapters.stripe_provider import StripeProvider
from payouts.domain.claim_money import Ceilings
from payouts.domain.holding import ANY_PROVIDER, HoldingLimits
from payouts.domain.invoice import Seller
from payouts.domain.provider_keys import KeyRules
from payouts.domain.refund_window import RefundWindows
from servicekit.pace import Pace
from servicekit.secret_files import SECRET, all_of, first_line
from servicekit.settings import ServiceSettings, makes


def _windows(text: str) -> dict[str, int]:
    """Read `method=days`; raises `ValueError` for anything else."""
    pairs = [pair.split("=") for pair in text.split(",") if pair.strip()]
    days = {method.strip(): int(number) for method, number in pairs}
    if any(number < 1 for number in days.values()) or len(days) < len(pairs):
        raise ValueError("each method has one number of days, above 0")
    return days


class PayoutsSettings(ServiceSettings):
    """Variables are named `PAYOUTS_` and the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="PAYOUTS_")

    provider_url: str = Field(description="Address of the payment provider.")
    provider_secret_key: str = Field(
        description="Secret key for the provider; a live one is refused in development, a test key "
        "in production.",
        json_schema_extra=SECRET,
    )
    provider_webhook_secret: str = Field(
        description="Secrets that may sign webhooks, separated by commas; the first is current.",
        json_schema_extra=SECRET,
    )
    ledger_signing_keys: Annotated[str, makes(LedgerKeys)] = Field(
        min_length=1,
        description="Ed25519 keys that sign the chains' heads once a day, 32 bytes in base64 each, "
        "separated by commas; the first signs, all verify.",
        json_schema_extra=SECRET,
    )
    claim_link_secrets: Annotated[str, makes(SignedClaimLinks)] = Field(
        min_length=1,
        description="Secrets that sign backers' personal links, at least 16 characters each, "
        "separated by commas; the first signs, all verify.",
        json_schema_extra=SECRET,
    )
    public_url: str = Field(
        "",
        description="Address under which people reach this service, in front of a personal link; "
        "empty: links are told without it.",
    )
    provider_timeout_seconds: float = Field(
        8.0, gt=0, description="Time-out of one call; must stay below the lease."
    )
    provider_requests_per_second: float = Field(
        80.0,
        gt=0,
        description="How many calls a second all instances together send; Stripe takes 100 of a "
        "live account, 25 of a test account.",
    )
    provider_consistency_seconds: int = Field(
        5, ge=0, description="How long the provider may take to show what it did."
    )
    lease_seconds: int = Field(30, gt=0, description="How long claimed work is ours.")
    refund_concurrency: int = Field(64, gt=0, description="Refunds in hand at the same time.")
    approval_limit: int = Field(
        1_000_000, ge=0, description="Largest stage that the verdict approves, minor units."
    )
    cooling_off_seconds: int = Field(
        86_400, ge=0, description="Time between due and paid in which somebody may object."
    )
    dispute_reserve_basis_points: int = Field(
        200,
        ge=0,
        le=10_000,
        description="Share of the base that may be charged back and undecided before stages wait, "
        "of campaigns that were launched before it was one of their terms.",
    )
    compensation_pledge_basis_points: int = Field(
        10_000,
        ge=0,
        description="What all compensations of one pledge may come to, as a share of the pledge.",
    )
    compensation_person_limit: int = Field(
        100_000,
        ge=0,
        description="What one person may give of a campaign as compensations in 30 days, minor "
        "units.",
    )
    books_check_seconds: float = Field(
        60.0, gt=0, description="Pause between two checks of all books."
    )
    closing_seconds: int = Field(
        2_592_000,
        ge=0,
        description="How long a book must rest, over and unmoved, before it is closed (30 days).",
    )
    seller: Annotated[Json[Seller], NoDecode] = Field(
        description="Who invoices the fees, as JSON: `name`, `address`, `siren`, `vat_id`."
    )
    invoice_letters: str = Field(
        "FA",
        pattern="^[A-Z]{2}$",
        description="How the numbers of invoices and of credit notes begin.",
    )
    reconcile_after_seconds: int = Field(
        600, ge=0, description="Age from which cash must stand on both sides, provider and books."
    )

    holding_limit_days: str = Field(
        "*=90",
        description="Days for which the provider lets money lie, by provider (an account and its "
        "country), separated by commas; `*` is any other. In the United States two years.",
    )
    refund_window_days: str = Field(
        "sepa_debit=180,bank_transfer=180",
        description="Days after its capture in which the provider returns a payment, by method, "
        "separated by commas; past them a refund is claimable. A method that is not named has no "
        "end.",
    )
    refund_window_warning_days: int = Field(
        14, ge=0, description="Days before that end from which a refund that waits is in a queue."
    )

    def thresholds(self) -> dict[str, int]:
        """Return what needs a second person, and how long one may object (decision 0037)."""
        return {
            "approval_limit": self.approval_limit,
            "cooling_off_seconds": self.cooling_off_seconds,
            "dispute_reserve_basis_points": self.dispute_reserve_basis_points,
            "compensation_pledge_basis_points": self.compensation_pledge_basis_points,
            "compensation_person_limit": self.compensation_person_limit,
        }

    def ceilings(self) -> Ceilings:
        """Return how much compensations may come to."""
        return Ceilings(self.compensation_pledge_basis_points, self.compensation_person_limit)

    def key_rules(self) -> KeyRules:
        """Return how long a call can stay unseen."""
        return KeyRules(
            lease_seconds=self.lease_seconds,
            client_timeout_seconds=int(self.provider_timeout_seconds) + 1,
            consistency_seconds=self.provider_consistency_seconds,
        )

    @field_validator("holding_limit_days")
    @classmethod
    def _are_limits(cls, value: str) -> str:
        if ANY_PROVIDER not in _windows(value):
            raise ValueError(f"one of them is for {ANY_PROVIDER}, any other provider")
        return value

    def holding_limits(self) -> HoldingLimits:
        return HoldingLimits(_windows(self.holding_limit_days))

    @field_validator("refund_window_days")
    @classmethod
    def _are_windows(cls, value: str) -> str:
        _windows(value)
        return value

    def refund_windows(self) -> RefundWindows:
        return RefundWindows(_windows(self.refund_window_days))

    def window_warning(self) -> timedelta:
        return timedelta(days=self.refund_window_warning_days)

    @field_validator("provider_secret_key")
    @classmethod
    def _fits_the_mode(cls, value: str, info: ValidationInfo) -> str:
        key, mode = first_line(value), info.data.get("mode")
        if mode == "development" and "_live_" in key:
            raise ValueError("a live key moves real money: not in development")
        if mode == "production" and "_test_" in key:
            raise ValueError("a test key moves no money: not in production")
        return value

    @field_validator("lease_seconds")
    @classmethod
    def _is_longer_than_a_call(cls, value: int, info: ValidationInfo) -> int:
        if value <= info.data.get("provider_timeout_seconds", 0):
            raise ValueError("a call could outlive its lease: above PROVIDER_TIMEOUT_SECONDS")
        return value

    def ledger_keys(self) -> LedgerKeys:
        return LedgerKeys(all_of(self.ledger_signing_keys))

    def claim_links(self) -> SignedClaimLinks:
        return SignedClaimLinks(all_of(self.claim_link_secrets))

    def webhook_secrets(self) -> list[str]:
        return all_of(self.provider_webhook_secret)

    def provider(self, pace: Pace | None = None) -> StripeProvider:
        """Return who moves the money; without a pace of others' calls, one of its own."""
        return StripeProvider(
            self.provider_url,
            first_line(self.provider_secret_key),
            self.provider_timeout_seconds,
            pace or Pace(self.provider_requests_per_second),
        )

    def reconcile_patience(self) -> timedelta:
        return timedelta(seconds=self.reconcile_after_seconds)

    def closing_rest(self) -> timedelta:
        return timedelta(seconds=self.closing_seconds)
