"""Payment facts become pledges; a batch of them is one save, from HTTP and from the topic alike."""

from collections.abc import Sequence
from dataclasses import replace

from funding.domain.campaign import Campaign
from funding.domain.errors import Refused
from funding.domain.facts import Fact
from funding.domain.pledge import Payment, Pledge, take_payment
from funding.ports import FundingUnit

Answer = Pledge | Refused


async def take_payments(unit: FundingUnit, payments: Sequence[Payment]) -> list[Answer]:
    """Fold the payments in the given order; answer each with its pledge or its refusal.

    Every campaign that gets a fact is saved, which is what makes pledges and verdict of one
    campaign exclude each other (trap 22).
    """
    fold = _Fold(
        await unit.campaigns.load({payment.campaign_id for payment in payments}),
        await unit.pledges.load({payment.pledge_id for payment in payments}),
        await unit.pledges.by_reference({_reference(payment) for payment in payments}),
    )
    answers = [fold.take(payment) for payment in payments]
    await unit.pledges.save(list(fold.changed_pledges.values()))
    await unit.campaigns.save(list(fold.changed_campaigns.values()))
    await unit.facts.add(fold.facts)
    return answers


def _reference(payment: Payment) -> tuple[str, str]:
    return payment.provider, payment.payment_reference


class _Fold:
    """What is known so far, moved on by each payment of the batch."""

    def __init__(
        self,
        campaigns: dict[str, Campaign],
        pledges: dict[str, Pledge],
        by_reference: dict[tuple[str, str], Pledge],
    ) -> None:
        self._campaigns = campaigns
        self._pledges = pledges
        self._by_reference = by_reference
        self.changed_campaigns: dict[str, Campaign] = {}
        self.changed_pledges: dict[str, Pledge] = {}
        self.facts: list[Fact] = []

    def take(self, payment: Payment) -> Answer:
        try:
            return self._take(payment)
        except Refused as refusal:
            return refusal

    def _take(self, payment: Payment) -> Pledge:
        campaign = self._campaigns.get(payment.campaign_id)
        if campaign is None:
            raise Refused("campaign-unknown", f"no campaign {payment.campaign_id!r}")
        known = self._pledges.get(payment.pledge_id)
        owner = self._by_reference.get(_reference(payment))
        if owner is not None and owner.pledge_id != payment.pledge_id:
            raise Refused("payment-conflict", "this payment belongs to another pledge")
        taken = take_payment(campaign, known, payment)
        if taken.facts:
            campaign = replace(campaign, totals=taken.totals)
            self._campaigns[campaign.campaign_id] = campaign
            self.changed_campaigns[campaign.campaign_id] = campaign
            self._pledges[payment.pledge_id] = taken.pledge
            self._by_reference[_reference(payment)] = taken.pledge
            self.changed_pledges[payment.pledge_id] = taken.pledge
            self.facts.extend(taken.facts)
        return taken.pledge
