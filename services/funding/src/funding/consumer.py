"""What funding reads: launches and payments from the rest of the platform."""

from collections.abc import Collection, Sequence

from funding import wire
from funding.domain.errors import Refused
from funding.domain.terms import Terms
from funding.handlers.cancel import cancel_campaign
from funding.handlers.launch import launch
from funding.handlers.payments import take_payments
from funding.ports import FundingUnit
from servicekit.clock import Clock
from servicekit.consume import Refusal, Subscription
from sosst_contracts import platform
from sosst_contracts.codec import Decoded
from sosst_contracts.event import Event

PAYMENTS_GROUP = "funding-platform-payments"

# A payment that overtook its campaign's launch is tried again until the launch is there, and a
# return that overtook its capture until the capture is.
_HEALED_BY_ANOTHER_FACT = frozenset({"campaign-unknown", "pledge-not-collected"})


def subscriptions(
    clock: Clock, standard: Terms, settlement: Collection[str], *, payments_intake: bool
) -> list[Subscription[FundingUnit]]:
    """Return one subscription per topic; both topics have no sequence (`events.md`, inbound)."""
    launches = Subscription(
        topic=wire.CAMPAIGNS_TOPIC,
        group="funding-platform-campaigns",
        sequenced=False,
        handle=_Launches(clock, standard, settlement),
    )
    payments = Subscription(
        topic=wire.PAYMENTS_TOPIC, group=PAYMENTS_GROUP, sequenced=False, handle=_payments
    )
    return [launches, payments] if payments_intake else [launches]


class _Launches:
    """Launches campaigns that the platform approved, and cancels those that its staff ended."""

    def __init__(self, clock: Clock, standard: Terms, settlement: Collection[str]) -> None:
        self._clock = clock
        self._standard = standard
        self._settlement = settlement

    async def __call__(self, unit: FundingUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        refusals = []
        for fact in facts:
            try:
                await self._take(unit, fact.event)
            except Refused as error:
                refusals.append(Refusal(fact, error.reason, error.detail))
        return refusals

    async def _take(self, unit: FundingUnit, event: Event) -> None:
        match event:
            case platform.CampaignApproved():
                command = wire.launch_from(event, self._standard)
                await launch(unit, command, self._settlement, self._clock.now())
            case platform.CancellationOrdered():
                await cancel_campaign(unit, wire.cancellation_from(event))


async def _payments(unit: FundingUnit, facts: Sequence[Decoded]) -> list[Refusal]:
    told = [
        (fact, wire.payment_from(fact.event))
        for fact in facts
        if isinstance(fact.event, wire.PaymentEvent)
    ]
    answers = await take_payments(unit, [payment for _, payment in told])
    return [
        Refusal(fact, answer.reason, answer.detail, answer.reason in _HEALED_BY_ANOTHER_FACT)
        for (fact, _), answer in zip(told, answers, strict=True)
        if isinstance(answer, Refused)
    ]
