"""News that comes while a worker has its answer in hand is looked at, not slept over."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

from payouts.domain.book import Outcome
from payouts.domain.dispute import DisputeState
from payouts.domain.refund import RefundState
from payouts.domain.stage import StageState
from payouts.handlers.wake import wake, wake_disputes
from payouts.handlers.work_kinds import DISPUTE, REFUND, STAGE
from payouts.ports.provider import Provider
from services.payouts.tests.conftest import Payouts
from services.payouts.tests.test_disputes import LOST, opened, refunds_of, the_dispute
from services.payouts.tests.test_later_stages import first_paid, run, the

DAY = 86_400


class Interrupted:
    """The provider, of which we are told news right after it answered so many of these calls."""

    def __init__(
        self,
        payouts: Payouts,
        operation: str,
        news: Callable[[], Awaitable[object]],
        after: int = 1,
    ) -> None:
        self._provider = payouts.provider
        self._operation = operation
        self._news = news
        self.left = after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._provider, name)
        if name != self._operation:
            return call

        async def answered(*about: Any) -> Any:
            answer = await call(*about)
            self.left -= 1
            if self.left == 0:
                await self._news()
            return answer

        return answered

    @property
    def as_provider(self) -> Provider:
        return cast(Provider, self)


async def pending_refund(payouts: Payouts) -> None:
    await payouts.collect(1)
    payouts.provider.faults["create_refund"] = ["pending"]
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    for _ in range(2):
        await payouts.turn()
    (refund,) = await refunds_of(payouts)
    assert refund.state is RefundState.PENDING
    payouts.clock.advance(seconds=DAY)


async def look_at_refund(payouts: Payouts) -> None:
    (claim,) = await payouts.claim(REFUND)
    await payouts.refunds(claim)


async def test_a_bank_that_sends_back_while_a_paid_stage_is_looked_at_is_heard(
    payouts: Payouts,
) -> None:
    """The look that had just seen it paid does not hide the webhook behind its long pause."""
    await first_paid(payouts)
    payouts.clock.advance(seconds=DAY)
    paid = await the(payouts, 1)
    (claim,) = [one for one in await payouts.claim(STAGE) if one.item.payload["number"] == 1]

    async def sent_back() -> None:
        payouts.provider.bounce(paid)
        await run(payouts, lambda unit: wake(unit, [], [paid], payouts.clock.now()))

    telling = Interrupted(payouts, "find_payout", sent_back)
    await replace(payouts.stages, provider=telling.as_provider)(claim)
    assert telling.left == 0 and (await the(payouts, 1)).state is StageState.PAID
    (again,) = [one for one in await payouts.claim(STAGE) if one.item.payload["number"] == 1]
    await payouts.stages(again)
    assert (await the(payouts, 1)).state is StageState.FAILED


async def test_a_refund_that_arrives_while_it_is_looked_at_is_heard(payouts: Payouts) -> None:
    """The look that had just seen it pending does not hide the webhook behind its pause."""
    await pending_refund(payouts)
    (refund,) = await refunds_of(payouts)

    async def arrived() -> None:
        payouts.provider.settle(refund.attempt_id)
        await run(payouts, lambda unit: wake(unit, [refund], [], payouts.clock.now()))

    telling = Interrupted(payouts, "find_refund", arrived)
    payouts.refunds = replace(payouts.refunds, provider=telling.as_provider)
    await look_at_refund(payouts)
    assert (await refunds_of(payouts))[0].state is RefundState.PENDING
    await look_at_refund(payouts)
    assert (await refunds_of(payouts))[0].state is RefundState.SUCCEEDED


async def test_a_refund_that_comes_back_while_its_success_is_saved_is_heard(
    payouts: Payouts,
) -> None:
    """The look that ends the work does not end it for whoever was told something newer."""
    await pending_refund(payouts)
    (refund,) = await refunds_of(payouts)
    payouts.provider.settle(refund.attempt_id)

    async def came_back() -> None:
        payouts.provider.fail_later(refund)
        await run(payouts, lambda unit: wake(unit, [refund], [], payouts.clock.now()))

    telling = Interrupted(payouts, "find_refund", came_back)
    payouts.refunds = replace(payouts.refunds, provider=telling.as_provider)
    await look_at_refund(payouts)
    assert (await refunds_of(payouts))[0].state is RefundState.SUCCEEDED
    await look_at_refund(payouts)
    assert (await refunds_of(payouts))[0].state is not RefundState.SUCCEEDED


async def test_the_acquirers_reference_is_kept_when_it_comes(payouts: Payouts) -> None:
    """Days after the refund succeeded: it moves nothing and is told to nobody who did not ask."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    (before,) = await refunds_of(payouts)
    assert (before.state, before.acquirer_reference) == (RefundState.SUCCEEDED, None)
    told = len(await payouts.outbox.page(10_000))
    payouts.clock.advance(seconds=DAY)
    payouts.provider.refer(before.attempt_id, "24492150089719600000000")
    await run(payouts, lambda unit: wake(unit, [before], [], payouts.clock.now()))
    await payouts.work_off()
    (after,) = await refunds_of(payouts)
    assert after.acquirer_reference == "24492150089719600000000"
    assert replace(after, attempts=before.attempts, version=before.version) == before
    assert len(await payouts.outbox.page(10_000)) == told
    await payouts.assert_books_true()


async def test_of_cash_that_came_back_no_reference_is_shown(payouts: Payouts) -> None:
    """A bank asked for it would find money that is not there; the next attempt has its own."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    (first,) = await refunds_of(payouts)
    payouts.provider.refer(first.attempt_id, "the-first")
    payouts.provider.fail_later(first)
    await run(payouts, lambda unit: wake(unit, [first], [], payouts.clock.now()))
    await look_at_refund(payouts)
    (failed,) = await refunds_of(payouts)
    assert failed.state is RefundState.FAILED and failed.acquirer_reference is None
    assert failed.attempts[0].acquirer_reference == "the-first"
    await payouts.work_off()
    (again,) = await refunds_of(payouts)
    assert again.attempt.number == 2 and again.acquirer_reference is None
    payouts.provider.refer(again.attempt_id, "the-second")
    await run(payouts, lambda unit: wake(unit, [again], [], payouts.clock.now()))
    await payouts.work_off()
    assert (await refunds_of(payouts))[0].acquirer_reference == "the-second"


async def test_a_banks_decision_while_its_dispute_is_looked_at_is_heard(payouts: Payouts) -> None:
    """The look that had just seen it open does not hide the webhook behind its hour."""
    await first_paid(payouts)
    name = await opened(payouts)
    payouts.clock.advance(seconds=DAY)
    (claim,) = await payouts.claim(DISPUTE)

    async def decided() -> None:
        payouts.provider.move_dispute(name, LOST)
        await run(payouts, lambda unit: wake_disputes(unit, [name], payouts.clock.now()))

    telling = Interrupted(payouts, "find_dispute", decided)
    await replace(payouts.disputes, provider=telling.as_provider)(claim)
    assert (await the_dispute(payouts, name)).state is DisputeState.OPENED
    (again,) = await payouts.claim(DISPUTE)
    await payouts.disputes(again)
    assert (await the_dispute(payouts, name)).state is DisputeState.LOST
