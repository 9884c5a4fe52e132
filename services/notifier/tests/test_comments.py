"""Comments and promises: who is answered is told, the team once a day, and of each promise once."""

from collections import Counter
from datetime import UTC, timedelta

import pytest

from notifier.domain.cause import CauseKind, Told
from notifier.domain.kind import ToldAs
from notifier.domain.routing import DIGEST, Frequency, Later, Preferences, SendNow, decide
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    comment,
    fact,
    launched,
    memory_notifier,
    settle,
    settle_later,
    told_in_roles,
)
from services.notifier.tests.post import memory_post, person
from sosst_contracts.updates import CommentHidden, PlanAsked, PromiseDue


@pytest.mark.row("S20")
async def test_a_comment_is_told_to_whom_it_answers_and_to_the_team(notifier: Notifier) -> None:
    """A backer's to both, the team's to whom it answers; whoever wrote it knows it."""
    await notifier.hear(launched())
    said = [
        comment(1, "anna"),
        comment(2, "ben", answered="anna"),
        comment(3, "carol", answered="anna", team=True),
        comment(4, "anna", answered="anna"),
        comment(5, "ben", answered="carol"),
    ]
    for _ in range(2):
        await notifier.hear(*said)
        await settle_later(notifier)
    assert Counter((role, who) for _, role, who in told_in_roles(notifier)) == {
        ("backer", "anna"): 2,
        ("creator", "carol"): 4,
    }


async def test_a_comment_that_was_hidden_first_leads_nobody_there(notifier: Notifier) -> None:
    """Who was not told is not told any more; another comment of the update still is."""
    await notifier.hear(launched())
    hidden = fact(
        CommentHidden, 3, update_id="u1", comment_id="c1", hidden_at=NOW + timedelta(hours=1)
    )
    await notifier.hear(comment(1, "ben", "anna"), comment(2, "ben", "dora"), hidden)
    await settle(notifier)
    assert [who for _, role, who in told_in_roles(notifier) if role == "backer"] == ["dora"]


def test_the_team_reads_comments_in_the_days_digest() -> None:
    """Whatever was asked for; who is answered asks for a digest like for any news."""
    monday = NOW + timedelta(days=1)
    said = Told(CauseKind.COMMENT_ADDED, "c", CAMPAIGN, monday)
    at_once = Preferences()
    assert decide(said, at_once, UTC, monday) == SendNow()
    later = decide(said, at_once, UTC, monday, ToldAs.CREATOR)
    assert isinstance(later, Later) and later.reason == DIGEST
    weekly = Preferences(digest=Frequency.WEEKLY)
    much_later = decide(said, weekly, UTC, monday, ToldAs.CREATOR)
    assert isinstance(much_later, Later) and much_later.at > later.at


async def test_the_team_is_written_to_the_next_morning() -> None:
    """And not before, although it asked for nothing."""
    post = memory_post()
    await post.know(person("anna", zone="UTC"), person("carol", zone="UTC"))
    await post.notifier.hear(launched())
    await post.notifier.hear(comment(1, "ben", answered="anna"))
    await settle_later(post.notifier)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1})
    post.clock.advance(hours=21)
    await post.write_all()
    assert post.sent_to()["carol@a.example"] == 1


async def test_the_creator_is_asked_for_a_plan_and_of_each_promise_once() -> None:
    """Several steps and batches that are due at one instant are several questions."""
    notifier = memory_notifier()
    await notifier.hear(launched())
    of = {"reward_id": "lamp", "due_at": NOW}
    due = [
        fact(PlanAsked, 1, asked_at=NOW),
        fact(PromiseDue, 2, batch=1, step="packaging", **of),
        fact(PromiseDue, 3, batch=1, step="delivery", **of),
        fact(PromiseDue, 4, batch=2, step="delivery", **of),
    ]
    for _ in range(2):
        await notifier.hear(*due)
        await settle(notifier)
    seen = Counter(told_in_roles(notifier))
    assert seen == {
        ("plan-asked", "creator", "carol"): 1,
        ("promise-due", "creator", "carol"): 3,
    }
