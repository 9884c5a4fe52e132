"""A chargeback beside a cancellation after a met goal: what is disputed is in no share then."""

import pytest

from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.shares import Entitlement, divide
from payouts.sweeps.refunds import ShareWhatCameBack
from services.payouts.tests.conftest import Payouts
from services.payouts.tests.test_cancelling_after_verdict import EXAMPLE, TOTAL, held, paid
from services.payouts.tests.test_disputes import decided, look, opened

LEFT = TOTAL - 3_666
CHARGED_BACK = EXAMPLE[3]


def shares_of(amount: int, entitled: dict[int, int]) -> dict[str, int]:
    asked = [Entitlement(f"ch_{number}", claim) for number, claim in entitled.items()]
    return {share.pledge_id: share.amount for share in divide(amount, asked)}


@pytest.mark.trap(3)
@pytest.mark.parametrize("end", [ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST])
async def test_a_dispute_that_is_open_at_the_end(
    payouts: Payouts, end: ProviderDisputeStatus
) -> None:
    """Its pledge claims nothing until it is decided; won, what came back is divided again."""
    await paid(payouts, 1)
    name = await opened(payouts, 3, CHARGED_BACK)
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    first = shares_of(LEFT - CHARGED_BACK, {1: EXAMPLE[1], 2: EXAMPLE[2]})
    assert payouts.provider.refunded == first
    await decided(payouts, name, end)
    await look(payouts)
    await ShareWhatCameBack(payouts.units, payouts.queries)(payouts.clock.now())
    await payouts.work_off()
    if end is ProviderDisputeStatus.LOST:
        assert payouts.provider.refunded == first
    else:
        lacking = {number: EXAMPLE[number] - first[f"ch_{number}"] for number in (1, 2)}
        again = shares_of(CHARGED_BACK, lacking | {3: CHARGED_BACK})
        both = {one: first.get(one, 0) + share for one, share in again.items()}
        assert payouts.provider.refunded == both
    assert await held(payouts) == 0
    await payouts.assert_books_true()
