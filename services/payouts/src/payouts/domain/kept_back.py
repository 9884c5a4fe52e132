"""Whose money lies in `backer_funds` while a bank decides: that of the refunds it blocks.

And the rest of a disputed pledge that goes back in full beside the shares of a cancellation.

Taking a refund back brings its amount into `backer_funds` (row 8); what its chargeback reserves
leaves again (row 10), the rest lies there and looks like anybody's. It is divided among nobody, is
paid to no creator and covers no other chargeback (decision 0025).
"""

from collections import Counter
from collections.abc import Iterable

from payouts.domain.dispute import Dispute, DisputeState
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund, RefundState


def kept_back(
    refunds: Iterable[Refund], disputes: Iterable[Dispute], in_full: Iterable[PledgeMoney] = ()
) -> dict[str, int]:
    """Return by pledge what lies there for its blocked refunds, in minor units.

    What an open chargeback reserved comes back when it is won: so much of them is covered by it.
    Of disputed pledges that go back `in_full` all that is returnable lies there for them, asked for
    or not.
    """
    blocked = Counter[str]()
    for refund in refunds:
        if refund.state is RefundState.BLOCKED:
            blocked[refund.pledge_id] += refund.from_campaign
    for dispute in disputes:
        if dispute.state is DisputeState.OPENED:
            blocked[dispute.pledge_id] -= dispute.reserved
    for money in in_full:
        blocked[money.pledge_id] = max(blocked[money.pledge_id], money.returnable)
    return {pledge_id: amount for pledge_id, amount in blocked.items() if amount > 0}
