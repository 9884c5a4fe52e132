"""Real tokens over real HTTP: what the four running services tell whom, and a rotation of keys."""

import asyncio

import pytest

from infra.sandbox.issuer.keys import SigningKey
from infra.sandbox.issuer.tokens import Caller, backer, claims_of, creator
from infra.suite.readings import eventually
from tests.world import CREATOR, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERYTHING = Caller(CREATOR.subject, ("creator", "backer", "staff", "service"))
# One route of each service that asks for a token.
ASKED = (
    ("funding", "/campaigns/doors/pledges"),
    ("payouts", "/campaigns/doors/destination"),
    ("updates", "/campaigns/doors/updates/u1/audience"),
    ("notifier", f"/people/{CREATOR.subject}/inbox"),
)


async def told(world: World, service: str, path: str, token: str) -> tuple[int, str]:
    """Return status and type of a service's answer to this token."""
    address = f"{world.suite.services[service].url}{path}"
    headers = {"Authorization": f"Bearer {token}"}
    answer = await world.look.http.get(address, headers=headers)
    return answer.status_code, str(answer.json().get("type", ""))


async def test_a_token_that_does_not_count_opens_no_service(world: World) -> None:
    """Expired, for another audience, of an unknown key: 401 with its own type, from all four."""
    issuer = world.suite.tokens
    tokens = {
        "token-expired": await issuer.token(EVERYTHING, seconds_valid=-60),
        "token-other-audience": await issuer.token(EVERYTHING, audience="shop"),
        "token-unknown-key": SigningKey.generate().sign(claims_of(EVERYTHING)),
        "token-malformed": "let-me-in",
    }
    for service, path in ASKED:
        for name, token in tokens.items():
            assert await told(world, service, path, token) == (401, f"/problems/{name}"), service


async def test_people_see_what_is_theirs(world: World) -> None:
    """Creator, backer and strangers each get their own part of one campaign's story."""
    rows = backers("doors", 3)
    await world.launch_paid("doors", rows, goal=10_000_000, open_seconds=3)
    await world.refunded("doors", rows)
    await world.told("doors", "verdict-reached", "doors")
    (refund, *_) = await world.look.pages("payouts", "/campaigns/doors/refunds", caller=CREATOR)
    mine, stranger = backer(str(refund["backer_id"])), backer("stranger")
    pledge = f"/campaigns/doors/pledges/{refund['pledge_id']}"
    for service, path in (
        ("funding", pledge),
        ("payouts", f"/campaigns/doors/refunds/{refund['refund_id']}"),
        ("notifier", f"/people/{mine.subject}/inbox"),
    ):
        assert await world.look.get(service, path, caller=mine) is not None
        assert await world.look.get(service, path, caller=stranger) is None
    for service, path in (
        ("funding", "/campaigns/doors/pledges"),
        ("payouts", "/campaigns/doors/stages"),
        ("notifier", "/campaigns/doors/notices"),
    ):
        assert await world.look.get(service, path, caller=CREATOR) is not None
        assert await world.look.get(service, path, caller=creator("creator-2")) is None
        assert (await world.look.ask("GET", service, path, caller=mine)).status_code == 403
        assert (await world.look.ask("GET", service, path, caller=None)).status_code == 401


async def test_a_withdrawn_key_stops_counting_everywhere(world: World) -> None:
    """A new key counts as soon as it is looked for; the old one ends with the next look at it."""
    issuer = world.suite.tokens
    old = await issuer.token(EVERYTHING)
    service, path = ASKED[3]
    assert (await told(world, service, path, old))[0] == 200
    await issuer.rotate(forget=True, algorithm="RS256")
    new = await issuer.token(EVERYTHING)

    async def rotated() -> bool:
        answers = [await told(world, *asked, token) for asked in ASKED for token in (old, new)]
        refused, taken = answers[::2], answers[1::2]
        known = all(status != 401 for status, _ in taken)
        return known and set(refused) == {(401, "/problems/token-unknown-key")}

    await eventually("every service has the new key alone", rotated, 90)


async def test_services_go_on_while_the_issuer_is_away(world: World) -> None:
    """What was signed before goes on counting: sign-in away stops nobody who is signed in."""
    token = await world.suite.tokens.token(EVERYTHING)
    before = [await told(world, *asked, token) for asked in ASKED]
    await asyncio.to_thread(world.suite.issuer.kill)
    try:
        assert [await told(world, *asked, token) for asked in ASKED] == before
    finally:
        await asyncio.to_thread(world.suite.issuer.start)
