"""Many refunds at once: a tenth of each fault, two instances killed (-9) in turn, every cent found.

`SOSST_REFUNDS` and `SOSST_REFUND_KILLS` make it larger; 10 000 and ten are the full size.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from infra.native import Addresses
from infra.suite import Suite
from infra.suite.readings import NeverHappened, eventually
from infra.suite.suite import FLOAT_MINOR_UNITS, QUICK_SETTINGS
from payouts.adapters.book_checks import MongoBookChecks
from payouts.adapters.queries import MongoQueries
from payouts.domain.refund import Refund, RefundState
from payouts.handlers.check_books import check_whole
from servicekit.mongo import Database
from services.payouts.tests.test_service import (
    CAMPAIGN,
    FAULTS_OF_REFUNDS,
    FAULTS_OF_WEBHOOKS,
    assert_reconciled,
    charge,
    pledge,
    publish,
    returned,
    verdict,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUNDS = int(os.environ.get("SOSST_REFUNDS", "120"))
KILLS = int(os.environ.get("SOSST_REFUND_KILLS", "2"))
# So slow may a machine be that does much else.
PATIENCE_SECONDS = 240 + REFUNDS * 0.2
SETTINGS = QUICK_SETTINGS | {
    "payouts": QUICK_SETTINGS["payouts"]
    | {"PROVIDER_TIMEOUT_SECONDS": "1", "RECONCILE_AFTER_SECONDS": "0"}
}
# Done, or waiting where its backer and staff look for it.
AT_REST = (RefundState.SUCCEEDED, RefundState.CLAIMABLE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Suite]:
    """The sandbox, and payouts twice; neither runs yet."""
    suite = Suite(tmp_path_factory.mktemp("many"), native_stack, settings=SETTINGS)
    await suite.start_surroundings("payouts")
    yield suite
    await suite.stop()
    await suite.provider.http.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def queries(suite: Suite) -> AsyncIterator[MongoQueries]:
    database = Database.connect(suite.mongodb_uri, suite.database("payouts"), "tests")
    yield MongoQueries(database)
    database.close()


async def charge_all(suite: Suite) -> list[dict[str, Any]]:
    charges: list[dict[str, Any]] = []
    for first in range(1, REFUNDS + 1, 50):
        some = range(first, min(first + 50, REFUNDS + 1))
        charges += await asyncio.gather(*(charge(suite, number) for number in some))
    return charges


async def order_a_tenth_of_each_fault(suite: Suite) -> None:
    for kind in FAULTS_OF_REFUNDS:
        more = {"after_seconds": 1.0} if kind == "late_failure" else {}
        await suite.provider.order_fault(kind, "refunds.create", probability=0.1, **more)
    for kind in FAULTS_OF_WEBHOOKS:
        await suite.provider.order_fault(kind, "refund.created", probability=0.1)


async def all_refunds(queries: MongoQueries) -> list[Refund]:
    found: list[Refund] = []
    while page := await queries.refunds(CAMPAIGN, found[-1].refund_id if found else "", 1_000):
        found += page
    return found


def ended(queries: MongoQueries, count: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        figures = await queries.refund_figures(CAMPAIGN)
        return sum(n for state, (n, _) in figures.items() if state in AT_REST) >= count

    return reached


async def differences(suite: Suite, queries: MongoQueries) -> dict[str, str]:
    """Return by pledge what does not rest, or is not what the provider returned."""
    theirs = await returned(suite)
    found: dict[str, str] = {}
    for one in await all_refunds(queries):
        ours = one.amount if one.state is RefundState.SUCCEEDED else 0
        if one.state not in AT_REST or ours != theirs[one.pledge_id]:
            said = f"{one.state} ({one.reason}) after {len(one.attempts)} attempts"
            found[one.pledge_id] = f"{said}, the provider has returned {theirs[one.pledge_id]}"
    return found


@pytest.mark.long
@pytest.mark.row("S13")
@pytest.mark.trap(2)
@pytest.mark.trap(6)
@pytest.mark.trap(21)
async def test_many_refunds_with_every_fault_and_kills_are_the_providers_to_the_cent(
    suite: Suite, queries: MongoQueries
) -> None:
    """Each refund is made once or waits to be claimed; books, provider and list agree."""
    instances = [suite.services["payouts"], suite.instance("payouts", 2)]
    charges = await charge_all(suite)
    await order_a_tenth_of_each_fault(suite)
    try:
        await asyncio.gather(*(asyncio.to_thread(one.start) for one in instances))
        pledges = [pledge(number, charged) for number, charged in enumerate(charges, start=1)]
        await publish(suite, [*pledges, *verdict("goal_missed", charges)])
        for kill in range(KILLS):
            count = REFUNDS * (kill + 1) // (KILLS + 1)
            await eventually(f"{count} at rest", ended(queries, count), PATIENCE_SECONDS)
            dead = instances[kill % 2]
            await asyncio.to_thread(dead.kill)
            await asyncio.to_thread(dead.start)
        # What is unknown is looked up after pauses that grow: without end to the faults, nor of it.
        await eventually("nearly all rest", ended(queries, REFUNDS * 9 // 10), PATIENCE_SECONDS)
        await assert_every_fault_happened(suite)
        await suite.provider.http.delete("/control/faults")
        await eventually_agrees(suite, queries)
        await assert_books_and_cash(suite, queries, charges)
        await assert_reconciled(suite)
    finally:
        await asyncio.gather(*(asyncio.to_thread(one.stop) for one in instances))


async def eventually_agrees(suite: Suite, queries: MongoQueries) -> None:
    async def agrees() -> bool:
        created = len(await all_refunds(queries))
        return created == REFUNDS and not await differences(suite, queries)

    try:
        await eventually("all rest as the provider says", agrees, PATIENCE_SECONDS)
    except NeverHappened:
        assert await differences(suite, queries) == {}
        raise


async def assert_every_fault_happened(suite: Suite) -> None:
    """A fault that never came would prove nothing."""
    orders = (await suite.provider.http.get("/control/faults")).json()["data"]
    fired = {order["kind"]: order["fired"] for order in orders}
    print(f"{REFUNDS} refunds, {KILLS} kills, faults {fired}")
    assert all(fired.values())


async def assert_books_and_cash(
    suite: Suite, queries: MongoQueries, charges: list[dict[str, Any]]
) -> None:
    """I1 to I6, and what lies at the provider is the claimable money and the float (I3)."""
    book = await queries.book(CAMPAIGN)
    assert book is not None
    database = Database.connect(suite.mongodb_uri, suite.database("payouts"), "tests")
    found = await check_whole(queries, MongoBookChecks(database), book, datetime.now(UTC))
    database.close()
    assert found == []
    claimable = sum(
        one.amount for one in await all_refunds(queries) if one.state is RefundState.CLAIMABLE
    )
    (balances,) = (await suite.provider.book())["accounts"].values()
    left = balances["eur"]["available"] + balances["eur"]["pending"]
    assert left == FLOAT_MINOR_UNITS - sum(one["fee"] for one in charges) + claimable
    print(f"{claimable} minor units wait to be claimed")
