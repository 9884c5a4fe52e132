"""Claims over HTTP and the real stores: two tabs, two people, bad words."""

import asyncio
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, Caller, backer, creator
from services.updates.tests.conftest import UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_claim_handlers import met
from sosst_contracts import updates as events

CLAIMS = "/campaigns/campaign-1/claims"
BODY: dict[str, Any] = {"pledge_id": "pledge-1", "reason": "quality", "text": "It broke."}
BACKER, CREATOR = backer("backer-1"), creator("creator-1")
PART = {"outcome": "refund", "amount": 500}


async def ask(
    client: httpx.AsyncClient, method: str, path: str, caller: Caller, body: object = None
) -> tuple[int, Any]:
    said = await client.request(method, f"{CLAIMS}{path}", json=body, headers=bearer(caller))
    return said.status_code, said.json()


def reason(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["type"].removeprefix("/problems/")


@pytest.mark.row("S12")
async def test_two_tabs_open_one_claim_and_accept_one_proposal(
    mongodb_service: UpdatesService,
) -> None:
    """Of the same problem under two ids one is refused; money is asked for once."""
    service = await met(mongodb_service)
    async with client_of(api_of(service)) as client:
        opening = [ask(client, "PUT", f"/c{n % 2}", BACKER, BODY) for n in range(4)]
        answers = await asyncio.gather(*opening)
        assert sorted(status for status, _ in answers) == [200, 200, 409, 409]
        (won,) = {shown["claim_id"] for status, shown in answers if status == 200}
        _, shown = await ask(client, "PUT", f"/{won}/proposals/p1", CREATOR, PART)
        body = {"proposal": shown["on_table"]}
        accepting = [ask(client, "POST", f"/{won}/acceptance", BACKER, body) for _ in range(3)]
        assert [status for status, _ in await asyncio.gather(*accepting)] == [200] * 3
    asked = [e for e in await service.published() if isinstance(e, events.ClaimMoneyRequested)]
    assert [one.claim_id for one in asked] == [won]


async def test_what_is_refused_says_why() -> None:
    """422 for words and amounts, 404 for what is another's, 409 for what is not one's turn."""
    async with client_of(api_of(await met(memory_service()))) as client:
        assert (await ask(client, "PUT", "/c1", BACKER, BODY))[0] == 200
        proposal = "/c1/proposals/p1"
        assert reason(await ask(client, "PUT", proposal, CREATOR, PART | {"amount": 0})) == (
            422,
            "invalid-settlement",
        )
        refusal = {"outcome": "refused"}
        assert reason(await ask(client, "PUT", proposal, CREATOR, refusal)) == (
            422,
            "reason-missing",
        )
        assert reason(await ask(client, "PUT", proposal, STAFF, PART)) == (409, "creators-turn")
        stranger = backer("backer-2")
        assert reason(await ask(client, "GET", "/c1", stranger)) == (404, "claim-unknown")
        assert (await ask(client, "PUT", "/c~2", BACKER, BODY))[0] == 422
        blank = BODY | {"text": " ", "reason": "other"}
        assert reason(await ask(client, "PUT", "/c2", BACKER, blank)) == (422, "invalid-text")
