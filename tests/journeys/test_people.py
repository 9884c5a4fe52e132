"""People are called what their issuer calls them, from a body over HTTP to their own inbox."""

from urllib.parse import quote

import pytest

from infra.sandbox.issuer.tokens import Caller, backer, creator
from infra.suite.checkout import Launch
from infra.suite.readings import eventually
from tests.world import CURRENCY, PledgeRow, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

BASE = "/campaigns/called"
OWNER, HELPER = creator("auth0|7"), Caller("bo+lamp@example.org")
PEOPLE = ["auth0|7|", "ann@example.org", 'o\'neil, "the lamp"', "zoë", "$where"]
TEAM = {"members": [{"person_id": HELPER.subject, "roles": ["editor"]}]}
DRAFT = {"texts": [{"language": "en", "title": "On our way", "details": "All goes well."}]}


async def reads_in_the_inbox(world: World, person: str, kinds: set[str]) -> None:
    """Wait until exactly these kinds of news of the campaign are in this person's inbox."""
    path = f"/people/{quote(person, safe='')}/inbox"

    async def there() -> bool:
        page = await world.look.get("notifier", path, caller=backer(person))
        found = [one["kind"] for one in page["items"] if one["campaign_id"] == "called"]
        assert len(found) == len(set(found)), found
        return kinds <= set(found)

    await eventually(f"{person} reads {kinds}", there)


async def test_people_are_called_what_their_issuer_calls_them(world: World) -> None:
    """Told by HTTP alone: each reads their own refund and inbox, the team does what it may."""
    rows = [
        PledgeRow(f"called-{number}", person, 1_000 + number, CURRENCY)
        for number, person in enumerate(PEOPLE)
    ]
    records = await world.checkout.charge("called", rows)
    launch = Launch("called", OWNER.subject, "A lamp", 10_000_000, CURRENCY, 4)
    await world.checkout.launch(launch)
    team = await world.look.ask("PUT", "funding", f"{BASE}/team", caller=OWNER, body=TEAM)
    assert team.status_code == 200, team.text
    await world.tell_by_http("called", records)

    async def drafted() -> bool:
        path = f"{BASE}/updates/u1"
        answer = await world.look.ask("PUT", "updates", path, caller=HELPER, body=DRAFT)
        return answer.status_code == 200

    await eventually("somebody of the team writes", drafted)
    await world.refunded("called", rows)
    refunds = await world.look.pages("payouts", f"{BASE}/refunds", caller=OWNER)
    assert sorted(one["backer_id"] for one in refunds) == sorted(PEOPLE)
    for refund in refunds:
        path = f"{BASE}/refunds/{refund['refund_id']}"
        for person in PEOPLE:
            shown = await world.look.get("payouts", path, caller=backer(person))
            assert (shown is not None) == (person == refund["backer_id"])
    for person in PEOPLE:
        await reads_in_the_inbox(world, person, {"verdict-reached", "refund-succeeded"})
    world.assert_books_true()
