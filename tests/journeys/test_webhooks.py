"""Another team's receiver over the running suite: signed, in order, away for a while, replayed."""

from collections import Counter

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from infra.sandbox.issuer.tokens import SERVICE
from infra.suite.readings import eventually
from services.notifier.tests.receiver import Receiver, receiver, status
from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "hooked"
PATH = "/webhook-endpoints/warehouse"
TOPICS = ("funding.campaigns", "funding.pledges", "payouts.stages", "notifier.notices")


async def put(world: World, path: str, body: dict[str, object]) -> dict[str, object]:
    answer = await world.look.ask("PUT", "notifier", f"{PATH}{path}", caller=SERVICE, body=body)
    answer.raise_for_status()
    shown: dict[str, object] = answer.json()
    return shown


async def facts(world: World) -> dict[str, list[str]]:
    """Return the ids of the campaign's facts, by topic, in their order there."""
    found = {}
    for topic in TOPICS:
        mine = [one for one in await world.look.events(topic) if one.event.key == CAMPAIGN]
        found[topic] = list(dict.fromkeys(one.envelope.id for one in mine))
    return found


async def assert_taken(world: World, taken: Receiver) -> None:
    """Wait until every fact came; each topic's came first in the order that it has there."""

    async def all_came() -> dict[str, list[str]] | None:
        known, came = await facts(world), set(taken.ids)
        whole = all(known.values()) and all(set(ids) <= came for ids in known.values())
        return known if whole else None

    # Of these: a fact that is told meanwhile is on its way to the receiver.
    known = await eventually("the receiver has every fact", all_came)
    first = list(dict.fromkeys(taken.ids))
    for ids in known.values():
        assert [one for one in first if one in set(ids)] == ids


def assert_signed(secret: object, taken: Receiver) -> None:
    """Standard Webhooks' own library says of each that it is from us, and of none that is not."""
    reader = Webhook(str(secret))
    for one in taken.taken:
        read = reader.verify(one.body, dict(one.headers))
        assert read["id"] == one.headers["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        reader.verify(taken.taken[0].body + b" ", dict(taken.taken[0].headers))


async def test_another_team_has_every_fact_in_order(world: World) -> None:
    """Away for a while, it misses nothing; replayed under the same ids; gone, it is disabled."""
    rows = backers(CAMPAIGN, 10)
    async with receiver(status(503)) as taken:
        body: dict[str, object] = {"url": taken.url, "campaigns": [CAMPAIGN], "begin": "beginning"}
        secret = (await put(world, "", body))["secret"]
        await world.launch_paid(CAMPAIGN, rows, goal=1_000, open_seconds=3)

        async def tried() -> bool:
            return bool(taken.taken)

        await eventually("the receiver is tried while it takes nothing", tried)
        assert len(set(taken.ids)) == 1, "a fact was passed over"
        taken.taken.clear()
        taken.answer = status(204)
        await assert_taken(world, taken)
        assert_signed(secret, taken)

        before = Counter(taken.ids)
        await put(world, "/cursor", {"begin": "beginning", "why": "we lost them"})

        async def again() -> bool:
            return all(times > before[one] for one, times in Counter(taken.ids).items())

        await eventually("every fact comes again", again)
        await assert_taken(world, taken)

        taken.answer = status(410)
        await put(world, "/cursor", {"begin": "beginning", "why": "to be gone"})

        async def disabled() -> bool:
            shown = await world.look.get("notifier", PATH, caller=SERVICE)
            assert shown is not None
            return (shown["state"], shown["last_failure"]) == ("disabled", "gone")

        await eventually("it is disabled", disabled)

        async def told() -> list[str] | None:
            facts = [one.event for one in await world.look.events("notifier.deliveries")]
            ours = [one for one in facts if one.key == "webhook:warehouse"]
            failed = [one for one in ours if one.name == "delivery-failed"]
            return [getattr(one, "reason", "") for one in failed] or None

        assert await eventually("the topic says that it has failed", told) == ["gone"]
        taken.answer = status(204)
        taken.taken.clear()
        await put(world, "/state", {"enabled": True, "why": "it is back"})
        await assert_taken(world, taken)
