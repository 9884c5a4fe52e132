"""The queues in which refunds wait for somebody, by the names that staff know."""

from enum import StrEnum

from payouts.domain.refund import RefundState


class QueueName(StrEnum):
    AWAITING_APPROVAL = "awaiting-approval"
    AWAITING_FUNDS = "awaiting-funds"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CLAIMABLE = "claimable"


def state_of(name: QueueName) -> RefundState:
    """Return the state of the refunds that wait there."""
    return RefundState(name.value.replace("-", "_"))
