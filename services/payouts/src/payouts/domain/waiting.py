"""The queues over all campaigns in which something waits for somebody, by the names of staff."""

from datetime import datetime
from enum import StrEnum

from payouts.domain.receivable import Receivable
from payouts.domain.refund import Refund, RefundState
from payouts.domain.stage import Stage, StageState

Waiting = Refund | Stage | Receivable


class QueueName(StrEnum):
    AWAITING_APPROVAL = "awaiting-approval"
    AWAITING_FUNDS = "awaiting-funds"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CLAIMABLE = "claimable"
    BLOCKED = "blocked"
    WINDOW_CLOSING = "window-closing"
    STAGES_TO_APPROVE = "stages-to-approve"
    STAGES_FAILED = "stages-failed"
    STAGES_UNKNOWN = "stages-unknown"
    STAGES_IN_TRANSIT = "stages-in-transit"
    RECEIVABLES = "receivables"


REFUND_STATES = {
    QueueName.AWAITING_APPROVAL: RefundState.AWAITING_APPROVAL,
    QueueName.AWAITING_FUNDS: RefundState.AWAITING_FUNDS,
    QueueName.FAILED: RefundState.FAILED,
    QueueName.UNKNOWN: RefundState.UNKNOWN,
    QueueName.CLAIMABLE: RefundState.CLAIMABLE,
    QueueName.BLOCKED: RefundState.BLOCKED,
}
# One that is due waits for its first approval, or for the destination that this would sign.
STAGE_STATES = {
    QueueName.STAGES_TO_APPROVE: (StageState.DUE, StageState.AWAITING_SECOND_APPROVAL),
    QueueName.STAGES_FAILED: (StageState.FAILED,),
    # Between two banks nothing else says that one takes too long: it is no reconciliation break.
    QueueName.STAGES_IN_TRANSIT: (StageState.IN_TRANSIT,),
}


def waits_since(one: Waiting) -> datetime:
    """Return since when somebody waits: for a refund, for a stage that is due, for a debt."""
    match one:
        case Refund():
            return one.created_at
        case Stage():
            return one.waits_since
        case Receivable():
            return one.arisen_at


def id_of(one: Waiting) -> str:
    """Return its id, which orders what waits since the same moment."""
    match one:
        case Refund():
            return one.refund_id
        case Stage():
            return one.stage_id
        case Receivable():
            return one.receivable_id
