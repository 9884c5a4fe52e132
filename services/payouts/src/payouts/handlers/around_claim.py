"""What a claim's money is measured by, read in the transaction that gives it."""

from collections.abc import Collection
from datetime import datetime

from payouts.domain.claim_money import COUNTED, Around, Ceilings, given_of, refunded_of
from payouts.domain.ledger import Account
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund
from payouts.handlers.kept_back import kept_back_in
from payouts.ports.unit import PayoutsUnit


async def around_claim(
    unit: PayoutsUnit,
    refund: Refund,
    money: PledgeMoney,
    people: Collection[str],
    ceilings: Ceilings,
    now: datetime,
) -> Around:
    """Return it for the people who give it: the one of them who gave most is measured.

    Who asks for something or gives it saves the book: two at once meet there, one looks again.
    """
    campaign_id, besides = refund.campaign_id, refund.refund_id
    book = (await unit.books.load([campaign_id]))[campaign_id]
    kept = sum((await kept_back_in(unit, book)).values())
    given = [await unit.refunds.compensations(campaign_id, one, now - COUNTED) for one in people]
    of_pledge = await unit.refunds.of_pledge(refund.pledge_id)
    return Around(
        book=book,
        held=max(0, book.balances[Account.BACKER_FUNDS] - kept),
        refunded=refunded_of(money, of_pledge),
        of_pledge=given_of(of_pledge, besides),
        by_person=max(given_of(one, besides) for one in given),
        ceilings=ceilings,
    )
