"""Rewards on their way after a restored backup: where they were, and nobody is told again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.contents import PARTS_OF, content_of
from services.updates.tests.test_handlers import publish, write
from services.updates.tests.test_recover import recover
from services.updates.tests.test_tracking_handlers import (
    CAMPAIGN,
    REWARD,
    TERMS,
    all_moved,
    met,
    moved,
    told,
)
from updates.domain.kinds import DeliveryNotice, UpdateKind
from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import Tracking, TrackingState
from updates.domain.tracking_list import Wanted
from updates.handlers.tracking import load_trackings, receive_reward, undo_receipt
from updates.sweeps.tracking import AskForReceipts

S = TrackingState


async def known(service: UpdatesService) -> list[Tracking]:
    found = await service.units.run(lambda unit: load_trackings(unit, CAMPAIGN, REWARD, "", 50))
    return [replace(one, version=0) for one in found]


async def reward_of(service: UpdatesService) -> RewardTracking:
    found = await service.units.run(lambda unit: unit.rewards.load(CAMPAIGN, {REWARD}))
    return replace(found[REWARD], version=0)


@pytest.mark.trap(23)
@pytest.mark.parametrize("behind", ["the launch", "the first that was sent"])
async def test_rewards_are_where_they_were_and_nobody_is_asked_again(behind: str) -> None:
    """Moves, receipts and what was asked; brought back twice they are the same, told to nobody."""
    lived, restored = await met(memory_service()), await met(memory_service())
    for service in (lived, restored):
        if service is lived or behind != "the launch":
            await moved(service, Wanted(REWARD, "b1", S.SHIPPED))
    await all_moved(lived, S.SHIPPED)
    place = (CAMPAIGN, REWARD, "b2")
    for days, act in enumerate((receive_reward, undo_receipt, receive_reward)):
        at = NOW + timedelta(days=days)
        await lived.units.run(lambda unit, act=act, at=at: act(unit, place, at, TERMS))
    later = NOW + TERMS.question
    assert await AskForReceipts(lived.units, lived.tracking)(later) == 2
    before = len(await told(restored))
    for _ in range(2):
        await recover(restored, lived)
        assert await known(restored) == await known(lived)
        assert await reward_of(restored) == await reward_of(lived)
    assert len(await told(restored)) == before
    assert await AskForReceipts(restored.units, restored.tracking)(later) == 0
    undone = await restored.units.run(
        lambda unit: undo_receipt(unit, place, NOW + timedelta(days=3), TERMS)
    )
    assert undone.state is S.SHIPPED


@pytest.mark.trap(23)
async def test_a_notice_that_was_published_is_not_owed_any_more() -> None:
    """Its draft is in the backup: it is published, and opens the tracking as it did."""
    notice = replace(PARTS_OF[UpdateKind.DELIVERY_NOTICE], rewards=(REWARD,))
    assert isinstance(notice, DeliveryNotice)
    lived, restored = await met(memory_service()), await met(memory_service())
    for service in (lived, restored):
        await write(service, content_of(UpdateKind.DELIVERY_NOTICE, notice))
    await publish(lived)
    await all_moved(lived, S.SHIPPED)
    await recover(restored, lived)
    assert await reward_of(restored) == await reward_of(lived)
    assert (await reward_of(restored)).notice_id == "u1"
