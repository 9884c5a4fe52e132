"""What a claim's money is measured by, read in the transaction that gives it."""

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
    person: str,
    ceilings: Ceilings,
    now: datetime,
) -> Around:
    """Return it for this person.

    Who gives something saves the book: two who give at once meet there, and one looks again.
    """
    campaign_id, besides = refund.campaign_id, refund.refund_id
    book = (await unit.books.load([campaign_id]))[campaign_id]
    kept = sum((await kept_back_in(unit, campaign_id)).values())
    by_person = await unit.refunds.compensations(campaign_id, person, now - COUNTED)
    of_pledge = await unit.refunds.of_pledge(refund.pledge_id)
    return Around(
        book=book,
        held=max(0, book.balances[Account.BACKER_FUNDS] - kept),
        refunded=refunded_of(money, of_pledge),
        of_pledge=given_of(of_pledge, besides),
        by_person=given_of(by_person, besides),
        ceilings=ceilings,
    )
