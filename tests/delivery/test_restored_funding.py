"""funding's database is restored from a backup: verdicts and pledges are what its topics say.

A pending payment holds two verdicts up until the backup is made, however busy the machine is. What
happens afterwards by HTTP stands on no topic but funding's own: pledges, withdrawals, a team, a
whole campaign and its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import SERVICE, STAFF, Caller, backer
from infra.suite.readings import understood
from sosst_contracts import platform
from sosst_contracts.codec import Draft, Record
from tests.delivery.restoring import (
    at_rest,
    backed_up,
    facts_told,
    put_back,
    recovered,
    starts_and_refuses,
)
from tests.world import (
    CREATOR,
    CURRENCY,
    PledgeRow,
    World,
    assert_everybody_told_once,
    backers,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

MISSED, MET, OPEN, NEW = (f"regained-{name}" for name in ("missed", "met", "open", "new"))
ROWS = {MISSED: backers(MISSED, 10), MET: backers(MET, 10), OPEN: backers(OPEN, 11)}
LATE, OF_NEW = backers(f"{MET}-late", 1), backers(NEW, 3)
GOALS = {MISSED: 10_000_000, MET: sum(row.amount for row in ROWS[MET]), OPEN: 10_000_000}
OPEN_SECONDS = {MISSED: 9, MET: 9, OPEN: 3_600}
# Of the open campaign: known to the backup, then told on the topic, by HTTP, and after `recover`.
KNOWN, BY_TOPIC, BY_HTTP, LAST = slice(4), slice(4, 8), slice(8, 10), slice(10, None)
TOPICS = ("funding.campaigns", "funding.pledges")
ENDING = {"reason": "Nobody may build it."}
TEAM = {"members": [{"person_id": "regained-editor", "roles": ["editor"]}]}
Captures = Mapping[str, Sequence[Record]]


@pytest.mark.trap(23)
async def test_a_restored_funding_decides_and_counts_as_it_was_told_and_goes_on(
    own_world: World,
) -> None:
    """It refuses to run; then all is as before, nothing is told anew, and the next is numbered."""
    world = own_world
    captures = {name: await world.checkout.charge(name, rows) for name, rows in ROWS.items()}
    await begun(world, captures)
    backup = await backed_up(world, "funding")
    await lived_on(world, captures)
    told, shown = await facts_told(world, *TOPICS), await shown_by_funding(world)

    await put_back(world, "funding", backup)
    await starts_and_refuses(world, "funding")
    said = await recovered(world, "funding")
    assert "a person must look" not in said
    assert all(f"{name}: " in said and "folded in" in said for name in (*ROWS, NEW))
    await at_rest(world, "funding")
    assert await facts_told(world, *TOPICS) == told
    assert await shown_by_funding(world) == shown

    await goes_on(world, captures)
    assert (await facts_told(world, *TOPICS)).items() > told.items()
    await assert_all_told_and_returned_once(world)


async def begun(world: World, captures: Captures) -> None:
    """Three campaigns are launched; the last payment of two of them is not yet captured."""
    for name, goal in GOALS.items():
        await world.launch(name, goal=goal, open_seconds=OPEN_SECONDS[name])
        if name != OPEN:
            await world.checkout.tell([*captures[name][:-1], pending(captures[name][-1])])
    await world.checkout.tell(captures[OPEN][KNOWN])
    for name in (MISSED, MET):
        await world.counted(name, ROWS[name][:-1])
    await world.counted(OPEN, ROWS[OPEN][KNOWN])


def pending(capture: Record) -> Record:
    """Return what was told of the payment before it was captured."""
    event = understood(capture).event
    assert isinstance(event, platform.PaymentCaptured)
    said = event.model_dump(exclude={"provider_fee", "balance_transaction"})
    begun = platform.PaymentPending(**said)
    return Draft(
        begun, begun.occurred_at, identity=f"sandbox/{begun.payment_reference}/pending"
    ).seal()


async def lived_on(world: World, captures: Captures) -> None:
    """After the backup: two verdicts, and whatever else becomes of pledges and campaigns."""
    for name in (MISSED, MET):
        await world.checkout.tell(captures[name][-1:])
    await ask(world, "PUT", f"/campaigns/{OPEN}/team", CREATOR, TEAM)
    await world.checkout.tell(captures[OPEN][BY_TOPIC])
    await world.tell_by_http(OPEN, captures[OPEN][BY_HTTP])
    await ask(world, "POST", f"/campaigns/{OPEN}/payments", SERVICE, declined())
    await world.counted(OPEN, [*ROWS[OPEN][KNOWN], *ROWS[OPEN][BY_TOPIC], *ROWS[OPEN][BY_HTTP]])
    for row in (ROWS[OPEN][0], ROWS[OPEN][4]):
        await taken_back(world, row)
    await world.launch_paid(NEW, OF_NEW, goal=1_000, open_seconds=3_600)
    await world.counted(NEW, OF_NEW)
    await ask(world, "POST", f"/campaigns/{NEW}/cancellation", STAFF, ENDING)
    assert (await world.verdict(MISSED))["outcome"] == "goal_missed"
    assert (await world.verdict(MET))["outcome"] == "goal_met"
    await world.checkout.pay(MET, LATE)
    await world.refunded(MISSED, ROWS[MISSED])
    await world.until_known("funding", f"/campaigns/{MET}/pledges/{LATE[0].pledge_id}")
    await world.refunded(NEW, OF_NEW)
    await world.refunded(OPEN, ROWS[OPEN][:2])
    await at_rest(world, "funding")


def declined() -> dict[str, Any]:
    """Return a payment that the provider refused."""
    return {
        "status": "failed",
        "provider": "sandbox",
        "payment_reference": f"{OPEN}-declined",
        "pledge_id": f"{OPEN}-declined",
        "backer_id": f"{OPEN}-poor",
        "money": {"amount": 1_000, "currency": CURRENCY},
        "occurred_at": datetime.now(UTC).isoformat(),
        "reason": "card_declined",
    }


async def taken_back(world: World, row: PledgeRow) -> None:
    path = f"/campaigns/{OPEN}/pledges/{row.pledge_id}/withdrawal"
    await ask(world, "POST", path, backer(row.backer_id))


async def ask(
    world: World, method: str, path: str, caller: Caller, body: object = None
) -> dict[str, Any]:
    answer = await world.look.ask(method, "funding", path, caller=caller, body=body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def shown_by_funding(world: World) -> dict[str, object]:
    """Return what everybody reads of each campaign, and what its creator does."""
    shown: dict[str, object] = {}
    for name in (*ROWS, NEW):
        path = f"/campaigns/{name}"
        shown[path] = await world.look.get("funding", path, caller=None)
        shown[f"{path}/pledges"] = await world.look.pages("funding", f"{path}/pledges")
        shown[f"{path}/team"] = await world.look.get("funding", f"{path}/team")
    return shown


async def goes_on(world: World, captures: Captures) -> None:
    """A pledge more, one less that only own facts hold, the same word again, and the end."""
    await world.checkout.tell(captures[OPEN][LAST])
    await taken_back(world, ROWS[OPEN][8])
    again = await ask(world, "POST", f"/campaigns/{NEW}/cancellation", STAFF, ENDING)
    assert again["state"] == "cancelled"
    counted = [*ROWS[OPEN][1:4], *ROWS[OPEN][5:8], *ROWS[OPEN][9:]]
    await world.counted(OPEN, counted)
    await ask(world, "POST", f"/campaigns/{OPEN}/cancellation", STAFF, ENDING)
    await world.refunded(OPEN, ROWS[OPEN])
    await at_rest(world, "funding")


async def assert_all_told_and_returned_once(world: World) -> None:
    """By the provider's own book, by payouts' books, and by who was told of which end."""
    await world.assert_provider_returned(MISSED, ROWS[MISSED])
    kept = [replace(row, amount=0) for row in (*ROWS[MET], *LATE)]
    await world.assert_provider_returned(MET, kept)
    await world.assert_provider_returned(NEW, OF_NEW)
    await world.assert_provider_returned(OPEN, ROWS[OPEN])
    world.assert_books_true()
    for name, rows in ((MISSED, ROWS[MISSED]), (MET, ROWS[MET])):
        await world.told(name, "verdict-reached", name)
        told = (await world.notifications())[f"verdict-reached/{name}"]
        assert_everybody_told_once(told, [row.backer_id for row in rows])
