"""A tampered, a removed and a cut-off block are found and named, on whichever side it was done."""

import asyncio
import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.kafka import ensure_topics, read_topics
from payouts.commands import perform_verify_ledger
from payouts.domain.block import Block
from payouts.domain.block import hash_of as hash_of_block
from payouts.domain.book import Book, Outcome
from payouts.domain.chain import Fault
from payouts.domain.ledger import Account, Entry
from payouts.handlers.sign_heads import sign_heads
from payouts.handlers.verify_ledger import Proof, verify_from_topic, verify_ledger
from payouts.settings import PayoutsSettings
from servicekit.clock import ManualClock
from servicekit.kafka import KafkaConnection
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database, sorted_errors
from servicekit.outbox import MemoryOutbox
from servicekit.publish import KafkaPublisher
from servicekit.work import MemoryWorkQueue
from services.payouts.tests.builders import NOW, SELLER
from services.payouts.tests.conftest import CAMPAIGN, KEYS, SEEDS, Payouts, mongo_payouts
from services.payouts.tests.fakes import (
    MemoryBookChecks,
    MemoryHeadSignatures,
    MemoryProvider,
    MemoryQueries,
    MemoryReconciliation,
    memory_units,
)
from sosst_contracts.chain import hash_of
from sosst_contracts.codec import Record


@dataclass
class PublishedLedger:
    """A topic in memory: what the relay would have published, and what was done to it since."""

    published: list[Record]

    async def records(self) -> AsyncIterator[Record]:
        for record in self.published:
            yield record


@dataclass
class Books:
    """A service with a few blocks, all published, and both sides to spoil."""

    payouts: Payouts
    database: MemoryDatabase
    topic: PublishedLedger

    @property
    def blocks(self) -> dict[tuple[str, int], Block]:
        return self.database.table("blocks")

    async def prove(self) -> Proof:
        return await verify_ledger(self.payouts.queries, self.topic, None)

    async def found(self) -> set[tuple[str, Fault, int]]:
        proof = await self.prove()
        assert {finding.campaign_id for _, finding in proof.findings} <= {CAMPAIGN}
        return {(side, finding.fault, finding.block) for side, finding in proof.findings}


@pytest.fixture
async def books() -> Books:
    """Five blocks: four of pledges, one of the refunds that are owed."""
    database, clock = MemoryDatabase(), ManualClock(NOW)
    payouts = Payouts(
        units=memory_units(database, clock),
        queries=MemoryQueries(database),
        checks=MemoryBookChecks(database),
        reconciliation=MemoryReconciliation(database),
        signatures=MemoryHeadSignatures(database),
        work=MemoryWorkQueue(database),
        outbox=MemoryOutbox(database, clock),
        clock=clock,
        provider=MemoryProvider(clock, cash=1_000_000),
    )
    for number in range(1, 5):
        await payouts.collect(number)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 4)
    await payouts.turn_run_only()
    topic = PublishedLedger(await relay(payouts))
    return Books(payouts, database, topic)


async def relay(payouts: Payouts) -> list[Record]:
    """Take what waits for the ledger's topic out of the outbox."""
    rows = await payouts.outbox.page(10_000)
    await payouts.outbox.remove(rows)
    return [row.record for row in rows if row.record.topic == "payouts.ledger"]


def forged(block: Block, amount: int = 4_999) -> Block:
    first = block.entries[0]
    entry = Entry(Account.PROVIDER_BALANCE, Account.BACKER_FUNDS, amount)
    return replace(block, entries=(replace(first, entry=entry), *block.entries[1:]))


def with_value(record: Record, change: Callable[[dict[str, Any]], object]) -> Record:
    value = json.loads(record.value or b"")
    change(value)
    return replace(record, value=json.dumps(value).encode())


async def test_a_healthy_ledger_is_proven(books: Books) -> None:
    """Database, book and topic agree, also where records came twice."""
    assert await books.found() == set()
    books.topic.published *= 2
    proof = await books.prove()
    assert proof.findings == [] and proof.waiting == 0
    book = await books.payouts.queries.book(CAMPAIGN)
    assert book is not None
    assert proof.heads == {CAMPAIGN: (book.head.block, book.head.hash)}
    assert proof.blocks == book.head.block >= 6


async def test_a_tampered_block_of_the_database_is_named(books: Books) -> None:
    """Its hash, its balances, and the published one give it away."""
    books.blocks[CAMPAIGN, 2] = forged(books.blocks[CAMPAIGN, 2])
    assert await books.found() == {
        ("database", Fault.TAMPERED, 2),
        ("database", Fault.WRONG_BALANCES, 2),
        ("database and topic", Fault.TAMPERED, 2),
    }


async def test_a_database_forged_to_the_last_hash_is_named_by_the_topic(books: Books) -> None:
    """Whoever seals the whole chain again is found by what he published before."""
    last = max(number for _, number in books.blocks)
    block = replace(books.blocks[CAMPAIGN, last], sealed_at=NOW.replace(hour=3))
    block = replace(block, hash=hash_of_block(block))
    books.blocks[CAMPAIGN, last] = block
    table: dict[str, Book] = books.database.table("books")
    table[CAMPAIGN] = replace(table[CAMPAIGN], head=block.head)
    assert await books.found() == {("database and topic", Fault.TAMPERED, last)}


async def test_a_removed_block_of_the_database_is_named(books: Books) -> None:
    """The number that is missing, not the one after it."""
    del books.blocks[CAMPAIGN, 3]
    assert await books.found() == {("database", Fault.GAP, 3)}


async def test_a_cut_tail_of_the_database_is_named(books: Books) -> None:
    """By the book, and by the topic where the book was set back too."""
    last = max(number for _, number in books.blocks)
    del books.blocks[CAMPAIGN, last]
    assert ("database", Fault.CUT_TAIL, last) in await books.found()
    table: dict[str, Book] = books.database.table("books")
    before = books.blocks[CAMPAIGN, last - 1]
    table[CAMPAIGN] = replace(table[CAMPAIGN], head=before.head, balances=before.balances)
    assert await books.found() == {("database", Fault.CUT_TAIL, last)}


async def test_a_book_that_is_gone_is_named(books: Books) -> None:
    """What was published of it is still there."""
    books.database.table("books").clear()
    books.blocks.clear()
    assert await books.found() == {("database", Fault.CUT_TAIL, 1)}


async def test_a_tampered_block_of_the_topic_is_named(books: Books) -> None:
    """A changed value, and one that is no block any more."""
    whole = list(books.topic.published)
    change = with_value(whole[1], lambda value: value.update(first_entry=7))
    books.topic.published = [whole[0], change, *whole[2:]]
    assert ("topic", Fault.TAMPERED, 2) in await books.found()
    assert ("database and topic", Fault.TAMPERED, 2) in await books.found()
    books.topic.published = [whole[0], replace(whole[1], value=b"{"), *whole[2:]]
    assert await books.found() == {("topic", Fault.UNREADABLE, 2), ("topic", Fault.GAP, 2)}


async def test_a_resealed_block_of_the_topic_is_named(books: Books) -> None:
    """With a true hash of its own it breaks the link of the next, and differs from ours."""

    def forge(value: dict[str, Any]) -> None:
        value["sealed_at"] = "2026-03-01T03:00:00.000+00:00"
        value["hash"] = hash_of(value)

    books.topic.published[1] = with_value(books.topic.published[1], forge)
    assert await books.found() == {
        ("topic", Fault.BROKEN_LINK, 3),
        ("database and topic", Fault.TAMPERED, 2),
    }


async def test_a_removed_block_of_the_topic_is_named(books: Books) -> None:
    """By the topic alone, too."""
    del books.topic.published[2]
    assert await books.found() == {("topic", Fault.GAP, 3)}
    alone = await verify_from_topic(books.topic, None)
    assert [(side, f.fault, f.block) for side, f in alone.findings] == [("topic", Fault.GAP, 3)]


async def test_a_cut_tail_of_the_topic_is_named(books: Books) -> None:
    """The database has more and nothing waits; what waits is no finding, and is counted."""
    last = max(number for _, number in books.blocks)
    del books.topic.published[-1]
    assert await books.found() == {("topic", Fault.CUT_TAIL, last)}
    alone = await verify_from_topic(books.topic, None)
    assert alone.findings == [] and alone.heads[CAMPAIGN][0] == last - 1
    await books.payouts.collect(5, counted=False)
    del books.topic.published[-1]
    assert await books.found() == {("topic", Fault.CUT_TAIL, last - 1)}


async def test_blocks_that_wait_for_the_relay_are_no_finding(books: Books) -> None:
    """What the outbox still holds was not taken away."""
    await books.payouts.collect(5, counted=False)
    proof = await books.prove()
    assert proof.findings == [] and proof.waiting == 1


async def test_the_command_says_what_it_found(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 and one line for proven, 1 and a line for each finding with side, campaign and block."""

    async def perform(campaign: str | None, from_topic: bool) -> tuple[int, str]:
        arguments = Namespace(campaign=campaign, from_topic=from_topic)
        made = books.payouts
        now = made.clock.now()
        code = await perform_verify_ledger(
            arguments, made.queries, books.topic, made.signatures, KEYS, now
        )
        return code, capsys.readouterr().out

    assert await sign_heads(books.payouts.queries, books.payouts.signatures, KEYS, NOW)
    assert await perform(None, False) == (0, f"proven: 1 campaigns, {len(books.blocks)} blocks\n")
    code, printed = await perform(None, True)
    assert code == 0 and f"campaign {CAMPAIGN} ends at block" in printed
    assert (await perform("nobody", False))[0] == (await perform("nobody", True))[0] == 1
    del books.topic.published[2]
    code, printed = await perform(CAMPAIGN, False)
    assert code == 1 and f"topic: campaign {CAMPAIGN}, block 3: gap: missing" in printed
    assert (await perform(CAMPAIGN, True))[0] == 1


async def test_a_document_that_is_no_block_is_named(database: Database) -> None:
    """Whatever was written into MongoDB by hand, the rest is still read."""
    payouts = mongo_payouts(database)
    for number in range(1, 5):
        await payouts.collect(number)
    topic = PublishedLedger(await relay(payouts))
    blocks = database.collection("blocks")
    with sorted_errors():
        await blocks.update_one({"number": 2}, {"$set": {"entries.0.entry.amount": -1}})
    proof = await verify_ledger(payouts.queries, topic, None)
    found = [(side, f.fault, f.block) for side, f in proof.findings]
    assert found == [("database", Fault.UNREADABLE, 2), ("database", Fault.GAP, 2)]
    with sorted_errors():
        await blocks.update_one({"number": 2}, {"$set": {"entries.0.entry.amount": 5_001}})
    proof = await verify_ledger(payouts.queries, topic, CAMPAIGN)
    assert ("database", Fault.TAMPERED, 2) in [(s, f.fault, f.block) for s, f in proof.findings]


@dataclass(frozen=True, slots=True)
class Command:
    """`python -m payouts verify-ledger` with these settings."""

    settings: dict[str, str]

    async def run(self, *options: str, **changes: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "payouts", "verify-ledger", *options]
        environment = os.environ | self.settings | changes
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def command(mongodb_uri: str, database: Database, kafka_bootstrap_servers: str) -> Command:
    required = [n for n, f in PayoutsSettings.model_fields.items() if f.is_required()]
    values = {name: "https://127.0.0.1:1" if "url" in name else "1" for name in required} | {
        "ledger_signing_keys": SEEDS[0],
        "claim_link_secrets": "a secret of the test",
        "seller": json.dumps(asdict(SELLER)),
        "mongodb_uri": mongodb_uri,
        "mongodb_database": database.name,
        "kafka_bootstrap_servers": kafka_bootstrap_servers,
    }
    return Command({f"PAYOUTS_{name.upper()}": value for name, value in values.items()})


async def publish(servers: str, prefix: str, records: Sequence[Record]) -> None:
    """Make the ledger's topic under a prefix, and put the records there."""
    ledger = [topic for topic in read_topics() if topic.name == "payouts.ledger"]
    await ensure_topics(servers, ledger, prefix)
    publisher = KafkaPublisher(KafkaConnection(servers, "tests", prefix))
    assert all(await publisher.publish(records))
    await publisher.close()


@pytest.mark.long
async def test_the_command_on_real_servers(
    database: Database, command: Command, kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    """0 for whole books, 1 and the block for what was done to either side, 69 without a broker."""
    payouts = mongo_payouts(database)
    for number in range(1, 5):
        await payouts.collect(number)
    assert await sign_heads(payouts.queries, payouts.signatures, KEYS, datetime.now(UTC))
    records = await relay(payouts)
    whole, cut = f"{topic_prefix}whole-", f"{topic_prefix}cut-"
    await publish(kafka_bootstrap_servers, whole, records)
    await publish(kafka_bootstrap_servers, cut, records[:-1])

    assert await command.run(PAYOUTS_TOPIC_PREFIX=whole) == (0, "proven: 1 campaigns, 4 blocks\n")
    code, printed = await command.run("--from-topic", PAYOUTS_TOPIC_PREFIX=cut)
    assert code == 0 and f"campaign {CAMPAIGN} ends at block 3 " in printed
    code, printed = await command.run(PAYOUTS_TOPIC_PREFIX=cut)
    assert code == 1 and f"topic: campaign {CAMPAIGN}, block 4: cut-tail: " in printed
    with sorted_errors():
        await database.collection("blocks").delete_one({"number": 2})
    code, printed = await command.run("--campaign", CAMPAIGN, PAYOUTS_TOPIC_PREFIX=whole)
    assert code == 1 and f"database: campaign {CAMPAIGN}, block 2: gap: " in printed
    code, printed = await command.run(PAYOUTS_TOPIC_PREFIX="nobodys-")
    assert code == 69 and "payouts.ledger is UnknownTopicOrPartitionError" in printed
    code, printed = await command.run(PAYOUTS_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert code == 69 and "Kafka" in printed
