"""Whoever has only the contracts reads every topic, and comes to the services' own figures."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from infra.suite.readings import eventually
from sosst_contracts.registry import REGISTRY
from sosst_contracts.updates import LetterAsked
from tests.strangers.readers import (
    Connection,
    Read,
    imports,
    read_with_java,
    read_with_kcat,
    read_with_wheel,
    run_readme,
)
from tests.world import TOPICS, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

MISSED, MET = "strange-missed", "strange-met"
COLLECTED = "sosst.funding.pledge-collected.v1"
REFUNDED = "sosst.payouts.refund-succeeded.v1"
PAID = "sosst.payouts.stage-paid.v1"
SEALED = "sosst.payouts.block-sealed.v1"


@dataclass(frozen=True, slots=True)
class Lived:
    """A suite at rest, with how much stands on its topics and what its services say."""

    world: World
    connection: Connection
    counts: dict[str, int]
    figures: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lived(world: World) -> Lived:
    """A missed campaign is refunded, a met one has its first stage paid, everybody is told."""
    missed, met = backers(MISSED, 30), backers(MET, 30)
    await world.launch_paid(MISSED, missed, goal=10_000_000, open_seconds=4)
    await world.launch_paid(MET, met, goal=1_000, open_seconds=4)
    account = await world.suite.provider.create_account()
    await world.give_destination(MET, account["id"])
    await world.refunded(MISSED, missed)
    await world.stage_is(MET, 1, "paid")
    for campaign_id in (MISSED, MET):
        await world.told(campaign_id, "verdict-reached", campaign_id)
    for refund in await world.look.pages("payouts", f"/campaigns/{MISSED}/refunds"):
        await world.told(MISSED, "refund-succeeded", str(refund["refund_id"]))
    await both_letters_asked(world)
    counts = await world.at_rest()
    return Lived(world, Connection.of(world.suite), counts, await own_figures(world))


async def both_letters_asked(world: World) -> None:
    """Wait for what falls due after a verdict: nothing else is told of these campaigns for days."""

    async def asked() -> bool:
        posts = await world.look.events("updates.posts")
        return {fact.key for fact in posts if isinstance(fact.event, LetterAsked)} >= {MISSED, MET}

    await eventually("both creators are asked for a letter", asked)


async def own_figures(world: World) -> dict[str, int]:
    """Return what funding and payouts say over HTTP of both campaigns together."""
    figures: Counter[str] = Counter()
    for campaign_id in (MISSED, MET):
        campaign = await world.look.get("funding", f"/campaigns/{campaign_id}")
        money = await world.look.get("payouts", f"/campaigns/{campaign_id}/money")
        assert campaign is not None and money is not None
        blocks = await world.look.pages("payouts", f"/campaigns/{campaign_id}/blocks")
        figures["collected"] += campaign["figures"]["collected"]
        figures["refunded"] += money["refunded"]
        figures["paid"] += money["paid"]
        figures["posted"] += sum(e["amount"] for block in blocks for e in block["entries"])
        figures["blocks"] += money["blocks"]
    return dict(figures)


def figures_of(records: Sequence[Read]) -> dict[str, int]:
    """Return the same figures from the topics alone; a record that came twice is one fact."""
    facts = {one.id: one for one in records}.values()
    ours = [one for one in facts if one.value.get("campaign_id") in (MISSED, MET)]

    def amounts(type_name: str) -> int:
        return sum(one.value["amount"] for one in ours if one.type == type_name)

    blocks = [one.value for one in ours if one.type == SEALED]
    return {
        "collected": amounts(COLLECTED),
        "refunded": amounts(REFUNDED),
        "paid": amounts(PAID),
        "posted": sum(entry["amount"] for block in blocks for entry in block["entries"]),
        "blocks": len(blocks),
    }


def by_topic(records: Sequence[Read]) -> dict[str, int]:
    """Return how many records of each topic were read; the owner's types are on one topic each."""
    homes = {event.type_name(): event.topic for event in REGISTRY.event_types}
    found = Counter(homes[one.type] for one in records)
    return {topic: found[topic] for topic in TOPICS}


def assert_agrees(lived: Lived, records: Sequence[Read]) -> None:
    assert by_topic(records) == lived.counts
    assert figures_of(records) == lived.figures
    assert all(lived.figures.values())


async def test_the_wheel_and_the_readme_are_enough(lived: Lived, python: Path) -> None:
    """The README's lines, in an environment with nothing else of ours, read every topic."""
    assert imports(python, "sosst_contracts") and not imports(python, "servicekit")
    assert_agrees(lived, await read_with_wheel(python, lived.connection, TOPICS, lived.total))


@pytest.mark.needs_kcat
async def test_kcat_reads_the_same(lived: Lived) -> None:
    """The README's line for librdkafka, topic by topic."""
    assert_agrees(lived, await read_with_kcat(lived.connection, TOPICS))


async def test_kafkas_own_consumer_reads_the_same(lived: Lived) -> None:
    """The README's line for Java, all topics at once."""
    assert_agrees(lived, await read_with_java(lived.connection, TOPICS, lived.total))


async def test_a_stranger_proves_every_book(lived: Lived, python: Path) -> None:
    """The README's second example proves each block of every campaign, from the topic alone."""
    count = lived.counts["payouts.ledger"]
    printed = await run_readme(python, 1, lived.connection, [], count)
    assert [line for line in printed if not line.endswith(": proven")] == []
    assert len(printed) == count
    assert {f"campaign {one}: proven" for one in (MISSED, MET)} <= set(printed)


@pytest.mark.parametrize("options", [(), ("--from-topic",)])
async def test_the_operator_proves_the_books(lived: Lived, options: tuple[str, ...]) -> None:
    """`verify-ledger` of a healthy suite ends with 0, with the database and without."""
    code, printed = await verify_ledger(lived, *options)
    assert code == 0, printed
    assert "proven: " in printed


async def test_the_operator_is_told_what_was_done_to_the_database(lived: Lived) -> None:
    """A removed block is named with campaign and number and ends with 1; healed, it is 0 again."""
    with lived.world.database("payouts") as database:
        taken = database["blocks"].find_one_and_delete({"campaign_id": MET, "number": 2})
        assert taken is not None
        try:
            code, printed = await verify_ledger(lived, "--campaign", MET)
        finally:
            database["blocks"].insert_one(taken)
    assert code == 1
    assert f"database: campaign {MET}, block 2: gap: " in printed
    assert (await verify_ledger(lived, "--campaign", MET))[0] == 0


async def verify_ledger(lived: Lived, *options: str) -> tuple[int, str]:
    command = lived.world.suite.services["payouts"].command("verify-ledger", *options)
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr
