"""People keep the ids that their issuer gives them: whose money it is and who decided about it.

No body and no path here names anybody: who acts is the token's subject, all others came by topic.
"""

from dataclasses import replace

import httpx

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller, backer, creator
from payouts.domain.book import Outcome
from servicekit.problems import install_problems
from services.payouts.tests.builders import a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from services.payouts.tests.test_http import api_of, problem
from services.payouts.tests.test_later_stages import EVIDENCE, first_paid
from services.payouts.tests.test_people_http import APPROVAL

PEOPLE = [
    "auth0|7",
    "auth0",
    "7",
    "ann@example.org",
    'o\'neil, "the lamp"',
    "zoë",
    "$where",
    "https://id.example/7",
    "e\u0301" * 100,
]
AT = f"/campaigns/{CAMPAIGN}"


def client_of(payouts: Payouts) -> httpx.AsyncClient:
    api = api_of(payouts)
    install_problems(api)
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://payouts")


async def test_a_refund_is_its_backers_whatever_they_are_called(payouts: Payouts) -> None:
    """Each reads their own and no other's, the creator all; it is told to the letter."""
    numbered = dict(enumerate(PEOPLE, start=1))
    pledges = {n: replace(a_pledge(n), backer_id=one) for n, one in numbered.items()}
    payouts.capture(list(pledges.values()))
    await payouts.hear_collected(pledges)
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: PEOPLE[0]}))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, len(PEOPLE))
    await payouts.work_off()
    async with client_of(payouts) as client:
        listed = await client.get(f"{AT}/refunds?limit=200", headers=bearer(creator(PEOPLE[0])))
        refunds = {one["refund_id"]: one["backer_id"] for one in listed.json()["items"]}
        assert sorted(refunds.values()) == sorted(PEOPLE)
        for refund_id, person in refunds.items():
            for one in PEOPLE:
                path = f"{AT}/refunds/{refund_id}"
                shown = await client.get(path, headers=bearer(backer(one)))
                assert shown.status_code == (200 if one == person else 404), one
        for one in PEOPLE[1:]:
            hidden = await client.get(f"{AT}/refunds", headers=bearer(creator(one)))
            assert problem(hidden) == (404, "campaign-unknown")
    told = [one.backer_id for one in await payouts.published("refund-succeeded")]
    assert sorted(told) == sorted(PEOPLE)


async def test_a_stage_is_decided_by_people_whatever_they_are_called(payouts: Payouts) -> None:
    """Evidence by the creator, milestone and payment by two of staff; no one of them alone."""
    owner, first, second = "auth0|7", "ann@example.org", 'o\'neil, "the lamp"'
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: owner}))
    await first_paid(payouts)
    decision = {"revision": 1, "decision": "approve"}
    async with client_of(payouts) as client:

        async def ask(method: str, path: str, caller: Caller, body: object) -> httpx.Response:
            return await client.request(method, AT + path, json=body, headers=bearer(caller))

        evidence = {"evidence": EVIDENCE}
        for one in ("auth0", "7"):
            other = await ask("PUT", "/stages/2/evidence", creator(one), evidence)
            assert problem(other) == (404, "campaign-unknown")
        given = await ask("PUT", "/stages/2/evidence", creator(owner), evidence)
        assert given.status_code == 200
        for by, status in ((owner, 409), (first, 200)):
            told = await ask("POST", "/stages/2/milestone", Caller(by, ("staff",)), decision)
            assert told.status_code == status, told.text
        for by, status in ((owner, 409), (first, 409), (second, 200)):
            told = await ask("POST", "/stages/2/approvals", Caller(by, ("staff",)), APPROVAL)
            assert told.status_code == status, told.text
    (approved,) = [one for one in await payouts.published("stage-approved") if one.stage == 2]
    assert approved.by == second
