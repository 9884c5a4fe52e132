"""Driving refunds: a note before each call, the outcome after it, in groups per campaign.

A group is whatever gathered while the last one was saved (`money.md` 1, R5), and in a moment
before: one transaction and one block for up to a hundred refunds of a campaign. What is begun
together is read together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.ledger import Posting
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import RESTING, Refund, RefundDecision
from payouts.handlers.posting import post
from payouts.handlers.rest_owed import ask_for_the_rest
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.lanes import Lanes
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

Decide = Callable[[Refund, PledgeMoney], RefundDecision]


@dataclass(frozen=True, slots=True)
class RefundStepItem:
    """One decision about one claimed refund.

    A resting refund ends the claim with the same transaction; otherwise the claim is let go of
    until `again_at`, or kept where that is None.
    """

    claim: Claim
    decide: Decide
    again_at: datetime | None

    @property
    def refund_id(self) -> str:
        return str(self.claim.item.payload["refund_id"])


RefundLanes = Lanes[RefundStepItem, RefundDecision]
RefundReadings = Lanes[str, Refund | None]


def refund_lanes(
    units: UnitsOfWork[PayoutsUnit], now: Callable[[], datetime], *, gather_seconds: float = 0.0
) -> RefundLanes:
    """Return lanes keyed by campaign; each answers with the decision that was saved."""

    async def save(
        campaign_id: str, items: Sequence[RefundStepItem]
    ) -> Sequence[RefundDecision | Exception]:
        return await units.run(lambda unit: _save_group(unit, campaign_id, items, now()))

    return Lanes(save, gather_seconds=gather_seconds)


def refund_readings(queries: Queries) -> RefundReadings:
    """Return lanes keyed by campaign that read its refunds, as they are when asked for."""

    async def read(campaign_id: str, refund_ids: Sequence[str]) -> list[Refund | None]:
        named = await queries.refunds_named(set(refund_ids))
        ours = {name: one for name, one in named.items() if one.campaign_id == campaign_id}
        return [ours.get(one) for one in refund_ids]

    return Lanes(read)


async def _save_group(
    unit: PayoutsUnit, campaign_id: str, items: Sequence[RefundStepItem], now: datetime
) -> list[RefundDecision | Exception]:
    refunds = await unit.refunds.load({item.refund_id for item in items})
    money = await unit.pledges.load({refund.pledge_id for refund in refunds.values()})
    answers = [_decide(item, refunds, money) for item in items]
    decisions = [answer for answer in answers if isinstance(answer, RefundDecision)]
    postings = [posting for decision in decisions for posting in decision.postings]
    if postings:
        book = (await unit.books.load([campaign_id]))[campaign_id]
        rests = await _rests(unit, book, decisions, money, postings, now)
        decisions += rests
        postings += [posting for rest in rests for posting in rest.postings]
        await unit.books.save([await post(unit, book, postings, now)])
        await unit.pledges.save([money[one] for one in {d.refund.pledge_id for d in decisions}])
    changed = {d.refund.refund_id: d.refund for d in decisions}
    await unit.refunds.save([r for r in changed.values() if r != refunds.get(r.refund_id)])
    await unit.facts.add([fact for decision in decisions for fact in decision.facts])
    await _settle_claims(unit, items, answers)
    return answers


async def _rests(
    unit: PayoutsUnit,
    book: Book,
    decisions: Sequence[RefundDecision],
    money: dict[str, PledgeMoney],
    postings: Sequence[Posting],
    now: datetime,
) -> list[RefundDecision]:
    rests: list[RefundDecision] = []
    for decision in decisions:
        ended = decision.refund
        made = [*postings, *(posting for rest in rests for posting in rest.postings)]
        rest = await ask_for_the_rest(unit, book, ended, money[ended.pledge_id], made, now)
        if rest is not None:
            money[ended.pledge_id] = rest.money
            rests.append(rest)
    return rests


def _decide(
    item: RefundStepItem, refunds: dict[str, Refund], money: dict[str, PledgeMoney]
) -> RefundDecision | Exception:
    refund = refunds[item.refund_id]
    try:
        decision = item.decide(refund, money[refund.pledge_id])
    except (Refused, InvariantBroken) as error:
        return error
    # A pledge may have several refunds: the next one is decided over what this one leaves.
    money[refund.pledge_id] = decision.money
    return decision


async def _settle_claims(
    unit: PayoutsUnit,
    items: Sequence[RefundStepItem],
    answers: Sequence[RefundDecision | Exception],
) -> None:
    finished, kept = [], []
    for item, answer in zip(items, answers, strict=True):
        if not isinstance(answer, RefundDecision):
            continue
        if answer.refund.state in RESTING:
            finished.append(item.claim)
        elif item.again_at is not None:
            await unit.plumbing.work.postpone(item.claim, item.again_at)
        else:
            kept.append(item.claim)
    await unit.plumbing.work.confirm(kept)
    await unit.plumbing.work.finish(finished)
