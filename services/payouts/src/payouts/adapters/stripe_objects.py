"""What Stripe's objects say, in our words; a field that Stripe leaves out is None."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from payouts.domain.dispute import DisputeSeen, ProviderDisputeStatus
from payouts.domain.reconciliation import Movement
from payouts.domain.refund_outcome import ProviderRefundStatus, RefundSeen
from payouts.domain.stage_outcome import PayoutSeen, ProviderPayoutStatus, Reversal, TransferSeen
from payouts.domain.stage_recovery import TransferMade
from payouts.ports.provider import CashMovement, ProviderBalance

Body = Mapping[str, Any]

# What another try cannot help against: the means of payment or the account is closed to us.
FINAL_REASONS = frozenset(
    {
        "account_invalid",
        "amount_too_large",
        "charge_already_refunded",
        "expired_or_canceled_card",
        "lost_or_stolen_card",
        "payouts_not_allowed",
        "resource_missing",
    }
)

# What was cancelled there did not arrive: its cash comes back as that of a failed one.
CANCELED = "canceled"
CANCELLED_BY_PROVIDER = "cancelled-by-provider"
# It is pending until its backer has told the provider where the money is to go.
REQUIRES_ACTION = "requires_action"
NEEDS_ITS_BACKER = "needs-its-backer"
_REFUND_STATUSES = {status.value: status for status in ProviderRefundStatus} | {
    CANCELED: ProviderRefundStatus.FAILED
}
_PAYOUT_STATUSES = {status.value: status for status in ProviderPayoutStatus} | {
    CANCELED: ProviderPayoutStatus.FAILED
}
# Anything else is open: evidence is asked for, or looked at.
_DISPUTE_STATUSES = {
    "warning_needs_response": ProviderDisputeStatus.INQUIRY,
    "warning_under_review": ProviderDisputeStatus.INQUIRY,
    "warning_closed": ProviderDisputeStatus.CLOSED,
    "won": ProviderDisputeStatus.WON,
    "lost": ProviderDisputeStatus.LOST,
    "prevented": ProviderDisputeStatus.PREVENTED,
}
# Stripe names a movement by the means of payment (a refund is `refund` or `payment_refund`, a
# dispute any `adjustment`); the reporting category says what it is.
_BY_CATEGORY = frozenset({"refund", "refund_failure", "dispute", "dispute_reversal"})


def refund_seen(body: Body) -> RefundSeen:
    reason = body.get("failure_reason") or _cancelled(body) or _why_pending(body)
    return RefundSeen(
        attempt=int(body["metadata"]["attempt"]),
        provider_refund_id=body["id"],
        status=_REFUND_STATUSES.get(body["status"], ProviderRefundStatus.PENDING),
        balance_transaction=body.get("balance_transaction"),
        failure_balance_transaction=body.get("failure_balance_transaction"),
        reason=reason,
        retryable=reason not in FINAL_REASONS,
        amount=body.get("amount"),
        acquirer_reference=_acquirer_reference(body),
    )


def _acquirer_reference(refund: Body) -> str | None:
    """Return what Stripe shows days after a card's refund, and of other means of payment never."""
    card = (refund.get("destination_details") or {}).get("card") or {}
    return card.get("reference")


def dispute_seen(body: Body) -> DisputeSeen:
    moved = {_kind_of(one): one for one in body["balance_transactions"]}
    withdrawn, reinstated = moved.get("dispute", {}), moved.get("dispute_reversal", {})
    return DisputeSeen(
        dispute_id=body["id"],
        payment_reference=body["charge"],
        status=_DISPUTE_STATUSES.get(body["status"], ProviderDisputeStatus.OPEN),
        amount=int(body["amount"]),
        currency=body["currency"].upper(),
        fee=int(withdrawn.get("fee", 0)),
        withdrawn_in=withdrawn.get("id"),
        reinstated_in=reinstated.get("id"),
        reason=body["reason"],
    )


def transfer_seen(body: Body) -> TransferSeen:
    return TransferSeen(
        attempt=int(body["metadata"]["attempt"]),
        transfer_id=body["id"],
        balance_transaction=body["balance_transaction"],
        amount=body.get("amount"),
        reversed_amount=int(body.get("amount_reversed") or 0),
        reversals=_reversals(body),
    )


def transfer_made(body: Body) -> TransferMade:
    return TransferMade(transfer_seen(body), str(body["destination"]), int(body["amount"]))


def payout_seen(body: Body) -> PayoutSeen:
    return PayoutSeen(
        attempt=int(body["metadata"]["attempt"]),
        payout_id=body["id"],
        status=_PAYOUT_STATUSES.get(body["status"], ProviderPayoutStatus.IN_TRANSIT),
        balance_transaction=body.get("balance_transaction"),
        failure_balance_transaction=body.get("failure_balance_transaction"),
        reason=body.get("failure_code") or _cancelled(body),
        amount=body.get("amount"),
    )


def payout_schedule(account: Body) -> str:
    """Return how an account's money goes on to its bank: `manual`, or how often by itself.

    `unknown` where Stripe does not show it: what nobody can see is not taken for manual.
    """
    shown: Any = account
    for name in ("settings", "payouts", "schedule"):
        shown = shown.get(name) or {}
    return str(shown.get("interval") or "unknown")


def balance_in(body: Body, currency: str) -> ProviderBalance:
    available = _amount_in(body["available"], currency)
    return ProviderBalance(available, available + _amount_in(body["pending"], currency))


def cash_movement(body: Body) -> CashMovement:
    return CashMovement(body["id"], _kind_of(body), body.get("source") or "")


def movement(body: Body, account: str) -> Movement:
    return Movement(
        id=body["id"],
        account=account,
        # There the type says what it is: the far end of a reversal is called a refund, too.
        type=str(body["type"]) if account else _kind_of(body),
        source=body.get("source") or "",
        amount=int(body["amount"]),
        fee=int(body["fee"]),
        currency=body["currency"].upper(),
        created_at=datetime.fromtimestamp(int(body["created"]), UTC),
    )


def shows_all_reversals(transfer: Body) -> bool:
    """Whether the list inside of the transfer is whole; Stripe shows the ten newest in it."""
    return not (transfer.get("reversals") or {}).get("has_more")


def with_reversals(transfer: Body, reversals: Sequence[Body]) -> Body:
    """Return the transfer as if all were shown inside of it."""
    return {**transfer, "reversals": {"data": reversals}}


def _reversals(transfer: Body) -> tuple[Reversal, ...]:
    newest_first = (transfer.get("reversals") or {}).get("data", [])
    return tuple(
        Reversal(int(one["amount"]), one["balance_transaction"]) for one in reversed(newest_first)
    )


def _cancelled(body: Body) -> str | None:
    return CANCELLED_BY_PROVIDER if body["status"] == CANCELED else None


def _why_pending(body: Body) -> str | None:
    reason: str | None = body.get("pending_reason")
    return NEEDS_ITS_BACKER if body["status"] == REQUIRES_ACTION else reason


def _kind_of(body: Body) -> str:
    category = str(body.get("reporting_category"))
    return category if category in _BY_CATEGORY else str(body["type"])


def _amount_in(amounts: list[Body], currency: str) -> int:
    return sum(int(one["amount"]) for one in amounts if one["currency"] == currency.lower())
