"""Comments: by backers and the team, once each, answered on one level, paced, hidden, closed."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, backer, creator
from servicekit.errors import Conflict, DuplicateKey
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_handlers import CAMPAIGN, CONTENT, collected, publish, write
from services.updates.tests.test_http import BODY, UPDATE, client, known, problem
from sosst_contracts import funding, payouts, updates
from sosst_contracts.testing import sample
from updates.domain.after_failure import AFTER_FAILURE
from updates.domain.comment import PACE, PACE_WINDOW, Comment, Writer, check_may_comment
from updates.domain.errors import Refused
from updates.domain.hiding import Hiding, HidingReason, Statement
from updates.domain.project import Verdict, decided
from updates.domain.report import Thing
from updates.handlers.comment_hiding import hide_comment
from updates.handlers.comments import close_comments, write_comment

__all__ = ["client", "known"]
SPAM = Statement(HidingReason.SPAM, "a shop", "mia", NOW)
C1 = Thing(CAMPAIGN, "u1", "c1")


def comment(name: str = "c1", author: str = "anna", **changes: object) -> Comment:
    made = Comment(CAMPAIGN, "u1", name, author, False, "Bravo <b>à</b> vous.", NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


async def say(service: UpdatesService, wanted: Comment) -> Comment:
    return await service.units.run(lambda unit: write_comment(unit, wanted))


async def refusal(service: UpdatesService, wanted: Comment) -> str:
    with pytest.raises(Refused) as refused:
        await say(service, wanted)
    return refused.value.reason


async def told(service: UpdatesService) -> UpdatesService:
    facts = (sample(funding.CampaignLaunched), 1), collected(1, "anna"), collected(2, "ben")
    await service.hear(*facts)
    await write(service, CONTENT)
    await publish(service)
    return service


@pytest.mark.row("S20")
async def test_a_comment_is_told_once_without_its_words(service: UpdatesService) -> None:
    """Who wrote, where, and whom it answers; other words under the same id are refused."""
    await told(service)
    first = await say(service, comment())
    assert await say(service, comment(written_at=NOW + timedelta(minutes=1))) == first
    assert await refusal(service, comment(text="Autre chose.")) == "comment-exists"
    await say(service, comment("c2", "creator-1", by_team=True, answers="c1"))
    added = [e for e in await service.published() if isinstance(e, updates.CommentAdded)]
    assert [(e.comment_id, e.by_team, e.answered_person_id) for e in added] == [
        ("c1", False, None),
        ("c2", True, "anna"),
    ]
    assert not any("Bravo" in e.model_dump_json() for e in added)


async def test_answers_have_one_level_and_something_to_answer(service: UpdatesService) -> None:
    """Not an answer, not what is hidden, not what is not there, not on another update."""
    await told(service)
    await say(service, comment())
    await say(service, comment("c2", answers="c1"))
    assert await refusal(service, comment("c3", answers="c2")) == "answer-to-an-answer"
    assert await refusal(service, comment("c3", answers="c9")) == "comment-unknown"
    await service.units.run(lambda unit: hide_comment(unit, C1, SPAM))
    assert await refusal(service, comment("c3", answers="c1")) == "comment-unknown"
    assert await refusal(service, comment("c3", update_id="u9")) == "update-unknown"


async def test_one_person_is_paced_and_others_are_not(service: UpdatesService) -> None:
    """A flood ends with a refusal, until its window has passed; a repeat is no new comment."""
    await told(service)
    for number in range(PACE):
        await say(service, comment(f"c{number}"))
    assert await refusal(service, comment("more")) == "too-many-comments"
    await say(service, comment("c0"))
    await say(service, comment("other", "ben"))
    await say(service, comment("later", written_at=NOW + PACE_WINDOW))


async def test_who_writes_too_much_is_told_when_to_come_again() -> None:
    """429 with Retry-After: what is left of the window; not a second earlier, and one then."""
    service = memory_service()
    await told(service)
    async with client_of(api_of(service), backer("anna")) as client:

        async def said(number: int) -> httpx.Response:
            return await client.put(f"{UPDATE}/comments/c{number}", json={"text": "And now?"})

        for number in range(PACE):
            assert (await said(number)).status_code == 200
            service.clock.advance(seconds=30)
        refused = await said(PACE)
        assert problem(refused) == (429, "too-many-comments")
        wait = PACE_WINDOW.total_seconds() - PACE * 30
        assert int(refused.headers["Retry-After"]) == wait
        service.clock.advance(seconds=wait - 1)
        assert (await said(PACE)).headers["Retry-After"] == "1"
        service.clock.advance(seconds=1)
        assert [(await said(PACE + more)).status_code for more in range(2)] == [200, 429]


async def test_a_hidden_comment_is_told_once_and_stays_hidden(service: UpdatesService) -> None:
    """The first reason stands, whoever hides it again."""
    await told(service)
    await say(service, comment())
    for said in (SPAM, replace(SPAM, reason=HidingReason.ABUSE, by="staff-1")):
        await service.units.run(lambda unit, said=said: hide_comment(unit, C1, said))
    (fact,) = [e for e in await service.published() if isinstance(e, updates.CommentHidden)]
    assert (fact.reason, fact.hidden_by) == ("spam", "mia") and "shop" not in str(fact)
    (found,) = await service.comments.comments(CAMPAIGN, "u1", None, 9)
    assert found.hidden and found.hidings == (Hiding(SPAM),)


async def test_a_closed_discussion_takes_nothing_until_it_is_opened(
    service: UpdatesService,
) -> None:
    """What was written stays; closing twice is once."""
    await told(service)
    await say(service, comment())
    for closed in (True, True, False):
        if not closed:
            assert await refusal(service, comment("c2")) == "comments-closed"
        await service.units.run(
            lambda unit, closed=closed: close_comments(unit, CAMPAIGN, "u1", closed=closed)
        )
    await say(service, comment("c2"))


async def test_backers_of_a_failed_campaign_talk_for_ninety_days(service: UpdatesService) -> None:
    """Refunded or not; the team may answer behind that."""
    await told(service)
    await service.hear((sample(funding.VerdictReached, verdict="goal_missed"), 2))
    project = await service.queries.project(CAMPAIGN)
    assert project is not None and project.decided_at is not None
    end = project.decided_at + AFTER_FAILURE
    await say(service, comment(written_at=end - timedelta(seconds=1)))
    assert await refusal(service, comment("c2", written_at=end)) == "comments-ended"
    await say(service, comment("c3", "creator-1", by_team=True, written_at=end))


async def test_a_campaign_that_is_cancelled_late_is_talked_about_from_then_on() -> None:
    """Half a year behind its deadline backers have as long to speak as behind a missed goal."""
    service = memory_service()
    await told(service)
    project = await service.queries.project(CAMPAIGN)
    update = await service.queries.update(CAMPAIGN, "u1")
    assert project is not None and project.profile is not None and update is not None
    late = project.profile.deadline + 2 * AFTER_FAILURE
    cancelled, backer = decided(project, Verdict.CANCELLED, late), Writer(False, False)
    check_may_comment(cancelled, update, backer, late + timedelta(days=7))
    week = timedelta(days=7)
    with pytest.raises(Refused) as refused:
        check_may_comment(cancelled, update, backer, late + week, week)
    assert refused.value.reason == "comments-ended"


async def test_a_failure_of_which_no_instant_was_kept_ends_by_the_deadline() -> None:
    """Of a view that was saved before verdicts had one backers do not talk for ever."""
    service = memory_service()
    await told(service)
    project = await service.queries.project(CAMPAIGN)
    update = await service.queries.update(CAMPAIGN, "u1")
    assert project is not None and project.profile is not None and update is not None
    end = project.profile.deadline + AFTER_FAILURE
    missed = replace(project, verdict=Verdict.GOAL_MISSED, decided_at=None)
    check_may_comment(missed, update, Writer(False, False), end - timedelta(seconds=1))
    with pytest.raises(Refused) as refused:
        check_may_comment(missed, update, Writer(False, False), end)
    assert refused.value.reason == "comments-ended"


async def test_whose_money_went_back_in_full_reads_on_and_writes_no_more(
    service: UpdatesService,
) -> None:
    """Where the goal was met; what they wrote stays, a part that went back ends nothing."""
    await told(service)
    await say(service, comment())
    await service.hear((sample(funding.VerdictReached, verdict="goal_met"), 2))
    back = {"pledge_id": "pledge-1", "backer_id": "anna", "refund_id": "rf_1"}
    await service.hear((sample(payouts.RefundSucceeded, fully_refunded=False, **back), 1))
    await say(service, comment("c2"))
    whole = back | {"refund_id": "rf_2"}
    await service.hear((sample(payouts.RefundSucceeded, fully_refunded=True, **whole), 2))
    assert await refusal(service, comment("c3")) == "fully-refunded"
    await say(service, comment("c4", "ben"))
    found = await service.comments.comments(CAMPAIGN, "u1", None, 9)
    assert {one.comment_id for one in found} == {"c1", "c2", "c4"}


async def test_pages_of_comments_are_whole_and_newest_first(service: UpdatesService) -> None:
    """Every comment is on exactly one page, also those of one instant; a save is guarded."""
    for number in range(7):
        one = comment(f"c{number}", written_at=NOW + timedelta(minutes=number // 2))
        await service.units.run(lambda unit, one=one: unit.comments.save(one))
    names: list[str] = []
    before = None
    while page := await service.comments.comments(CAMPAIGN, "u1", before, 2):
        names += [one.comment_id for one in page]
        before = (page[-1].written_at, page[-1].comment_id)
    assert names == [f"c{number}" for number in (6, 5, 4, 3, 2, 1, 0)]
    with pytest.raises((Conflict, DuplicateKey)):
        await service.units.run(lambda unit: unit.comments.save(comment()))


@pytest.mark.row("S20")
async def test_backers_and_team_talk_and_strangers_read(client: httpx.AsyncClient) -> None:
    """Over HTTP: markup stays text, a hidden comment is a marker without words or writer."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    path = f"{UPDATE}/comments/c1"
    words = "<script>alert(1)</script>"
    anna, stranger = bearer(backer("backer-1")), bearer(backer("backer-2"))
    said = await client.put(path, json={"text": words}, headers=anna)
    assert said.json()["text"] == words and said.headers["content-type"] == "application/json"
    assert problem(await client.put(path, json={"text": "x"}, headers=stranger))[0] == 404
    assert problem(await client.put(f"{path}x", json={"text": ""}, headers=anna))[0] == 422
    answer = await client.put(f"{UPDATE}/comments/c2", json={"text": "Merci.", "answers": "c1"})
    assert answer.json()["by_team"]
    page = (await client.get(f"{UPDATE}/comments?limit=1", headers=stranger)).json()
    assert [one["comment_id"] for one in page["items"]] == ["c2"] and page["next_cursor"]
    hidden = {"reason": "abuse", "note": "private"}
    await client.put(f"{path}/hiding", json=hidden, headers=bearer(STAFF))
    behind = {"cursor": page["next_cursor"]}
    (marker,) = (await client.get(f"{UPDATE}/comments", params=behind)).json()["items"]
    assert (marker["text"], marker["author_id"], marker["hidden_because"]) == (None, None, "abuse")
    assert "private" not in str(marker)
    assert (await client.put(f"{UPDATE}/discussion", json={"closed": True})).json()["closed"]
    refused = await client.put(f"{UPDATE}/comments/c3", json={"text": "x"}, headers=anna)
    assert problem(refused) == (409, "comments-closed")


async def test_what_may_not_be_read_may_not_be_commented_on(client: httpx.AsyncClient) -> None:
    """Drafts and what is for a reward: for others there is no such update, nor its comments."""
    path = "/campaigns/campaign-1/updates/u2"
    await client.put(path, json=BODY | {"visibility": "rewards", "rewards": ["golden"]})
    for _ in range(2):
        for caller in (backer("backer-1"), creator("creator-2")):
            headers = bearer(caller)
            assert problem(await client.get(f"{path}/comments", headers=headers))[0] == 404
            written = await client.put(f"{path}/comments/c1", json={"text": "x"}, headers=headers)
            assert problem(written)[0] == 404
        await client.post(f"{path}/publish")
