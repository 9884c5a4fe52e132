"""A problem with a reward, from the backer's word to the money on the card, or to a person."""

from collections import Counter
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import Caller, backer
from infra.suite.checkout import Launch
from infra.suite.readings import eventually
from tests.journeys.test_disputes import charge_of
from tests.journeys.test_stages import FIRST_STAFF, SECOND_STAFF
from tests.journeys.test_stages import ask as ask_payouts
from tests.world import CREATOR, CURRENCY, PledgeRow, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN, CLUSTERED = "claimed", "clustered"
CLAIMS = f"/campaigns/{CAMPAIGN}/claims"
PART = 300


async def ask(world: World, method: str, path: str, caller: Caller, body: object = None) -> Any:
    response = await world.look.ask(method, "updates", path, caller=caller, body=body)
    assert response.status_code == 200, response.text
    return response.json()


async def claim_is(world: World, claim_id: str, state: str, claims: str = CLAIMS) -> dict[str, Any]:
    """Wait until a claim has come to a state and return it."""

    async def reached() -> dict[str, Any] | None:
        claim = await world.look.get("updates", f"{claims}/{claim_id}", caller=FIRST_STAFF)
        return claim if claim and claim["state"] == state else None

    return await eventually(f"claim {claim_id} is {state}", reached)


async def claims_may_open(
    world: World, row: PledgeRow, claim_id: str, reason: str, claims: str = CLAIMS
) -> None:
    """Open a claim once updates has heard of the verdict and of the pledge."""
    path, who = f"{claims}/{claim_id}", backer(row.backer_id)
    body = {"pledge_id": row.pledge_id, "reason": reason, "text": "It arrived broken."}

    async def opened() -> bool:
        answer = await world.look.ask("PUT", "updates", path, caller=who, body=body)
        assert answer.status_code in (200, 404, 409), answer.text
        return answer.status_code == 200

    await eventually(f"{claim_id} is open", opened)


async def agreed(world: World, row: PledgeRow, claim_id: str, body: dict[str, Any]) -> None:
    """The creator proposes, the backer accepts, each of them twice."""
    for _ in range(2):
        proposal = f"{CLAIMS}/{claim_id}/proposals/p1"
        shown = await ask(world, "PUT", proposal, CREATOR, body)
    for _ in range(2):
        acceptance = {"proposal": shown["on_table"]}
        path = f"{CLAIMS}/{claim_id}/acceptance"
        await ask(world, "POST", path, backer(row.backer_id), acceptance)


async def approved_by_a_second_person(world: World) -> None:
    """Payouts asks for a second person where staff give of a pledge's money."""
    refunds = f"/campaigns/{CAMPAIGN}/refunds"

    async def waiting() -> str | None:
        pages = await world.look.pages("payouts", refunds)
        found = [one["refund_id"] for one in pages if one["state"] == "awaiting_approval"]
        return str(found[0]) if found else None

    refund = await eventually("a refund awaits its second person", waiting)
    approval = {"amount": PART, "currency": CURRENCY}
    await ask_payouts(world, "POST", f"{refunds}/{refund}/approval", SECOND_STAFF, approval)


async def refunded_by_provider(world: World, row: PledgeRow) -> int:
    charges = (await world.suite.provider.book())["charges"]
    return int(charges[await charge_of(world, row.pledge_id)]["refunded"])


@pytest.mark.row("S12")
async def test_a_claim_ends_in_money_and_a_refused_one_comes_back_to_the_table(
    world: World,
) -> None:
    """Given a met goal: an agreed part is refunded; too much is refused, and staff decide less."""
    rows = [
        PledgeRow(f"claimed-{name}", f"claimant-{name}", 2_000, CURRENCY, "lamp")
        for name in ("ada", "bo")
    ]
    ada, bo = rows
    records = await world.checkout.charge(CAMPAIGN, rows)
    lamps = Launch(
        CAMPAIGN, CREATOR.subject, "A lamp", 4_000, CURRENCY, 4, rewards=(("lamp", "One lamp"),)
    )
    await world.checkout.launch(lamps)
    await world.checkout.tell(records)
    await world.verdict(CAMPAIGN)

    await claims_may_open(world, ada, "c-ada", "quality")
    await claims_may_open(world, bo, "c-bo", "wrong")
    strange = await world.look.ask("GET", "updates", f"{CLAIMS}/c-ada", caller=backer(bo.backer_id))
    assert strange.status_code == 404
    clusters = await ask(world, "GET", f"/campaigns/{CAMPAIGN}/claim-clusters", CREATOR)
    assert [one["count"] for one in clusters["items"]] == [1, 1]

    await agreed(world, ada, "c-ada", {"outcome": "refund", "amount": PART})
    await claim_is(world, "c-ada", "resolved")
    assert await refunded_by_provider(world, ada) == PART

    await agreed(world, bo, "c-bo", {"outcome": "compensation", "amount": 3_000_000})
    back = await claim_is(world, "c-bo", "with_staff")
    assert back["thread"][-1]["kind"] == "money_refused"
    assert back["thread"][-1]["text"] == "above-pledge-ceiling"
    decision = {"outcome": "refund", "amount": PART}
    await ask(world, "PUT", f"{CLAIMS}/c-bo/decisions/d1", FIRST_STAFF, decision)
    await approved_by_a_second_person(world)
    await claim_is(world, "c-bo", "resolved")
    assert await refunded_by_provider(world, bo) == PART

    async def both_ends_told() -> list[Any] | None:
        told = [e.event for e in await world.look.events("updates.claims") if e.key == CAMPAIGN]
        return told if sum(one.name == "claim-resolved" for one in told) >= 2 else None

    told = await eventually("the end of both claims is on the topic", both_ends_told)
    asked = [one.claim_id for one in told if one.name == "claim-money-requested"]
    assert asked == ["c-ada", "c-bo", "c-bo~2"]
    assert sum(one.name == "claim-resolved" for one in told) == 2
    world.assert_books_true()


async def told_of_claims(world: World, kind: str) -> Counter[str]:
    """Return how often each backer of the clustered campaign was told of claims in this way."""
    causes = await world.notifications()
    about = f"{kind}/{CLUSTERED}:"
    return Counter(
        who for cause, told in causes.items() if cause.startswith(about) for who, _ in told
    )


async def clusters(world: World) -> list[tuple[str, str, int]]:
    found = await ask(world, "GET", f"/campaigns/{CLUSTERED}/claim-clusters", CREATOR)
    return [(one["reward_id"], one["reason"], one["count"]) for one in found["items"]]


@pytest.mark.row("S12")
async def test_one_answer_serves_all_who_claim_the_same_fault(world: World) -> None:
    """Given three claims of one fault: one cluster, one answer; who accepts is paid, told once."""
    names = ("ada", "bo", "cy", "di")
    rows = {
        name: PledgeRow(
            f"{CLUSTERED}-{name}",
            f"{CLUSTERED}-backer-{name}",
            2_000,
            CURRENCY,
            "shade" if name == "di" else "lamp",
        )
        for name in names
    }
    records = await world.checkout.charge(CLUSTERED, list(rows.values()))
    rewards = (("lamp", "One lamp"), ("shade", "One shade"))
    await world.checkout.launch(
        Launch(CLUSTERED, CREATOR.subject, "A lamp", 4_000, CURRENCY, 4, rewards=rewards)
    )
    await world.checkout.tell(records)
    await world.verdict(CLUSTERED)
    claims = f"/campaigns/{CLUSTERED}/claims"
    for name, row in rows.items():
        await claims_may_open(world, row, f"c-{name}", "quality", claims)
    assert await clusters(world) == [("lamp", "quality", 3), ("shade", "quality", 1)]

    found = await ask(world, "GET", f"/campaigns/{CLUSTERED}/claim-clusters", CREATOR)
    lamps = found["items"][0]["claims"]
    assert sorted(lamps) == ["c-ada", "c-bo", "c-cy"]
    gift = {"outcome": "compensation", "amount": PART, "text": "The switch sticks: we are sorry."}
    answer = gift | {"claims": [*lamps, "c-none"], "entry_id": "sticking"}
    for _ in range(2):
        answered = await ask(
            world, "POST", f"/campaigns/{CLUSTERED}/claim-answers", CREATOR, answer
        )
    assert [(one["claim_id"], one["refused"]) for one in answered["items"]] == [
        *((one, None) for one in lamps),
        ("c-none", "claim-unknown"),
    ]
    for shown in answered["items"][:3]:
        assert [one["kind"] for one in shown["claim"]["thread"]] == ["opened", "proposal"]

    for name in ("ada", "bo"):
        path = f"{claims}/c-{name}/acceptance"
        for _ in range(2):
            await ask(world, "POST", path, backer(rows[name].backer_id), {"proposal": 2})
    cy = backer(rows["cy"].backer_id)
    await ask(world, "PUT", f"{claims}/c-cy/escalations/e1", cy, {"text": "It is worth more."})
    for name in ("ada", "bo"):
        await claim_is(world, f"c-{name}", "resolved", claims)
    no = {"outcome": "refused", "text": "It is what the switch costs."}
    await ask(world, "PUT", f"{claims}/c-cy/decisions/d1", FIRST_STAFF, no)
    await claim_is(world, "c-cy", "refused", claims)
    assert await clusters(world) == [("shade", "quality", 1)]

    returned = {name: await refunded_by_provider(world, row) for name, row in rows.items()}
    assert returned == {"ada": PART, "bo": PART, "cy": 0, "di": 0}
    refunds = await world.look.pages("payouts", f"/campaigns/{CLUSTERED}/refunds")
    assert {(one["pledge_id"], one["amount"]) for one in refunds} == {
        (rows[name].pledge_id, PART) for name in ("ada", "bo")
    }
    for refund in refunds:
        await world.told(CLUSTERED, "refund-succeeded", str(refund["refund_id"]))
    three = Counter(rows[name].backer_id for name in ("ada", "bo", "cy"))

    async def all_told() -> bool:
        return [
            await told_of_claims(world, kind) for kind in ("claim-answered", "claim-resolved")
        ] == [
            three,
            three,
        ]

    await eventually("each of the three is told of the answer and of the end, once", all_told)
    world.assert_books_true()
