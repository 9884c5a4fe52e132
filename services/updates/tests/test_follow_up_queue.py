"""The staff's queue of what a campaign still owes in words: who waits, since when, until what."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from infra.sandbox.issuer.tokens import STAFF
from infra.servicekit.tests.costs import cost_of
from servicekit.mongo import Database
from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_follow_up import (
    CAMPAIGN,
    EMERGENCY,
    MET,
    days_pass,
    delay,
    launch,
    plan,
    report,
    say,
    told,
)
from sosst_contracts import funding, payouts
from sosst_contracts.event import Event
from sosst_contracts.testing import sample
from updates.adapters.follow_up_documents import follow_up_document
from updates.consumer import PLEDGES
from updates.domain.follow_up import FollowUp, LetterOwed, Silence, SilenceStep
from updates.domain.kinds import Severity
from updates.domain.problem import Grade, Problem, ProblemKind
from updates.domain.steps import Steps
from updates.handlers.grade import grade
from updates.sweeps.follow_ups import MeasureFollowUps

DAY = timedelta(days=1)


async def waiting(service: UpdatesService) -> list[tuple[str, datetime | None]]:
    found = await service.queries.follow_ups_for_staff(None, 10)
    return [(one.campaign_id, one.staff_since) for one in found]


async def lower(service: UpdatesService) -> None:
    given = Grade(ProblemKind.DELAY_NOTICE, None, "staff-1", "Not so bad.", service.clock.now())
    await service.units.run(lambda unit: grade(unit, PLEDGES, CAMPAIGN, "fire", given))


@pytest.mark.row("S7")
@pytest.mark.parametrize("answer", ["plan", "lowered", "ended"])
async def test_an_emergency_waits_for_staff_from_the_end_of_its_term_until_it_is_answered(
    service: UpdatesService, answer: str
) -> None:
    """Since the day its plan was due, however late that is seen; any other update answers none."""
    await launch(service)
    await say(service, "fire", EMERGENCY)
    await days_pass(service, 6)
    assert await waiting(service) == []
    await days_pass(service, 3)
    assert await waiting(service) == [(CAMPAIGN, NOW + 7 * DAY)]
    await say(service, "well", report())
    await days_pass(service, 1)
    assert await waiting(service) == [(CAMPAIGN, NOW + 7 * DAY)]
    match answer:
        case "plan":
            await say(service, "plan", plan())
        case "lowered":
            await lower(service)
        case "ended":
            await service.hear((sample(funding.CampaignCancelled, cancelled_at=NOW), 2))
    assert await waiting(service) == []
    await days_pass(service, 1)
    assert await waiting(service) == []


@pytest.mark.parametrize(
    "end",
    [
        None,
        sample(payouts.StagePaid, kind="last"),
        sample(funding.CampaignCancelled, after_verdict=True, cancelled_at=NOW),
    ],
    ids=["update", "last stage", "cancelled"],
)
async def test_a_silence_waits_for_staff_from_its_last_step_until_it_ends(
    service: UpdatesService, end: Event | None
) -> None:
    """Not at the step before, which holds the stage."""
    await launch(service, MET)
    await days_pass(service, 66)
    assert await waiting(service) == []
    await days_pass(service, 1)
    assert await waiting(service) == [(CAMPAIGN, NOW + 67 * DAY)]
    if end is None:
        await say(service, "well", report())
    else:
        await service.hear((end, 3 if end.topic == "funding.campaigns" else 1))
    assert await waiting(service) == []


def missed(campaign_id: str, days: int) -> FollowUp:
    """A campaign whose emergency ended its term so many days after the beginning."""
    term = Steps(NOW + days * DAY - 7 * DAY, 3, NOW + days * DAY)
    kind, opened = ProblemKind.EMERGENCY, term.since
    return FollowUp(campaign_id, (Problem("fire", kind, opened, Severity.SERIOUS, term),))


def silent(campaign_id: str, days: int) -> FollowUp:
    """A campaign whose silence reached its last step so many days after the beginning."""
    steps = Steps(NOW + days * DAY - 67 * DAY, 4, NOW + days * DAY)
    return FollowUp(campaign_id, silence=Silence(steps, askers=2))


async def save(service: UpdatesService, follow_ups: Sequence[FollowUp]) -> None:
    await service.units.run(lambda unit: unit.follow_ups.save(follow_ups))


async def test_the_longest_waiting_is_in_front_whatever_it_waits_for(
    service: UpdatesService,
) -> None:
    """One of two reasons counts by the earlier; of one instant by campaign, over pages too."""
    both = replace(missed("both", 5), silence=silent("both", 1).silence)
    quiet = FollowUp("quiet", silence=Silence(Steps(NOW, 3)), next_due=NOW)
    two = [missed("b", 3), missed("a", 3), silent("c", 3), silent("d", 2), quiet, both]
    await save(service, two)
    expected = ["both", "d", "a", "b", "c"]
    seen: list[str] = []
    place: tuple[datetime, str] | None = None
    while found := await service.queries.follow_ups_for_staff(place, 2):
        seen += [one.campaign_id for one in found]
        since = found[-1].staff_since
        assert since is not None
        place = since, found[-1].campaign_id
    assert seen == expected


async def test_staff_read_the_queue_in_pages(service: UpdatesService) -> None:
    """With what each waits for; a cursor that is not ours is refused."""
    settled = Problem("late", ProblemKind.DELAY_NOTICE, NOW)
    burnt = missed("burnt", 1)
    await save(service, [replace(burnt, problems=(settled, *burnt.problems)), silent("mute", 2)])
    async with client_of(api_of(service), STAFF) as http:
        pages = []
        cursor: str | None = ""
        while cursor is not None:
            answer = await http.get("/queues/follow-ups", params={"cursor": cursor, "limit": 1})
            assert answer.status_code == 200
            pages += answer.json()["items"]
            cursor = answer.json()["next_cursor"]
        first, second = pages
        assert (first["campaign_id"], first["waiting_since"]) == ("burnt", "2026-03-02T12:00:00Z")
        (problem,) = first["problems"]
        assert problem["update_id"] == "fire" and problem["plan_missing"]["en"]
        assert problem["plan_due_at"] == first["waiting_since"] and first["silence"] is None
        assert (second["campaign_id"], second["problems"]) == ("mute", [])
        assert (second["silence"]["step"], second["silence"]["askers"]) == ("staff_told", 2)
        odd = await http.get("/queues/follow-ups", params={"cursor": "x"})
        assert odd.status_code == 422


async def test_what_waited_before_there_was_a_queue_comes_in_and_nobody_is_told_again(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """As the release before writes it, with no end of steps; the sweep is made to look at it."""
    service = mongodb_service
    await launch(service, MET)
    await say(service, "late", delay())
    await say(service, "fire", EMERGENCY)
    await days_pass(service, 68)
    facts = len(await service.published())
    follow_ups = database.collection("follow_ups")
    await follow_ups.update_one({"_id": CAMPAIGN}, {"$unset": {"staff_since": "", "noted": ""}})
    assert await waiting(service) == []
    missing = {"staff_since": {"$exists": False}}
    await follow_ups.update_many(missing, {"$set": {"next_due": service.clock.now()}})
    await days_pass(service, 0)
    assert await waiting(service) == [(CAMPAIGN, NOW + 7 * DAY)]
    assert len(await service.published()) == facts
    assert len(await told(service, "recovery-plan-missing")) == 1
    assert await follow_ups.count_documents(missing) == 0


async def test_a_page_of_the_queue_reads_a_page(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """However many campaigns wait, or wait for nobody; what is counted off is told apart."""
    many, page = 3_000, 50
    made = [missed(f"{number:05}", number // 3) for number in range(many)]
    made += [FollowUp(f"calm-{number}", silence=Silence(Steps(NOW))) for number in range(many)]
    follow_ups = database.collection("follow_ups")
    await follow_ups.insert_many([follow_up_document(one) for one in made])
    for first in (0, 1, 1_500, many - page):
        place = (NOW + (first - 1) // 3 * DAY, f"{first - 1:05}") if first else None
        found: list[FollowUp] = []

        async def read(
            place: tuple[datetime, str] | None = place, found: list[FollowUp] = found
        ) -> None:
            found += await mongodb_service.queries.follow_ups_for_staff(place, page)

        cost = await cost_of(database, read, "follow_ups")
        expected = [f"{number:05}" for number in range(first, first + page)]
        assert [one.campaign_id for one in found] == expected
        # Beside the page at most the three that stand at the instant of its place.
        assert page <= cost.documents <= page + 3 and not cost.sorted and not cost.scanned, cost
        assert cost.keys <= page + 4, cost
    counted_off = follow_ups.find({"staff_since": {"$ne": None}}).sort("staff_since", 1)
    offender = await cost_of(database, lambda: counted_off.skip(1_500).limit(page).to_list(None))
    assert offender.documents > 1_500


def figures(name: str, label: str, words: Iterable[str]) -> dict[str, float]:
    """Return what a gauge says by its label, without the zeros."""
    found = {
        word: REGISTRY.get_sample_value(f"sosst_updates_{name}", {label: word}) or 0
        for word in words
    }
    return {word: count for word, count in found.items() if count}


async def open_and_silent(service: UpdatesService) -> tuple[dict[str, float], dict[str, float]]:
    await MeasureFollowUps(service.queries)(service.clock.now())
    problems = figures("open_problems", "kind", ProblemKind)
    return problems, figures("silent_projects", "step", SilenceStep)


async def test_open_problems_and_silences_are_seen_from_outside(service: UpdatesService) -> None:
    """A problem until it is resolved or its campaign ends; a silence at its last step only."""
    await launch(service, MET)
    await say(service, "late", delay())
    await say(service, "fire", EMERGENCY)
    assert await open_and_silent(service) == ({"delay_notice": 1, "emergency": 1}, {})
    await say(service, "well", report("late"))
    await days_pass(service, 30)
    assert await open_and_silent(service) == ({"emergency": 1}, {"creator_reminded": 1})
    await days_pass(service, 37)
    assert await open_and_silent(service) == ({"emergency": 1}, {"staff_told": 1})
    await service.hear((sample(funding.CampaignCancelled, after_verdict=True, cancelled_at=NOW), 3))
    assert await open_and_silent(service) == ({}, {})


async def test_open_problems_and_silences_are_counted_by_their_indexes(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """However many campaigns have nothing open, were heard lately, or ended with a problem."""
    many, few = 300, 12
    over = replace(missed("", 1).problems[0], term=None, resolved_by="plan", resolved_at=NOW)
    calm = FollowUp("", (over,), silence=Silence(Steps(NOW)))
    gone = replace(missed("", 1), letter=LetterOwed(Steps(NOW)))
    made = [replace(calm, campaign_id=f"calm-{number}") for number in range(many)]
    made += [replace(gone, campaign_id=f"gone-{number}") for number in range(many)]
    made += [FollowUp(f"new-{number}") for number in range(many)]
    made += [missed(f"missed-{number}", 1) for number in range(few)]
    made += [silent(f"silent-{number}", 1) for number in range(few)]
    rows = [follow_up_document(one) for one in made]
    await database.collection("follow_ups").insert_many(rows)
    queries = mongodb_service.queries
    assert await queries.open_problems() == {ProblemKind.EMERGENCY: few}
    assert await queries.silent_projects() == {SilenceStep.STAFF_TOLD: few}
    for read in (queries.open_problems, queries.silent_projects):
        cost = await cost_of(database, read, "follow_ups")
        assert cost.documents <= few and cost.keys <= few + 1 and not cost.scanned, cost
