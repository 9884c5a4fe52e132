"""Surveys: one answer each, named or not joined to anybody, reminders for the silent alone."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from servicekit.mongo import Database
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.contents import content_of
from sosst_contracts import funding, payouts
from sosst_contracts import updates as events
from sosst_contracts.testing import sample
from updates.adapters.mongo_surveys import SHARES
from updates.consumer import PLEDGES
from updates.domain.errors import Refused
from updates.domain.feedback_template import LANGUAGES, feedback_form
from updates.domain.kinds import PlanAdjustment, UpdateKind
from updates.domain.survey import (
    TRANSITIONS,
    Form,
    Question,
    QuestionKind,
    Survey,
    SurveyKind,
    SurveyState,
    Values,
    begin_reminder,
    check_answer,
    close,
    draft,
    open_survey,
    remind,
)
from updates.domain.survey_results import Answer, tallies
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms
from updates.domain.update import Audience
from updates.handlers.publish import publish_update, write_draft
from updates.handlers.surveys import answer_survey, close_survey, open_to_backers, write_survey
from updates.metrics import SURVEYS
from updates.sweeps.surveys import MeasureSurveys, StepSurveys

END = NOW + timedelta(days=10)
QUESTIONS = (
    Question("colour", QuestionKind.CHOICE, "Which colour?", ("red", "blue")),
    Question("parts", QuestionKind.SEVERAL, "Which parts?", ("foot", "shade", "cord")),
    Question("liked", QuestionKind.SCALE, "How do you like it?"),
    Question("more", QuestionKind.TEXT, "Anything else?", required=False),
)
FORM = Form(SurveyKind.SURVEY, False, "en", "Colours", "Say it.", QUESTIONS, END)
VALUES: Values = {"colour": "red", "parts": ("foot", "cord"), "liked": 4}
PLACE = ("campaign-1", "s1")


async def asked(service: UpdatesService, form: Form = FORM, backers: int = 3) -> UpdatesService:
    """A survey that is open to backers b1, b2, …"""
    await service.hear((sample(funding.CampaignLaunched), 1))
    for number in range(1, backers + 1):
        pledge = {"pledge_id": f"p{number}", "backer_id": f"b{number}"}
        await service.hear((sample(funding.PledgeCollected, **pledge), number))
    await service.units.run(
        lambda unit: write_survey(unit, *PLACE, "creator-1", form, service.clock.now())
    )
    await service.units.run(
        lambda unit: open_to_backers(unit, PLEDGES, *PLACE, service.clock.now())
    )
    return service


async def answers(
    service: UpdatesService, person: str, ballot: str | None, values: Values = VALUES
) -> Answer:
    now = service.clock.now()
    return await service.units.run(
        lambda unit: answer_survey(unit, *PLACE, person, ballot, values, now)
    )


async def kept(service: UpdatesService) -> list[Answer]:
    return [one async for one in service.surveys.answers(PLACE)]


async def told(service: UpdatesService) -> list[Any]:
    topic = "updates.surveys"
    return [event for event in await service.published() if event.topic == topic]


def why(error: pytest.ExceptionInfo[Refused]) -> str:
    return error.value.reason


async def test_who_is_silent_is_known_by_whatever_they_are_called(service: UpdatesService) -> None:
    """A dollar makes nobody's id a field of the document, nor an error of everybody's reminder."""
    people = ["$", "$$ROOT", "$people", "$where", "auth0|7", "auth0", "7", "b1", 'o"neil', "zoë"]
    answered = {"$where", "auth0|7", "zoë"}
    await asked(service)
    for person in sorted(answered):
        await service.units.run(lambda unit, one=person: unit.answers.note_answered(PLACE, one))
    silent = await service.units.run(lambda unit: unit.answers.silent(PLACE, people))
    assert silent == [person for person in people if person not in answered]


@pytest.mark.row("S17")
async def test_an_open_survey_asks_everybody_as_of_now_once(service: UpdatesService) -> None:
    """Opened twice is one fact with N and count; what is asked is not changed any more."""
    await asked(service)
    await service.units.run(lambda unit: open_to_backers(unit, PLEDGES, *PLACE, NOW))
    (opened,) = await told(service)
    assert (opened.pledges_sequence, opened.audience_count, opened.named) == (3, 3, False)
    other = replace(FORM, named=True)
    with pytest.raises(Refused) as refused:
        await service.units.run(lambda unit: write_survey(unit, *PLACE, "creator-1", other, NOW))
    assert why(refused) == "already-opened"
    await MeasureSurveys(service.surveys)(NOW)
    assert [SURVEYS.labels(state)._value.get() for state in SurveyState] == [0, 1, 0]


@pytest.mark.row("S17")
async def test_one_answer_per_backer_that_its_ballot_alone_can_change(
    service: UpdatesService,
) -> None:
    """The same ballot edits, another one of the same person does not, nor does another's."""
    await asked(service)
    await answers(service, "b1", "ballot-1")
    await answers(service, "b1", "ballot-1", {**VALUES, "colour": "blue"})
    (answer,) = await kept(service)
    assert answer.values["colour"] == "blue" and answer.values["parts"] == ("foot", "cord")
    for person, ballot, reason in (
        ("b1", "ballot-2", "already-answered"),
        ("b2", "ballot-1", "ballot-taken"),
        ("b2", None, "ballot-missing"),
        ("stranger", "ballot-9", "not-asked"),
    ):
        with pytest.raises(Refused) as refused:
            await answers(service, person, ballot)
        assert why(refused) == reason
    assert len(await kept(service)) == 1


@pytest.mark.row("S17")
async def test_a_named_answer_is_its_persons_and_needs_no_ballot(service: UpdatesService) -> None:
    """Its second answer takes the place of the first."""
    await asked(service, replace(FORM, named=True))
    await answers(service, "b1", None)
    await answers(service, "b1", None, {**VALUES, "liked": 1})
    (answer,) = await kept(service)
    assert (answer.person, answer.values["liked"]) == ("b1", 1)


async def test_nothing_that_is_stored_joins_a_person_and_an_anonymous_answer() -> None:
    """In all tables: no row that holds both, no time, no key that a person's id gives (0031)."""
    service = await asked(memory_service(), backers=9)
    database = service.units._database  # type: ignore[attr-defined]
    before = {name: dict(table) for name, table in database._tables.items()}
    for number in (3, 1, 2):
        await answers(service, f"b{number}", f"ballot-{number}")
    changed = {
        name: [key for key in table if key not in before.get(name, {})]
        for name, table in database._tables.items()
    }
    assert {name for name, rows in changed.items() if rows} == {"answers", "participants"}
    for _, key in changed["answers"]:
        guesses = [f"{c}|{s}|b{n}" for c, s in [PLACE] for n in range(9)]
        assert key not in {hashlib.sha256(guess.encode()).hexdigest() for guess in guesses}
    assert all(one.person is None for one in await kept(service))


@pytest.mark.row("S17")
@pytest.mark.trap(11)
async def test_only_the_silent_are_reminded(service: UpdatesService) -> None:
    """Three days and one before the end, each once; whoever has answered is on no list."""
    await asked(service)
    await answers(service, "b2", "ballot-2")
    step = StepSurveys(service.units, service.surveys)
    assert await step.oldest_due() == END - timedelta(days=3)
    assert await step(service.clock.now()) == 0
    service.clock.advance(days=7)
    while await step(service.clock.now()):
        pass
    await answers(service, "b3", "ballot-3")
    service.clock.advance(days=2)
    while await step(service.clock.now()):
        pass
    _, first, second = await told(service)
    assert (first.reminder, first.part, first.backers) == (1, 1, ["b1", "b3"])
    assert (second.reminder, second.part, second.backers) == (2, 1, ["b1"])
    service.clock.advance(days=1)
    while await step(service.clock.now()):
        pass
    closed = (await told(service))[-1]
    assert (closed.name, closed.answers, closed.audience_count) == ("survey-closed", 2, 3)
    with pytest.raises(Refused, match="no answers now"):
        await answers(service, "b1", "ballot-1")


async def test_a_long_stop_reminds_once_and_a_late_start_of_it_never() -> None:
    """Both reminders overdue are one; at the end it is closed instead."""
    service = await asked(memory_service())
    service.clock.advance(days=9, seconds=1)
    step = StepSurveys(service.units, service.surveys)
    while await step(service.clock.now()):
        pass
    assert [one.reminder for one in (await told(service))[1:]] == [2]
    stopped = await asked(memory_service())
    stopped.clock.advance(days=11)
    while await StepSurveys(stopped.units, stopped.surveys)(stopped.clock.now()):
        pass
    assert [one.name for one in await told(stopped)] == ["survey-opened", "survey-closed"]


async def test_long_lists_are_told_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody silent is on exactly one part, also with a page that ends with the list."""
    monkeypatch.setattr("updates.handlers.surveys.PAGE", 2)
    service = await asked(memory_service(), backers=6)
    for number in (3, 4):
        await answers(service, f"b{number}", f"ballot-{number}")
    service.clock.advance(days=7)
    step = StepSurveys(service.units, service.surveys)
    while await step(service.clock.now()):
        pass
    parts = [(one.part, one.backers) for one in (await told(service))[1:]]
    assert parts == [(1, ["b1", "b2"]), (2, ["b5", "b6"])]


@pytest.mark.row("S19")
async def test_a_feedback_form_stays_open_until_it_is_closed(service: UpdatesService) -> None:
    """From the template; the silent are reminded once, after a week."""
    await asked(service, feedback_form("en"))
    await answers(service, "b1", "ballot-1", {"satisfied": 5, "again": "Yes"})
    step = StepSurveys(service.units, service.surveys)
    service.clock.advance(days=7)
    while await step(service.clock.now()):
        pass
    service.clock.advance(days=300)
    assert await step(service.clock.now()) == 0
    await service.units.run(lambda unit: close_survey(unit, *PLACE, service.clock.now()))
    names = [(one.name, one.kind) for one in await told(service)]
    assert names == [
        ("survey-opened", "feedback"),
        ("survey-reminder-due", "feedback"),
        ("survey-closed", "feedback"),
    ]


@pytest.mark.row("S18")
async def test_a_plan_is_adjusted_to_a_survey_that_was_asked(service: UpdatesService) -> None:
    """Not to one that nobody knows, nor to a draft; then it names the survey that it answers."""
    content = content_of(UpdateKind.PLAN_ADJUSTMENT, PlanAdjustment("s1"))
    await asked(service)
    other = content_of(UpdateKind.PLAN_ADJUSTMENT, PlanAdjustment("s2"))
    await service.units.run(lambda unit: write_survey(unit, "campaign-1", "s2", "c", FORM, NOW))
    for name, words in (("u1", content), ("u2", other)):
        await service.units.run(
            lambda unit, name=name, words=words: write_draft(unit, "campaign-1", name, words, NOW)
        )
    with pytest.raises(Refused) as refused:
        await service.units.run(lambda unit: publish_update(unit, PLEDGES, "campaign-1", "u2", NOW))
    assert why(refused) == "survey-unasked"
    await service.units.run(lambda unit: publish_update(unit, PLEDGES, "campaign-1", "u1", NOW))
    told = [e for e in await service.published() if isinstance(e, events.UpdatePublished)]
    assert [one.survey_id for one in told] == ["s1"]


async def test_who_came_later_or_left_is_not_asked(service: UpdatesService) -> None:
    """As of N, and while something of a pledge is left; a failed campaign's backers all are."""
    await asked(service)
    await service.hear((sample(funding.PledgeCollected, pledge_id="p9", backer_id="b9"), 4))
    whole = {"pledge_id": "p1", "backer_id": "b1", "refund_id": "rf_1"}
    await service.hear((sample(payouts.RefundSucceeded, fully_refunded=True, **whole), 1))
    for person, reason in (("b9", "not-asked"), ("b1", "fully-refunded")):
        with pytest.raises(Refused) as refused:
            await answers(service, person, f"ballot-{person}")
        assert why(refused) == reason
    await service.hear((sample(funding.VerdictReached, verdict="goal_missed"), 2))
    await answers(service, "b1", "ballot-b1")


async def test_ninety_days_after_a_failure_the_refunded_are_heard_no_more() -> None:
    """A form that stays open takes their word until then."""
    service = await asked(memory_service(), feedback_form("en"))
    whole = {"pledge_id": "p1", "backer_id": "b1", "refund_id": "rf_1"}
    await service.hear((sample(payouts.RefundSucceeded, fully_refunded=True, **whole), 1))
    await service.hear((sample(funding.VerdictReached, verdict="goal_missed"), 2))
    liked: Values = {"satisfied": 1, "again": "No"}
    service.clock.advance(days=90, seconds=-1)
    await answers(service, "b1", "ballot-b1", liked)
    service.clock.advance(seconds=1)
    with pytest.raises(Refused) as refused:
        await answers(service, "b1", "ballot-b1", {**liked, "satisfied": 2})
    assert why(refused) == "fully-refunded"


async def test_an_answer_and_its_person_are_stored_without_time_or_order(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """In MongoDB: people sorted in shares made beforehand, answers under what names nobody."""
    service = await asked(mongodb_service, backers=6)
    shares = await database.collection("participants").count_documents({})
    for number in (6, 2, 5, 1):
        await answers(service, f"b{number}", f"ballot-{number}")
    people = await database.collection("participants").find({}).to_list(None)
    assert len(people) == shares == SHARES
    assert all(one["people"] == sorted(one["people"]) for one in people)
    assert {key for one in people for key in one} == {"_id", "survey", "people"}
    rows = await database.collection("answers").find({}).to_list(None)
    assert {key for row in rows for key in row} == {"_id", "survey", "key", "person", "values"}
    assert not any(f"'b{number}'" in str(row) for row in rows for number in range(1, 7))


@pytest.mark.parametrize(("state", "target"), list(product(SurveyState, SurveyState)))
def test_only_the_moves_of_the_table_are_made(state: SurveyState, target: SurveyState) -> None:
    """Draft to open to closed, and no way back."""
    survey = survey_in(state)
    if target is SurveyState.DRAFT:
        assert target not in TRANSITIONS[state]
        return
    if target in TRANSITIONS[state]:
        assert moved(survey, target).state is target
    else:
        with pytest.raises(Refused, match="is not"):
            moved(survey, target)


def moved(survey: Survey, target: SurveyState) -> Survey:
    if target is SurveyState.OPEN:
        return open_survey(survey, Audience(3, 3), NOW)
    return close(survey, 0, NOW)[0]


def survey_in(state: SurveyState) -> Survey:
    survey = draft(None, *PLACE, "creator-1", FORM, NOW)
    for step in list(SurveyState)[1 : list(SurveyState).index(state) + 1]:
        survey = moved(survey, step)
    return survey


@pytest.mark.parametrize(
    "form",
    [
        replace(FORM, closes_at=None),
        replace(FORM, kind=SurveyKind.FEEDBACK),
        replace(FORM, title="  "),
        replace(FORM, questions=()),
        replace(FORM, questions=(QUESTIONS[0], QUESTIONS[0])),
        replace(FORM, questions=(replace(QUESTIONS[0], options=("red",)),)),
        replace(FORM, questions=(replace(QUESTIONS[0], options=("red", "red")),)),
        replace(FORM, questions=(replace(QUESTIONS[2], options=("red", "blue")),)),
        replace(FORM, questions=(replace(QUESTIONS[2], low=5),)),
        replace(FORM, questions=(replace(QUESTIONS[3], words=" "),)),
    ],
)
def test_a_form_that_cannot_be_answered_is_refused(form: Form) -> None:
    """Ends, titles, questions, options and scales; the whole one passes."""
    assert draft(None, *PLACE, "creator-1", FORM, NOW).state is SurveyState.DRAFT
    with pytest.raises(Refused) as refused:
        draft(None, *PLACE, "creator-1", form, NOW)
    assert why(refused) == "invalid-form"


@pytest.mark.parametrize("end", [NOW, NOW + timedelta(days=367)])
def test_an_end_that_is_past_or_too_far_is_refused_at_the_opening(end: Any) -> None:
    """A draft may lie; what is opened ends ahead."""
    survey = draft(None, *PLACE, "creator-1", replace(FORM, closes_at=end), NOW)
    with pytest.raises(Refused, match="end ahead"):
        open_survey(survey, Audience(3, 3), NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"colour": "green"}, "answer-invalid"),
        ({"colour": ("red",)}, "answer-invalid"),
        ({"parts": ("foot", "foot")}, "answer-invalid"),
        ({"parts": ()}, "answer-invalid"),
        ({"liked": 6}, "answer-invalid"),
        ({"liked": "4"}, "answer-invalid"),
        ({"more": " "}, "answer-invalid"),
        ({"other": "x"}, "question-unknown"),
        ({"colour": None}, "answer-missing"),
    ],
    ids=str,
)
def test_what_answers_no_question_is_refused(change: dict[str, Any], reason: str) -> None:
    """Each kind of question takes its own answers only."""
    values = {name: value for name, value in {**VALUES, **change}.items() if value is not None}
    check_answer(survey_in(SurveyState.OPEN), VALUES, NOW)
    with pytest.raises(Refused) as refused:
        check_answer(survey_in(SurveyState.OPEN), values, NOW)
    assert why(refused) == reason


def test_few_anonymous_answers_to_a_question_are_hidden() -> None:
    """Question by question: four say nothing, five do; named ones are always shown."""
    survey = survey_in(SurveyState.OPEN)
    few = range(1, USUAL_SURVEY_TERMS.fewest)
    some = [Answer(str(n), {"colour": "red", "parts": ("foot",), "liked": n}) for n in few]
    assert all(tally.hidden and not tally.counts for tally in tallies(survey, some))
    more = [*some, Answer("9", {"colour": "blue", "parts": ("cord", "foot"), "liked": 5})]
    colour, parts, liked, words = tallies(survey, more)
    assert colour.rows == [("red", 4), ("blue", 1)] and not colour.hidden
    assert parts.rows == [("foot", 5), ("shade", 0), ("cord", 1)]
    assert liked.mean == 3 and words.hidden
    by_name = replace(survey, form=replace(survey.form, named=True))
    assert tallies(by_name, some)[0].rows == [("red", 4), ("blue", 0)]


def test_a_survey_goes_by_the_terms_that_are_set() -> None:
    """When the silent are reminded, in whichever order it is said, and how few are hidden."""
    hour = timedelta(hours=1)
    terms = SurveyTerms(before_end=(hour, 3 * hour), after_opening=(2 * hour,), fewest=2)
    closes_at = NOW + timedelta(days=9)
    survey = draft(None, *PLACE, "creator-1", replace(FORM, closes_at=closes_at), NOW)
    opened = open_survey(survey, Audience(3, 3), NOW, terms)
    assert opened.next_due == closes_at - 3 * hour
    begun = begin_reminder(opened, closes_at - 3 * hour, terms)
    reminded, _ = remind(begun, (), (), True, closes_at - 3 * hour, terms)
    assert reminded.next_due == closes_at - hour
    form = draft(None, *PLACE, "creator-1", feedback_form("fr"), NOW)
    assert open_survey(form, Audience(3, 3), NOW, terms).next_due == NOW + 2 * hour
    two = [Answer(name, {"colour": "red"}) for name in ("a", "b")]
    assert tallies(survey, two)[0].hidden and not tallies(survey, two, terms)[0].hidden


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_template_can_be_opened(language: str) -> None:
    """The form to begin with is a whole one."""
    survey = draft(None, *PLACE, "creator-1", feedback_form(language), NOW)
    assert open_survey(survey, Audience(3, 3), NOW).next_due == NOW + timedelta(days=7)


def test_the_contract_knows_every_kind() -> None:
    """What is asked can be told."""
    for kind in SurveyKind:
        sample(events.SurveyOpened, kind=kind.value)
