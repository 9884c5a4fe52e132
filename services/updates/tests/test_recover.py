"""What was told of stays told: publications come back from the topic as far as drafts are there."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from servicekit.own_topics import Unexplained
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.test_follow_up import (
    EMERGENCY,
    MET,
    MISSED,
    days_pass,
    delay,
    report,
    say,
)
from services.updates.tests.test_handlers import CAMPAIGN, CONTENT, publish, write
from services.updates.tests.test_scheduling import planned, sweep
from sosst_contracts import funding
from sosst_contracts.codec import Record, attribution
from sosst_contracts.testing import sample
from updates.consumer import PLEDGES
from updates.domain.correction import Correcting
from updates.domain.follow_up import FollowUpTerms
from updates.domain.kinds import Severity
from updates.domain.pledge import Promise
from updates.domain.problem import Grade, ProblemKind
from updates.domain.update import UpdateState
from updates.handlers.correct import correct_update
from updates.handlers.grade import grade
from updates.handlers.recover import RecoverUpdates
from updates.handlers.recover_schedules import RESTORED
from updates.ports.pledged import PledgePlace
from updates.wire.claims import claims_told_from
from updates.wire.deliveries import deliveries_told_from
from updates.wire.follow_up import owed_from
from updates.wire.milestones import milestones_told_from
from updates.wire.plans import plans_told_from
from updates.wire.pledges import promises_from
from updates.wire.posts import publications_from
from updates.wire.questionnaires import questionnaires_told_from
from updates.wire.surveys import surveys_told_from


async def told(service: UpdatesService) -> list[Unexplained]:
    rows = await service.outbox.page(100)
    placed = [(row.record, *attribution(row.record)) for row in rows]
    return [Unexplained(record, key or "", at or 0, "") for record, key, at in placed]


class ToldPledges:
    """What stands on the topic of pledges, as a recovery reads it."""

    def __init__(self, *records: Record) -> None:
        self._records = records

    async def promises(self, pledges: Collection[PledgePlace]) -> dict[PledgePlace, Promise]:
        read = promises_from(self._records)
        return {place: promise for place, promise in read.items() if place in pledges}


async def recover(restored: UpdatesService, lived: UpdatesService, *pledges: Record) -> list[str]:
    """Recover from what was told, and from what stands on the topic of pledges."""
    owed = partial(owed_from, terms=FollowUpTerms())
    recovery = RecoverUpdates(
        restored.units,
        restored.queries,
        restored.clock,
        publications_from,
        owed,
        claims_told_from,
        surveys_told_from,
        plans_told_from,
        questionnaires_told_from,
        deliveries_told_from,
        milestones_told_from,
        ToldPledges(*pledges),
    )
    return await recovery.roll_forward(await told(lived))


async def a_service(*, drafted: str | None) -> UpdatesService:
    """A launched campaign, with a draft of these details or without one."""
    service = memory_service()
    await service.hear((sample(funding.CampaignLaunched), 1))
    if drafted is not None:
        (text,) = CONTENT.texts
        await write(service, replace(CONTENT, texts=(replace(text, details=drafted),)))
    return service


@pytest.mark.trap(23)
async def test_a_draft_that_is_in_the_backup_is_published_as_it_was() -> None:
    """With the audience and the instant of then, without another event, however often."""
    lived, restored = (
        await a_service(drafted="All is well."),
        await a_service(drafted="All is well."),
    )
    first = await publish(lived)
    lines = [line for _ in range(2) for line in await recover(restored, lived)]
    assert "published from its draft" in lines[0] and "published already" in lines[1]
    found = await restored.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.state is UpdateState.PUBLISHED
    assert (found.audience, found.published_at) == (first.audience, first.published_at)
    assert await told(restored) == []


@pytest.mark.trap(23)
async def test_corrections_are_counted_on_and_their_words_are_named_as_lost() -> None:
    """The next revision stands behind those that were told, so that none is told twice."""
    lived, restored = await a_service(drafted="One."), await a_service(drafted="One.")
    for service in (lived, restored):
        await publish(service)
    (text,) = CONTENT.texts
    changed = replace(CONTENT, texts=(replace(text, details="Two."),))
    lived.clock.advance(days=1)
    wanted = Correcting(2, changed, "why", False, "creator-1")
    await lived.units.run(
        lambda unit: correct_update(unit, PLEDGES, CAMPAIGN, "u1", wanted, lived.clock.now())
    )
    told_before = len(await told(restored))
    first, again = [(await recover(restored, lived))[-1] for _ in range(2)]
    assert "an editor must write it again" in first and "known already" in again
    found = await restored.queries.update(CAMPAIGN, "u1")
    assert found is not None and (found.revision, found.corrected_at) == (2, lived.clock.now())
    assert len(await told(restored)) == told_before


@pytest.mark.parametrize("drafted", [None, "An older text."])
async def test_a_text_that_is_lost_is_its_creators_to_write_again(drafted: str | None) -> None:
    """Nothing is made up: it is named, with how many were told."""
    lived, restored = await a_service(drafted="All is well."), await a_service(drafted=drafted)
    await publish(lived)
    (line,) = await recover(restored, lived)
    assert "must write and publish it again" in line and "u1" in line
    found = await restored.queries.update(CAMPAIGN, "u1")
    assert found is None or found.state is UpdateState.DRAFT


@pytest.mark.trap(10)
@pytest.mark.trap(23)
async def test_what_the_backup_says_is_due_does_not_go_out_unseen() -> None:
    """It was rewritten and told, or taken back: the old text waits for its creator, who is told."""
    lived, told_of = await a_service(drafted="All is well."), await a_service(drafted="Older.")
    await publish(lived)
    taken_back = await a_service(drafted="Older.")
    for restored in (told_of, taken_back):
        await planned(restored, hours=1)
    await recover(told_of, lived)
    taken_back.clock.advance(seconds=3_600)
    nothing_told = await a_service(drafted=None)
    lines = [await recover(taken_back, nothing_told) for _ in range(2)]
    assert [len(one) for one in lines] == [1, 0] and "is a draft again" in lines[0][0]
    for restored in (told_of, taken_back):
        assert await sweep(restored)(NOW + timedelta(days=1)) == 0
        assert await told(restored) == []
        found = await restored.queries.update(CAMPAIGN, "u1")
        assert found is not None and found.state is UpdateState.DRAFT
        assert found.unscheduled_because == RESTORED


async def test_what_is_due_later_goes_out_at_its_time_and_is_named() -> None:
    """Its creator has until then to look at it."""
    restored = await a_service(drafted="All is well.")
    await planned(restored, hours=2)
    restored.clock.advance(seconds=3_600)
    (line,) = await recover(restored, await a_service(drafted=None))
    assert f"u1 of {CAMPAIGN}: goes out at {(NOW + timedelta(hours=2)).isoformat()}" in line
    assert await sweep(restored)(NOW + timedelta(hours=2)) == 1


async def grown_silent_in_an_emergency(service: UpdatesService) -> None:
    """A delay that was resolved, an emergency without a plan, and three steps of a silence."""
    await service.hear((MET, 2))
    await say(service, "late", delay())
    await say(service, "solved", report("late"))
    await say(service, "fire", EMERGENCY)
    for days in (4, 2, 1, 30, 30):
        await days_pass(service, days)


@pytest.mark.trap(23)
@pytest.mark.parametrize("known", [False, True], ids=("forgotten", "known"))
async def test_what_is_owed_comes_back_and_nobody_is_asked_again(known: bool) -> None:
    """Problems, the plan's term and the silence are where the topic has them; nothing is new."""
    lived, restored = await a_service(drafted=None), await a_service(drafted=None)
    await grown_silent_in_an_emergency(lived)
    if known:
        await grown_silent_in_an_emergency(restored)
    before = len(await told(restored))
    for _ in range(2):
        await recover(restored, lived)
    restored.clock.advance(seconds=0 if known else 67 * 86_400)
    await days_pass(restored, 0)
    assert len(await told(restored)) == before
    found, was = [await one.queries.follow_up(CAMPAIGN) for one in (restored, lived)]
    assert found is not None and was is not None
    assert (found.problems, found.silence) == (was.problems, was.silence)


@pytest.mark.row("S14")
async def test_a_failure_letter_that_was_asked_for_is_not_asked_for_again() -> None:
    """And the line that no reasons were given is there as before."""
    lived, restored = await a_service(drafted=None), await a_service(drafted=None)
    await lived.hear((MISSED, 2))
    for days in (0, 3, 4, 7):
        await days_pass(lived, days)
    await recover(restored, lived)
    restored.clock.advance(seconds=14 * 86_400)
    await restored.hear((MISSED, 2))
    await days_pass(restored, 0)
    assert await told(restored) == []
    found = await restored.queries.follow_up(CAMPAIGN)
    assert found is not None and found.letter is not None
    assert found.letter.unexplained_since is not None


async def test_an_emergency_that_was_raised_after_the_end_waits_for_no_plan_again() -> None:
    """The backup knows the end, where no plan is published, and not that staff raised a delay."""
    lived, restored = await a_service(drafted=None), await a_service(drafted=None)
    for service in (lived, restored):
        await say(service, "late", delay())
        await service.hear((MISSED, 2))
    given = Grade(ProblemKind.EMERGENCY, Severity.SERIOUS, "staff-1", "Gone.", NOW)
    await lived.units.run(lambda unit: grade(unit, PLEDGES, CAMPAIGN, "late", given))
    await recover(restored, lived)
    found = await restored.queries.follow_up(CAMPAIGN)
    assert found is not None
    assert [(one.kind, one.term) for one in found.problems] == [(ProblemKind.EMERGENCY, None)]
