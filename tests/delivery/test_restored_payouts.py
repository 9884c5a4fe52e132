"""payouts' database is restored from a backup: nothing runs until `recover`, nothing goes twice.

After the backup every refund of one campaign is made and told, the first stage of another is paid,
and the provider forgets its keys: only what `recover` asks the provider keeps money from leaving
twice.
"""

import asyncio
import subprocess
from typing import Any

import pytest

from infra.sandbox.provider.book import PLATFORM
from tests.delivery.restoring import (
    backed_up,
    facts_told,
    put_back,
    recovered,
    starts_and_refuses,
)
from tests.world import World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLEDGES = 20
LONGER_THAN_KEYS_LIVE = 25 * 3_600


async def money_that_left(world: World) -> dict[str, Any]:
    """Return what the provider moved out, by its own book."""
    book = await world.suite.provider.book()
    moved = {
        account: currencies["eur"]["by_type"]
        for account, currencies in book["accounts"].items()
        if "eur" in currencies
    }
    returned = {
        charge["metadata"]["pledge_id"]: charge["refunded"] for charge in book["charges"].values()
    }
    return {"moved": moved, "returned": returned}


@pytest.mark.trap(23)
async def test_a_restored_database_refuses_to_run_and_then_repeats_nothing(
    own_world: World,
) -> None:
    """Told, refunded and paid after the backup: none of it again, and no sequence used twice."""
    world = own_world
    missed, met = backers("missed", PLEDGES), backers("met", PLEDGES)
    goal = sum(row.amount for row in met)
    await world.launch_paid("missed", missed, goal=10_000_000, open_seconds=9)
    await world.launch_paid("met", met, goal=goal, open_seconds=9)
    await asyncio.gather(world.counted("missed", missed), world.counted("met", met))
    backup = await backed_up(world, "payouts")
    account = (await world.suite.provider.create_account())["id"]
    await world.give_destination("met", account)
    await world.refunded("missed", missed)
    await world.stage_is("met", 1, "paid")
    await world.everything_read()
    before = await money_that_left(world)

    await put_back(world, "payouts", backup)
    await world.suite.provider.advance_clock(LONGER_THAN_KEYS_LIVE)
    await starts_and_refuses(world, "payouts")
    assert await money_that_left(world) == before

    assert "blocks taken back from the ledger's topic" in await recovered(world, "payouts")
    await world.refunded("missed", missed)
    await world.stage_is("met", 1, "paid")
    await world.everything_read()

    assert await money_that_left(world) == before
    await world.assert_provider_returned("missed", missed)
    world.assert_books_true()
    await asyncio.to_thread(assert_the_ledger_is_proven, world)
    await assert_books_are_the_providers(world)
    await assert_nothing_told_twice(world, [row.backer_id for row in missed])
    await facts_told(world, "payouts.refunds", "payouts.stages", "payouts.ledger")


def assert_the_ledger_is_proven(world: World) -> None:
    """By itself, by its book and by the topic: the blocks came back, and none was made again."""
    command = world.suite.services["payouts"].command("verify-ledger")
    proof = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert proof.returncode == 0 and "proven: 2 campaigns" in proof.stdout, proof.stdout
    with world.database("payouts") as database:
        assert database["unclaimed_postings"].count_documents({}) == 0


async def assert_books_are_the_providers(world: World) -> None:
    """What the books say lies at the provider is what lies there, beside the float."""
    with world.database("payouts") as database:
        booked = sum(book["balances"]["provider_balance"] for book in database["books"].find())
        refunds = list(database["refunds"].find())
    moved = (await money_that_left(world))["moved"][PLATFORM]
    assert booked == sum(moved[kind]["amount"] for kind in ("charge", "refund", "transfer"))
    assert {refund["state"] for refund in refunds} == {"succeeded"}
    assert all(len(refund["attempts"]) == 1 for refund in refunds)


async def assert_nothing_told_twice(world: World, people: list[str]) -> None:
    told = await world.notifications()
    assert_everybody_told_once(told["verdict-reached/missed"], people)
    refunds = {cause: who for cause, who in told.items() if cause.startswith("refund-succeeded/")}
    assert len(refunds) == PLEDGES and all(len(who) == 1 for who in refunds.values())
