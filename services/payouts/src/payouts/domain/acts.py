"""What people did about a refund: who, when, and why; kept for ever beside it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ActKind(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    TRIED_AGAIN = "tried_again"
    TOLD_PAID = "told_paid"
    CONFIRMED_PAID = "confirmed_paid"
    DENIED_PAID = "denied_paid"
    LINK_ISSUED = "link_issued"
    WISHED_OTHER_WAY = "wished_other_way"


# Who did one of these gave it; what comes afterwards only helps it to arrive, or ends it.
GIVING = frozenset({ActKind.ASKED, ActKind.APPROVED})


class PaymentMethod(StrEnum):
    """A way outside the provider."""

    BANK_TRANSFER = "bank_transfer"
    CHEQUE = "cheque"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Act:
    """One act of one person; `reason` in the person's own words, empty where none is asked for."""

    kind: ActKind
    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OtherMeans:
    """How somebody says that a refund was paid: `proof` is the SHA-256 of what shows it."""

    method: PaymentMethod
    proof: str
    note: str
    by: str
    at: datetime

    @property
    def said(self) -> tuple[PaymentMethod, str]:
        """What a second person must say as well."""
        return self.method, self.proof
