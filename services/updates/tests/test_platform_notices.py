"""What is sent without a notice is announced by the platform, and claims know where a reward is."""

from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest

from services.updates.tests.conftest import DESK, NOW, UpdatesService, memory_service
from services.updates.tests.contents import PARTS_OF, content_of
from services.updates.tests.test_claim_handlers import opens
from services.updates.tests.test_handlers import CONTENT, publish, write
from services.updates.tests.test_tracking_handlers import (
    CAMPAIGN,
    REWARD,
    TERMS,
    all_moved,
    met,
    moved,
    told,
)
from sosst_contracts import funding
from sosst_contracts import updates as events
from sosst_contracts.testing import sample
from updates.consumer import PLANS_GROUP, PLEDGES, VIEW_GROUPS
from updates.domain.claim_reason import Reason
from updates.domain.delivery_plan import Provision, Step
from updates.domain.errors import Refused
from updates.domain.kinds import DeliveryNotice, UpdateKind
from updates.domain.platform_notice import notice_id
from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import TrackingState
from updates.domain.tracking_list import Wanted
from updates.handlers.claims import Opening
from updates.handlers.plans import publish_plan
from updates.handlers.publish import write_draft
from updates.handlers.tracking import receive_reward
from updates.sweeps.tracking import SendPlatformNotices

S = TrackingState
DAYS = {Step.START: date(2026, 6, 1), Step.END: date(2026, 6, 3)}


def sends(service: UpdatesService) -> SendPlatformNotices:
    return SendPlatformNotices(service.units, service.tracking, PLEDGES)


async def published(service: UpdatesService) -> list[events.UpdatePublished]:
    return [e for e in await service.published() if isinstance(e, events.UpdatePublished)]


@pytest.mark.row("S11")
async def test_after_two_days_the_platform_sends_its_own_notice_once(
    service: UpdatesService,
) -> None:
    """From the plan, to every backer, whoever sweeps; the reward's tracking knows its notice."""
    await met(service)
    planned = (CAMPAIGN, REWARD, 1, Provision.SERVICE, DAYS, "creator-1", NOW)
    await service.units.run(lambda unit: publish_plan(unit, *planned))
    await all_moved(service, S.SHIPPED)
    send = sends(service)
    due = await send.oldest_due()
    assert due == NOW + timedelta(hours=48)
    assert await send(due - timedelta(seconds=1)) == 0
    assert [await send(due) for _ in range(2)] == [1, 0]
    (notice,) = await published(service)
    assert (notice.kind, notice.author_id, notice.audience_count) == ("delivery_notice", "suite", 3)
    assert (notice.estimated_on, notice.mode, notice.rewards) == ("2026-06-03", "service", [REWARD])
    assert {text.language for text in notice.texts} == {"fr", "en"}
    reward = (await service.units.run(lambda unit: unit.rewards.load(CAMPAIGN, {REWARD})))[REWARD]
    assert (reward.notice_id, reward.next_due) == (notice.update_id, None)


@pytest.mark.row("S11")
async def test_a_notice_by_the_creator_comes_before_the_platforms() -> None:
    """Before the reward is sent nobody is asked; after that the platform sends none."""
    notice = replace(PARTS_OF[UpdateKind.DELIVERY_NOTICE], rewards=(REWARD,))
    assert isinstance(notice, DeliveryNotice)
    for first in (True, False):
        service = await met(memory_service())
        for announces in (first, not first):
            if announces:
                await write(service, content_of(UpdateKind.DELIVERY_NOTICE, notice))
                await publish(service)
            else:
                await all_moved(service, S.SHIPPED)
        assert await sends(service).oldest_due() is None
        asked = [e for e in await told(service) if isinstance(e, events.DeliveryNoticeAsked)]
        assert len(asked) == (0 if first else 1)


async def test_the_platforms_word_ends_no_silence() -> None:
    """Its creator has said nothing, and what that leads to goes on."""
    service = await met(memory_service())
    await all_moved(service, S.SHIPPED)
    before = await service.queries.follow_up(CAMPAIGN)
    assert await sends(service)(NOW + timedelta(days=3)) == 1
    assert await service.queries.follow_up(CAMPAIGN) == before and before is not None
    assert before.silence is not None


@pytest.mark.row("S11")
async def test_nobody_takes_the_name_of_the_platforms_notice(service: UpdatesService) -> None:
    """It can be computed, and an editor's update under it would be there instead of the notice."""
    await met(service)
    await all_moved(service, S.SHIPPED)
    name = notice_id(REWARD)
    written = partial(
        write_draft, campaign_id=CAMPAIGN, update_id=name, content=CONTENT, now=service.clock.now()
    )
    with pytest.raises(Refused) as refused:
        await service.units.run(written)
    assert refused.value.reason == "update-reserved"
    assert await service.queries.update(CAMPAIGN, name) is None
    assert await sends(service)(NOW + timedelta(days=3)) == 1
    (notice,) = await published(service)
    assert (notice.update_id, notice.author_id) == (name, "suite")


async def test_nothing_is_announced_of_what_was_cancelled() -> None:
    """Whoever has something to say of it says it; the sweep does not look again."""
    service = await met(memory_service())
    await all_moved(service, S.SHIPPED)
    await service.hear((sample(funding.CampaignCancelled), 3))
    send = sends(service)
    assert await send(NOW + timedelta(days=3)) == 0 and await send.oldest_due() is None
    assert await published(service) == []


@pytest.mark.parametrize("behind", [PLANS_GROUP, *VIEW_GROUPS.values()])
async def test_it_waits_for_readers_that_are_behind(behind: str, service: UpdatesService) -> None:
    """Neither is it given up nor does anything end: it is sent once the last reader has come."""
    await met(service, behind=(behind,))
    due = NOW + timedelta(hours=48)
    sent = RewardTracking(CAMPAIGN, REWARD, NOW, asked_at=NOW, next_due=due)
    await service.units.run(lambda unit: unit.rewards.save([sent]))
    send = sends(service)
    waits = behind in (PLANS_GROUP, VIEW_GROUPS[funding.CampaignLaunched.topic])
    assert await send(due) == (0 if waits else 1)
    await met(service)
    assert await send(due) == (1 if waits else 0)
    assert len(await published(service)) == 1


@pytest.mark.row("S12")
@pytest.mark.trap(12)
async def test_faults_are_claimed_from_when_it_is_sent_until_sixty_days_after_its_receipt(
    service: UpdatesService,
) -> None:
    """Of each backer's own reward; who has it says so, whatever its team says."""
    await met(service)

    async def refusal(backer: str, number: int, reason: Reason = Reason.QUALITY) -> str | None:
        about = Opening(f"{backer}-{reason}", f"pledge-{number}", backer, reason, "It broke.")
        try:
            await opens(service, about)
        except Refused as refused:
            return refused.reason
        return None

    await moved(service, Wanted(REWARD, "b1", S.SHIPPED))
    assert await refusal("b2", 3) == "not-shipped"
    assert await refusal("b1", 1) is None
    place = (CAMPAIGN, REWARD, "b2")
    await service.units.run(lambda unit: receive_reward(unit, place, NOW, TERMS))
    service.clock.advance(days=61)
    assert await refusal("b2", 3) == "window-closed"
    assert await refusal("b2", 3, Reason.OTHER) is None
    service.clock.advance(days=-1)
    assert await refusal("b2", 3) is None
    assert DESK.patience.window == timedelta(days=60)
