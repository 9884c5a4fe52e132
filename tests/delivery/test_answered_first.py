"""What ends a reminder is read from its topic before the reminder is from another: it stays out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from infra.native import Addresses
from infra.suite import Suite
from infra.suite.readings import eventually
from sosst_contracts import funding, updates
from sosst_contracts.codec import Draft, Record
from sosst_contracts.event import Event
from sosst_contracts.testing import sample
from tests.world import CREATOR, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "answered"
NOW = datetime.now(UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def notifier_alone(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """notifier alone; the facts of the other services are the test's own."""
    suite = Suite(tmp_path_factory.mktemp("answered"), native_stack)
    async with opened(suite, "notifier") as world:
        yield world


def fact(event_type: type[Event], sequence: int, **changes: object) -> Record:
    return Draft(sample(event_type, campaign_id=CAMPAIGN, **changes), NOW).seal(sequence)


async def inbox(world: World) -> list[dict[str, Any]]:
    path = f"/people/{CREATOR.subject}/inbox"
    answer = await world.look.ask("GET", "notifier", path, caller=CREATOR)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


@pytest.mark.trap(11)
async def test_a_notice_that_is_read_before_it_is_asked_for_asks_nobody(
    notifier_alone: World,
) -> None:
    """By a whole process, from two topics: of the other reward alone the creator is asked."""
    world = notifier_alone
    written = {"kind": "delivery_notice", "rewards": ["lamp"], "published_at": NOW}
    await world.checkout.tell(
        [
            fact(funding.CampaignLaunched, 1, creator_id=CREATOR.subject),
            fact(updates.UpdatePublished, 1, **written, pledges_sequence=0, audience_count=0),
        ]
    )
    await world.everything_read("notifier")
    asked = {"asked_at": NOW - timedelta(minutes=1)}
    await world.checkout.tell(
        [
            fact(updates.DeliveryNoticeAsked, 1, reward_id="lamp", **asked),
            fact(updates.DeliveryNoticeAsked, 2, reward_id="book", **asked),
        ]
    )

    async def told() -> list[str] | None:
        shown = [one["content"] for one in await inbox(world)]
        return [content["reward_id"] for content in shown if "reward_id" in content] or None

    assert await eventually("the creator is asked", told) == ["book"]
    with world.database("notifier") as database:
        states = {
            chunk["content"]["reward_id"]: chunk["state"]
            for chunk in database["chunks"].find({"kind": "delivery-notice-asked"})
        }
    assert states == {"lamp": "withdrawn", "book": "done"}
