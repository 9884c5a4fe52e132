"""Whether a reward came is asked of nobody who has said so while the mail waited (trap 11)."""

from collections import Counter
from datetime import time, timedelta

import pytest

from infra.sandbox.issuer.tokens import backer
from infra.servicekit.tests.costs import cost_of
from notifier.domain.receipt_question import ReceiptQuestion, is_over
from notifier.domain.routing import Preferences, QuietHours
from notifier.handlers.retention import ANSWERS_PAGE, ForgetAnswers
from servicekit.mongo import Database
from services.notifier.tests.builders import CAMPAIGN, NOW, Notifier, fact, pledges, settle
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.post import Post, person
from sosst_contracts.codec import Record
from sosst_contracts.updates import ChangedDelivery, DeliveryChanged, ReceiptAsked

STATES = {
    "not_started",
    "preparing",
    "partially_shipped",
    "shipped",
    "delivered",
    "received",
    "returned",
}
BACKERS = ["anna", "ben", "carl"]
# At noon, when everything in these tests happens.
ASLEEP = Preferences(quiet=QuietHours(time(8), time(20)))


def asked(sequence: int, reward: str = "lamp") -> Record:
    of = {"reward_id": reward, "question_id": f"q-{reward}", "backers": BACKERS}
    return fact(ReceiptAsked, sequence, **of, asked_at=NOW)


def moved(sequence: int, who: str, old: str, new: str, reward: str = "lamp") -> Record:
    """One backer's own reward moves, by their own word."""
    of = {"reward_id": reward, "change_id": f"c{sequence}", "state": new, "changed_by": who}
    changes = [ChangedDelivery(backer_id=who, old=old, new=new)]
    return fact(DeliveryChanged, sequence, **of, changes=changes, changed_at=NOW)


async def all_asked_at_night(post: Post, *questions: Record) -> None:
    """Everybody is told in the inbox; every mail waits for the evening."""
    await post.know(*(person(one, zone="UTC") for one in BACKERS))
    for one in BACKERS:
        await post.notifier.units.run(lambda unit, one=one: unit.preferences.save(one, ASLEEP))
    await post.notifier.hear(*pledges(BACKERS), *questions)
    await settle(post.notifier)
    await post.write_all()
    assert not post.sent_to()


async def asked_in_inbox(post: Post, who: str) -> list[tuple[str, bool]]:
    """Return of which rewards somebody's inbox asks, and whether that is over."""
    async with post.notifier.http(backer(who)) as client:
        shown = (await client.get(f"/people/{who}/inbox")).json()["items"]
    return sorted((one["content"]["reward_id"], one["reason_gone"]) for one in shown)


@pytest.mark.trap(11)
@pytest.mark.parametrize("new", ["received", "returned"])
async def test_who_says_what_came_of_it_is_not_asked_by_mail_any_more(post: Post, new: str) -> None:
    """The other readers of the same question are, and of another reward everybody is."""
    await all_asked_at_night(post, asked(1), asked(2, "book"))
    await post.notifier.hear(moved(3, "anna", "shipped", new))
    post.clock.advance(hours=12)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1, "ben@a.example": 2, "carl@a.example": 2})
    asked_of = [one.chunk.told for one in await post.notifier.queries.inbox("anna", None, 10)]
    totals = {one.content["reward_id"]: await post.totals(one.cause) for one in asked_of}
    outcomes = {name: (one.delivered, one.suppressed) for name, one in totals.items()}
    assert outcomes == {"lamp": (2, 1), "book": (3, 0)}
    assert await asked_in_inbox(post, "anna") == [("book", False), ("lamp", True)]
    assert await asked_in_inbox(post, "ben") == [("book", False), ("lamp", False)]


@pytest.mark.trap(11)
async def test_a_receipt_that_is_taken_back_leaves_the_question(post: Post) -> None:
    """Of one batch, and of several, the last word holds; heard again it stays the last."""
    await all_asked_at_night(post, asked(1))
    back_and_forth = [
        moved(2, "anna", "shipped", "received"),
        moved(3, "anna", "received", "shipped"),
        moved(4, "ben", "shipped", "received"),
    ]
    await post.notifier.hear(*back_and_forth)
    await post.notifier.hear(moved(5, "ben", "received", "shipped"), *back_and_forth)
    await post.notifier.hear(moved(6, "carl", "delivered", "received"))
    await post.notifier.hear(moved(7, "carl", "received", "delivered"))
    await post.notifier.hear(moved(8, "carl", "delivered", "received"))
    post.clock.advance(hours=12)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1, "ben@a.example": 1})


@pytest.mark.port
async def test_an_answer_is_kept_for_as_long_as_its_question_is_shown(notifier: Notifier) -> None:
    """Then it is forgotten, page by page; what was opened again is not, nor what was just said."""
    many = [ReceiptQuestion(CAMPAIGN, "lamp", f"b-{number}") for number in range(ANSWERS_PAGE)]
    late, opened, again = (ReceiptQuestion(CAMPAIGN, "lamp", one) for one in ("x", "y", "z"))
    kept_for, moment = timedelta(days=90), timedelta(milliseconds=1)

    async def over() -> set[ReceiptQuestion]:
        asked = [*many, late, opened, again]
        return await notifier.units.run(lambda unit: unit.receipt_questions.over_among(asked))

    for words in (
        dict.fromkeys([*many, opened, again], NOW),
        {late: NOW + moment, opened: None, again: NOW + moment},
    ):
        await notifier.units.run(lambda unit, words=words: unit.receipt_questions.keep(words))
    forget = ForgetAnswers(notifier.units, kept_for)
    assert await forget(NOW + kept_for) == 0
    assert await over() == {*many, late, again}
    after = NOW + kept_for + moment
    assert [await forget(after) for _ in range(2)] == [ANSWERS_PAGE, 0]
    assert await over() == {late, again}


async def test_an_answer_of_a_release_before_is_forgotten_too(database: Database) -> None:
    """It has no instant and gets that of the look that finds it, a page at a time, by the index."""
    notifier, kept_for = mongo_notifier(database), timedelta(days=90)
    over = database.collection("receipt_questions_over")
    names = [f"b-{number}" for number in range(ANSWERS_PAGE + 1)]
    ids = [{"campaign_id": CAMPAIGN, "reward_id": "lamp", "backer_id": one} for one in names]
    await over.insert_many([{"_id": one} for one in ids])
    dated = ReceiptQuestion(CAMPAIGN, "lamp", "anna")
    await notifier.units.run(lambda unit: unit.receipt_questions.keep({dated: NOW}))
    forget = ForgetAnswers(notifier.units, kept_for)
    # Each is found by its instant and written by its name; whatever has one is not looked at.
    cost = await cost_of(database, lambda: forget(NOW))
    assert cost.documents == 2 * ANSWERS_PAGE and not cost.scanned
    assert [await forget(NOW) for _ in range(2)] == [1, 0]
    assert await over.count_documents({}) == ANSWERS_PAGE + 2
    after = NOW + kept_for + timedelta(milliseconds=1)
    assert [await forget(after) for _ in range(3)] == [ANSWERS_PAGE, 2, 0]
    assert await over.count_documents({}) == 0


def test_what_ends_a_question_and_what_opens_it() -> None:
    """A reward on its way is asked about; a state that a later contract adds ends nothing."""
    on_its_way = {"shipped", "delivered"}
    for old in STATES:
        for new in STATES - {old}:
            if {old, new} <= on_its_way or not {old, new} & on_its_way:
                assert is_over(old, new) is None, (old, new)
            else:
                assert is_over(old, new) is (old in on_its_way), (old, new)
    assert is_over("shipped", "unknown") is None


def test_every_state_of_the_contract_is_known_here() -> None:
    """One that is added there must be put on one side or the other here."""
    of_contract = ChangedDelivery.model_json_schema()["properties"]["new"]
    assert set(of_contract["x-extensible-enum"]) == STATES
