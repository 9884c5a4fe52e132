"""What staff hid: mails that still wait are not sent, inboxes quote nothing, the telling stays."""

from collections import Counter
from datetime import timedelta

import pytest

from infra.sandbox.issuer.tokens import backer
from notifier.domain.cause import CauseKind, Told
from notifier.domain.hidden_update import update_told_of
from notifier.domain.kind import ToldAs
from notifier.domain.routing import Frequency, Preferences
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    comment,
    fact,
    hidden,
    launched,
    pledges,
    restored,
    settle,
    settle_later,
    update,
)
from services.notifier.tests.post import Post, memory_post, person
from sosst_contracts.updates import UpdateCorrected

CAUSE = f"update-published/{CAMPAIGN}:update-1"
WEEKLY = Preferences(digest=Frequency.WEEKLY)
DAY = timedelta(days=1)


async def two_backers(post: Post) -> None:
    """Anna reads at once, Ben once a week."""
    await post.know(person("anna", zone="UTC"), person("ben", zone="UTC"))
    await post.notifier.units.run(lambda unit: unit.preferences.save("ben", WEEKLY))
    await post.notifier.hear(*pledges(["anna", "ben"]), launched())


async def told_as(post: Post, who: str) -> list[tuple[str, bool, bool]]:
    """Return kind, whether it is hidden and whether it quotes anything, newest first."""
    async with post.notifier.http(backer(who)) as client:
        shown = (await client.get(f"/people/{who}/inbox")).json()["items"]
    return [(one["kind"], one["hidden"], "texts" in one["content"]) for one in shown]


@pytest.mark.row("S4")
async def test_what_waits_is_not_sent_and_the_telling_stays(post: Post) -> None:
    """Who had the mail had it; who waited for the digest is suppressed and counted."""
    await two_backers(post)
    await post.notifier.hear(update(2, 2))
    await settle(post.notifier)
    await post.write_all()
    await post.notifier.hear(hidden(2))
    post.clock.advance(hours=24 * 8)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1})
    totals = await post.totals(CAUSE)
    assert (totals.delivered, totals.suppressed, totals.pending) == (1, 1, 0)
    for who in ("anna", "ben"):
        assert await told_as(post, who) == [("update-published", True, False)]
    (cause,) = (await post.notifier.units.run(lambda u: u.causes.load({CAUSE}))).values()
    assert cause.audience == 2


async def test_what_is_restored_in_time_is_sent_and_quoted_again(post: Post) -> None:
    """And nobody is told twice; what was suppressed meanwhile stays so."""
    await two_backers(post)
    await post.notifier.hear(update(2, 2), hidden(2))
    await settle(post.notifier)
    await post.write_all()
    assert not post.sent_to()
    await post.notifier.hear(restored(3))
    post.clock.advance(hours=24 * 8)
    await post.write_all()
    totals = await post.totals(CAUSE)
    assert (totals.delivered, totals.suppressed, totals.pending) == (0, 2, 0)
    assert await told_as(post, "anna") == [("update-published", False, True)]


async def test_hidden_and_restored_before_the_digest_is_in_it() -> None:
    """Whether it is hidden is read at the send; of one batch the last word holds."""
    post = memory_post()
    await two_backers(post)
    await post.notifier.hear(update(2, 2))
    await settle(post.notifier)
    await post.write_all()
    await post.notifier.hear(hidden(2), restored(3), hidden(4), restored(5))
    post.clock.advance(hours=24 * 8)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1, "ben@a.example": 1})


async def test_corrections_and_answers_below_a_hidden_update_lead_nobody_there() -> None:
    """Another update of the campaign is told as ever."""
    post = memory_post()
    await two_backers(post)
    of = {"pledges_sequence": 2, "audience_count": 2, "corrected_at": NOW}
    corrected = fact(UpdateCorrected, 2, update_id="update-1", revision=2, tells=True, **of)
    answered = comment(3, "carol", answered="anna", team=True)
    await post.notifier.hear(update(2, 2), corrected, answered)
    await post.notifier.hear(update(2, 2, 4, update_id="update-10"), hidden(5), hidden(6, "u1"))
    await settle_later(post.notifier)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1})
    quoted = Counter(await told_as(post, "anna"))
    assert quoted == {
        ("update-published", True, False): 1,
        ("update-corrected", True, False): 1,
        ("comment-added", True, False): 1,
        ("update-published", False, True): 1,
    }


def test_its_team_reads_on() -> None:
    """What may be hidden is named for readers alone, and for no other kind."""
    said = Told(CauseKind.COMMENT_ADDED, "c", "a:b", NOW, {"update_id": "u1"})
    assert update_told_of(said, ToldAs.BACKER) == "a%3Ab:u1"
    assert update_told_of(said, ToldAs.CREATOR) is None
    refund = Told(CauseKind.REFUND_SUCCEEDED, "rf_1", CAMPAIGN, NOW)
    assert update_told_of(refund, ToldAs.BACKER) is None
