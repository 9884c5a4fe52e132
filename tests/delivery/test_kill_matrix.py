"""kill -9 between any two steps of save, relay, refund call and fan-out changes no number.

Each case holds the suite still at one step, kills the service there, lets go and starts it again.
While it runs, the books are sampled: I1, I2 and I4 hold at every sample.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from infra.native import NativeStack
from infra.suite.checkout import PledgeRow
from infra.suite.readings import eventually
from sosst_contracts.codec import Record
from tests.delivery.faults import held_command, paused
from tests.world import World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLEDGES = 24
SAMPLE_SECONDS = 0.2
NEVER_REACHED = 10_000_000


@asynccontextmanager
async def sampled_books(world: World) -> AsyncIterator[None]:
    """Check all books again and again until the end, and once more then."""
    ended = asyncio.Event()

    async def sample() -> None:
        while not ended.is_set():
            await asyncio.to_thread(world.assert_books_true)
            await asyncio.sleep(SAMPLE_SECONDS)

    sampling = asyncio.create_task(sample())
    try:
        yield
    finally:
        ended.set()
        await sampling
    world.assert_books_true()


async def kill(world: World, service: str) -> None:
    await asyncio.to_thread(world.suite.services[service].kill)


async def start(world: World, service: str) -> None:
    await asyncio.to_thread(world.suite.services[service].start)


async def before_the_save(
    world: World, stack: NativeStack, name: str, records: Sequence[Record]
) -> None:
    """funding dies while it saves payments that it has read."""
    with held_command(stack, "funding", "commitTransaction") as held:
        await world.checkout.tell(records)
        await held.wait()
        await kill(world, "funding")
    await start(world, "funding")


async def saved_but_position_not_committed(
    world: World, stack: NativeStack, name: str, records: Sequence[Record]
) -> None:
    """payouts dies after it saved pledges, before the broker knows its position."""
    # Pledges are the only news here that make a block: no other commit of payouts is waited for.
    blocks = f"{world.suite.database('payouts')}.blocks"
    with held_command(stack, "payouts", "insert", blocks) as held:
        await world.checkout.tell(records)
        await held.wait()
        async with paused(stack.kafka):

            async def booked() -> bool:
                return world.document("payouts", "books", name) is not None

            await eventually("the book is saved", booked)
            await kill(world, "payouts")
    await start(world, "payouts")


async def saved_but_not_relayed(
    world: World, stack: NativeStack, name: str, records: Sequence[Record]
) -> None:
    """funding dies with facts in its outbox that no broker has."""
    async with paused(stack.kafka):
        await world.tell_by_http(name, records)
        await kill(world, "funding")
    await start(world, "funding")


async def relayed_but_not_removed(
    world: World, stack: NativeStack, name: str, records: Sequence[Record]
) -> None:
    """funding dies after the broker has its facts, before they leave the outbox."""
    outbox = f"{world.suite.database('funding')}.outbox"
    with held_command(stack, "funding", "delete", outbox) as held:
        await world.tell_by_http(name, records)
        await held.wait()
        await kill(world, "funding")
    await start(world, "funding")


async def refund_noted_but_not_made(
    world: World, stack: NativeStack, name: str, records: Sequence[Record]
) -> None:
    """payouts dies when its calls are noted as sent and the provider has done none of them."""
    await world.suite.provider.order_fault("rate_limited", "refunds.create")
    await world.checkout.tell(records)
    await world.refund_is(name, "submitted")
    await kill(world, "payouts")
    await world.suite.provider.http.delete("/control/faults")
    await start(world, "payouts")


async def refund_made_but_not_saved(
    world: World, stack: NativeStack, name: str, records: Sequence[Record]
) -> None:
    """payouts dies while answers about refunds that were made are still on their way."""
    await world.suite.provider.order_fault(
        "timeout_after", "refunds.create", count=8, hang_seconds=5
    )
    await world.checkout.tell(records)

    async def returned() -> bool:
        charges = (await world.suite.provider.book())["charges"].values()
        return any(c["refunded"] for c in charges if c["metadata"]["campaign_id"] == name)

    await eventually("the provider has returned something", returned)
    await kill(world, "payouts")
    await start(world, "payouts")


async def fan_out_between_chunks_and_plan(
    world: World, stack: NativeStack, name: str, records: Sequence[Record]
) -> None:
    """notifier dies when chunks are stored and the plan is not."""
    await world.checkout.tell(records)
    causes = f"{world.suite.database('notifier')}.causes"
    with held_command(stack, "notifier", "update", causes) as held:
        await held.wait()
        await kill(world, "notifier")
    await start(world, "notifier")


async def told_but_not_marked(
    world: World, stack: NativeStack, name: str, records: Sequence[Record]
) -> None:
    """notifier dies after the events are on the topic, before the chunk is marked."""
    await world.checkout.tell(records)
    chunks = f"{world.suite.database('notifier')}.chunks"
    with held_command(stack, "notifier", "update", chunks) as held:
        await held.wait()
        await kill(world, "notifier")
    await start(world, "notifier")


Case = Callable[[World, NativeStack, str, Sequence[Record]], Awaitable[None]]
MATRIX: Sequence[Case] = (
    before_the_save,
    saved_but_position_not_committed,
    saved_but_not_relayed,
    relayed_but_not_removed,
    refund_noted_but_not_made,
    refund_made_but_not_saved,
    fan_out_between_chunks_and_plan,
    told_but_not_marked,
)


@pytest.mark.row("S13")
@pytest.mark.row("S4")
@pytest.mark.trap(24)
@pytest.mark.parametrize("case", MATRIX, ids=lambda case: case.__name__)
async def test_kill_9_changes_no_number(
    fragile_world: World, breakable_stack: NativeStack, case: Case
) -> None:
    """Killed at this step and started again: refunds = pledges, everybody told once."""
    world, name = fragile_world, case.__name__.replace("_", "-")
    rows = backers(name, PLEDGES)
    # Charged before the clock of the campaign runs: charges are slow where the machine is busy.
    records = await world.checkout.charge(name, rows)
    async with sampled_books(world):
        await world.launch(name, goal=NEVER_REACHED, open_seconds=12)
        await case(world, breakable_stack, name, records)
        await assert_all_as_if_nothing_happened(world, name, rows)


async def assert_all_as_if_nothing_happened(
    world: World, name: str, rows: Sequence[PledgeRow]
) -> None:
    verdict = await world.verdict(name)
    assert (verdict["collected"], verdict["count"]) == (sum(r.amount for r in rows), len(rows))
    await world.refunded(name, rows)
    await world.assert_provider_returned(name, rows)
    await world.told(name, "verdict-reached", name)
    refunds = await world.look.pages("payouts", f"/campaigns/{name}/refunds")
    assert {r["pledge_id"]: r["amount"] for r in refunds} == {r.pledge_id: r.amount for r in rows}
    for refund in refunds:
        await world.told(name, "refund-succeeded", str(refund["refund_id"]))
    told = await world.notifications()
    assert_everybody_told_once(told[f"verdict-reached/{name}"], [r.backer_id for r in rows])
    for refund in refunds:
        cause = f"refund-succeeded/{refund['refund_id']}"
        assert_everybody_told_once(told[cause], [str(refund["backer_id"])])
