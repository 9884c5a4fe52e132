"""Reports by readers: once each, one case a thing, paced, decided by staff; nobody is named."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, backer, creator
from servicekit.errors import Conflict, DuplicateKey
from servicekit.guests import GuestPace
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_comments import C1, SPAM, comment, say, told
from services.updates.tests.test_handlers import CAMPAIGN
from services.updates.tests.test_http import BODY, UPDATE, client, known, problem
from services.updates.tests.test_recover import recover
from updates.domain.errors import Refused
from updates.domain.hiding import Appeal, HidingReason, Ruling
from updates.domain.report import (
    GUESTS_MAX,
    PACE,
    PACE_WINDOW,
    TRANSITIONS,
    WORDS_MAX,
    Case,
    CaseState,
    Decision,
    Report,
    Thing,
    decide,
    guest_of,
    move,
    take,
)
from updates.handlers.comment_hiding import appeal_comment, hide_comment
from updates.handlers.erasures import Erasure, forget_people
from updates.handlers.hiding import appeal_hiding, hide_update, rule_on_hiding
from updates.handlers.reports import dismiss, report_thing
from updates.metrics import REPORTS_OLDEST, REPORTS_OPEN
from updates.sweeps.reports import MeasureReports

__all__ = ["client", "known"]
U1 = Thing(CAMPAIGN, "u1")
LATER = NOW + timedelta(hours=1)


def made(by: str, thing: Thing = U1, **changes: object) -> Report:
    report = Report(thing, by, HidingReason.SPAM, "It sells shoes.", NOW)
    return replace(report, **changes)  # type: ignore[arg-type]


async def report(service: UpdatesService, wanted: Report) -> tuple[Case, Report]:
    return await service.units.run(lambda unit: report_thing(unit, wanted))


async def refusal(service: UpdatesService, wanted: Report) -> str:
    with pytest.raises(Refused) as refused:
        await report(service, wanted)
    return refused.value.reason


async def stays(service: UpdatesService, thing: Thing = U1, words: str = "It is theirs.") -> Case:
    return await service.units.run(lambda unit: dismiss(unit, thing, words, "staff-1", LATER))


@pytest.mark.parametrize("target", CaseState)
@pytest.mark.parametrize("state", CaseState)
def test_a_case_moves_by_the_table_alone(state: CaseState, target: CaseState) -> None:
    """Every pair is in the table or refused."""
    if target in TRANSITIONS[state]:
        assert move(Case(U1, state, NOW), target).state is target
    else:
        with pytest.raises(Refused):
            move(Case(U1, state, NOW), target)


def test_each_report_is_answered_by_the_decision_behind_it() -> None:
    """What was dismissed counts anew when others report it; its first reporter's answer stays."""
    case, first = take(None, made("anna"))
    assert case.answer_to(first) is None
    case = decide(case, Decision(CaseState.DISMISSED, "It is theirs.", "staff-1", LATER))
    case, second = take(case, made("ben", reason=HidingReason.ABUSE, at=LATER))
    assert (case.state, case.count, case.total, case.reported_at) == (CaseState.OPEN, 1, 2, LATER)
    assert case.reasons == {HidingReason.ABUSE: 1} and second.number == 2
    answer = case.answer_to(first)
    assert answer is not None and answer.words == "It is theirs."
    assert case.answer_to(second) is None


async def test_one_person_reports_one_thing_once(service: UpdatesService) -> None:
    """The same again is the same, other words are refused, and others are counted beside it."""
    await told(service)
    first = await report(service, made("anna"))
    assert await report(service, made("anna", at=LATER)) == first
    assert await refusal(service, made("anna", words="It is rude.")) == "reported-already"
    await report(service, made("ben", reason=HidingReason.ABUSE, at=LATER))
    (case,) = await service.reports.cases_waiting(None, 9)
    assert (case.thing, case.count, case.reported_at) == (U1, 2, NOW)
    assert case.reasons == {HidingReason.SPAM: 1, HidingReason.ABUSE: 1}
    given = await service.reports.reports(U1, None, 1)
    assert [one.reporter_id for one in given] == ["ben"]
    behind = await service.reports.reports(U1, given[-1].number, 9)
    assert [one.reporter_id for one in behind] == ["anna"]


async def test_many_at_once_are_all_counted(service: UpdatesService) -> None:
    """Also the first two, of whom each would open the case; who was told 503 comes again."""
    await told(service)

    async def patiently(name: str) -> None:
        while True:
            try:
                await report(service, made(name))
                return
            except (DuplicateKey, Conflict):
                continue

    names = [f"reader-{number}" for number in range(8)]
    await asyncio.gather(*(patiently(name) for name in names))
    (case,) = await service.reports.cases_waiting(None, 9)
    given = await service.reports.reports(U1, None, 99)
    assert case.count == 8 and {one.reporter_id for one in given} == set(names)
    assert sorted(one.number for one in given) == list(range(1, 9))


async def test_one_person_is_paced_and_others_are_not(service: UpdatesService) -> None:
    """Whatever is reported; a repeat is no new report."""
    await told(service)
    for number in range(PACE + 1):
        author = "anna" if number < 6 else "ben"
        await say(service, comment(f"c{number}", author))
    for number in range(PACE):
        await report(service, made("carl", Thing(CAMPAIGN, "u1", f"c{number}")))
    assert await refusal(service, made("carl")) == "too-many-reports"
    await report(service, made("carl", Thing(CAMPAIGN, "u1", "c0")))
    await report(service, made("dora"))
    await report(service, made("carl", at=NOW + PACE_WINDOW))


async def test_who_reports_too_much_is_told_when_to_come_again() -> None:
    """429 with Retry-After: what is left of the window; not a second earlier, and one then."""
    service = memory_service()
    await told(service)
    for number in range(PACE + 2):
        await say(service, comment(f"c{number}", "anna" if number < 6 else "ben"))
    async with client_of(api_of(service), backer("carl")) as client:

        async def reported(number: int) -> httpx.Response:
            body = {"reason": "spam", "words": ""}
            return await client.put(f"{UPDATE}/comments/c{number}/report", json=body)

        for number in range(PACE):
            assert (await reported(number)).status_code == 200
            service.clock.advance(seconds=30)
        refused = await reported(PACE)
        assert problem(refused) == (429, "too-many-reports")
        wait = PACE_WINDOW.total_seconds() - PACE * 30
        assert int(refused.headers["Retry-After"]) == wait
        service.clock.advance(seconds=wait - 1)
        assert (await reported(PACE)).headers["Retry-After"] == "1"
        service.clock.advance(seconds=1)
        assert [(await reported(PACE + more)).status_code for more in range(2)] == [200, 429]


async def test_one_address_fills_no_queue() -> None:
    """Of whatever things; people with an account and readers come from it all the same."""
    service = memory_service()
    await told(service)
    api = api_of(service, guests=GuestPace(2, 600))
    async with client_of(api) as client:

        async def report_as_guest(number: int) -> httpx.Response:
            body = {"receipt": f"{number:043}", "reason": "spam", "words": ""}
            return await client.put(f"{UPDATE}/guest-report", json=body)

        assert [(await report_as_guest(n)).status_code for n in range(3)] == [200, 200, 429]
        refused = await report_as_guest(3)
        assert refused.json()["type"] == "/problems/too-many-requests"
        assert 0 < int(refused.headers["Retry-After"]) <= 300
        own = {"reason": "spam", "words": ""}
        by_account = await client.put(f"{UPDATE}/report", json=own, headers=bearer(backer("anna")))
        assert by_account.status_code == 200 and (await client.get(UPDATE)).status_code == 200


async def test_of_guests_so_many_wait_and_nobody_else_waits_for_them(
    service: UpdatesService,
) -> None:
    """Each known by a receipt; one too many is refused until staff decide, an account never is."""
    await told(service)
    guests = [guest_of(f"receipt-{number}") for number in range(GUESTS_MAX + 1)]
    for guest in guests[:-1]:
        first = await report(service, made(guest))
        assert await report(service, made(guest, at=LATER)) == first
    assert await refusal(service, made(guests[-1])) == "reported-enough"
    await report(service, made("anna"))
    case, _ = await report(service, made(guests[0]))
    assert (case.guests, case.count) == (GUESTS_MAX, GUESTS_MAX + 1)
    await stays(service)
    case, again = await report(service, made(guests[-1], at=LATER))
    assert (case.guests, case.count, again.by_guest) == (1, 1, True)
    answered, own = await report(service, made(guests[0]))
    answer = answered.answer_to(own)
    assert answer is not None and answer.words == "It is theirs."


async def test_only_what_is_shown_is_reported(service: UpdatesService) -> None:
    """Not what is not there, not a hidden comment, and nothing of a hidden update."""
    await told(service)
    await say(service, comment())
    assert await refusal(service, made("anna", Thing(CAMPAIGN, "u9"))) == "update-unknown"
    unknown = made("anna", Thing(CAMPAIGN, "u1", "c9"))
    assert await refusal(service, unknown) == "comment-unknown"
    assert await refusal(service, made("anna", words="x" * (WORDS_MAX + 1))) == "invalid-text"
    await service.units.run(lambda unit: hide_comment(unit, C1, SPAM))
    assert await refusal(service, made("anna", C1)) == "comment-unknown"
    await service.units.run(lambda unit: hide_update(unit, CAMPAIGN, "u1", SPAM))
    assert await refusal(service, made("anna")) == "update-unknown"


async def test_what_is_decided_leaves_the_queue_and_comes_back_when_it_is_reported_again(
    service: UpdatesService,
) -> None:
    """Dismissed once, on record; by the words of another it is a new case."""
    await told(service)
    await report(service, made("anna"))
    dismissed = await stays(service)
    assert await stays(service) == dismissed
    with pytest.raises(Refused, match="decided"):
        await stays(service, words="Something else.")
    with pytest.raises(Refused, match="nobody"):
        await stays(service, Thing(CAMPAIGN, "u1", "c1"))
    assert await service.reports.cases_waiting(None, 9) == []
    await report(service, made("ben", at=LATER))
    (case,) = await service.reports.cases_waiting(None, 9)
    assert (case.count, case.total) == (1, 2)


async def test_hiding_answers_the_reports(service: UpdatesService) -> None:
    """Of an update and of a comment, whoever hides it; shown again it may be reported by others."""
    await told(service)
    await say(service, comment())
    for thing in (U1, C1):
        await report(service, made("anna", thing))
    await service.units.run(lambda unit: hide_comment(unit, C1, SPAM))
    assert [one.thing for one in await service.reports.cases_waiting(None, 9)] == [U1]
    await service.units.run(lambda unit: hide_update(unit, CAMPAIGN, "u1", SPAM))
    assert await service.reports.cases_waiting(None, 9) == []
    case, own = await report(service, made("anna"))
    answer = case.answer_to(own)
    assert answer is not None and (answer.state, answer.by) == (CaseState.HIDDEN, "mia")
    asked = Appeal("No.", "creator-1", LATER)
    await service.units.run(lambda unit: appeal_hiding(unit, CAMPAIGN, "u1", asked))
    lifted = Ruling(upheld=False, words="No.", by="staff-2", at=LATER)
    await service.units.run(lambda unit: rule_on_hiding(unit, CAMPAIGN, "u1", lifted))
    await report(service, made("ben", at=LATER))
    (case,) = await service.reports.cases_waiting(None, 9)
    assert (case.count, len(case.decisions)) == (1, 1)


async def test_words_of_erased_reporters_and_writers_are_forgotten(service: UpdatesService) -> None:
    """Until their erasure; that somebody reported stays counted, that somebody appealed too."""
    await told(service)
    await say(service, comment())
    await service.units.run(lambda unit: hide_comment(unit, C1, SPAM))
    asked = Appeal("My name is Anna.", "anna", NOW)
    await service.units.run(lambda unit: appeal_comment(unit, C1, asked))
    await report(service, made("anna"))
    await report(service, made("ben"))
    erased = [Erasure("anna", NOW)]
    for _ in range(2):
        await service.units.run(lambda unit: forget_people(unit, erased))
    given = await service.reports.reports(U1, None, 9)
    assert [one.words for one in given] == ["It sells shoes.", ""]
    kept = await service.comments.comment(CAMPAIGN, "u1", "c1")
    assert kept is not None and kept.hidings[0].appeal == replace(asked, words="")


async def test_the_queue_is_whole_and_the_oldest_stand_in_front(service: UpdatesService) -> None:
    """Every case is on exactly one page, also those of one instant; it is measured."""
    await told(service)
    things = [Thing(CAMPAIGN, "u1", f"c{number}") for number in range(7)]
    for number, thing in enumerate(things):
        case, one = take(None, made("anna", thing, at=NOW + timedelta(minutes=number // 2)))
        await service.units.run(lambda unit, case=case: unit.reports.save(case))
        await service.units.run(lambda unit, one=one: unit.reports.add(one))
    found: list[Thing] = []
    after = None
    while page := await service.reports.cases_waiting(after, 2):
        found += [case.thing for case in page]
        after = (page[-1].reported_at, page[-1].thing)
    assert found == things
    await MeasureReports(service.reports)(LATER)
    assert (REPORTS_OPEN._value.get(), REPORTS_OLDEST._value.get()) == (7, NOW.timestamp())
    fresh, _ = take(None, made("ben", things[0]))
    with pytest.raises((Conflict, DuplicateKey)):
        await service.units.run(lambda unit: unit.reports.save(fresh))
    with pytest.raises(DuplicateKey):
        await service.units.run(lambda unit: unit.reports.add(made("anna", things[0])))


async def test_a_recovered_hiding_answers_the_reports_of_the_backup() -> None:
    """What is hidden again waits for nobody; reports behind the backup may be made again."""
    lived, restored = memory_service(), memory_service()
    for service in (lived, restored):
        await told(service)
        await report(service, made("anna"))
    await report(lived, made("ben"))
    await lived.units.run(lambda unit: hide_update(unit, CAMPAIGN, "u1", SPAM))
    await recover(restored, lived)
    assert await restored.reports.cases_waiting(None, 9) == []
    case, own = await report(restored, made("anna"))
    answer = case.answer_to(own)
    assert answer is not None and answer.state is CaseState.HIDDEN
    assert await restored.reports.report(U1, "ben") is None


@pytest.mark.row("S20")
async def test_readers_report_staff_decide_and_nobody_is_named(client: httpx.AsyncClient) -> None:
    """Over HTTP: the queue, what is said, the answer that only its reporter reads."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    comments = f"{UPDATE}/comments/c1"
    anna, ben = bearer(backer("backer-1")), bearer(creator("creator-9"))
    await client.put(comments, json={"text": "Un mot."}, headers=anna)
    body = {"reason": "illegal", "words": "A stolen lamp."}
    own = await client.put(f"{UPDATE}/report", json=body, headers=ben)
    assert own.json()["state"] == "open" and own.json()["answer"] is None
    assert (await client.put(f"{UPDATE}/report", json=body, headers=ben)).json() == own.json()
    other = await client.put(f"{UPDATE}/report", json={"reason": "spam"}, headers=ben)
    assert problem(other) == (409, "reported-already")
    await client.put(f"{comments}/report", json={"reason": "abuse"}, headers=ben)
    staff = bearer(STAFF)
    first = (await client.get("/queues/reports?limit=1", headers=staff)).json()
    behind = {"cursor": first["next_cursor"]}
    rest = (await client.get("/queues/reports", params=behind, headers=staff)).json()
    assert [one["comment_id"] for one in first["items"] + rest["items"]] == [None, "c1"]
    assert first["items"][0]["reasons"] == {"illegal": 1} and rest["next_cursor"] is None
    said = (await client.get(f"{UPDATE}/reports", headers=staff)).json()
    assert said["items"][0]["words"] == "A stolen lamp." and "creator-9" not in str(said)
    assert "creator-9" not in str(first) + str(rest)
    bad = await client.get("/queues/reports?cursor=nonsense", headers=staff)
    assert problem(bad) == (422, "invalid-cursor")
    words = {"words": "It is theirs."}
    dismissed = await client.put(f"{UPDATE}/reports/dismissal", json=words, headers=staff)
    assert dismissed.json()["state"] == "dismissed"
    await client.put(f"{comments}/hiding", json={"reason": "abuse"}, headers=staff)
    assert (await client.get("/queues/reports", headers=staff)).json()["items"] == []
    answers = [(await client.get(f"{p}/report", headers=ben)).json() for p in (UPDATE, comments)]
    assert [(a["state"], a["answer"]) for a in answers] == [
        ("dismissed", "It is theirs."),
        ("hidden", None),
    ]
    for headers in (anna, {}):
        unread = await client.get(f"{UPDATE}/report", headers=headers)
        assert problem(unread) == (404, "report-unknown")


@pytest.mark.row("S20")
async def test_who_has_no_account_reports_and_learns_what_became_of_it(
    client: httpx.AsyncClient,
) -> None:
    """By a receipt of one's own: the same again says it, also once the thing is hidden."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    comments, staff = f"{UPDATE}/comments/c1", bearer(STAFF)
    await client.put(comments, json={"text": "Un mot."}, headers=bearer(backer("backer-1")))
    del client.headers["authorization"]
    body = {"reason": "illegal", "words": "A stolen lamp.", "receipt": "r" * 43}
    for place in (UPDATE, comments):
        own = await client.put(f"{place}/guest-report", json=body)
        assert own.status_code == 200 and own.json()["state"] == "open"
        assert (await client.put(f"{place}/guest-report", json=body)).json() == own.json()
    other = await client.put(f"{UPDATE}/guest-report", json=body | {"words": "Another."})
    assert problem(other) == (409, "reported-already")
    for receipt in ({}, {"receipt": "short"}, {"receipt": "r" * 44}):
        bare = {"reason": "spam"} | receipt
        refused = await client.put(f"{UPDATE}/guest-report", json=bare)
        assert problem(refused)[0] == 422
    queue = (await client.get("/queues/reports", headers=staff)).json()["items"]
    assert [(one["count"], one["guests"]) for one in queue] == [(1, 1), (1, 1)]
    said = await client.get(f"{UPDATE}/reports", headers=staff)
    assert said.json()["items"][0]["words"] == "A stolen lamp."
    assert "guest" not in said.text and "rrr" not in said.text
    hidden = await client.put(
        f"{UPDATE}/hiding", json={"reason": "illegal", "facts": "It is stolen."}, headers=staff
    )
    assert hidden.status_code == 200, hidden.text
    after = await client.put(f"{UPDATE}/guest-report", json=body)
    assert after.json()["state"] == "hidden"
    late = await client.put(f"{UPDATE}/guest-report", json=body | {"receipt": "s" * 43})
    assert problem(late) == (404, "update-unknown")


async def test_what_may_not_be_read_may_not_be_reported(client: httpx.AsyncClient) -> None:
    """Drafts, what is for few, what is hidden: there is no such update."""
    path = "/campaigns/campaign-1/updates/u2"
    await client.put(path, json=BODY | {"visibility": "backers"})
    body = {"reason": "spam"}
    stranger, anna = bearer(backer("backer-9")), bearer(backer("backer-1"))
    for headers in (stranger, anna, {}):
        refused = await client.put(f"{path}/report", json=body, headers=headers)
        assert problem(refused) == (404, "update-unknown")
    await client.post(f"{path}/publish")
    for headers, status in ((stranger, 404), (anna, 200)):
        answer = await client.put(f"{path}/report", json=body, headers=headers)
        assert answer.status_code == status
    del client.headers["authorization"]
    guest = await client.put(f"{path}/guest-report", json=body | {"receipt": "r" * 43})
    assert problem(guest) == (404, "update-unknown")
