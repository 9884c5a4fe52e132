"""A campaign cancelled before its verdict returns everything, exactly as a missed one does."""

import pytest

from payouts import wire
from payouts.domain.book import Agreement, Outcome, agreement
from payouts.domain.ledger import Account
from payouts.handlers.verdict import VerdictHeard
from services.payouts.tests.builders import NOW
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from sosst_contracts import funding
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.testing import sample


@pytest.mark.parametrize("before", [0, 2, 5])
async def test_every_pledge_goes_back_whichever_is_heard_first(
    payouts: Payouts, before: int
) -> None:
    """By pages and pledge by pledge, a late one too; each once, under one cause."""
    await payouts.collect(*range(1, before + 1))
    await payouts.hear_verdict(Outcome.CANCELLED, 5)
    await payouts.collect(*range(before + 1, 6))
    await payouts.work_off()
    await payouts.collect(6, counted=False)
    await payouts.work_off()
    assert payouts.provider.refunded == {f"ch_{n}": 5_000 for n in range(1, 7)}
    told = [one.model_dump() for one in await payouts.published("refund-created")]
    assert [one["cause"] for one in told] == [f"campaign-cancelled/{CAMPAIGN}"] * 6
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.balances[Account.PROVIDER_BALANCE] == 0
    assert agreement(book) is Agreement.AGREES and not book.planned
    await payouts.assert_books_true()


@pytest.mark.parametrize("withdrawn_first", [True, False])
async def test_a_withdrawn_pledge_of_a_cancelled_campaign_goes_back_once(
    payouts: Payouts, withdrawn_first: bool
) -> None:
    """Whichever of the two topics is read first."""
    await payouts.collect(1, 2)
    if withdrawn_first:
        await payouts.withdraw(1, 3)
    await payouts.hear_verdict(Outcome.CANCELLED, 1, sequence=3)
    if not withdrawn_first:
        await payouts.withdraw(1, 3)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000, "ch_2": 5_000}
    assert len(await payouts.published("refund-created")) == 2


def test_the_fact_is_read_as_an_end_as_of_n() -> None:
    """A verdict's own word may not say it: what we do not know moves no money."""
    read = decode(Draft(sample(funding.CampaignCancelled, after_verdict=False), NOW).seal(2))
    assert isinstance(read, Decoded)
    heard = wire.verdict_from(read)
    assert isinstance(heard, VerdictHeard) and heard.verdict.outcome is Outcome.CANCELLED
    assert (heard.verdict.count, heard.verdict.collected) == (250, 123_456)
    assert heard.verdict.pledges_sequence == 500
