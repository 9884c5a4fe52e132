"""What an operator does with facts that payouts could not use: the money of all of them moves.

One fact cannot be saved, because somebody tightened a validator by hand, and `migrate` mends that.
Another one is bytes that nobody can read, whoever wrote them.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from infra.native import Addresses
from infra.suite import Suite
from infra.suite.readings import eventually, understood
from sosst_contracts import funding, platform
from sosst_contracts.codec import Draft, Record
from sosst_contracts.testing import sample
from tests.world import PledgeRow, World, backers, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNSAVED, UNREAD = "unsaved", "unread"
TOPIC = funding.PledgeCollected.topic
BY = ("--by", "sre-1", "--why", "asked for")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def payouts_alone(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """payouts with a provider; funding's facts are the test's own."""
    suite = Suite(tmp_path_factory.mktemp("set-aside"), native_stack)
    async with opened(suite, "payouts") as world:
        yield world


async def test_what_could_not_be_saved_is_mended_and_replayed(payouts_alone: World) -> None:
    """It holds its campaign alone; mended, it and all behind it are booked, and refunded once."""
    world, rows = payouts_alone, backers(UNSAVED, 4)
    with world.database("payouts") as database:
        tightened = {"amount": {"$ne": rows[1].amount}}
        database.command("collMod", "pledge_money", validator=tightened)
    await world.checkout.tell(await collected(world, UNSAVED, rows))
    await world.checkout.tell([missed(UNSAVED, rows)])
    await is_set_aside(world, UNSAVED, 3)
    await world.refunded(UNSAVED, rows[:1])

    listed = await set_aside(world, "list", "--topic", TOPIC, "--reason", "unsaveable")
    (line,) = listed.splitlines()
    named, reason = line.split("  ")[:2]
    assert reason.startswith("unsaveable:")
    shown = json.loads(await set_aside(world, "show", named))
    assert (shown["key"], shown["sequence"], shown["reason"]) == (UNSAVED, 2, reason)
    assert shown["decoded"]["pledge_id"] == rows[1].pledge_id
    assert shown["headers"]["ce_type"] == funding.PledgeCollected.type_name()
    assert rows[1].pledge_id in shown["bytes"] and "validation" in shown["detail"]

    assert f"still set aside: {reason}" in await set_aside(world, "replay", named, *BY)
    await is_set_aside(world, UNSAVED, 3)
    await run(world, "migrate")
    assert (await set_aside(world, "replay", named, *BY)).startswith("applied 3")
    await world.refunded(UNSAVED, rows)
    await world.assert_provider_returned(UNSAVED, rows)
    await is_set_aside(world, UNSAVED, 0)
    world.assert_books_true()
    tried = ("set-aside replay", {"id": named})
    acts = audited(world, UNSAVED)
    assert [act[:2] for act in acts] == [tried, tried] and acts[-1][2].startswith("applied 3")


async def test_what_nobody_can_read_is_given_up_on_record(payouts_alone: World) -> None:
    """Its campaign waits until then; afterwards only its own money stays, whoever tells it late."""
    world, rows = payouts_alone, backers(UNREAD, 4)
    facts = await collected(world, UNREAD, rows)
    torn = replace(facts[2], value=(facts[2].value or b"")[:40] + b"\xff")
    await world.checkout.tell([*facts[:2], torn, facts[3], missed(UNREAD, rows)])
    await is_set_aside(world, UNREAD, 2)

    listed = await set_aside(world, "list", "--key", UNREAD)
    first, behind = listed.splitlines()
    named, reason = first.split("  ")[:2]
    assert behind.split("  ")[1] == "gap" and named.endswith("|3")
    shown = json.loads(await set_aside(world, "show", named))
    assert (shown["decoded"], shown["reason"]) == (None, reason)
    assert "\\xff" in shown["bytes"]
    assert f"still set aside: {reason}" in await set_aside(world, "replay", named, *BY)
    await is_set_aside(world, UNREAD, 2)

    outcome = await set_aside(world, "purge", named, *BY)
    assert "applied 1" in outcome and "skipped 1" in outcome
    known = [*rows[:2], rows[3]]
    await world.refunded(UNREAD, known)
    await world.checkout.tell([facts[2]])
    await world.everything_read("payouts")
    returned = [row if row in known else replace(row, amount=0) for row in rows]
    await world.assert_provider_returned(UNREAD, returned)
    await is_set_aside(world, UNREAD, 0)
    world.assert_books_true()
    given_up = {"topic": TOPIC, "key": UNREAD, "sequence": 3}
    acts = audited(world, UNREAD)
    assert [act[0] for act in acts] == ["set-aside replay", "set-aside purge"]
    assert acts[-1][1:] == (given_up, outcome)


async def collected(world: World, campaign_id: str, rows: Sequence[PledgeRow]) -> list[Record]:
    """Charge them; return the facts of funding that say so."""
    records = []
    for number, capture in enumerate(await world.checkout.charge(campaign_id, rows), 1):
        paid = understood(capture).event
        assert isinstance(paid, platform.PaymentCaptured)
        said = paid.model_dump(exclude={"occurred_at"})
        event = funding.PledgeCollected(**said, captured_at=paid.occurred_at, standing="counted")
        records.append(Draft(event, paid.occurred_at).seal(number))
    return records


def missed(campaign_id: str, rows: Sequence[PledgeRow]) -> Record:
    """Return the verdict that all of them are to be refunded."""
    event = sample(
        funding.VerdictReached,
        campaign_id=campaign_id,
        verdict="goal_missed",
        goal=10_000_000,
        collected=sum(row.amount for row in rows),
        currency=rows[0].currency,
        count=len(rows),
        pledges_sequence=len(rows),
    )
    return Draft(event, datetime.now(UTC)).seal(1)


async def is_set_aside(world: World, campaign_id: str, count: int) -> None:
    """Wait until so many of the campaign's pledges are set aside."""

    async def kept() -> bool:
        with world.database("payouts") as database:
            wanted = {"topic": TOPIC, "key": campaign_id}
            return database["set_aside"].count_documents(wanted) == count

    await eventually(f"{count} facts of {campaign_id} are set aside", kept)


async def set_aside(world: World, *words: str) -> str:
    return await run(world, "set-aside", *words)


async def run(world: World, *words: str) -> str:
    """Run a command of payouts beside its process; return what it says."""
    command = world.suite.services["payouts"].command(*words)
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout).strip()


def audited(world: World, campaign_id: str) -> list[tuple[str, dict[str, Any], str]]:
    """Return what stands on record about a campaign's facts: the command, of what, its outcome."""
    with world.database("payouts") as database:
        entries = list(database["audit"].find({"by": "sre-1", "why": "asked for"}).sort("at", 1))
    acts = [(one["command"], one["what"], one["outcome"]) for one in entries]
    return [act for act in acts if campaign_id in str(act[1])]
