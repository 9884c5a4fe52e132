"""The statement of a stage adds up, line by line, to the book that it is made of."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from random import Random

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from payouts.domain import postings
from payouts.domain.block import Block, ChainHead, seal
from payouts.domain.book import Outcome
from payouts.domain.errors import InvariantBroken
from payouts.domain.fees import Fees
from payouts.domain.ledger import EMPTY, Account, Posting
from payouts.domain.stage import StageState
from payouts.domain.statement import Statement, StatementOf
from payouts.handlers.statements import statement_of
from payouts.http.printing import Language
from payouts.http.statements import WORDS
from servicekit.problems import install_problems
from services.payouts.tests.builders import NOW
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_closing import all_paid
from services.payouts.tests.test_http import api_of
from services.payouts.tests.test_later_stages import (
    CREATOR,
    approve,
    decide,
    first_paid,
    pay,
    show,
    the,
)
from services.payouts.tests.test_random_books import OPERATIONS, Trial

AT = f"/campaigns/{CAMPAIGN}/stages"


def assert_adds_up(statement: Statement) -> None:
    """Both sums of the page are those that it says."""
    taken = statement.returned + statement.charged_back + statement.fees.total
    assert statement.collected - taken - statement.approved == statement.remaining
    assert statement.paid + statement.set_off + statement.waiting == statement.approved


async def statements(payouts: Payouts) -> list[Statement]:
    stages = await payouts.queries.stages(CAMPAIGN)
    made = [await statement_of(payouts.queries, stage) for stage in stages]
    for one in made:
        assert_adds_up(one)
    return made


async def test_each_stage_has_what_was_paid_until_it(payouts: Payouts) -> None:
    """Three stages of 100.00 with a late pledge behind: what an earlier one says stays."""
    await first_paid(payouts)
    (first, *_) = await statements(payouts)
    assert (first.collected, first.approved, first.paid, first.remaining) == (
        10_000,
        2_000,
        2_000,
        8_000,
    )
    await payouts.collect(3, counted=False)
    for number, amount in ((2, 3_000), (3, 10_000 - 1_530)):
        await show(payouts, number)
        await decide(payouts, number)
        await approve(payouts, number, amount)
        await pay(payouts)
    again, second, last = await statements(payouts)
    assert again == first
    assert (second.collected, second.paid, second.fees.total) == (15_000, 5_000, 0)
    assert last.fees == Fees(750, 525, 255)
    assert (last.paid, last.remaining, last.waiting) == (13_470, 0, 0)


async def test_chargebacks_refunds_and_debts_have_their_lines(payouts: Payouts) -> None:
    """A charged back pledge is in no stage; what the platform lent is the creator's debt."""
    await first_paid(payouts)
    payouts.provider.dispute("ch_1", 5_000)
    await pay(payouts, turns=3)
    open_stage = await the(payouts, 2)
    statement = await statement_of(payouts.queries, open_stage)
    assert_adds_up(statement)
    assert (statement.charged_back, statement.remaining, statement.paid) == (5_000, 3_000, 2_000)
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and statement.head == book.head
    assert statement.remaining == book.balances[Account.BACKER_FUNDS]


@dataclass
class Told(Trial):
    """A random book whose blocks are kept, one for each posting."""

    blocks: list[Block] = field(default_factory=list)

    def do(self, made: Posting, outside: int = 0, of_float: int = 0) -> None:
        before, head = self.balances, self.blocks[-1].head if self.blocks else ChainHead()
        super().do(made, outside, of_float)
        self.blocks += seal(CAMPAIGN, "EUR", head, before, [made], NOW)


def test_random_books_add_up_at_every_block() -> None:
    """Whatever happens to a campaign, no entry of it is missing from its statement."""
    operations, weights = zip(*OPERATIONS, strict=True)
    for seed in range(40):
        trial = Told(Random(seed))
        trial.collect()
        for operation in trial.choose.choices(operations, weights, k=40):
            operation(trial)
        trial.finish()
        made = StatementOf()
        for block in trial.blocks:
            made.take(block)
            assert_adds_up(made.made())


async def test_a_block_that_is_not_what_it_says_makes_no_statement() -> None:
    """Its balances are another book's, or an account that no posting moves against."""
    posting = postings.pledge_collected(5, 0, "txn")
    (block,) = seal(CAMPAIGN, "EUR", ChainHead(), EMPTY, [posting], NOW)
    made = StatementOf()
    made.take(block)
    assert made.made().collected == 5
    made.take(replace(block, balances=dict(EMPTY)))
    with pytest.raises(InvariantBroken, match="add up"):
        made.made()


async def test_what_is_paid_is_told_as_paid_though_clocks_differ() -> None:
    """Another process, ahead by two seconds, sealed the block before: neither is hidden by it."""
    payouts = memory_payouts()
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    late = 3
    while (await the(payouts, 1)).state is not StageState.PAID:
        payouts.clock.advance(seconds=2)
        await payouts.collect(late, counted=False)
        payouts.clock.advance(seconds=-2)
        await payouts.turn()
        payouts.clock.advance(seconds=1)
        late += 1
    (first, *_) = await statements(payouts)
    assert (first.paid, first.waiting) == (2_000, 0)
    blocks = await payouts.queries.blocks(CAMPAIGN, 0, 100)
    assert first.head == blocks[-1].head
    times = [block.sealed_at for block in blocks]
    assert times == sorted(times)


def test_both_languages_have_every_word() -> None:
    """What is missing in one would be found by whoever prints it."""
    assert WORDS[Language.FRENCH].keys() == WORDS[Language.ENGLISH].keys()


@pytest.mark.parametrize("other", ["tranche", "porteur de projet", "contributeur"])
def test_one_french_word_stands_for_one_thing(other: str) -> None:
    """A stage, a creator, a backer are *versement*, *initiateur*, *soutien*, as in letters."""
    words = [word for word in WORDS[Language.FRENCH].values() if other in word.lower()]
    assert words == []


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    payouts = memory_payouts()
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: CREATOR}))
    await all_paid(payouts)
    api = api_of(payouts)
    install_problems(api)
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        client.headers.update(bearer(Caller(CREATOR, ("creator",))))
        yield client


async def test_its_creator_reads_and_prints_it(client: httpx.AsyncClient) -> None:
    """The same figures as JSON and on a page, in both languages; the block can be fetched."""
    shown = (await client.get(f"{AT}/3/statement")).json()
    assert (shown["kind"], shown["state"], shown["share_basis_points"]) == ("last", "paid", 5_000)
    assert (shown["fees"], shown["tax"], shown["paid"], shown["remaining"]) == (
        1_020,
        170,
        8_980,
        0,
    )
    block = (await client.get(f"/campaigns/{CAMPAIGN}/blocks?cursor={shown['block'] - 1}")).json()
    assert block["items"][0]["hash"] == shown["hash"]
    french = (await client.get(f"{AT}/3/statement/page")).text
    english = (await client.get(f"{AT}/3/statement/page?language=en")).text
    assert "Relevé du versement 3" in french and "-10,00" not in french
    assert "89,80\u00a0EUR" in french and "89.80\u00a0EUR" in english
    assert shown["hash"] in english and "<script" not in english


@pytest.mark.parametrize(("stage", "status"), [(4, 404), (0, 422)])
async def test_a_stage_that_is_not_there(
    client: httpx.AsyncClient, stage: int, status: int
) -> None:
    """Neither as JSON nor as a page."""
    for path in (f"{AT}/{stage}/statement", f"{AT}/{stage}/statement/page"):
        assert (await client.get(path)).status_code == status
