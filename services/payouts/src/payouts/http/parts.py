"""What the routes of payouts stand on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from payouts.domain.claim_money import Ceilings
from payouts.handlers.pay_stages import PayStages
from payouts.ports.claim_links import ClaimLinkKeys
from payouts.ports.head_signing import HeadKeys, HeadSignatures
from payouts.ports.integrity import BookChecks
from payouts.ports.queries import Queries
from payouts.ports.reconciliation import Reconciliation
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the application; any of the `webhook_secrets` may have signed a webhook."""

    guard: Guard
    units: UnitsOfWork[PayoutsUnit]
    clock: Clock
    queries: Queries
    stages: PayStages
    reconciliation: Reconciliation
    checks: BookChecks
    signatures: HeadSignatures
    head_keys: HeadKeys
    claim_links: ClaimLinkKeys
    webhook_secrets: Sequence[str]
    ceilings: Ceilings
    window_warning: timedelta
    public_url: str = ""
    siren: str = ""
