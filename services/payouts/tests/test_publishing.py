"""Every block leaves with the transaction that seals it, and there is no other way."""

import ast
from pathlib import Path

import pytest

from payouts import handlers
from payouts.domain.block import ChainHead, published
from payouts.domain.book import Outcome, collect, seal_into
from payouts.domain.errors import InvariantBroken
from payouts.wire import block_draft
from services.payouts.tests.builders import NOW, a_book, a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from sosst_contracts.chain import Chains, read_block
from sosst_contracts.codec import Decoded, Record, decode

LEDGER = "payouts.ledger"


async def ledger_of(payouts: Payouts) -> list[Record]:
    """Return what waits for the ledger's topic, in order."""
    return [row.record for row in await payouts.outbox.page(10_000) if row.record.topic == LEDGER]


async def test_every_step_of_a_missed_campaign_publishes_its_blocks(payouts: Payouts) -> None:
    """Pledges, the run of refunds, outcomes, late pledges: the topic holds the database's chain."""
    await payouts.collect(1, 2, 3, 4)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 4)
    await payouts.work_off()
    await payouts.collect(5, counted=False)
    await payouts.work_off()

    records = await ledger_of(payouts)
    kept = await payouts.queries.blocks(CAMPAIGN, 0, 1_000)
    assert len(kept) >= 5
    assert [read_block(record.value or b"") for record in records] == [published(b) for b in kept]
    chains = Chains()
    assert [f for record in records for f in chains.take(record.value)] == []
    book = await payouts.queries.book(CAMPAIGN)
    chain = chains.by_campaign[CAMPAIGN]
    assert book is not None
    assert ChainHead(chain.number, chain.hash, chain.entry) == book.head
    assert chain.balances == dict(book.balances)


async def test_every_step_of_a_stage_publishes_its_blocks(payouts: Payouts) -> None:
    """Approval, submission and both legs of a paid stage are on the topic."""
    await payouts.collect(1, 2, 3, 4)
    await payouts.give_destination()
    await payouts.hear_verdict(Outcome.GOAL_MET, 4)
    await payouts.live(600)
    assert await payouts.published("stage-paid")
    kept = await payouts.queries.blocks(CAMPAIGN, 0, 1_000)
    records = await ledger_of(payouts)
    assert [read_block(record.value or b"") for record in records] == [published(b) for b in kept]


async def test_a_blocks_sequence_is_its_number(payouts: Payouts) -> None:
    """Readers find a gap in the chain by the sequence alone."""
    await payouts.collect(1)
    await payouts.collect(2)
    read = [decode(record) for record in await ledger_of(payouts)]
    assert [r.envelope.sequence for r in read if isinstance(r, Decoded)] == [1, 2]
    assert [r.event.number for r in read if isinstance(r, Decoded)] == [1, 2]  # type: ignore[attr-defined]


async def test_a_block_whose_predecessor_was_never_published_is_refused(payouts: Payouts) -> None:
    """Nothing of its transaction is saved: money does not move where proof is missing."""
    first, _ = seal_into(a_book(), [collect(a_book(), a_pledge(1)).posting], NOW)
    _, second = seal_into(first, [collect(first, a_pledge(2)).posting], NOW)
    with pytest.raises(InvariantBroken, match="block 2 of campaign-1 would be published as 1"):
        await payouts.units.run(lambda unit: unit.books.append(second))
    assert await payouts.queries.blocks(CAMPAIGN, 0, 10) == []
    assert await ledger_of(payouts) == []


async def test_a_recovered_database_may_run_ahead(payouts: Payouts) -> None:
    """Numbers that the topic has seen are passed over, where its blocks could not be taken back."""
    _, blocks = seal_into(a_book(), [collect(a_book(), a_pledge(1)).posting], NOW)
    for _ in range(3):
        await payouts.units.run(lambda unit: unit.plumbing.outbox.add([block_draft(blocks[0])]))
    await payouts.collect(1)
    read = [decode(record) for record in await ledger_of(payouts)]
    assert [r.envelope.sequence for r in read if isinstance(r, Decoded)] == [1, 2, 3, 4]


async def test_a_transaction_that_fails_publishes_nothing(payouts: Payouts) -> None:
    """The block, the book and the event are one unit."""
    book, blocks = seal_into(a_book(), [collect(a_book(), a_pledge(1)).posting], NOW)

    async def fail(unit: object) -> None:
        await unit.books.append(blocks)  # type: ignore[attr-defined]
        await unit.books.save([book])  # type: ignore[attr-defined]
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await payouts.units.run(fail)
    assert await ledger_of(payouts) == []
    assert await payouts.queries.book(CAMPAIGN) is None


def sealing(source: str) -> bool:
    """Whether a module seals postings or appends blocks."""
    names = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    return "seal_into" in names or "books.append" in source


def test_handlers_post_in_one_place() -> None:
    """No handler but `posting.py` seals or appends; a planted one is found."""
    modules = Path(handlers.__file__).parent.glob("*.py")
    assert [path.name for path in modules if sealing(path.read_text())] == ["posting.py"]
    assert sealing("await unit.books.append(blocks)")
    assert sealing("book, blocks = seal_into(book, postings, now)")
