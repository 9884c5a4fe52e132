"""payouts' database is restored from a backup: nothing runs until `recover`, nothing goes twice.

After the backup every refund of one campaign is made and told, the first stage of another is paid,
and the provider forgets its keys: only what `recover` asks the provider keeps money from leaving
twice.
"""

import asyncio
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from infra.native import Addresses
from infra.sandbox.provider.book import PLATFORM
from infra.suite import Suite
from infra.suite.readings import eventually
from tests.world import World, assert_everybody_told_once, backers, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLEDGES = 20
LONGER_THAN_KEYS_LIVE = 25 * 3_600


@pytest_asyncio.fixture(loop_scope="session")
async def own_world(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A suite of the test's own, whose provider may forget."""
    async with opened(Suite(tmp_path_factory.mktemp("restored"), native_stack)) as world:
        yield world


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
    world, payouts = own_world, own_world.suite.services["payouts"]
    missed, met = backers("missed", PLEDGES), backers("met", PLEDGES)
    goal = sum(row.amount for row in met)
    await world.launch_paid("missed", missed, goal=10_000_000, open_seconds=9)
    await world.launch_paid("met", met, goal=goal, open_seconds=9)
    await asyncio.gather(world.counted("missed", missed), world.counted("met", met))
    await world.everything_read()
    await asyncio.to_thread(payouts.stop)
    backup = world.back_up("payouts")
    await asyncio.to_thread(payouts.start)
    account = (await world.suite.provider.create_account())["id"]
    await world.give_destination("met", account)
    await world.refunded("missed", missed)
    await world.stage_is("met", 1, "paid")
    await world.everything_read()
    before = await money_that_left(world)

    await asyncio.to_thread(payouts.kill)
    world.restore("payouts", backup)
    await world.suite.provider.advance_clock(LONGER_THAN_KEYS_LIVE)
    waiting = world.suite.instance("payouts", 1, wait=False)
    world.suite.services["payouts"] = waiting
    await asyncio.to_thread(waiting.start)
    await refuses(world)
    assert await money_that_left(world) == before

    done = await asyncio.to_thread(world.recover, "payouts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "blocks taken back from the ledger's topic" in done.stdout
    await world.refunded("missed", missed)
    await world.stage_is("met", 1, "paid")
    await world.everything_read()

    assert await money_that_left(world) == before
    await world.assert_provider_returned("missed", missed)
    world.assert_books_true()
    await asyncio.to_thread(assert_the_ledger_is_proven, world)
    await assert_books_are_the_providers(world)
    await assert_nothing_told_twice(world, [row.backer_id for row in missed])
    await assert_no_sequence_is_used_twice(world)


async def refuses(world: World) -> None:
    """Alive, not ready, and it says why, to people and to machines."""
    payouts, http = world.suite.services["payouts"], world.look.http

    async def answers() -> httpx.Response | None:
        answer = await http.get(f"{payouts.url}/campaigns/missed/money")
        return answer if answer.status_code == 503 else None

    problem = (await eventually("payouts answers that it waits", answers)).json()
    assert problem["type"] == "/problems/recover-required"
    assert "payouts recover" in problem["detail"] and "payouts." in problem["detail"]
    ready = await http.get(f"{payouts.health_url}/readyz")
    assert ready.status_code == 503 and "recover" in ready.json()["failing"]["recovery"]
    assert (await http.get(f"{payouts.health_url}/livez")).status_code == 200
    metrics = (await http.get(f"{payouts.health_url}/metrics")).text
    assert "sosst_recover_required 1.0" in metrics


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


async def assert_no_sequence_is_used_twice(world: World) -> None:
    """Each place in each stream has one fact, and no place is left out."""
    for topic in ("payouts.refunds", "payouts.stages", "payouts.ledger"):
        places: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for fact in await world.look.events(topic):
            body = fact.event.model_dump_json()
            places[fact.key][fact.envelope.sequence or 0].add(f"{fact.envelope.type} {body}")
        for key, found in places.items():
            assert sorted(found) == list(range(1, len(found) + 1)), (topic, key)
            assert all(len(facts) == 1 for facts in found.values()), (topic, key)
