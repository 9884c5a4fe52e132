"""Reward questionnaires: asked once, replied to until locked, sealed, taken on record, erased."""

from argparse import Namespace
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, Caller, backer, creator
from servicekit.command import CommandRefused
from servicekit.errors import Conflict
from servicekit.mongo import Database
from services.updates.tests.conftest import (
    NOW,
    QUESTIONS,
    SEALER,
    UpdatesService,
    memory_service,
    mongodb_over,
)
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_plans import REWARD
from services.updates.tests.test_recover import recover
from sosst_contracts import funding, payouts
from sosst_contracts import updates as events
from sosst_contracts.testing import sample
from updates.adapters.reply_sealer import AesReplySealer
from updates.commands import perform_seal_again
from updates.domain.address_export import READS_MAX, AddressExport, ExportRead, taken
from updates.domain.delivery_plan import Answer, Provision, Step
from updates.domain.errors import Refused
from updates.domain.questionnaire import (
    Asked,
    Option,
    Questionnaire,
    QuestionnaireTerms,
    check_choices,
    write,
)
from updates.domain.reward_reply import RewardReply, Sealed, replied
from updates.domain.tracking import TrackingState, TrackingTerms
from updates.handlers.plans import answer_promise, publish_plan
from updates.handlers.questionnaires import (
    PAGE,
    QuestionnaireDesk,
    close_questionnaire,
    reply,
    take_export,
    write_questionnaire,
)
from updates.handlers.tracking import Wanted, move_trackings
from updates.ports.questionnaires import Address, KeyAway, Words
from updates.sweeps.questionnaires import AskForReplies, EraseReplies

CAMPAIGN = "campaign-1"
SIZE = Option("size", "Which size?", ("small", "large"))
ASKED = Asked((SIZE,), address=True)
CANARY = "Rue du Canari 7"
HOME = Address("Anna Lind", (CANARY, "=1+1"), "75011", "Paris", "", "FR")
WORDS = Words({"size": "small"}, HOME)
DAYS_OF = {Step.START: NOW.date() + timedelta(90), Step.END: NOW.date() + timedelta(92)}
TERMS = QuestionnaireTerms()
BODY = {"options": [{"option_id": "size", "words": "Which size?", "choices": ["small", "large"]}]}
REPLY = {
    "choices": {"size": "small"},
    "address": {
        "name": "Anna Lind",
        "lines": [CANARY, "=1+1"],
        "postcode": "75011",
        "city": "Paris",
        "country": "FR",
    },
}


async def met(service: UpdatesService, people: tuple[str, ...] = ("anna", "ben")) -> None:
    """A met goal with a pledge of each for the one reward, and its days promised."""
    await service.hear((sample(funding.CampaignLaunched), 1))
    for number, person in enumerate(people, start=1):
        pledge = {"pledge_id": f"p-{person}", "backer_id": person, "reward_id": REWARD}
        await service.hear((sample(funding.PledgeCollected, **pledge), number))
    await service.hear((sample(funding.VerdictReached, verdict="goal_met"), 2))
    promised = (CAMPAIGN, REWARD, 1, Provision.SERVICE, DAYS_OF, "creator-1", NOW)
    await service.units.run(lambda unit: publish_plan(unit, *promised))


async def asked(service: UpdatesService, wanted: Asked = ASKED) -> Questionnaire:
    about = (CAMPAIGN, REWARD, wanted, "creator-1", service.clock.now())
    return await service.units.run(lambda unit: write_questionnaire(unit, QUESTIONS, *about))


async def says(service: UpdatesService, person: str = "anna", words: Words = WORDS) -> RewardReply:
    about = (CAMPAIGN, f"p-{person}", person, words, service.clock.now())
    return (await service.units.run(lambda unit: reply(unit, QUESTIONS, *about))).reply


async def last_notice(service: UpdatesService) -> None:
    now = service.clock.now()
    await service.units.run(lambda unit: close_questionnaire(unit, CAMPAIGN, REWARD, now))


async def done(service: UpdatesService, step: Step) -> None:
    about = (CAMPAIGN, REWARD, 1, step, Answer.DONE, "creator-1", service.clock.now())
    await service.units.run(lambda unit: answer_promise(unit, *about))


async def sweep(service: UpdatesService) -> None:
    """Let time do what is due, twice: two instances sweep."""
    ask = AskForReplies(service.units, service.questionnaires, TERMS)
    erase = EraseReplies(service.units, service.questionnaires)
    for _ in range(2):
        await ask(service.clock.now())
        await erase(service.clock.now())


async def told(service: UpdatesService) -> list[tuple[list[str], bool]]:
    """Return who was asked, each time, and whether it was the last notice."""
    found = [e for e in await service.published() if isinstance(e, events.QuestionnaireAsked)]
    assert [one.part for one in found] == list(range(1, len(found) + 1))
    return [(one.backers, one.locks_at is not None) for one in found]


async def refused(attempt: Any) -> str:
    with pytest.raises(Refused) as refusal:
        await attempt
    return refusal.value.reason


def test_replies_fit_what_is_asked() -> None:
    """Each option has one of its choices, the address is there exactly where it is asked."""
    check_choices(ASKED, {"size": "large"}, address=True)
    for choices, address, reason in (
        ({}, True, "option-missing"),
        ({"size": "huge"}, True, "choice-unknown"),
        ({"size": "small", "hat": "x"}, True, "option-unknown"),
        ({"size": "small"}, False, "address-missing"),
    ):
        with pytest.raises(Refused) as refusal:
            check_choices(ASKED, choices, address=address)
        assert refusal.value.reason == reason
    with pytest.raises(Refused) as refusal:
        check_choices(Asked((SIZE,), address=False), {"size": "small"}, address=True)
    assert refusal.value.reason == "address-not-asked"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Asked((), address=False), "nothing-asked"),
        (Asked((SIZE, SIZE), address=True), "option-twice"),
        (Asked((replace(SIZE, choices=("small", "small")),), address=True), "choices-invalid"),
        (Asked((replace(SIZE, choices=()),), address=True), "choices-invalid"),
    ],
)
def test_what_cannot_be_asked_is_refused(wanted: Asked, reason: str) -> None:
    """Something is asked, every option and choice once."""
    with pytest.raises(Refused) as refusal:
        write(None, CAMPAIGN, REWARD, wanted, "creator-1", NOW, TERMS)
    assert refusal.value.reason == reason


def test_addresses_are_not_asked_where_the_platform_collects_them() -> None:
    """The setting turns the address off; options are asked all the same."""
    elsewhere = replace(TERMS, platform_collects=True)
    with pytest.raises(Refused) as refusal:
        write(None, CAMPAIGN, REWARD, ASKED, "creator-1", NOW, elsewhere)
    assert refusal.value.reason == "platform-collects"
    write(None, CAMPAIGN, REWARD, replace(ASKED, address=False), "creator-1", NOW, elsewhere)


def test_what_is_sealed_opens_at_its_own_place_with_any_of_the_keys() -> None:
    """Another pledge, a changed byte, a key that is gone open nothing; no box is like another."""
    place = (CAMPAIGN, "p-anna")
    sealed = SEALER.seal(place, WORDS)
    assert SEALER.open(place, sealed) == WORDS and CANARY.encode() not in sealed.box
    assert SEALER.seal(place, WORDS).box != sealed.box
    rotated = AesReplySealer(["b" * 32, "a key of tests that nobody else has, of 32"])
    assert rotated.open(place, sealed) == WORDS and rotated.key_id != sealed.key_id
    changed = Sealed(sealed.key_id, sealed.box[:-1] + bytes([sealed.box[-1] ^ 1]))
    for place_of, box, sealer in (
        ((CAMPAIGN, "p-ben"), sealed, SEALER),
        (place, changed, SEALER),
        (place, sealed, AesReplySealer(["b" * 32])),
    ):
        with pytest.raises(KeyAway):
            sealer.open(place_of, box)
    for keys in ([], ["short"]):
        with pytest.raises(ValueError, match="characters"):
            AesReplySealer(keys)


async def test_each_backer_is_asked_once_and_noticed_once(service: UpdatesService) -> None:
    """Whoever is heard of later is asked, and noticed, later, and has 48 hours of his own."""
    await met(service)
    await asked(service)
    await sweep(service)
    assert await told(service) == [(["anna", "ben"], False)]
    late = {"pledge_id": "p-cleo", "backer_id": "cleo", "reward_id": REWARD}
    await service.hear((sample(funding.PledgeCollected, **late), 3))
    service.clock.advance(seconds=7 * 3_600)
    await sweep(service)
    assert (await told(service))[1:] == [(["cleo"], False)]
    await last_notice(service)
    await sweep(service)
    assert (await told(service))[2:] == [(["anna", "ben", "cleo"], True)]
    later = {"pledge_id": "p-dora", "backer_id": "dora", "reward_id": REWARD}
    await service.hear((sample(funding.PledgeCollected, **later), 4))
    service.clock.advance(seconds=47 * 3_600)
    await sweep(service)
    assert (await told(service))[3:] == [(["dora"], True)]
    assert (await says(service)).replied_at == service.clock.now()
    service.clock.advance(seconds=2 * 3_600)
    changed = replace(WORDS, choices={"size": "large"})
    assert await refused(says(service, words=changed)) == "reply-locked"
    assert (await says(service, "dora")).locks_at == service.clock.now() + timedelta(hours=46)
    assert await refused(asked(service, replace(ASKED, address=False))) == "questionnaire-closing"


async def test_a_long_list_is_asked_page_by_page(service: UpdatesService) -> None:
    """No page is told twice, nobody between two pages is left out, other rewards are not asked."""
    people = tuple(f"person-{number:04}" for number in range(PAGE + 3))
    await met(service, people)
    other = {"pledge_id": "p-z", "backer_id": "zoe", "reward_id": None}
    await service.hear((sample(funding.PledgeCollected, **other), len(people) + 1))
    await asked(service)
    await sweep(service)
    lists = [backers for backers, _ in await told(service)]
    assert [len(one) for one in lists] == [PAGE, 3]
    assert tuple(person for one in lists for person in one) == people


async def test_a_reply_may_be_changed_and_the_same_changes_nothing(
    service: UpdatesService,
) -> None:
    """A retry is the reply that is there; who has no such pledge, or nothing left, has no reply."""
    await met(service)
    assert await refused(says(service)) == "questionnaire-unknown"
    await asked(service)
    first = await says(service)
    service.clock.advance(seconds=60)
    assert (await says(service)).replied_at == first.replied_at
    changed = await says(service, words=replace(WORDS, choices={"size": "large"}))
    assert changed.replied_at == service.clock.now()
    about = (CAMPAIGN, "p-anna", "ben", WORDS, NOW)
    stranger = service.units.run(lambda unit: reply(unit, QUESTIONS, *about))
    assert await refused(stranger) == "pledge-unknown"
    back = sample(payouts.RefundSucceeded, pledge_id="p-anna", fully_refunded=True)
    await service.hear((back, 1))
    assert await refused(says(service, words=WORDS)) == "fully-refunded"


async def test_replies_are_taken_once_the_reward_is_prepared_and_each_taking_is_kept(
    service: UpdatesService,
) -> None:
    """The same export again is the same pledges; another person begins another one."""
    await met(service, ("anna", "ben", "cleo"))
    await asked(service)
    await says(service)
    await says(service, "ben")

    async def take(by: str = "sender-1", name: str = "e1") -> list[str]:
        about = (CAMPAIGN, REWARD, name, by, service.clock.now())
        found = await service.units.run(lambda unit: take_export(unit, QUESTIONS, *about))
        assert all(row.words == WORDS for row in found.rows)
        return [row.reply.pledge_id for row in found.rows]

    assert await refused(take()) == "not-preparing"
    assert await service.questionnaires.exports(CAMPAIGN, REWARD, "", 10) == []
    await done(service, Step.START)
    assert await take() == ["p-anna", "p-ben"]
    await says(service, "cleo")
    service.clock.advance(seconds=60)
    assert await take() == ["p-anna", "p-ben"]
    assert await refused(take("sender-2")) == "export-of-another"
    assert await take("sender-2", "e2") == ["p-anna", "p-ben", "p-cleo"]
    first, second = await service.questionnaires.exports(CAMPAIGN, REWARD, "", 10)
    assert [one.by for one in first.reads] == ["sender-1", "sender-1"]
    assert first.pledges == ("p-anna", "p-ben") and first.reads[0].at == NOW
    assert second.reads == (ExportRead("sender-2", service.clock.now()),)


async def tracked(service: UpdatesService, person: str, *states: TrackingState) -> None:
    for state in states:
        wanted, now = [Wanted(REWARD, person, state)], service.clock.now()
        await service.units.run(
            lambda unit, wanted=wanted, now=now: move_trackings(
                unit, CAMPAIGN, wanted, "creator-1", now, TrackingTerms()
            )
        )


async def test_a_tracked_reward_is_taken_and_erased_for_its_own_backer(
    service: UpdatesService,
) -> None:
    """Who is prepared is taken, nobody else; 180 days begin where this backer's reward came."""
    await met(service)
    await asked(service)
    await says(service)
    await says(service, "ben")
    await tracked(service, "anna", TrackingState.PREPARING)
    about = (CAMPAIGN, REWARD, "e1", "sender-1", NOW)
    found = await service.units.run(lambda unit: take_export(unit, QUESTIONS, *about))
    assert [row.reply.pledge_id for row in found.rows] == ["p-anna"]
    await tracked(service, "anna", TrackingState.SHIPPED, TrackingState.DELIVERED)
    service.clock.advance(seconds=10 * 86_400)
    await sweep(service)
    (due,) = await service.questionnaires.due_erasures(None, 10)
    assert (due.backer_id, due.next_due) == ("anna", NOW + timedelta(days=180))
    assert await service.questionnaires.due_erasures(None, 10, 1) == []
    await tracked(service, "anna", TrackingState.RETURNED)
    service.clock.advance(seconds=86_400)
    await sweep(service)
    assert await service.questionnaires.due_erasures(None, 10) == []


def test_an_export_is_not_taken_for_ever() -> None:
    """Its record stays readable: after a hundred takings another export is begun."""
    export = AddressExport(CAMPAIGN, REWARD, "e1", (), (ExportRead("sender-1", NOW),))
    for _ in range(READS_MAX - 1):
        export = taken(export, "sender-1", NOW)
    with pytest.raises(Refused) as refusal:
        taken(export, "sender-1", NOW)
    assert refusal.value.reason == "export-worn"


async def test_what_was_replied_is_erased_180_days_after_the_delivery(
    service: UpdatesService,
) -> None:
    """Or after nothing of the pledge was left; that there was a reply is kept."""
    await met(service)
    await asked(service)
    await says(service)
    await says(service, "ben")
    back = sample(payouts.RefundSucceeded, pledge_id="p-ben", fully_refunded=True)
    await service.hear((back, 1))
    await sweep(service)
    places = [(CAMPAIGN, "p-anna"), (CAMPAIGN, "p-ben")]

    async def sealed() -> list[bool]:
        found = await service.units.run(lambda unit: unit.replies.load(places))
        return [found[place].sealed is not None for place in places]

    service.clock.advance(seconds=30 * 86_400)
    for step in (Step.START, Step.END):
        await done(service, step)
    await sweep(service)
    service.clock.advance(seconds=151 * 86_400)
    await sweep(service)
    assert await sealed() == [True, False]
    service.clock.advance(seconds=30 * 86_400)
    await sweep(service)
    assert await sealed() == [False, False]
    assert await refused(says(service)) == "reply-erased"


async def test_replies_are_sealed_again_with_the_first_key(service: UpdatesService) -> None:
    """Then the old key may go; a reply whose key is gone already is named, and not lost."""
    await met(service)
    await asked(service)
    await says(service)
    await says(service, "ben")
    lost = AesReplySealer(["c" * 32]).seal((CAMPAIGN, "p-ben"), WORDS)

    async def lose(unit: Any) -> None:
        (known,) = (await unit.replies.load([(CAMPAIGN, "p-ben")])).values()
        await unit.replies.save([replied(known, lost, NOW)])

    await service.units.run(lose)
    rotated = AesReplySealer(["b" * 32, "a key of tests that nobody else has, of 32"])
    words = Namespace(by="ops-1", why="a key is a year old")
    desk = QuestionnaireDesk(rotated, TERMS)
    for _ in range(2):
        code = await perform_seal_again(words, service.units, service.questionnaires, desk, NOW)
        assert code == 1
    only_new = AesReplySealer(["b" * 32])
    places = [(CAMPAIGN, "p-anna"), (CAMPAIGN, "p-ben")]
    found = await service.units.run(lambda unit: unit.replies.load(places))
    kept = found[places[0]].sealed
    assert kept is not None and only_new.open(places[0], kept) == WORDS
    assert found[places[1]].sealed == lost
    off = QuestionnaireDesk(None, TERMS)
    with pytest.raises(CommandRefused):
        await perform_seal_again(words, service.units, service.questionnaires, off, NOW)


async def test_stores_refuse_a_save_over_somebody_elses(service: UpdatesService) -> None:
    """Questionnaires, replies and exports come back as they were, guarded by their versions."""
    questionnaire = Questionnaire(CAMPAIGN, REWARD, ASKED, "creator-1", NOW, next_due=NOW)
    kept = RewardReply(CAMPAIGN, REWARD, "p-anna", "anna", Sealed("k", b"\x00\xff"), NOW)
    export = AddressExport(CAMPAIGN, REWARD, "e1", ("p-anna",), (ExportRead("sender-1", NOW),))

    async def save(unit: Any) -> None:
        await unit.questionnaires.save(questionnaire)
        await unit.replies.save([kept])
        await unit.exports.save(export)

    await service.units.run(save)
    (found,) = await service.questionnaires.due_questionnaires(NOW, 10)
    assert found == replace(questionnaire, version=1)
    assert await service.questionnaires.due_questionnaires(NOW, 10, 1) == []
    (written,) = await service.units.run(
        lambda unit: unit.replies.of_reward(CAMPAIGN, REWARD, "", 10)
    )
    assert written == replace(kept, version=1)
    stale = replace(found, version=7), replace(written, version=7), replace(export, version=7)
    with pytest.raises(Conflict):
        await service.units.run(lambda unit: unit.questionnaires.save(stale[0]))
    with pytest.raises(Conflict):
        await service.units.run(lambda unit: unit.replies.save([stale[1]]))
    with pytest.raises(Conflict):
        await service.units.run(lambda unit: unit.exports.save(stale[2]))


@pytest.mark.trap(23)
async def test_a_restored_backup_asks_nobody_again() -> None:
    """Whoever was asked or noticed keeps the time he was given, however often it is read."""
    lived, restored = memory_service(), memory_service()
    for service in (lived, restored):
        await met(service)
        await asked(service)
    await sweep(lived)
    await last_notice(lived)
    await sweep(lived)
    for _ in range(2):
        await recover(restored, lived)
    await sweep(restored)
    fresh = [e for e in await restored.published() if isinstance(e, events.QuestionnaireAsked)]
    assert fresh == []
    places = [(CAMPAIGN, "p-anna"), (CAMPAIGN, "p-ben")]
    locks = [
        {p: one.locks_at for p, one in (await s.units.run(_loading(places))).items()}
        for s in (lived, restored)
    ]
    assert all(a == b for a, b in pairwise(locks)) and all(locks[0].values())


def _loading(places: list[tuple[str, str]]) -> Any:
    return lambda unit: unit.replies.load(places)


@pytest.fixture
async def client() -> AsyncIterator[tuple[UpdatesService, httpx.AsyncClient]]:
    service = memory_service()
    await met(service)
    async with client_of(api_of(service)) as client:
        yield service, client


OWNER, ANNA = creator("creator-1"), backer("anna")
QUESTIONNAIRE = f"/campaigns/{CAMPAIGN}/questionnaires/{REWARD}"
MINE = f"/campaigns/{CAMPAIGN}/pledges/p-anna/reply"


async def test_from_the_question_to_the_file(
    client: tuple[UpdatesService, httpx.AsyncClient],
) -> None:
    """Asked, replied to, noticed, and a file of inert cells that no cache keeps."""
    service, http = client
    put = await http.put(QUESTIONNAIRE, json=BODY, headers=bearer(OWNER))
    assert put.status_code == 200 and put.json()["address"] is True
    shown = await http.get(f"/campaigns/{CAMPAIGN}/questionnaires", headers=bearer(ANNA))
    assert shown.json()["items"] == [put.json()]
    assert (await http.get(MINE, headers=bearer(ANNA))).json()["choices"] is None
    replied_to = await http.put(MINE, json=REPLY, headers=bearer(ANNA))
    assert replied_to.status_code == 200, replied_to.text
    own = await http.get(MINE, headers=bearer(ANNA))
    assert own.json()["address"]["lines"] == [CANARY, "=1+1"]
    assert own.headers["cache-control"] == "no-store"
    notice = await http.post(f"{QUESTIONNAIRE}/last-notice", headers=bearer(OWNER))
    assert notice.json()["closing_at"] == "2026-03-01T12:00:00Z"
    await done(service, Step.START)
    taking = await http.put(f"{QUESTIONNAIRE}/exports/e1", headers=bearer(OWNER))
    assert taking.headers["cache-control"] == "no-store"
    header, line = taking.text.splitlines()
    assert header.startswith("pledge,backer,locked,Which size?,name,line 1")
    assert line == f"p-anna,anna,no,small,Anna Lind,{CANARY},'=1+1,,,,75011,Paris,,FR,"
    record = await http.get(f"{QUESTIONNAIRE}/exports", headers=bearer(STAFF))
    assert [one["reads"][0]["by"] for one in record.json()["items"]] == ["creator-1"]


async def test_a_bad_reply_is_refused_and_its_address_not_said_again(
    client: tuple[UpdatesService, httpx.AsyncClient],
) -> None:
    """422 names the place, no answer of an error and no log line repeats the address."""
    _, http = client
    await http.put(QUESTIONNAIRE, json=BODY, headers=bearer(OWNER))
    address: dict[str, Any] = dict(REPLY["address"])
    bodies = [
        REPLY | {"address": address | {"country": CANARY}},
        REPLY | {"address": address | {"name": f"{CANARY}\n"}},
        REPLY | {"address": CANARY},
        REPLY | {"choices": {"size": CANARY}},
        REPLY | {"choices": {"size": "small", "hat": CANARY}},
        {"choices": {"size": "small"}},
    ]
    with capture_logs() as logs:
        answers = [await http.put(MINE, json=body, headers=bearer(ANNA)) for body in bodies]
    assert [one.status_code for one in answers] == [422] * len(bodies)
    assert not [one.text for one in answers if CANARY in one.text] and CANARY not in str(logs)


@pytest.mark.parametrize("caller", [backer("ben"), OWNER, STAFF])
async def test_a_reply_is_its_own_backers_alone(
    client: tuple[UpdatesService, httpx.AsyncClient], caller: Caller
) -> None:
    """Not other backers', not the creator's, not staff's: those have the record and the export."""
    _, http = client
    await http.put(QUESTIONNAIRE, json=BODY, headers=bearer(OWNER))
    await http.put(MINE, json=REPLY, headers=bearer(ANNA))
    for answer in (
        await http.get(MINE, headers=bearer(caller)),
        await http.put(MINE, json=REPLY, headers=bearer(caller)),
    ):
        assert answer.status_code in (403, 404) and CANARY not in answer.text


async def test_without_keys_nothing_is_asked() -> None:
    """409 says that questionnaires are off."""
    service = memory_service()
    await met(service)
    async with client_of(api_of(service, questions=QuestionnaireDesk(None, TERMS))) as http:
        answer = await http.put(QUESTIONNAIRE, json=BODY, headers=bearer(OWNER))
    assert answer.status_code == 409 and answer.json()["type"] == "/problems/questionnaires-off"


async def test_no_address_stands_in_the_database_or_on_a_topic(database: Database) -> None:
    """A canary in a reply is found in no collection as it is written, sealed as it is."""
    service = mongodb_over(database)
    await met(service)
    async with client_of(api_of(service)) as http:
        await http.put(QUESTIONNAIRE, json=BODY, headers=bearer(OWNER))
        assert (await http.put(MINE, json=REPLY, headers=bearer(ANNA))).status_code == 200
        await done(service, Step.START)
        taking = await http.put(f"{QUESTIONNAIRE}/exports/e1", headers=bearer(OWNER))
    await sweep(service)
    assert CANARY in taking.text
    names = await database.list_collection_names()
    rows = [row for name in names async for row in database.collection(name).find()]
    assert any(row.get("sealed") for row in rows) and await told(service)
    assert CANARY not in str(rows) and "Anna Lind" not in str(rows)
