"""In which languages an update would be read: the sum is who is told, and no count is a person."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.tokens import STAFF, Caller, backer, creator
from notifier.domain.audience import Consent
from notifier.domain.cause import CauseKind
from notifier.domain.spoken import by_language
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    choose,
    collected,
    described,
    fact,
    launched,
    missed,
    settle,
    update,
)
from services.notifier.tests.figures import told_of
from sosst_contracts.funding import TeamChanged

CAUSE = f"update-published/{CAMPAIGN}:update-1"
PATH = f"/campaigns/{CAMPAIGN}/would-be-told/update-published/languages"
FRENCH, ENGLISH, FINNISH, SILENT = 7, 5, 2, 1
BACKERS = FRENCH + ENGLISH + FINNISH + SILENT
LAMP, BOOK = "lamp", "book"


@pytest.mark.parametrize(
    ("readers", "named", "others"),
    [
        ({}, {}, 0),
        ({"fr": 5}, {"fr": 5}, 0),
        ({"fr": 4}, {}, 4),
        ({"fr": 3, "fr-CH": 1, "FR-be": 1, "en": 4}, {"fr": 5}, 4),
        ({"unknown": 50, "en": 6}, {"en": 6}, 50),
    ],
)
def test_a_language_is_named_from_five_readers_on(
    readers: Mapping[str, int], named: Mapping[str, int], others: int
) -> None:
    """Regions are one language; whoever is not named is counted, so that the sum stays."""
    assert by_language(readers) == (named, others)


async def backed(notifier: Notifier) -> None:
    """Fifteen backers; French readers have chosen a lamp, all others a book."""
    languages = ["fr"] * (FRENCH - 1) + ["fr-CH"] + ["en"] * ENGLISH + ["fi"] * FINNISH
    people = [described(f"person-{n}", language=said) for n, said in enumerate(languages)]
    pledges = [
        collected(n + 1, f"person-{n}", reward_id=LAMP if n < FRENCH else BOOK)
        for n in range(BACKERS)
    ]
    members = [{"person_id": "erik", "roles": ["editor"]}]
    team = fact(TeamChanged, 2, members=members, changed_at=NOW)
    await notifier.hear(*people, launched(), team, *pledges)


async def asked(
    notifier: Notifier, caller: Caller, query: Mapping[str, str] | None = None
) -> httpx.Response:
    """Ask the application as this caller."""
    async with notifier.http(caller) as client:
        return await client.get(PATH, params=query)


async def counted(notifier: Notifier, **query: str) -> dict[str, Any]:
    answer = await asked(notifier, creator("carol"), query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_the_sum_of_languages_is_who_is_told(notifier: Notifier) -> None:
    """Of an update for one reward, too; what is counted is what is told afterwards."""
    await backed(notifier)
    assert await counted(notifier) == {
        "pledges_sequence": BACKERS,
        "told": {"backer": BACKERS},
        "not_told": {},
        "by_language": {"en": ENGLISH, "fr": FRENCH},
        "other_languages": FINNISH + SILENT,
    }
    books = await counted(notifier, visibility="rewards", rewards=BOOK)
    assert books["by_language"] == {"en": ENGLISH}
    assert books["not_told"] == {"other-rewards": FRENCH}
    await notifier.hear(update(BACKERS, BACKERS, visibility="rewards", visible_to_rewards=[BOOK]))
    await settle(notifier)
    roles, channels = await told_of(notifier, CAUSE)
    assert roles == books["told"]
    assert channels["inbox"]["other-rewards"] == FRENCH


async def test_after_a_missed_goal_only_who_agreed_is_counted(notifier: Notifier) -> None:
    """But of the failure letter everybody is told, refunded or not."""
    await backed(notifier)
    await notifier.hear(missed(BACKERS, sequence=3))
    await settle(notifier)
    for number in range(FRENCH):
        await choose(notifier, f"person-{number}", Consent.KEEP_IN_TOUCH)
    news = await counted(notifier, kind="news")
    assert (news["by_language"], news["other_languages"]) == ({"fr": FRENCH}, 0)
    assert news["not_told"] == {"no-consent": BACKERS - FRENCH}
    letter = await counted(notifier, kind="failure_letter")
    assert letter["told"] == {"backer": BACKERS} and letter["not_told"] == {}


async def test_the_team_asks_and_is_shown_no_person(notifier: Notifier) -> None:
    """An editor as the creator; a backer, another creator and a person of a page get nothing."""
    await backed(notifier)
    for caller in (creator("carol"), backer("erik"), STAFF):
        answer = await asked(notifier, caller)
        assert answer.status_code == 200 and "person-" not in answer.text
    for caller in (backer("person-1"), creator("mallory")):
        assert (await asked(notifier, caller)).status_code == 404
    assert await notifier.queries.cause(f"{CauseKind.UPDATE_PUBLISHED.value}/would-be-told") is None
