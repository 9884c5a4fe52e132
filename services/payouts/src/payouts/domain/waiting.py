"""The queues in which refunds wait for somebody, by the names that staff know."""

from enum import StrEnum

from payouts.domain.refund import RefundState


class QueueName(StrEnum):
    AWAITING_APPROVAL = "awaiting-approval"
    AWAITING_FUNDS = "awaiting-funds"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CLAIMABLE = "claimable"
    BLOCKED = "blocked"
    WINDOW_CLOSING = "window-closing"


def state_of(name: QueueName) -> RefundState | None:
    """Return the state of the refunds that wait there, None for those of several states."""
    words = {state.value: state for state in RefundState}
    return words.get(name.value.replace("-", "_"))
