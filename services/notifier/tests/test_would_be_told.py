"""Who would be told: the counts are those of what is told afterwards, and nothing is written."""

from collections import Counter

import pytest

from infra.sandbox.issuer.tokens import STAFF
from notifier.adapters.mail_reports import read_report
from notifier.domain.audience import Consent
from notifier.domain.cause import CauseKind
from notifier.domain.errors import Refused
from notifier.domain.kind import ToldAs
from notifier.handlers.would_be_told import Page
from notifier.http import MailRoutes
from services.notifier.tests.builders import (
    CAMPAIGN,
    Notifier,
    back,
    choose,
    collected,
    described,
    launched,
    memory_notifier,
    missed,
    settle,
    update,
)
from services.notifier.tests.figures import count, told_of
from services.notifier.tests.post import LINKS, with_mail

CAUSE = f"update-published/{CAMPAIGN}:update-1"
PATH = f"/campaigns/{CAMPAIGN}/would-be-told"


async def backed(notifier: Notifier) -> None:
    """Five backers of two rewards, some with an address; one of them is the creator."""
    names = ["anna", "ben", "carol", "dora", "emil"]
    rewards = ["lamp", "book", "lamp", "lamp", "book"]
    joined = [
        collected(number, who, reward_id=reward)
        for number, (who, reward) in enumerate(zip(names, rewards, strict=True), 1)
    ]
    await notifier.hear(
        described("anna", language="fr", address="anna@a.example"),
        described("ben", language="en", address="ben@a.example"),
        described("carol", language="en", address=None),
    )
    await notifier.hear(launched(), *joined)


@pytest.mark.parametrize("ended", [False, True], ids=["running", "missed"])
async def test_what_is_counted_is_what_is_told(notifier: Notifier, ended: bool) -> None:
    """An update for one reward; in a missed campaign only who asked for it hears of it."""
    with_mail(notifier)
    await backed(notifier)
    if ended:
        await notifier.hear(missed(5, sequence=2))
        await settle(notifier)
        await choose(notifier, "anna", Consent.KEEP_IN_TOUCH)
        await choose(notifier, "dora", Consent.KEEP_IN_TOUCH)
    said: dict[str, object] = {"visibility": "rewards", "rewards": ["lamp"]}
    counted = await count(notifier, CauseKind.UPDATE_PUBLISHED, **said)
    assert await notifier.queries.cause(CAUSE) is None
    assert await notifier.queries.chunks_of("update-published/asked", "", 5) == []
    await notifier.hear(update(5, 5, visibility="rewards", visible_to_rewards=["lamp"]))
    await settle(notifier)
    while await notifier.write():
        pass
    roles, channels = await told_of(notifier, CAUSE)
    assert (+counted.roles, counted.channels) == (roles, channels)
    assert counted.people == (["anna", "dora"] if ended else ["anna", "carol", "dora"])
    assert counted.languages == Counter(
        {"fr": 1, "unknown": 1} if ended else {"fr": 1, "en": 1, "unknown": 1}
    )


async def test_roles_are_counted_but_nobody_twice(notifier: Notifier) -> None:
    """The creator who backs the campaign is one of its backers, until they have it all back."""
    await backed(notifier)
    counted = await count(notifier, CauseKind.VERDICT_REACHED)
    assert +counted.roles == Counter({ToldAs.BACKER.value: 5})
    await notifier.hear(back("pledge-3", "carol", 1), back("pledge-4", "dora", 2))
    refunded = await count(notifier, CauseKind.STAGE_PAID)
    assert +refunded.roles == Counter({ToldAs.BACKER.value: 3, ToldAs.CREATOR.value: 1})
    alone = await count(memory_notifier(), CauseKind.VERDICT_REACHED)
    assert +alone.roles == Counter()


async def test_pages_of_people_meet(notifier: Notifier) -> None:
    """Each once, by id, however small the pages are."""
    await backed(notifier)
    seen: list[str] = []
    while page := (await count(notifier, CauseKind.VERDICT_REACHED, Page(_last(seen), 2))).people:
        seen += page
    assert seen == ["anna", "ben", "carol", "dora", "emil"]


def _last(seen: list[str]) -> str:
    return seen[-1] if seen else ""


async def test_what_names_its_people_is_not_counted() -> None:
    """A refund is told to its backer; who that is, the fact says."""
    notifier = memory_notifier()
    await backed(notifier)
    with pytest.raises(Refused, match="names"):
        await count(notifier, CauseKind.REFUND_SUCCEEDED)


async def test_staff_ask_over_http() -> None:
    """Counts and a page; an N that is not reached, a kind that names its people, are refused."""
    notifier = memory_notifier()
    await backed(notifier)
    async with notifier.http(STAFF, mail=MailRoutes(LINKS, read_report, [])) as client:
        answer = await client.get(f"{PATH}/verdict-reached?limit=2")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["people"], body["next_after"]) == (["anna", "ben"], "ben")
        assert body["channels"]["email"] == {"told": 2, "no-address": 3}
        assert body["pledges_sequence"] == 5
        earlier = await client.get(f"{PATH}/verdict-reached?as_of=2")
        assert earlier.json()["roles"]["backer"] == 2
        ahead = await client.get(f"{PATH}/verdict-reached?as_of=6")
        named = await client.get(f"{PATH}/refund-succeeded")
        unknown = await client.get("/campaigns/unheard/would-be-told/verdict-reached")
    types = [one.json()["type"] for one in (ahead, named, unknown)]
    assert types == [
        f"/problems/{n}" for n in ("view-behind", "names-its-people", "campaign-unknown")
    ]
