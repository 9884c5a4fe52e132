"""People who were erased: what they said here before is gone, and nothing brings it back."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from infra.sandbox.issuer.testing import bearer
from servicekit.mongo import Database
from services.updates.tests import test_claim_handlers as claims
from services.updates.tests import test_surveys as surveys
from services.updates.tests.conftest import (
    NOW,
    QUESTIONS,
    SEALER,
    UpdatesService,
    memory_service,
    mongodb_over,
)
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_comments import comment, say
from services.updates.tests.test_handlers import CONTENT, publish, write
from services.updates.tests.test_questionnaires import (
    ANNA,
    BODY,
    CAMPAIGN,
    CANARY,
    MINE,
    OWNER,
    QUESTIONNAIRE,
    REPLY,
    asked,
    done,
    last_notice,
    met,
    says,
    sweep,
)
from services.updates.tests.test_recover import recover
from services.updates.tests.test_tracking_handlers import REWARD, moved
from sosst_contracts.notifier import PersonErased
from updates.consumer import PLEDGES
from updates.domain import claim_turns
from updates.domain.claim import Side
from updates.domain.claim_reason import Reason
from updates.domain.claim_turns import Said
from updates.domain.comment import Comment
from updates.domain.delivery_plan import Step
from updates.domain.reward_reply import RewardReply
from updates.domain.survey import Survey, SurveyState
from updates.domain.survey_results import Answer, forget
from updates.domain.tracking import TrackingState
from updates.domain.tracking_list import Wanted
from updates.handlers.claims import Opening
from updates.handlers.erasures import Erasure, forget_people
from updates.handlers.questionnaires import ExportedReply, seal_again, take_export
from updates.handlers.surveys import open_to_backers, write_survey

LATER = NOW + timedelta(hours=1)
# Nobody else says this.
MARK = "Zaunkönig"


def erased(person_id: str = "anna", number: int = 1) -> tuple[PersonErased, int]:
    return PersonErased(person_id=person_id, erased_at=NOW + timedelta(minutes=number)), number


async def reply_of(service: UpdatesService, person: str = "anna") -> RewardReply:
    place = (CAMPAIGN, f"p-{person}")
    return (await service.units.run(lambda unit: unit.replies.load([place])))[place]


async def comments(service: UpdatesService) -> dict[str, Comment]:
    found = await service.comments.comments(CAMPAIGN, "u1", None, 10)
    return {one.comment_id: one for one in found}


async def exported(service: UpdatesService, name: str) -> list[ExportedReply]:
    about = (CAMPAIGN, REWARD, name, "sender-1", service.clock.now())
    return (await service.units.run(lambda unit: take_export(unit, QUESTIONS, *about))).rows


async def test_an_erased_person_leaves_neither_address_nor_words(service: UpdatesService) -> None:
    """Others' stay, as does what the team said; whoever comes back later is not erased again."""
    await met(service)
    await asked(service)
    for person in ("anna", "ben"):
        await says(service, person)
    await write(service, CONTENT)
    await publish(service)
    for said in (
        comment("c1"),
        comment("c2", author="ben"),
        comment("c3", by_team=True, written_at=NOW),
    ):
        await say(service, said)
    await done(service, Step.START)
    assert [row.reply.pledge_id for row in await exported(service, "e1")] == ["p-anna", "p-ben"]
    await service.hear(erased())
    gone = await reply_of(service)
    assert gone.sealed is None and gone.replied_at is None and gone.asked_at is None
    assert (await reply_of(service, "ben")).sealed is not None
    # The export of before is on record, with its pledges, and says nothing of hers any more.
    assert [row.words is None for row in await exported(service, "e1")] == [True, False]
    assert [row.reply.pledge_id for row in await exported(service, "e2")] == ["p-ben"]
    left = await comments(service)
    assert (left["c1"].text, left["c1"].readable) == ("", False)
    assert left["c2"].readable and left["c3"].text
    # Described again by the platform she replies anew; what was heard is heard from zero.
    service.clock.advance(hours=1)
    again = await says(service)
    await service.hear(erased())
    assert (await reply_of(service)).replied_at == again.replied_at == LATER
    await service.hear(erased(number=2))
    assert (await reply_of(service)).sealed is not None


async def test_nothing_that_is_done_to_replies_brings_one_back(service: UpdatesService) -> None:
    """Sealed again, asked again, noticed, swept: what was erased stays so."""
    await met(service)
    await asked(service)
    await says(service)
    await service.hear(erased())
    await sweep(service)
    await last_notice(service)
    await sweep(service)
    page = await service.questionnaires.sealed_otherwise("another key", None, 10)
    assert page == [] and await service.units.run(lambda unit: seal_again(unit, SEALER, page)) == 0
    assert (await reply_of(service)).sealed is None


@pytest.mark.trap(23)
async def test_a_restored_backup_forgets_again_whom_it_knows_again() -> None:
    """What notifier told is read again behind the backup; `recover` writes no words."""
    lived, restored = memory_service(), memory_service()
    for service in (lived, restored):
        await met(service)
        await asked(service)
        await says(service)
    await lived.hear(erased())
    await sweep(lived)
    await recover(restored, lived)
    await restored.hear(erased())
    assert (await reply_of(restored)).sealed is None


async def test_no_sealed_word_of_an_erased_person_is_left_in_the_database(
    database: Database,
) -> None:
    """Not under another name either: no document holds the box, or the comment."""
    service = mongodb_over(database)
    await met(service)
    await asked(service)
    box = (await says(service)).sealed
    await write(service, CONTENT)
    await publish(service)
    await say(service, comment("c1"))
    assert box is not None and await _holding(database, box.box, "Bravo") == {
        "reward_replies",
        "comments",
    }
    await service.hear(erased())
    assert await _holding(database, box.box, "Bravo") == set()


async def _holding(database: Database, box: bytes, words: str) -> set[str]:
    names = ("reward_replies", "comments", "outbox", "audit", "set_aside")
    found = set()
    for name in names:
        rows = await database.collection(name).find({}).to_list(None)
        if any(str(box) in str(row) or words in str(row) for row in rows):
            found.add(name)
    return found


async def _speaks_everywhere(service: UpdatesService) -> None:
    """She has a claim, a parcel, a named answer, a comment, each with the mark in it."""
    await met(service)
    await write(service, CONTENT)
    await publish(service)
    await say(service, comment("c1", text=MARK))
    parcel = Wanted(REWARD, "anna", TrackingState.SHIPPED, ("Post", MARK))
    await moved(service, parcel)
    await claims.opens(service, Opening("claim-1", "p-anna", "anna", Reason.OTHER, MARK))
    adds = partial(claim_turns.write, said=Said(f"{MARK}-2", "anna", Side.BACKER, f"And {MARK}."))
    await claims.act(service, adds, "claim-1")
    mends = Said("m1", "creator-1", Side.CREATOR, "We send another one.")
    await claims.act(service, partial(claim_turns.write, said=mends), "claim-1")
    now, named = service.clock.now(), replace(surveys.FORM, named=True)
    await service.units.run(
        lambda unit: write_survey(unit, *surveys.PLACE, "creator-1", named, now)
    )
    await service.units.run(lambda unit: open_to_backers(unit, PLEDGES, *surveys.PLACE, now))
    await surveys.answers(service, "anna", None, {**surveys.VALUES, "more": MARK})


async def test_claims_parcels_and_named_answers_keep_what_is_counted(
    service: UpdatesService,
) -> None:
    """What was agreed, what left and what was chosen stays, and what others wrote of it."""
    await _speaks_everywhere(service)
    before = await service.claims.claim(CAMPAIGN, "claim-1")
    await service.hear(erased("ben"))
    assert await service.claims.claim(CAMPAIGN, "claim-1") == before and before is not None
    await service.hear(erased())
    after = await service.claims.claim(CAMPAIGN, "claim-1")
    assert after is not None and [one.text for one in after.entries] == [
        "",
        "",
        "We send another one.",
    ]
    same = [(one.number, one.kind, one.by, one.at, one.settlement) for one in before.entries]
    assert same == [(one.number, one.kind, one.by, one.at, one.settlement) for one in after.entries]
    assert (after.state, after.due_at, after.subject) == (
        before.state,
        before.due_at,
        before.subject,
    )
    (sent,) = await service.units.run(lambda unit: unit.trackings.of_backer(CAMPAIGN, "anna"))
    assert (sent.state, [(one.carrier, one.number) for one in sent.parcels]) == (
        TrackingState.SHIPPED,
        [("Post", "")],
    )
    (answer,) = await surveys.kept(service)
    assert answer.values == surveys.VALUES
    count = service.units.run(lambda unit: unit.answers.count(surveys.PLACE))
    assert await count == 1
    # What is written later is another matter, also where the erasure is heard again.
    service.clock.advance(hours=1)
    later = Said("n1", "anna", Side.BACKER, "I am here again.")
    await claims.act(service, partial(claim_turns.write, said=later), "claim-1")
    await service.units.run(
        lambda unit: forget_people(unit, [Erasure("anna", NOW + timedelta(minutes=2))])
    )
    again = await service.claims.claim(CAMPAIGN, "claim-1")
    assert again is not None and again.last.text == "I am here again."


async def test_a_named_answer_of_after_the_erasure_is_kept_whenever_it_is_heard(
    service: UpdatesService,
) -> None:
    """Heard again, or late, it takes what was answered before it and nothing newer."""
    await _speaks_everywhere(service)
    erased_at = service.clock.now()
    erasure = Erasure("anna", erased_at)
    await service.units.run(lambda unit: forget_people(unit, [erasure]))
    assert [one.values for one in await surveys.kept(service)] == [surveys.VALUES]
    service.clock.advance(seconds=60)
    newer = {**surveys.VALUES, "more": "I am back."}
    await surveys.answers(service, "anna", None, newer)
    for _ in range(2):
        await service.units.run(lambda unit: forget_people(unit, [erasure]))
    assert [one.values for one in await surveys.kept(service)] == [newer]
    again = Erasure("anna", service.clock.now())
    await service.units.run(lambda unit: forget_people(unit, [again]))
    assert [one.values for one in await surveys.kept(service)] == [surveys.VALUES]


def test_an_answer_of_unknown_time_is_forgotten() -> None:
    """A release before this one kept none: nobody can say that it came after the erasure."""
    form = replace(surveys.FORM, named=True)
    survey = Survey(CAMPAIGN, "s1", "creator-1", form, SurveyState.OPEN, NOW)
    words = {**surveys.VALUES, "more": MARK}
    old, newer = Answer("anna", words, "anna"), Answer("anna", words, "anna", LATER)
    assert forget(old, survey, NOW).values == surveys.VALUES
    assert forget(newer, survey, NOW) == newer
    assert forget(newer, survey, LATER).values == surveys.VALUES


async def test_an_anonymous_answer_keeps_no_time(database: Database) -> None:
    """When somebody answered would say who it was."""
    service = mongodb_over(database)
    await surveys.asked(service)
    await surveys.answers(service, "b1", "a-ballot-of-mine")
    (row,) = await database.collection("answers").find({}).to_list(None)
    assert "answered_at" not in row and row["person"] is None


async def test_no_collection_holds_a_word_of_an_erased_person(database: Database) -> None:
    """Every one is read, whatever it is for: what stands in none is in no export either."""
    service = mongodb_over(database)
    await _speaks_everywhere(service)
    assert await _marked(database) == {"answers", "claims", "comments", "trackings"}
    await service.hear(erased())
    assert await _marked(database) == set()


async def _marked(database: Database) -> set[str]:
    found = set()
    for name in await database.list_collection_names():
        rows = await database.collection(name).find({}).to_list(None)
        if MARK in str(rows):
            found.add(name)
    return found


async def test_a_backer_takes_a_reply_back_until_it_is_locked() -> None:
    """Nothing of it is left, twice is once, it may be given anew; nobody else takes it back."""
    service = memory_service()
    await met(service)
    async with client_of(api_of(service)) as http:
        await http.put(QUESTIONNAIRE, json=BODY, headers=bearer(OWNER))
        await http.put(MINE, json=REPLY, headers=bearer(ANNA))
        assert (await http.delete(MINE, headers=bearer(OWNER))).status_code in (403, 404)
        assert CANARY in (await http.get(MINE, headers=bearer(ANNA))).text
        for _ in range(2):
            taken = await http.delete(MINE, headers=bearer(ANNA))
            assert (taken.status_code, taken.json()["choices"]) == (200, None)
            assert taken.headers["cache-control"] == "no-store"
        assert (await reply_of(service)).sealed is None
        again = await http.put(MINE, json=REPLY, headers=bearer(ANNA))
        assert again.status_code == 200
        await http.post(f"{QUESTIONNAIRE}/last-notice", headers=bearer(OWNER))
        await sweep(service)
        service.clock.advance(hours=49)
        locked = await http.delete(MINE, headers=bearer(ANNA))
        assert (locked.status_code, locked.json()["type"]) == (409, "/problems/reply-locked")
        assert (await reply_of(service)).sealed is not None
