"""The routes by which people decide: what they answer, and a clear problem for each bad input."""

import json
from argparse import Namespace
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from payouts.commands import perform_queue
from servicekit.problems import install_problems
from services.payouts.tests.builders import a_receivable
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_http import api_of, problem
from services.payouts.tests.test_later_stages import CREATOR, EVIDENCE, approve, first_paid

PEOPLE = Caller(CREATOR, ("creator",))
STAFF = Caller("staff-1", ("staff",))
OTHER_STAFF = Caller("staff-2", ("staff",))
AT = f"/campaigns/{CAMPAIGN}"
APPROVAL = {"amount": 3_000, "currency": "EUR", "destination_version": 1, "milestone_revision": 1}


@pytest.fixture
async def known() -> Payouts:
    """A campaign whose first stage is paid."""
    payouts = memory_payouts()
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: CREATOR}))
    await first_paid(payouts)
    return payouts


@pytest.fixture
async def client(known: Payouts) -> AsyncIterator[httpx.AsyncClient]:
    api = api_of(known)
    install_problems(api)
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        yield client


ROUTES = [
    ("PUT", "/stages/2/evidence", PEOPLE, {"evidence": EVIDENCE}),
    ("POST", "/stages/2/milestone", STAFF, {"revision": 1, "decision": "approve"}),
    ("POST", "/stages/2/approvals", OTHER_STAFF, APPROVAL),
    ("PUT", "/holds/hold-1", STAFF, {"reason": "a question"}),
    ("DELETE", "/holds/hold-1", STAFF, None),
]


async def test_people_pay_the_second_stage(client: httpx.AsyncClient, known: Payouts) -> None:
    """Evidence, milestone, approval; a hold makes it fall and is let go; all is shown."""
    for method, path, caller, body in ROUTES:
        response = await client.request(method, AT + path, json=body, headers=bearer(caller))
        assert response.status_code == 200, response.text
    stages = (await client.get(f"{AT}/stages", headers=bearer(STAFF))).json()["stages"]
    assert (stages[1]["state"], stages[1]["amount"]) == ("due", 3_000)


WRONG: list[Any] = [
    None,
    [],
    5,
    {},
    {"evidence": "A" * 64},
    {"evidence": EVIDENCE, "by": "me"},
    {"evidence": EVIDENCE + "\n"},
    {"revision": True, "decision": "approve"},
    {"revision": "1", "decision": "approve"},
    {"revision": 2**63, "decision": "approve"},
    {"revision": 1, "decision": "approve", "reason": "why not"},
    {"revision": 1, "decision": "reject"},
    {"revision": 1, "decision": "reject", "reason": " \n"},
    {"revision": 1, "decision": "reject", "reason": "r" * 1_001},
    APPROVAL | {"amount": True},
    APPROVAL | {"amount": 3_000.0},
    APPROVAL | {"amount": -1},
    APPROVAL | {"amount": 2**63},
    APPROVAL | {"currency": "eur"},
    APPROVAL | {"currency": "EUR\n"},
    APPROVAL | {"destination_version": True},
    APPROVAL | {"milestone_revision": 2**31},
    APPROVAL | {"by": "staff-9"},
    {"reason": ""},
    {"reason": 5},
    {"reason": "\ud800"},
    {"reason": "r" * 1_001},
    {"reason": "x", "kind": "emergency"},
]


@pytest.mark.parametrize("body", WRONG, ids=range(len(WRONG)))
async def test_a_wrong_body_is_a_clear_problem(client: httpx.AsyncClient, body: Any) -> None:
    """Nothing is coerced, nothing unknown is passed over, and nothing is ours to be sorry for."""
    for method, path, caller, right in ROUTES:
        if right is not None:
            # Pure ASCII, so that a half of a surrogate pair arrives as well.
            headers = bearer(caller) | {"Content-Type": "application/json"}
            response = await client.request(
                method, AT + path, content=json.dumps(body), headers=headers
            )
            assert problem(response)[0] == 422, (method, path, response.text)


@pytest.mark.parametrize(
    ("campaign", "stage", "status"),
    [
        (CAMPAIGN, "4", 404),
        (CAMPAIGN, "99", 404),
        (CAMPAIGN, "0", 422),
        (CAMPAIGN, "-1", 422),
        (CAMPAIGN, "true", 422),
        (CAMPAIGN, str(2**63), 422),
        (CAMPAIGN, "9" * 5_000, 422),
        ("campaign-9", "2", 404),
        ("campaign%00", "2", 422),
        ("campaign%0A", "2", 422),
        ("$where", "2", 422),
    ],
)
async def test_a_stage_that_is_not_there(
    client: httpx.AsyncClient, campaign: str, stage: str, status: int
) -> None:
    """404 for what could be, 422 for what never is."""
    for method, path, caller, body in ROUTES[:3]:
        target = f"/campaigns/{campaign}{path}".replace("stages/2", f"stages/{stage}")
        response = await client.request(method, target, json=body, headers=bearer(caller))
        assert problem(response)[0] in {status, 404}, (target, response.text)


async def test_an_unplanned_campaign_and_an_unknown_one(client: httpx.AsyncClient) -> None:
    """A hold on a campaign without a book, or by another campaign's name, is refused."""
    for method, path, caller, body in ROUTES[3:]:
        response = await client.request(
            method, f"/campaigns/campaign-9{path}", json=body, headers=bearer(caller)
        )
        assert problem(response) == (404, "campaign-unknown")
    response = await client.delete(f"{AT}/holds/hold-9", headers=bearer(STAFF))
    assert problem(response) == (404, "hold-unknown")


@pytest.mark.parametrize("reason", ["r" * 1_000, "\x00", "\u202e\U0001f4b8", "$set"])
async def test_odd_reasons_are_kept_as_they_are(client: httpx.AsyncClient, reason: str) -> None:
    """The longest one, and characters that somebody may take for a command."""
    response = await client.put(
        f"{AT}/holds/hold-1", json={"reason": reason}, headers=bearer(STAFF)
    )
    assert response.json()["holds"][0]["reason"] == reason


REQUEST: dict[str, Any] = {"pledge_id": "pledge-1", "amount": 700, "reason": "a broken lamp"}
REFUND_APPROVAL: dict[str, Any] = {"amount": 700, "currency": "EUR", "advance_max": 0}


async def test_two_people_refund_a_part_and_all_is_on_record(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """One asks, another approves, the provider pays; staff read who did what and why."""
    asked = await client.put(f"{AT}/refunds/request-1", json=REQUEST, headers=bearer(STAFF))
    assert (asked.status_code, asked.json()["state"]) == (200, "awaiting_approval")
    at = f"{AT}/refunds/{asked.json()['refund_id']}"
    for caller, reason in ((STAFF, "same-person"), (BACKING, "backer-decides")):
        answer = await client.post(f"{at}/approval", json=REFUND_APPROVAL, headers=bearer(caller))
        assert problem(answer) == (409, reason)
    approved = await client.post(
        f"{at}/approval", json=REFUND_APPROVAL, headers=bearer(OTHER_STAFF)
    )
    assert approved.json()["state"] == "requested"
    await known.work_off()
    assert known.provider.refunded == {"ch_1": 700}
    acts = (await client.get(f"{at}/acts", headers=bearer(STAFF))).json()["acts"]
    assert [(act["what"], act["by"], act["reason"]) for act in acts] == [
        ("asked", "staff-1", "a broken lamp"),
        ("approved", "staff-2", ""),
    ]
    taken = await client.post(
        f"{at}/cancellation", json={"reason": "a slip"}, headers=bearer(STAFF)
    )
    assert problem(taken) == (409, "not-unsent")


BACKING = Caller("backer-1", ("staff", "backer"))
OWNING = Caller(CREATOR, ("staff", "creator"))


@pytest.mark.parametrize(
    ("caller", "change", "answer"),
    [
        (OWNING, {}, (409, "creator-decides")),
        (BACKING, {}, (409, "backer-decides")),
        (STAFF, {"pledge_id": "pledge-9"}, (404, "pledge-unknown")),
        (STAFF, {"amount": 5_001}, (409, "not-returnable")),
        (STAFF, {"amount": 0}, (422, "invalid-request")),
        (STAFF, {"amount": True}, (422, "invalid-request")),
        (STAFF, {"amount": 900_000_001}, (422, "invalid-request")),
        (STAFF, {"amount": "700"}, (422, "invalid-request")),
        (STAFF, {"reason": " "}, (422, "invalid-request")),
        (STAFF, {"advance_max": -1}, (422, "invalid-request")),
        (STAFF, {"by": "staff-9"}, (422, "invalid-request")),
    ],
)
async def test_a_refund_that_is_not_asked_for_rightly_is_not_kept(
    client: httpx.AsyncClient, caller: Caller, change: dict[str, Any], answer: tuple[int, str]
) -> None:
    """Each reason has its own word, and the id is free afterwards."""
    wrong = await client.put(
        f"{AT}/refunds/request-1", json=REQUEST | change, headers=bearer(caller)
    )
    assert problem(wrong) == answer
    right = await client.put(f"{AT}/refunds/request-1", json=REQUEST, headers=bearer(STAFF))
    assert right.status_code == 200


async def test_an_approval_is_of_what_was_shown(client: httpx.AsyncClient) -> None:
    """Another amount, currency or advance than was asked for is nothing that anybody asked for."""
    asked = await client.put(f"{AT}/refunds/request-1", json=REQUEST, headers=bearer(STAFF))
    at = f"{AT}/refunds/{asked.json()['refund_id']}"
    for change in ({"amount": 701}, {"currency": "USD"}, {"advance_max": 1}):
        answer = await client.post(
            f"{at}/approval", json=REFUND_APPROVAL | change, headers=bearer(OTHER_STAFF)
        )
        assert problem(answer) == (409, "request-changed")
    absent = await client.post(
        f"{AT}/refunds/rf_none/approval", json=REFUND_APPROVAL, headers=bearer(OTHER_STAFF)
    )
    assert problem(absent) == (404, "refund-unknown")


@pytest.mark.trap(2)
@pytest.mark.trap(6)
async def test_a_batch_has_a_result_for_each_and_stops_for_none(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """What is unknown, one's own, or shown wrongly is named; the others are approved."""
    items = []
    for number in range(250):
        who = OTHER_STAFF if number == 7 else STAFF
        body = REQUEST | {"amount": 1}
        made = await client.put(f"{AT}/refunds/r-{number}", json=body, headers=bearer(who))
        refund = {"campaign_id": CAMPAIGN, "refund_id": made.json()["refund_id"]}
        items.append(refund | {"amount": 2 if number == 8 else 1, "currency": "EUR"})
    items[9] = items[9] | {"refund_id": "rf_none"}
    answer = await client.post(
        "/refunds/approvals", json={"items": items}, headers=bearer(OTHER_STAFF)
    )
    results = answer.json()["results"]
    assert [one["refund_id"] for one in results] == [item["refund_id"] for item in items]
    wrong = {n: (r["status"], r["problem"]) for n, r in enumerate(results) if r["status"] != 200}
    assert wrong == {
        7: (409, "same-person"),
        8: (409, "request-changed"),
        9: (404, "refund-unknown"),
    }
    assert {one["state"] for n, one in enumerate(results) if n not in wrong} == {"requested"}
    waiting = await read_queue(client, "awaiting-approval", limit=2)
    assert len(waiting) == 3


async def read_queue(client: httpx.AsyncClient, name: str, limit: int) -> list[str]:
    """Page by page, to the end."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await client.get(
            f"/queues/{name}", params={"cursor": cursor, "limit": limit}, headers=bearer(STAFF)
        )
        found += [item["refund"]["refund_id"] for item in page.json()["items"]]
        cursor = page.json()["next_cursor"]
    return found


@pytest.mark.parametrize(
    "path",
    [
        "/queues/paid",
        "/queues/claimable?cursor=yesterday~rf",
        "/queues/claimable?cursor=0001-01-01T00:00:00%2B14:00~rf",
        "/queues/stages-failed?cursor=9999-12-31T23:59:59-12:00~stage",
        "/queues/claimable?limit=0",
        "/queues/stages-failed?cursor=yesterday~stage",
        "/queues/receivables?limit=201",
    ],
)
async def test_a_queue_that_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    """Another name, a made-up cursor, no page at all."""
    assert problem(await client.get(path, headers=bearer(STAFF)))[0] == 422


async def test_claimable_ones_are_tried_again_together_and_listed_for_operators(
    client: httpx.AsyncClient, known: Payouts, capsys: pytest.CaptureFixture[str]
) -> None:
    """The queue by HTTP and on the command line shows the same; a batch empties it."""
    known.provider.faults["create_refund"] = ["decline"] * 6
    for number in (1, 2):
        body = REQUEST | {"amount": number}
        made = await client.put(f"{AT}/refunds/r-{number}", json=body, headers=bearer(STAFF))
        await client.post(
            f"{AT}/refunds/{made.json()['refund_id']}/approval",
            json=REFUND_APPROVAL | {"amount": number},
            headers=bearer(OTHER_STAFF),
        )
    await known.work_off()
    waiting = await read_queue(client, "claimable", limit=1)
    asked, now = Namespace(name="claimable"), known.clock.now()
    await perform_queue(asked, known.queries, known.adjust, now, timedelta(0))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines[:-1]] == waiting and len(waiting) == 2
    assert lines[-1] == "2 refunds wait in claimable"
    items = [{"campaign_id": CAMPAIGN, "refund_id": r, "after_attempt": 3} for r in waiting]
    answer = await client.post("/refunds/retries", json={"items": items}, headers=bearer(STAFF))
    assert [one["state"] for one in answer.json()["results"]] == ["requested"] * 2
    await known.work_off()
    assert known.provider.refunded == {"ch_1": 3}


async def queue_of(client: httpx.AsyncClient, name: str) -> list[dict[str, Any]]:
    page = await client.get(f"/queues/{name}", headers=bearer(STAFF))
    assert page.status_code == 200, page.text
    items: list[dict[str, Any]] = page.json()["items"]
    return items


async def lines_of(payouts: Payouts, name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    arguments, now = Namespace(name=name), payouts.clock.now()
    await perform_queue(arguments, payouts.queries, payouts.adjust, now, timedelta(0))
    return capsys.readouterr().out.splitlines()


async def test_a_stage_is_found_wherever_it_waits(
    client: httpx.AsyncClient, known: Payouts, capsys: pytest.CaptureFixture[str]
) -> None:
    """By HTTP and on the command line: to approve, without an answer, failed; paid it is gone."""
    names = ("stages-to-approve", "stages-unknown", "stages-failed")
    for name, kind in ((names[0], "stages"), ("receivables", "debts")):
        assert await lines_of(known, name, capsys) == [f"0 {kind} wait in {name}"]
    for method, path, caller, body in ROUTES[:2]:
        await client.request(method, AT + path, json=body, headers=bearer(caller))
    known.clock.advance(seconds=90)
    [item] = await queue_of(client, names[0])
    shown = {name: item["stage"][name] for name in ("stage", "state", "amount", "reason")}
    assert shown == {"stage": 2, "state": "due", "amount": 3_000, "reason": None}
    assert (item["campaign_id"], item["age_seconds"]) == (CAMPAIGN, 90)
    half = await client.post(f"{AT}/stages/2/approvals", json=APPROVAL, headers=bearer(OTHER_STAFF))
    assert half.status_code == 200 and await queue_of(client, names[0]) == []
    known.provider.faults["create_transfer"] = ["timeout_after"]
    known.clock.advance(seconds=90)
    await known.turn()
    [item] = await queue_of(client, names[1])
    assert (item["stage"]["stage"], item["stage"]["state"]) == (2, "submitted")
    line, count = await lines_of(known, names[1], capsys)
    assert line == f"0:03:00 {CAMPAIGN} stage 2 3000 EUR transfer_unknown"
    assert count == "1 stages wait in stages-unknown"
    known.provider.faults["create_payout"] = ["decline"] * 3
    await known.live(3_600)
    [item] = await queue_of(client, names[2])
    assert (item["stage"]["attempts"], item["stage"]["state"]) == (3, "failed")
    [line, _] = await lines_of(known, names[2], capsys)
    why = item["stage"]["reason"]
    assert why and line.endswith(f"stage 2 3000 EUR failed {why} its tries are used up")
    again = await client.post(
        f"{AT}/stages/2/retry", json={"after_attempt": 3}, headers=bearer(STAFF)
    )
    assert again.status_code == 200
    await known.live(600)
    assert [await queue_of(client, name) for name in names] == [[], [], []]


async def test_half_an_approval_and_a_debt_are_listed_with_the_first_persons_word(
    known: Payouts, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second person needs no list of campaigns to find them."""
    for method, path, caller, body in ROUTES[:2]:
        await client.request(method, AT + path, json=body, headers=bearer(caller))
    await approve(known, 2, 3_000, "staff-2", limit=2_999)
    [item] = await queue_of(client, "stages-to-approve")
    assert item["stage"]["state"] == "awaiting_second_approval"
    assert item["stage"]["approval"]["by"] == "staff-2"
    [line, _] = await lines_of(known, "stages-to-approve", capsys)
    assert line.endswith("3000 EUR awaiting_second_approval approved by staff-2")
    await known.units.run(lambda unit: unit.receivables.save([a_receivable()]))
    body = {"kind": "written_off", "amount": 5_000, "reason": "insolvent"}
    at = f"{AT}/receivables/rc_1/endings"
    told = await client.post(at, json=body, headers=bearer(STAFF))
    assert told.status_code == 200, told.text
    [item] = await queue_of(client, "receivables")
    assert (item["receivable"]["open"], item["receivable"]["proposed"]["by"]) == (5_000, "staff-1")
    [line, count] = await lines_of(known, "receivables", capsys)
    debt = f"{CAMPAIGN} rc_1 5000 EUR arisen dispute-lost/dp_1"
    assert line.endswith(f"{debt} staff-1 proposes written_off of 5000")
    assert count == "1 debts wait in receivables"
