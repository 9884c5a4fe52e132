"""The real process on real Kafka, MongoDB and sandbox: faults of every kind, kill -9 in between."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from infra.native import Addresses
from infra.suite import Suite
from infra.suite.readings import Readings, eventually
from infra.suite.suite import FLOAT_MINOR_UNITS, QUICK_SETTINGS
from payouts.adapters.book_checks import MongoBookChecks
from payouts.adapters.queries import MongoQueries
from payouts.handlers.check_books import check_whole
from servicekit.kafka import KafkaConnection
from servicekit.mongo import Database
from servicekit.publish import KafkaPublisher
from sosst_contracts import funding, payouts
from sosst_contracts.codec import Draft, Record
from sosst_contracts.event import Event
from sosst_contracts.testing import sample

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAMPAIGN = "campaign-1"
REFUNDS = 60
KILLED_WHEN_RETURNED = (5, 20, 35, 50)
# What is unknown is looked up after pauses that grow, and a machine does much else.
PATIENCE_SECONDS = 150
# Two at a time, so that a kill lands in the middle of the run.
SETTINGS = QUICK_SETTINGS | {
    "payouts": QUICK_SETTINGS["payouts"]
    | {
        "REFUND_CONCURRENCY": "2",
        "PROVIDER_TIMEOUT_SECONDS": "1",
        "RECONCILE_AFTER_SECONDS": "0",
    }
}
# Each hits a charge of its own, so that none uses up the three tries of another.
FAULTS_OF_REFUNDS = (
    "timeout_after",
    "rate_limited",
    "unavailable_before",
    "unavailable_after",
    "error_before",
    "error_after",
    "decline",
    "late_failure",
)
FAULTS_OF_WEBHOOKS = ("webhook_lost", "webhook_doubled", "webhook_early")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _surroundings(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Suite]:
    suite = Suite(tmp_path_factory.mktemp("service"), native_stack, settings=SETTINGS)
    await suite.start_surroundings("payouts")
    yield suite
    await suite.stop()
    await suite.provider.http.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def suite(_surroundings: Suite) -> AsyncIterator[Suite]:
    """The sandbox with its float and everything that payouts needs; no service runs yet."""
    yield _surroundings
    await asyncio.to_thread(_surroundings.services["payouts"].stop)


@pytest_asyncio.fixture(loop_scope="module")
async def look(suite: Suite) -> AsyncIterator[Readings]:
    readings = Readings(suite)
    yield readings
    await readings.close()


async def publish(suite: Suite, records: Sequence[Record]) -> None:
    """Tell every fact twice, as a publisher does that is not sure."""
    servers = suite.addresses.kafka_bootstrap_servers
    publisher = KafkaPublisher(KafkaConnection(servers, "tests", suite.prefix))
    try:
        assert all(await publisher.publish([*records, *records]))
    finally:
        await publisher.close()


async def charge(suite: Suite, number: int) -> dict[str, Any]:
    return await suite.provider.charge(
        1_000 + number, "EUR", metadata={"pledge_id": f"pledge-{number}"}, key=f"charge-{number}"
    )


def pledge(number: int, charged: dict[str, Any]) -> Record:
    collected = funding.PledgeCollected(
        campaign_id=CAMPAIGN,
        pledge_id=f"pledge-{number}",
        backer_id=f"backer-{number}",
        amount=charged["amount"],
        currency="EUR",
        provider="sandbox",
        payment_reference=charged["id"],
        provider_fee=charged["fee"],
        balance_transaction=charged["balance_transaction"],
        captured_at=datetime.now(UTC),
        standing="counted",
    )
    return Draft(collected, datetime.now(UTC)).seal(number)


def verdict(word: str, charges: Sequence[dict[str, Any]]) -> list[Record]:
    reached = sample(funding.VerdictReached).model_copy(
        update={
            "campaign_id": CAMPAIGN,
            "verdict": word,
            "collected": sum(charged["amount"] for charged in charges),
            "count": len(charges),
            "pledges_sequence": len(charges),
        }
    )
    launched = sample(funding.CampaignLaunched).model_copy(update={"campaign_id": CAMPAIGN})
    now = datetime.now(UTC)
    return [Draft(launched, now).seal(1), Draft(reached, now).seal(2)]


async def order_faults(suite: Suite, charges: Sequence[dict[str, Any]]) -> None:
    """One of each, beginning with refunds that run before the first kill."""
    for place, kind in enumerate(FAULTS_OF_REFUNDS):
        more = {"after_seconds": 1.0} if kind == "late_failure" else {}
        ids = [charges[place * 5]["id"], charges[place * 5 + 2]["id"]]
        await suite.provider.order_fault(kind, "refunds.create", count=2, ids=ids, **more)
    for kind in FAULTS_OF_WEBHOOKS:
        await suite.provider.order_fault(kind, "refund.created", count=5)
    await suite.provider.order_fault("webhook_lost", "refund.failed")


async def returned(suite: Suite) -> dict[str, int]:
    """What went back by the provider's own book, per pledge."""
    charges = (await suite.provider.book())["charges"].values()
    return {c["metadata"]["pledge_id"]: c["refunded"] for c in charges}


def at_least(suite: Suite, count: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return sum(1 for amount in (await returned(suite)).values() if amount) >= count

    return reached


@pytest.mark.row("S13")
@pytest.mark.trap(2)
@pytest.mark.trap(6)
@pytest.mark.trap(15)
async def test_every_fault_and_four_kills_return_each_pledge_once(
    suite: Suite, look: Readings
) -> None:
    """The provider's book is ours to the unit, every refund succeeded, and the chain verifies."""
    charges = [await charge(suite, number) for number in range(1, REFUNDS + 1)]
    await order_faults(suite, charges)
    await asyncio.to_thread(suite.services["payouts"].start)
    pledges = [pledge(number, charged) for number, charged in enumerate(charges, start=1)]
    await publish(suite, [*pledges, *verdict("goal_missed", charges)])
    for count in KILLED_WHEN_RETURNED:
        await eventually(f"{count} pledges returned", at_least(suite, count))
        await asyncio.to_thread(suite.services["payouts"].kill)
        await asyncio.to_thread(suite.services["payouts"].start)
    await eventually("every refund succeeded", lambda: at_rest(look, suite), PATIENCE_SECONDS)
    await assert_every_fault_happened(suite)
    await assert_provider_agrees(suite, charges)
    await assert_told_once(look)
    await assert_chain_verifies(suite)
    await assert_reconciled(suite)


async def at_rest(look: Readings, suite: Suite) -> bool:
    """Every refund succeeded, the late failures' second tries included."""
    money = await look.get("payouts", f"/campaigns/{CAMPAIGN}/money")
    figures = (await suite.provider.book())["refunds"]
    late = figures.get("failed", {"count": 0})["count"]
    done = (money or {"refunds": {}})["refunds"].get("succeeded", {"count": 0})["count"]
    return bool(done == REFUNDS and late == 2 and all((await returned(suite)).values()))


async def assert_every_fault_happened(suite: Suite) -> None:
    """A fault that never came would prove nothing."""
    orders = (await suite.provider.http.get("/control/faults")).json()["data"]
    assert [order["kind"] for order in orders if not order["fired"]] == []


async def assert_provider_agrees(suite: Suite, charges: Sequence[dict[str, Any]]) -> None:
    """Per pledge and in total: what is left there is the platform's float less the fees (I3)."""
    amounts = {f"pledge-{n}": charged["amount"] for n, charged in enumerate(charges, start=1)}
    assert await returned(suite) == amounts
    (balances,) = (await suite.provider.book())["accounts"].values()
    left = balances["eur"]["available"] + balances["eur"]["pending"]
    assert left == FLOAT_MINOR_UNITS - sum(charged["fee"] for charged in charges)


async def assert_told_once(look: Readings) -> None:
    """One refund per pledge on the topic; a success more only for the two that came back."""

    async def all_told() -> list[Event] | None:
        # The relay may repeat a record after a kill; it is the same fact by its sequence.
        told = {(o.key, o.envelope.sequence): o.event for o in await look.events("payouts.refunds")}
        ends = {e.refund_id for e in told.values() if isinstance(e, payouts.RefundSucceeded)}
        return list(told.values()) if len(ends) >= REFUNDS else None

    events = await eventually("every end is on the topic", all_told)
    created = [e.refund_id for e in events if isinstance(e, payouts.RefundCreated)]
    succeeded = [e.refund_id for e in events if isinstance(e, payouts.RefundSucceeded)]
    assert len(created) == len(set(created)) == REFUNDS
    assert set(succeeded) == set(created)
    assert len(succeeded) <= REFUNDS + 2
    assert not [e for e in events if isinstance(e, payouts.RefundClaimable)]


async def assert_chain_verifies(suite: Suite) -> None:
    database = Database.connect(suite.addresses.mongodb_uri, suite.database("payouts"), "tests")
    try:
        queries = MongoQueries(database)
        book = await queries.book(CAMPAIGN)
        costs = {"provider_costs", "platform_current"}
        assert book is not None
        now = datetime.now(UTC)
        assert await check_whole(queries, MongoBookChecks(database), book, now) == []
        assert {a for a, balance in book.balances.items() if balance} == costs
    finally:
        database.close()


async def assert_reconciled(suite: Suite) -> None:
    """The command finds nothing between the provider's list and the books, both ways."""
    command = suite.services["payouts"].command("reconcile")
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 open breaks" in ended.stdout


async def test_automatic_payouts_of_the_provider_stop_the_start(suite: Suite) -> None:
    """Exit code 70 and a line that says why: backers' money would be swept away."""
    await suite.provider.change_settings(payout_interval="daily")
    command = suite.services["payouts"].command("run")
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120
    )
    await suite.provider.change_settings(payout_interval="manual")
    assert ended.returncode == 70
    assert "payout schedule is daily, not manual" in ended.stdout + ended.stderr


async def test_an_absent_provider_does_not_stop_the_start(suite: Suite) -> None:
    """Books go on being kept and read; money moves when the provider is back."""
    await asyncio.to_thread(suite.sandbox.stop)
    await asyncio.to_thread(suite.services["payouts"].start)
    assert await asyncio.to_thread(suite.services["payouts"].stop) is None
    await asyncio.to_thread(suite.sandbox.start)
