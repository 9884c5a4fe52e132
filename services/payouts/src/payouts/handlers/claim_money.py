"""A claim's money is asked for, by staff or by the claim's own fact, and answered exactly once."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

import structlog

from payouts.domain.book import Book
from payouts.domain.claim_money import (
    Ceilings,
    ClaimMoney,
    asked,
    asked_again,
    claim_refund_id,
    give,
)
from payouts.domain.errors import Refused
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.postings import Payer
from payouts.domain.refund import Refund, RefundKind
from payouts.domain.refund_request import refuse
from payouts.handlers.around_claim import around_claim
from payouts.handlers.refund_requests import Person, RefundView, save_refund
from payouts.handlers.work_kinds import claim_work
from payouts.metrics import CLAIM_MONEY, STOPPED_FOR_A_PERSON
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.documents import read_as
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

log = structlog.get_logger()

AGAIN = timedelta(seconds=1)
AGAIN_MAX = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ClaimHeard:
    """What the fact of a claim says: words of the wire, and as of which N of the pledges.

    `heard_at` is when it was first read; claims that a release before offered do not say it.
    """

    campaign_id: str
    claim_id: str
    pledge_id: str
    backer_id: str
    kind: str
    amount: int
    currency: str
    payer: str
    reason: str
    decided_by: str
    pledges_sequence: int
    heard_at: datetime | None = None

    def wanted(self) -> ClaimMoney:
        """Return it in our own words; `ValueError` for a word that we do not know."""
        return ClaimMoney(
            self.claim_id,
            self.pledge_id,
            RefundKind(self.kind),
            self.amount,
            Payer(self.payer),
            self.reason,
        )


async def hear_claims(
    unit: PayoutsUnit, heard: list[ClaimHeard], now: datetime
) -> dict[int, Refused]:
    """Offer each to be answered; return those whose words we do not know, by place."""
    refused: dict[int, Refused] = {}
    for place, one in enumerate(heard):
        try:
            one.wanted()
        except ValueError as error:
            refused[place] = Refused("word-unknown", str(error))
        else:
            payload = asdict(replace(one, heard_at=now))
            await unit.plumbing.work.offer([claim_work(one.claim_id, payload, now)])
    return refused


@dataclass(frozen=True, slots=True)
class AnswerClaims:
    """Performs work of the kind `claim`: once our view is that of who decided, it is answered.

    Each topic is read at its own pace: the claim may be heard before the verdict, and before whose
    campaign it is. A refusal is for good, so it waits for both.
    """

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    ceilings: Ceilings
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        heard, now = read_as(ClaimHeard, claim.item.payload), self.clock.now()
        person = Person(heard.decided_by, await self.queries.creator(heard.campaign_id))

        async def work(unit: PayoutsUnit) -> Refund | None:
            book = (await unit.books.load([heard.campaign_id])).get(heard.campaign_id)
            if not _is_known(book, heard) or person.creator is None:
                pause = min(AGAIN_MAX, AGAIN * (1 << min(claim.attempt, 6)))
                await unit.plumbing.work.postpone(claim, now + pause)
                return None
            answer = await _answer(unit, heard, person, self.ceilings, now)
            await unit.plumbing.work.finish([claim])
            return answer

        try:
            answer = await self.units.run(work)
        except Refused as refusal:
            STOPPED_FOR_A_PERSON.labels("claim").inc()
            log.error("a person must look", claim=heard.claim_id, error=str(refusal))
            await self.units.run(lambda unit: unit.plumbing.work.finish([claim]))
            return
        if answer is not None:
            CLAIM_MONEY.labels(answer.state.value).inc()


def _is_known(book: Book | None, heard: ClaimHeard) -> bool:
    """Whether our view is that of who decided: rewards are claimed after the verdict."""
    if book is None or book.verdict is None:
        return False
    return book.pledges_sequence >= heard.pledges_sequence


async def ask_claim_money(
    unit: PayoutsUnit,
    campaign_id: str,
    wanted: ClaimMoney,
    person: Person,
    ceilings: Ceilings,
    now: datetime,
) -> Refund:
    """Give what staff say, or keep it for a second person; the same again is the same one.

    Raises `Refused`; nothing is kept then, and another amount may be asked for.
    """
    if known := await _known(unit, campaign_id, wanted):
        return asked_again(known, wanted)
    money = (await unit.pledges.load([wanted.pledge_id])).get(wanted.pledge_id)
    if money is None or money.campaign_id != campaign_id:
        raise Refused("pledge-unknown", f"campaign {campaign_id} has no pledge {wanted.pledge_id}")
    if person.name == person.creator:
        raise Refused("creator-decides", "the creator decides about a claim where it was made")
    return await _give(unit, asked(wanted, money, person.name, now), money, person, ceilings, now)


async def _answer(
    unit: PayoutsUnit, heard: ClaimHeard, person: Person, ceilings: Ceilings, now: datetime
) -> Refund:
    """Give it, keep it for a second person, or refuse it as a fact.

    Raises `Refused` only where the claim asked for something else before.
    """
    wanted = heard.wanted()
    if known := await _known(unit, heard.campaign_id, wanted):
        return asked_again(known, wanted)
    money = (await unit.pledges.load([heard.pledge_id])).get(heard.pledge_id)
    ours = money is not None and money.campaign_id == heard.campaign_id
    if money is None or not ours:
        money = _as_told(heard)
    refund = asked(wanted, money, heard.decided_by, now)
    try:
        if not ours:
            raise Refused("pledge-unknown", f"there is no pledge {heard.pledge_id}")
        if (money.backer_id, money.currency) != (heard.backer_id, heard.currency):
            raise Refused("pledge-differs", f"pledge {heard.pledge_id} is another's, or elsewhere")
        return await _give(unit, refund, money, person, ceilings, now)
    except Refused as refusal:
        decision = refuse(refund, money, refusal.reason, now)
        await unit.refunds.save([decision.refund])
        await unit.facts.add(decision.facts)
        return decision.refund


async def _give(
    unit: PayoutsUnit,
    refund: Refund,
    money: PledgeMoney,
    person: Person,
    ceilings: Ceilings,
    now: datetime,
) -> Refund:
    around = await around_claim(unit, refund, money, {person.name}, ceilings, now)
    decision = give(refund, money, around, person.creator, now)
    if decision.refund == refund:
        await unit.refunds.save([refund])
        # What waits for a second person counts already: who asks meanwhile looks again.
        await unit.books.save([around.book])
    else:
        await save_refund(unit, RefundView(refund, money, around.book), decision, now)
    return decision.refund


async def _known(unit: PayoutsUnit, campaign_id: str, wanted: ClaimMoney) -> Refund | None:
    refund_id = claim_refund_id(campaign_id, wanted.claim_id)
    return (await unit.refunds.load([refund_id])).get(refund_id)


def _as_told(heard: ClaimHeard) -> PledgeMoney:
    """A pledge that is not here, as the claim has it: only to say no."""
    return PledgeMoney(
        campaign_id=heard.campaign_id,
        pledge_id=heard.pledge_id,
        backer_id=heard.backer_id,
        currency=heard.currency,
        provider="",
        payment_reference="",
        amount=0,
        returnable=0,
    )
