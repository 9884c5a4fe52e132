"""What is owed in words: problems, recovery plans, letters, silence; each step taken once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from servicekit.errors import Conflict, DuplicateKey
from servicekit.sweeps import Turns
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.contents import content_of
from sosst_contracts import funding, payouts
from sosst_contracts.event import Event
from sosst_contracts.testing import sample
from sosst_contracts.updates import UpdatePublished
from updates.adapters.follow_up_documents import follow_up_document, follow_up_from
from updates.consumer import PLEDGES, VIEW_GROUPS
from updates.domain.emergency import EFFECTS
from updates.domain.errors import Refused
from updates.domain.follow_up import FollowUp, FollowUpTerms, LetterOwed, Silence
from updates.domain.kinds import DelayNotice, RecoveryPlan, Severity, UpdateKind
from updates.domain.problem import Grade, Problem, ProblemKind, open_first
from updates.domain.schedule_change import ScheduleChange
from updates.domain.steps import Steps
from updates.domain.update import Content, Update, UpdateState
from updates.handlers.follow_up import ask
from updates.handlers.grade import grade
from updates.handlers.publish import publish_update, write_draft
from updates.handlers.schedule import schedule_update
from updates.sweeps.follow_ups import FollowDue
from updates.sweeps.schedules import PublishDue

CAMPAIGN = "campaign-1"
TERMS = FollowUpTerms()
MET = sample(funding.VerdictReached, verdict="goal_met", reached_at=NOW)
MISSED = sample(funding.VerdictReached, verdict="goal_missed", reached_at=NOW)


async def launched(*ends: Event) -> UpdatesService:
    service = memory_service()
    await launch(service, *ends)
    return service


async def launch(service: UpdatesService, *ends: Event) -> None:
    await service.hear((sample(funding.CampaignLaunched), 1), (sample(funding.PledgeCollected), 1))
    for sequence, end in enumerate(ends, start=2):
        await service.hear((end, sequence))


async def say(
    service: UpdatesService, name: str, content: Content, confirm: tuple[str, ...] = EFFECTS
) -> Update:
    now = service.clock.now()
    await service.units.run(lambda unit: write_draft(unit, CAMPAIGN, name, content, now))
    return await service.units.run(
        lambda unit: publish_update(unit, PLEDGES, CAMPAIGN, name, now, None, confirm)
    )


async def days_pass(service: UpdatesService, days: float) -> None:
    """Let the days pass, looking twice each: two instances sweep."""
    service.clock.advance(seconds=int(days * 86_400))
    sweep = FollowDue(service.units, service.queries, PLEDGES, TERMS)
    for _ in range(2):
        await sweep(service.clock.now())


async def due_in_an_hour(service: UpdatesService, name: str, content: Content) -> PublishDue:
    """Schedule it and let two hours pass; return the sweep that publishes it."""
    now = service.clock.now()
    due = now + timedelta(hours=1)
    await service.units.run(lambda unit: write_draft(unit, CAMPAIGN, name, content, now))
    await service.units.run(lambda unit: schedule_update(unit, CAMPAIGN, name, due, None, now))
    service.clock.advance(seconds=7_200)
    return PublishDue(service.units, service.queries, PLEDGES)


async def told(service: UpdatesService, name: str) -> list[dict[str, object]]:
    found = [event for event in await service.published() if event.name == name]
    return [event.model_dump(exclude_none=True) for event in found]


async def problems_of(service: UpdatesService) -> list[Problem]:
    follow_up = await service.queries.follow_up(CAMPAIGN)
    return open_first(follow_up.problems) if follow_up else []


async def reason_of(attempt: object) -> str:
    with pytest.raises(Refused) as refused:
        await attempt  # type: ignore[misc]
    return refused.value.reason


def delay() -> Content:
    return content_of(UpdateKind.DELAY_NOTICE, DelayNotice(ScheduleChange()))


def report(*resolves: str) -> Content:
    return content_of(UpdateKind.PROGRESS_REPORT, resolves=resolves)


def plan(answers: str = "fire", *resolves: str) -> Content:
    parts = RecoveryPlan(answers, ScheduleChange())
    return content_of(UpdateKind.RECOVERY_PLAN, parts, resolves=resolves)


EMERGENCY = content_of(UpdateKind.EMERGENCY)


async def test_what_is_due_waits_while_the_view_is_behind_or_rebuilt(
    service: UpdatesService,
) -> None:
    """Readers of one topic are not equally far: the sweep says nothing yet, and nothing ends."""
    view = tuple(VIEW_GROUPS.values())
    launch_facts = (sample(funding.CampaignLaunched), 1), (sample(funding.PledgeCollected), 1)
    await service.hear(*launch_facts, (MET, 2), behind=view)
    await days_pass(service, 61)
    assert await told(service, "silence-step-reached") == []
    for fact in (*launch_facts, (MET, 2)):
        await service.hear(fact)
    await days_pass(service, 0)
    assert await told(service, "silence-step-reached")


@pytest.mark.row("S5")
async def test_a_delay_is_a_problem_until_an_update_resolves_it(service: UpdatesService) -> None:
    """Several at once, open ones first; the end says how long it stayed open."""
    await launch(service)
    await say(service, "late", delay())
    service.clock.advance(seconds=3_600)
    await say(service, "later", delay())
    service.clock.advance(seconds=3_600)
    await say(service, "solved", report("late"))
    assert [(one.problem_id, one.open, one.hours_open) for one in await problems_of(service)] == [
        ("later", True, None),
        ("late", False, 2),
    ]
    (end,) = await told(service, "problem-resolved")
    assert (end["update_id"], end["resolved_by"], end["kind"]) == ("late", "solved", "delay_notice")


async def test_a_problem_that_is_not_there_or_not_open_refuses_the_update() -> None:
    """And nothing of it is published."""
    service = await launched()
    assert await reason_of(say(service, "u1", report("nothing"))) == "problem-unknown"
    await say(service, "late", delay())
    await say(service, "u2", report("late"))
    assert await reason_of(say(service, "u3", report("late"))) == "problem-resolved"
    assert await reason_of(say(service, "u4", plan("late"))) == "not-an-emergency"
    names = [e.update_id for e in await service.published() if isinstance(e, UpdatePublished)]
    assert names == ["late", "u2"]


@pytest.mark.row("S7")
@pytest.mark.parametrize("confirmed", [(), EFFECTS[:-1], (*EFFECTS, "more")], ids=len)
async def test_an_emergency_is_confirmed_by_all_of_its_effects(confirmed: tuple[str, ...]) -> None:
    """Whoever brakes has read what follows."""
    service = await launched()
    refused = await reason_of(say(service, "fire", EMERGENCY, confirmed))
    assert refused == "confirmation-required"
    assert await service.published() == []
    await say(service, "fire", EMERGENCY)
    (fact,) = await told(service, "update-published")
    assert (fact["kind"], fact["severity"]) == ("emergency", "critical")


@pytest.mark.row("S7")
async def test_a_plans_term_is_no_word_of_its_confirmation() -> None:
    """No effect says a number, since it is a setting; the word that did is taken for its effect."""
    service = await launched()
    assert not [one for one in EFFECTS if "days" in one or any(map(str.isdigit, one))]
    before = "a_recovery_plan_is_due_within_seven_days"
    others = tuple(one for one in EFFECTS if one != "a_recovery_plan_is_due")
    assert len(others) == len(EFFECTS) - 1
    assert (await say(service, "fire", EMERGENCY, (*others, before))).state is UpdateState.PUBLISHED


async def test_an_emergencys_form_is_kept_for_a_day() -> None:
    """After that it is written again; writing it again renews it."""
    service = await launched()
    now = service.clock.now()
    await service.units.run(lambda unit: write_draft(unit, CAMPAIGN, "fire", EMERGENCY, now))
    service.clock.advance(seconds=86_400)
    late = service.clock.now()
    attempt = service.units.run(
        lambda unit: publish_update(unit, PLEDGES, CAMPAIGN, "fire", late, None, EFFECTS)
    )
    assert await reason_of(attempt) == "form-expired"
    assert (await say(service, "fire", EMERGENCY)).state is UpdateState.PUBLISHED


async def test_an_emergency_is_never_scheduled_and_keeps_back_what_is(
    service: UpdatesService,
) -> None:
    """What waits goes out by itself once the plan is there, and not before."""
    await launch(service)
    now, due = service.clock.now(), service.clock.now() + timedelta(hours=1)
    for name, content in (("fire", EMERGENCY), ("report", report())):
        await service.units.run(
            lambda unit, name=name, content=content: write_draft(unit, CAMPAIGN, name, content, now)
        )
    attempt = service.units.run(lambda u: schedule_update(u, CAMPAIGN, "fire", due, None, now))
    assert await reason_of(attempt) == "emergency-at-once"
    await service.units.run(lambda u: schedule_update(u, CAMPAIGN, "report", due, None, now))
    await say(service, "fire", EMERGENCY)
    publish_due = PublishDue(service.units, service.queries, PLEDGES)
    service.clock.advance(seconds=7_200)
    assert await publish_due(service.clock.now()) == 0
    waiting = await service.queries.update(CAMPAIGN, "report")
    assert waiting is not None and waiting.state is UpdateState.SCHEDULED
    await say(service, "plan", plan())
    service.clock.advance(seconds=60)
    assert [await publish_due(service.clock.now()) for _ in range(2)] == [1, 0]
    names = [e.update_id for e in await service.published() if isinstance(e, UpdatePublished)]
    assert names == ["fire", "plan", "report"]


@pytest.mark.row("S14")
@pytest.mark.parametrize("kind", [UpdateKind.FAILURE_LETTER, UpdateKind.NEWS])
@pytest.mark.parametrize("end", [MISSED, sample(funding.CampaignCancelled, cancelled_at=NOW)])
async def test_after_the_end_an_emergency_keeps_back_nothing(
    service: UpdatesService, end: Event, kind: UpdateKind
) -> None:
    """No plan is published then, for which it could wait; what says how it went may resolve it."""
    await launch(service)
    await say(service, "fire", EMERGENCY)
    await service.hear((end, 2))
    refused = await reason_of(say(service, "plan", plan()))
    assert refused in ("campaign-missed", "campaign-cancelled")
    sweep = await due_in_an_hour(service, "last", content_of(kind, resolves=("fire",)))
    assert [await sweep(service.clock.now()) for _ in range(2)] == [1, 0]
    names = [e.update_id for e in await service.published() if isinstance(e, UpdatePublished)]
    assert names == ["fire", "last"]
    assert [one.resolved_by for one in await problems_of(service)] == ["last"]


@pytest.mark.parametrize("raised", [False, True], ids=["declared", "raised"])
async def test_an_emergency_of_after_the_end_waits_for_no_plan(
    service: UpdatesService, raised: bool
) -> None:
    """Raised by staff, or published while the view was behind: nobody is reminded of a plan."""
    await launch(service)
    await say(service, "late", delay())
    await service.hear((MISSED, 2), behind=tuple(VIEW_GROUPS.values()))
    if raised:
        given = Grade(ProblemKind.EMERGENCY, Severity.SERIOUS, "staff-1", "Gone.", NOW)
        await service.units.run(lambda unit: grade(unit, PLEDGES, CAMPAIGN, "late", given))
    else:
        await say(service, "fire", EMERGENCY)
    await service.hear((MISSED, 2))
    await days_pass(service, 8)
    assert await told(service, "recovery-plan-reminder-due") == []
    assert await told(service, "recovery-plan-missing") == []
    sweep = await due_in_an_hour(service, "sorry", content_of(UpdateKind.FAILURE_LETTER))
    assert await sweep(service.clock.now()) == 1


@pytest.mark.row("S7")
@pytest.mark.parametrize("attempt", range(4))
async def test_an_emergency_and_what_is_due_at_its_instant_have_an_order(
    service: UpdatesService, attempt: int
) -> None:
    """Two sweeps beside the click: it went out before the emergency or waits, and never behind."""
    await launch(service)
    now, due = service.clock.now(), service.clock.now() + timedelta(hours=1)
    for name in ("one", "two"):
        await service.units.run(
            lambda unit, name=name: write_draft(unit, CAMPAIGN, name, report(), now)
        )
        await service.units.run(
            lambda unit, name=name: schedule_update(unit, CAMPAIGN, name, due, None, now)
        )
    service.clock.advance(seconds=3_600)
    sweeps = [PublishDue(service.units, service.queries, PLEDGES) for _ in range(2)]
    acts = [sweep(service.clock.now()) for sweep in sweeps]
    acts.insert(attempt % 3, say(service, "fire", EMERGENCY))  # type: ignore[arg-type]
    await asyncio.gather(*acts)
    names = [e.update_id for e in await service.published() if isinstance(e, UpdatePublished)]
    assert names.count("fire") == 1 and names[-1] == "fire" and len(names) == len(set(names))
    for name in {"one", "two"} - set(names):
        waiting = await service.queries.update(CAMPAIGN, name)
        assert waiting is not None and waiting.state is UpdateState.SCHEDULED


@pytest.mark.row("S7")
async def test_a_plan_is_asked_for_three_days_and_one_day_before_its_term_ends(
    service: UpdatesService,
) -> None:
    """Each once; at the end staff and every backer are told that no plan came."""
    await launch(service)
    await say(service, "fire", EMERGENCY)
    shown = []
    for days in (1, 3, 2, 1, 1):
        await days_pass(service, days)
        reminders = await told(service, "recovery-plan-reminder-due")
        shown.append((len(reminders), len(await told(service, "recovery-plan-missing"))))
    assert shown == [(0, 0), (1, 0), (2, 0), (2, 1), (2, 1)]
    (missing,) = await told(service, "recovery-plan-missing")
    assert missing["due_at"] == NOW + timedelta(days=7)
    assert (missing["pledges_sequence"], missing["audience_count"]) == (1, 1)
    assert missing["campaign_sequence"] == 1


@pytest.mark.row("S7")
async def test_a_plan_ends_its_term_and_lets_the_emergency_be_resolved() -> None:
    """Before it nothing resolves one; with it, or after it, an update does."""
    service = await launched()
    await say(service, "fire", EMERGENCY)
    assert await reason_of(say(service, "well", report("fire"))) == "plan-missing"
    await say(service, "plan", plan("fire"))
    await days_pass(service, 8)
    assert await told(service, "recovery-plan-missing") == []
    assert [one.open for one in await problems_of(service)] == [True]
    await say(service, "end", report("fire"))
    assert [one.resolved_by for one in await problems_of(service)] == ["end"]
    await say(service, "flood", EMERGENCY)
    await say(service, "both", plan("flood", "flood"))
    assert not any(one.open for one in await problems_of(service))


async def test_staff_raise_and_lower_a_problem_with_a_reason(service: UpdatesService) -> None:
    """A raised one has its own term and keeps back what is scheduled; a lowered one neither."""
    await launch(service)
    await say(service, "late", delay())
    scheduled = await due_in_an_hour(service, "report", report())

    async def graded(kind: ProblemKind, severity: Severity | None) -> None:
        given = Grade(kind, severity, "staff-1", "The supplier is insolvent.", service.clock.now())
        for _ in range(2):
            await service.units.run(lambda unit: grade(unit, PLEDGES, CAMPAIGN, "late", given))

    await days_pass(service, 2)
    await graded(ProblemKind.EMERGENCY, Severity.SERIOUS)
    assert await scheduled(service.clock.now()) == 0
    await days_pass(service, 4)
    assert await scheduled(service.clock.now()) == 0
    assert len(await told(service, "recovery-plan-reminder-due")) == 1
    await graded(ProblemKind.DELAY_NOTICE, None)
    service.clock.advance(seconds=60)
    assert [await scheduled(service.clock.now()) for _ in range(2)] == [1, 0]
    await days_pass(service, 9)
    assert await told(service, "recovery-plan-missing") == []
    facts = await told(service, "problem-graded")
    assert [(fact["kind"], fact.get("severity")) for fact in facts] == [
        ("emergency", "serious"),
        ("delay_notice", None),
    ]
    await say(service, "solved", report("late"))


@pytest.mark.row("S7")
async def test_a_delay_that_became_an_emergency_is_told_to_every_backer(
    service: UpdatesService,
) -> None:
    """As of N and of the campaign, counted, each time that it becomes one.

    How bad it is, and that it is lowered, to none.
    """
    await launch(service)
    await say(service, "late", delay())
    emergency, serious = ProblemKind.EMERGENCY, Severity.SERIOUS
    for kind, severity in (
        (emergency, serious),
        (emergency, Severity.CRITICAL),
        (ProblemKind.DELAY_NOTICE, None),
        (emergency, serious),
    ):
        given = Grade(kind, severity, "staff-1", "The supplier is gone.", service.clock.now())
        await service.units.run(
            lambda unit, given=given: grade(unit, PLEDGES, CAMPAIGN, "late", given)
        )
    found = [
        (one["kind"], *(one.get(f"{name}_sequence") for name in ("pledges", "campaign")))
        for one in await told(service, "problem-graded")
    ]
    told_to_all, told_to_none = ("emergency", 1, 1), ("emergency", None, None)
    assert found == [told_to_all, told_to_none, ("delay_notice", None, None), told_to_all]
    counts = [one.get("audience_count") for one in await told(service, "problem-graded")]
    assert counts == [1, None, None, 1]
    await say(service, "fire", EMERGENCY)
    given = Grade(emergency, serious, "staff-1", "Not so bad.", service.clock.now())
    await service.units.run(lambda unit: grade(unit, PLEDGES, CAMPAIGN, "fire", given))
    (*_, last) = await told(service, "problem-graded")
    assert last["update_id"] == "fire" and "pledges_sequence" not in last


@pytest.mark.row("S14")
@pytest.mark.parametrize("end", [MISSED, sample(funding.CampaignCancelled, cancelled_at=NOW)])
async def test_a_failure_letter_is_asked_for_four_times_then_the_page_says_so(
    service: UpdatesService, end: Event
) -> None:
    """At once and on days 3, 7 and 14, for a missed goal and a cancellation; a letter ends it."""
    await launch(service, end)
    shown = []
    for days in (0, 3, 4, 6, 1, 30):
        await days_pass(service, days)
        follow_up = await service.queries.follow_up(CAMPAIGN)
        assert follow_up is not None and follow_up.letter is not None
        asked = await told(service, "letter-asked")
        shown.append((len(asked), follow_up.letter.unexplained_since is not None))
    assert shown == [(1, False), (2, False), (3, False), (3, False), (4, True), (4, True)]
    await say(service, "sorry", content_of(UpdateKind.FAILURE_LETTER))
    follow_up = await service.queries.follow_up(CAMPAIGN)
    assert follow_up is not None and follow_up.letter is not None
    assert (follow_up.letter.written_as, follow_up.letter.unexplained_since) == ("sorry", None)


@pytest.mark.row("S14")
async def test_a_letter_that_is_written_is_not_asked_for() -> None:
    """Also one that is faster than our own reading of the verdict."""
    service = await launched(MISSED)
    await say(service, "sorry", content_of(UpdateKind.FAILURE_LETTER))
    await days_pass(service, 20)
    assert await told(service, "letter-asked") == []


@pytest.mark.row("S3")
async def test_thanks_are_asked_for_at_the_verdict_and_at_milestones() -> None:
    """Once each, however often they are heard."""
    service = await launched(MET)
    reached = sample(payouts.MilestoneApproved, stage=2)
    await service.hear((MET, 2), (reached, 1), (reached, 1))
    asked = await told(service, "letter-asked")
    assert [(one["kind"], one["occasion"], one.get("stage")) for one in asked] == [
        ("thank_you", "verdict", None),
        ("thank_you", "milestone", 2),
    ]


async def test_silence_has_four_steps_that_the_next_update_ends(service: UpdatesService) -> None:
    """Reminded at 30 days, asked at 37, held at 60, staff at 67; then from the beginning."""
    await launch(service, MET)
    steps = []
    for days in (29, 1, 7, 23, 7, 30):
        await days_pass(service, days)
        steps.append([one["step"] for one in await told(service, "silence-step-reached")][-1:])
    reached = ["creator_reminded", "backers_may_ask", "stage_held", "staff_told", "staff_told"]
    assert steps == [[], *([one] for one in reached)]
    assert len(await told(service, "silence-step-reached")) == 4
    await say(service, "well", report())
    await days_pass(service, 30)
    assert len(await told(service, "silence-step-reached")) == 5


async def test_backers_who_ask_are_counted_once_and_not_named(service: UpdatesService) -> None:
    """Only after 37 days; a new silence begins a new count."""
    await launch(service, MET)

    async def asked(person: str) -> int:
        found = await service.units.run(lambda unit: ask(unit, CAMPAIGN, person))
        assert found.silence is not None
        return found.silence.askers

    assert await reason_of(asked("anna")) == "not-silent"
    await days_pass(service, 37)
    assert [await asked(person) for person in ("anna", "anna", "ben")] == [1, 1, 2]
    await days_pass(service, 23)
    held = (await told(service, "silence-step-reached"))[-1]
    assert (held["step"], held["askers"]) == ("stage_held", 2)
    assert "anna" not in str(await told(service, "silence-step-reached"))
    await say(service, "well", report())
    assert await reason_of(asked("anna")) == "not-silent"
    await days_pass(service, 37)
    assert await asked("anna") == 1


async def test_a_paid_last_stage_or_an_end_ends_the_watch() -> None:
    """Nothing is held any more, and nobody is asked for what cannot come."""
    for fact, sequence in (
        (sample(payouts.StagePaid, kind="last"), 1),
        (sample(funding.CampaignCancelled, after_verdict=True, cancelled_at=NOW), 3),
    ):
        service = await launched(MET)
        await say(service, "late", delay())
        await service.hear((fact, sequence))
        await days_pass(service, 80)
        assert await told(service, "silence-step-reached") == []


GIVEN = Grade(ProblemKind.EMERGENCY, Severity.SERIOUS, "staff-1", "because", NOW)
WHOLE = FollowUp(
    CAMPAIGN,
    problems=(
        Problem("a", ProblemKind.DELAY_NOTICE, NOW, resolved_by="b", resolved_at=NOW),
        Problem("c", GIVEN.kind, NOW, GIVEN.severity, Steps(NOW, 1), grade=GIVEN),
        Problem("d", GIVEN.kind, NOW, term=Steps(NOW, 3, NOW), declared_promptly=True),
    ),
    letter=LetterOwed(Steps(NOW, 4, NOW), unexplained_since=NOW),
    silence=Silence(Steps(NOW, 4, NOW), askers=4),
    last_said_at=NOW,
    next_due=NOW,
)


async def test_what_is_owed_comes_back_as_it_was_and_is_guarded(service: UpdatesService) -> None:
    """Every part of it; a save over somebody else's later one fails."""
    await service.units.run(lambda unit: unit.follow_ups.save([WHOLE]))
    loaded = await service.queries.follow_up(CAMPAIGN)
    assert loaded == replace(WHOLE, version=1)
    with pytest.raises((Conflict, DuplicateKey)):
        await service.units.run(lambda unit: unit.follow_ups.save([WHOLE]))


def test_what_is_owed_is_read_by_the_release_before_and_behind() -> None:
    """The one before takes no name that it does not know, and this one leaves those aside."""
    row = follow_up_document(WHOLE)
    known = {
        "problem_id kind opened_at severity term plan resolved_by resolved_at grade": row[
            "problems"
        ],
        "since taken": [
            *(one["term"] for one in row["problems"] if one["term"]),
            row["letter"]["steps"],
            row["silence"]["steps"],
        ],
        "steps written_as unexplained_since": [row["letter"]],
        "steps askers": [row["silence"]],
    }
    for names, documents in known.items():
        assert {frozenset(one) for one in documents} == {frozenset(names.split())}
        for one in documents:
            one["newer"] = 1
    assert follow_up_from(row | {"newer": 1}) == WHOLE
    saved_before = follow_up_from({name: row[name] for name in row if name != "noted"})
    assert saved_before.staff_since is None
    assert [one.problem_id for one in saved_before.problems] == ["a", "c", "d"]


async def test_what_is_due_is_found_the_longest_overdue_first(service: UpdatesService) -> None:
    """What is never due is not; the oldest is known for the metric."""
    for number, days in enumerate((3, 1, None, 2)):
        due = NOW + timedelta(days=days) if days else None
        one = FollowUp(f"c{number}", next_due=due)
        await service.units.run(lambda unit, one=one: unit.follow_ups.save([one]))
    now = NOW + timedelta(days=2)
    assert await service.queries.due_follow_ups(now, 10) == ["c1", "c3"]
    assert await service.queries.due_follow_ups(now, 10, 1) == ["c3"]
    assert await service.queries.oldest_due_follow_up() == NOW + timedelta(days=1)


async def test_campaigns_that_our_view_has_not_heard_of_hide_none_behind_them(
    service: UpdatesService,
) -> None:
    """However many of them were due before it, a creator is reminded of what is owed."""
    await launch(service)
    await say(service, "n1", delay())
    due = await service.queries.oldest_due_follow_up()
    assert due is not None
    for number in range(5):
        one = FollowUp(f"unheard-{number}", next_due=due - timedelta(hours=1))
        await service.units.run(lambda unit, one=one: unit.follow_ups.save([one]))
    sweep = FollowDue(service.units, service.queries, PLEDGES, TERMS, Turns(2))
    handled = [await sweep(due) for _ in range(4)]
    assert 1 in handled and await service.queries.due_follow_ups(due, 10) == [
        f"unheard-{number}" for number in range(5)
    ]
