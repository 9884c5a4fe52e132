"""A scheduled update goes out at its time and once, whoever sweeps and whatever was down."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest
from prometheus_client import REGISTRY

from services.updates.tests import test_plans
from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.contents import content_of
from services.updates.tests.test_follow_up import MET, delay, launch, report, say
from services.updates.tests.test_handlers import CAMPAIGN, CONTENT, publish, write
from sosst_contracts import funding
from sosst_contracts.testing import sample
from sosst_contracts.updates import UpdatePublished
from updates.consumer import PLEDGES
from updates.domain.delivery_plan import Step
from updates.domain.errors import Refused
from updates.domain.kinds import DelayNotice, UpdateKind
from updates.domain.schedule_change import DateMove, ScheduleChange
from updates.domain.scheduling import AHEAD_MAX, LOOK_AGAIN, schedule, unschedule
from updates.domain.update import Update, UpdateState, draft
from updates.handlers.publish import withdraw_draft, write_draft
from updates.handlers.schedule import publish_scheduled, schedule_update, unschedule_update
from updates.ports.unit import UpdatesUnit
from updates.sweeps.schedules import OVERDUE, MeasureSchedules, PublishDue

AT = NOW + timedelta(hours=1)


def sweep(service: UpdatesService) -> PublishDue:
    return PublishDue(service.units, service.queries, PLEDGES)


async def planned(service: UpdatesService, hours: int = 1) -> Update:
    """Schedule the draft, which is written if it is not there."""
    if await service.queries.update(CAMPAIGN, "u1") is None:
        await service.hear((sample(funding.CampaignLaunched), 1))
        await write(service)
    at = NOW + timedelta(hours=hours)
    return await service.units.run(
        lambda unit: schedule_update(unit, CAMPAIGN, "u1", at, None, service.clock.now())
    )


async def publications(service: UpdatesService) -> int:
    return sum(isinstance(event, UpdatePublished) for event in await service.published())


async def test_it_goes_out_at_its_time_and_not_before(service: UpdatesService) -> None:
    """The sweep leaves it until then, and finds nothing more behind it."""
    await planned(service)
    assert await sweep(service).oldest_due() == AT
    assert await sweep(service)(AT - timedelta(seconds=1)) == 0
    assert await sweep(service)(AT) == 1
    assert await sweep(service)(AT) == 0 and await sweep(service).oldest_due() is None
    found = await service.queries.update(CAMPAIGN, "u1")
    assert found is not None and (found.state, found.published_at) == (UpdateState.PUBLISHED, AT)
    assert await publications(service) == 1


async def test_a_missed_one_goes_out_once_at_the_next_start(service: UpdatesService) -> None:
    """Nothing ran for a day: it goes out late, once, with the instant at which it did."""
    await planned(service)
    late = AT + timedelta(days=1)
    assert [await sweep(service)(late) for _ in range(3)] == [1, 0, 0]
    found = await service.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.published_at == late
    assert await publications(service) == 1


async def test_two_instances_and_two_tabs_publish_it_once(service: UpdatesService) -> None:
    """Sweeps of two instances and the creator's own click at one instant are one update."""
    await planned(service)
    service.clock.advance(seconds=3_600)
    two = [sweep(service)(AT), sweep(service)(AT), publish(service)]
    counts = await asyncio.gather(*two, return_exceptions=True)
    assert sum(count for count in counts if isinstance(count, int)) <= 1
    await sweep(service)(AT)
    found = await service.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.state is UpdateState.PUBLISHED
    assert await publications(service) == 1


async def test_what_should_have_gone_out_is_seen_from_outside(service: UpdatesService) -> None:
    """Also what is kept back, which is due again and again; what went out is not counted."""

    async def overdue(after: timedelta) -> float | None:
        await MeasureSchedules(service.queries)(AT + after)
        return REGISTRY.get_sample_value("sosst_updates_scheduled_overdue")

    await planned(service)
    (project,) = (await service.units.run(lambda unit: unit.projects.load([CAMPAIGN]))).values()
    await service.units.run(lambda unit: unit.projects.save([replace(project, profile=None)]))
    assert await sweep(service)(AT) == 0
    assert await overdue(OVERDUE - timedelta(milliseconds=1)) == 0
    assert await overdue(OVERDUE) == 1
    heard = replace(project, version=project.version + 1)
    await service.units.run(lambda unit: unit.projects.save([heard]))
    assert await sweep(service)(AT + LOOK_AGAIN) == 1
    assert await overdue(timedelta(days=9)) == 0


async def test_a_crash_between_deciding_and_saving_loses_and_doubles_nothing(
    service: UpdatesService,
) -> None:
    """What was not committed did not happen: the next look publishes it, with one event."""
    await planned(service)

    async def dies(unit: UpdatesUnit) -> None:
        assert await publish_scheduled(unit, PLEDGES, CAMPAIGN, "u1", AT)
        raise SystemError("killed")

    with pytest.raises(SystemError):
        await service.units.run(dies)
    assert await publications(service) == 0
    assert await sweep(service)(AT) == 1 and await publications(service) == 1


async def test_it_is_moved_and_let_go(service: UpdatesService) -> None:
    """Moved, the first time passes by; let go, withdrawn or published by hand, none is left."""
    await planned(service)
    await planned(service, hours=2)
    assert await sweep(service)(AT) == 0
    let_go = await service.units.run(lambda unit: unschedule_update(unit, CAMPAIGN, "u1"))
    assert let_go.state is UpdateState.DRAFT and let_go.schedule is None
    assert await sweep(service).oldest_due() is None
    await planned(service)
    await service.units.run(lambda unit: withdraw_draft(unit, CAMPAIGN, "u1"))
    assert await sweep(service)(AT) == 0 and await publications(service) == 0


async def test_what_the_rules_refuse_by_then_is_a_draft_that_says_why(
    service: UpdatesService,
) -> None:
    """The goal was missed meanwhile: nothing goes out, and the sweep does not come back to it."""
    await planned(service)
    await service.hear((sample(funding.VerdictReached, verdict="goal_missed"), 2))
    assert await sweep(service)(AT) == 0
    found = await service.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.state is UpdateState.DRAFT
    assert found.unscheduled_because == "campaign-missed"
    assert await sweep(service).oldest_due() is None and await publications(service) == 0


async def test_of_what_is_refused_halfway_nothing_is_kept(service: UpdatesService) -> None:
    """Another update has resolved its problem: nobody is told, and no date is moved."""
    await launch(service, MET)
    await say(service, "late", delay())
    resolves = report("late")
    await service.units.run(lambda unit: write_draft(unit, CAMPAIGN, "u1", resolves, NOW))
    await planned(service)
    await say(service, "earlier", resolves)
    before = await service.queries.follow_up(CAMPAIGN)
    assert await publications(service) == 2
    assert await sweep(service)(AT) == 0 and await publications(service) == 2
    found = await service.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.unscheduled_because == "problem-resolved"
    assert await service.queries.follow_up(CAMPAIGN) == before


async def test_a_day_that_cannot_be_reckoned_with_is_refused_by_then(
    service: UpdatesService,
) -> None:
    """Of a draft from before such days were refused: it says why, and is not tried for ever."""
    await test_plans.launched(service, verdict="goal_met")
    await test_plans.planned(service)
    day = test_plans.DAYS[Step.START]
    moved = DateMove(test_plans.REWARD, 1, Step.START, day, date.min, "It was longer ago.")
    content = content_of(UpdateKind.DELAY_NOTICE, DelayNotice(ScheduleChange((moved,))))
    await service.units.run(lambda unit: write_draft(unit, CAMPAIGN, "u1", content, NOW))
    await planned(service)
    assert await sweep(service)(AT) == 0 and await sweep(service).oldest_due() is None
    found = await service.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.unscheduled_because == "invalid-time"


async def test_it_waits_while_the_view_is_behind(service: UpdatesService) -> None:
    """Readers of one topic are not equally far: it is no draft again for that, and goes out."""
    await planned(service)
    (project,) = (await service.units.run(lambda unit: unit.projects.load([CAMPAIGN]))).values()
    unheard = replace(project, profile=None)
    await service.units.run(lambda unit: unit.projects.save([unheard]))
    assert await sweep(service)(AT) == 0
    assert await sweep(service).oldest_due() == AT + LOOK_AGAIN
    heard = replace(unheard, profile=project.profile, version=unheard.version + 1)
    await service.units.run(lambda unit: unit.projects.save([heard]))
    assert await sweep(service)(AT + LOOK_AGAIN) == 1


def waiting() -> Update:
    return draft(None, CAMPAIGN, "u1", CONTENT, NOW)


@pytest.mark.parametrize("ahead", [timedelta(0), -timedelta(hours=1), AHEAD_MAX * 2], ids=str)
def test_a_time_that_cannot_be_meant_is_refused(ahead: timedelta) -> None:
    """Now, the past, and years ahead."""
    with pytest.raises(Refused) as refused:
        schedule(waiting(), NOW + ahead, NOW)
    assert refused.value.reason == "invalid-time"


def test_scheduling_again_for_the_same_time_is_the_same() -> None:
    """Also behind that time, so that a repeated request is answered as the first was."""
    once = schedule(waiting(), AT, NOW)
    assert schedule(once, AT, AT + timedelta(days=1)) == once
    assert unschedule(unschedule(once)) == unschedule(once)
