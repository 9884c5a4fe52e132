"""Payment facts become pledges; a batch of them is one save, from HTTP and from the topic alike."""

from collections.abc import Sequence
from dataclasses import replace

from funding.domain.campaign import Campaign
from funding.domain.errors import Refused
from funding.domain.facts import Fact, PledgeCollected
from funding.domain.instants import check_instant
from funding.domain.pledge import (
    Payment,
    Pledge,
    Standing,
    Taken,
    WithdrawPledge,
    is_news,
    take_payment,
    withdraw_by_backer,
)
from funding.metrics import LATE_PAYMENTS
from funding.ports import FundingUnit

Answer = Pledge | Refused
Told = Payment | WithdrawPledge


async def take_payments(unit: FundingUnit, payments: Sequence[Told]) -> list[Answer]:
    """Fold payments, and what backers take back, in the given order; answer each.

    Every campaign that gets a fact is saved, which is what makes pledges and verdict of one
    campaign exclude each other (trap 22).
    """
    fold = await _fold_of(unit, payments)
    answers = [fold.take(payment) for payment in payments]
    await unit.pledges.save(list(fold.changed_pledges.values()))
    await unit.campaigns.save(list(fold.changed_campaigns.values()))
    await unit.facts.add(fold.facts)
    collected = [fact for fact in fold.facts if isinstance(fact, PledgeCollected)]
    LATE_PAYMENTS.inc(sum(fact.standing is Standing.LATE for fact in collected))
    return answers


async def judge(unit: FundingUnit, payments: Sequence[Payment]) -> list[bool | Refused]:
    """Return whether each payment would say something new, or its refusal; nothing is saved."""
    fold = await _fold_of(unit, payments)
    judged: list[bool | Refused] = []
    for payment in payments:
        before = len(fold.facts)
        answer = fold.take(payment)
        judged.append(answer if isinstance(answer, Refused) else len(fold.facts) > before)
    return judged


async def _fold_of(unit: FundingUnit, payments: Sequence[Told]) -> "_Fold":
    return _Fold(
        await unit.campaigns.load({payment.campaign_id for payment in payments}),
        await unit.pledges.load({payment.pledge_id for payment in payments}),
        await unit.pledges.by_reference(
            {_reference(payment) for payment in payments if isinstance(payment, Payment)}
        ),
    )


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

    def take(self, told: Told) -> Answer:
        try:
            return self._take(told)
        except Refused as refusal:
            return refusal

    def _take(self, told: Told) -> Pledge:
        campaign = self._campaigns.get(told.campaign_id)
        if campaign is None:
            raise Refused("campaign-unknown", f"no campaign {told.campaign_id!r}")
        known = self._pledges.get(told.pledge_id)
        taken = self._taken(campaign, known, told)
        if taken.facts:
            campaign = replace(campaign, totals=taken.totals)
            self._campaigns[campaign.campaign_id] = campaign
            self.changed_campaigns[campaign.campaign_id] = campaign
            self._pledges[told.pledge_id] = taken.pledge
            self._by_reference[_reference(taken.pledge.payment)] = taken.pledge
            self.changed_pledges[told.pledge_id] = taken.pledge
            self.facts.extend(taken.facts)
        return taken.pledge

    def _taken(self, campaign: Campaign, known: Pledge | None, told: Told) -> Taken:
        if isinstance(told, WithdrawPledge):
            if known is None or known.payment.campaign_id != campaign.campaign_id:
                raise Refused("pledge-unknown", f"no pledge {told.pledge_id!r} in this campaign")
            return withdraw_by_backer(campaign, known, told)
        owner = self._by_reference.get(_reference(told))
        if owner is not None and owner.pledge_id != told.pledge_id:
            raise Refused("payment-conflict", "this payment belongs to another pledge")
        if is_news(known, told):
            check_instant(told.occurred_at)
        return take_payment(campaign, known, told)
