"""One try at paying a stage: a transfer to the creator's account there, then a payout to the bank.

After a refused payout or a late failure the money is on the connected account, so the next attempt
begins with the payout (`money.md` 3, row 17): a second transfer would pay twice. Somebody may take
the transfer back at the provider; then the next attempt begins anew (row 18, decision 0046).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.errors import Refused


class AttemptState(StrEnum):
    INTENDED = "intended"
    TRANSFER_SENT = "transfer_sent"
    TRANSFER_UNKNOWN = "transfer_unknown"
    TRANSFER_REFUSED = "transfer_refused"
    TRANSFERRED = "transferred"
    PAYOUT_SENT = "payout_sent"
    PAYOUT_UNKNOWN = "payout_unknown"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    REVERSED = "reversed"


# Nobody knows whether this leg was made; it is always the last attempt's.
UNKNOWN = (AttemptState.TRANSFER_UNKNOWN, AttemptState.PAYOUT_UNKNOWN)

TRANSITIONS: dict[AttemptState, frozenset[AttemptState]] = {
    # An approval may fall before its transfer is asked for: then our own gate refused it.
    AttemptState.INTENDED: frozenset({AttemptState.TRANSFER_SENT, AttemptState.TRANSFER_REFUSED}),
    AttemptState.TRANSFER_SENT: frozenset(
        {
            AttemptState.TRANSFER_UNKNOWN,
            AttemptState.TRANSFER_REFUSED,
            AttemptState.TRANSFERRED,
        }
    ),
    AttemptState.TRANSFER_UNKNOWN: frozenset(
        {AttemptState.TRANSFER_SENT, AttemptState.TRANSFER_REFUSED, AttemptState.TRANSFERRED}
    ),
    AttemptState.TRANSFER_REFUSED: frozenset(),
    AttemptState.TRANSFERRED: frozenset({AttemptState.PAYOUT_SENT, AttemptState.REVERSED}),
    AttemptState.PAYOUT_SENT: frozenset(
        {AttemptState.PAYOUT_UNKNOWN, AttemptState.IN_TRANSIT, AttemptState.FAILED}
    ),
    AttemptState.PAYOUT_UNKNOWN: frozenset(
        {AttemptState.PAYOUT_SENT, AttemptState.IN_TRANSIT, AttemptState.FAILED}
    ),
    AttemptState.IN_TRANSIT: frozenset({AttemptState.PAID, AttemptState.FAILED}),
    AttemptState.PAID: frozenset({AttemptState.FAILED}),
    AttemptState.FAILED: frozenset({AttemptState.REVERSED}),
    AttemptState.REVERSED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class PayoutAttempt:
    """`account` is where the transfer goes or went; send times are those of the running leg.

    `key_spent` says that the provider keeps an error under the running leg's key, so that the leg
    must be looked up instead of sent again. `reversal_balance_transaction` is what brought the
    transfer back, of several parts the last.
    """

    number: int
    account: str
    destination_version: int
    state: AttemptState = AttemptState.INTENDED
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    transfer_id: str | None = None
    transfer_balance_transaction: str | None = None
    payout_id: str | None = None
    payout_balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    key_spent: bool = False
    reversal_balance_transaction: str | None = None

    @property
    def has_left(self) -> bool:
        """Whether its transfer was made and not taken back."""
        return self.transfer_id is not None and self.state is not AttemptState.REVERSED


def move(attempt: PayoutAttempt, state: AttemptState) -> PayoutAttempt:
    """Return the attempt in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[attempt.state]:
        raise Refused("impossible-transition", f"{attempt.state} does not become {state}")
    return replace(attempt, state=state)


def following(before: PayoutAttempt | None, account: str, version: int) -> PayoutAttempt:
    """Return the next attempt: from the connected account if the money is already there."""
    if before is None:
        return PayoutAttempt(1, account, version)
    if not before.has_left:
        return PayoutAttempt(before.number + 1, account, version)
    return PayoutAttempt(
        number=before.number + 1,
        account=before.account,
        destination_version=before.destination_version,
        state=AttemptState.TRANSFERRED,
        transfer_id=before.transfer_id,
        transfer_balance_transaction=before.transfer_balance_transaction,
    )
