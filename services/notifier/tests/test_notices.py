"""The list of a campaign's notices: a page of it costs a page, however many followers there are."""

from dataclasses import replace
from typing import Any

from infra.sandbox.issuer.tokens import Caller
from infra.servicekit.tests.costs import cost_of
from notifier.adapters.documents import cause_document, chunk_document
from notifier.domain.cause import CauseKind, Told, subject_within
from notifier.domain.cause import hear as heard
from notifier.domain.chunk import Chunk, ChunkState
from notifier.domain.kind import ToldAs
from notifier.domain.person import Person, PersonRole
from servicekit.mongo import Database
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    pledges,
    settle,
    verdict,
)
from services.notifier.tests.conftest import mongo_notifier

STAFF = Caller("sam", ("staff",))
CAUSES, PAGES, RECIPIENTS = 60, 20, 50


def told(number: int) -> Told:
    subject = subject_within(CAMPAIGN, f"u{number:03}")
    return Told(CauseKind.UPDATE_PUBLISHED, subject, CAMPAIGN, NOW)


def chunks_of(one: Told) -> list[Chunk]:
    """The chunks of one cause: its backers, and page after page of followers."""
    people = tuple(f"p{number}" for number in range(RECIPIENTS))
    done = {"state": ChunkState.DONE}
    backers = Chunk(f"{one.cause}|000|000000", one, people, 0, **done)  # type: ignore[arg-type]
    followers = [
        Chunk(f"{one.cause}|follower|{number:06}", one, people, None, role=ToldAs.FOLLOWER, **done)  # type: ignore[arg-type]
        for number in range(PAGES)
    ]
    return [backers, *followers]


async def fill(database: Database) -> list[str]:
    """Keep sixty causes, all heard in one instant, and a thousand chunks; return their names."""
    causes = [told(number) for number in range(CAUSES)]
    rows = [cause_document(heard(one, 1, None, NOW)) for one in causes]
    await database.collection("causes").insert_many(rows)
    chunks = [chunk_document(chunk) for one in causes for chunk in chunks_of(one)]
    await database.collection("chunks").insert_many(chunks)
    return [one.cause for one in causes]


async def test_a_page_of_notices_reads_a_page(database: Database) -> None:
    """The causes by their index, unsorted; the figures from indexes alone, no name of anybody."""
    names = await fill(database)
    others = [replace(told(number), campaign_id="other") for number in range(CAUSES, 5 * CAUSES)]
    rows = [cause_document(heard(one, 1, None, NOW)) for one in others]
    await database.collection("causes").insert_many(rows)
    queries = mongo_notifier(database).queries
    cost = await cost_of(database, lambda: queries.causes(CAMPAIGN, (NOW, names[40]), 10))
    # All are of one instant: those in front of the place are looked at too.
    assert cost.returned == 10 and cost.documents <= 10 + CAUSES - 40 and not cost.sorted, cost
    for keys, read in ((10, queries.totals_of), (10 * PAGES, queries.role_totals)):
        cost = await cost_of(database, lambda read=read: read(names[:10]))
        assert cost.documents == 0 and cost.keys <= keys + 11, cost


async def test_every_notice_is_on_one_page(database: Database) -> None:
    """Also those that were heard in one instant; each with the figures of all who are told."""
    names = await fill(database)
    notifier = mongo_notifier(database)
    await notifier.units.run(lambda unit: unit.creators.add({CAMPAIGN: "carol"}))
    seen: list[dict[str, Any]] = []
    async with notifier.http(STAFF) as client:
        cursor: str | None = ""
        while cursor is not None:
            answer = await client.get(
                f"/campaigns/{CAMPAIGN}/notices", params={"cursor": cursor, "limit": 25}
            )
            seen += answer.json()["items"]
            cursor = answer.json()["next_cursor"]
    assert [one["cause"] for one in seen] == sorted(names, reverse=True)
    for one in seen:
        (followers,) = one["others"]
        assert (one["delivered"], followers["delivered"]) == (RECIPIENTS, PAGES * RECIPIENTS)
        assert followers["role"] == "follower" and followers["complete"]


async def test_figures_of_several_are_those_of_each(notifier: Notifier) -> None:
    """What one query says of a page is what is said of each cause alone, others beside backers."""
    staff = Person("sam", NOW, roles=frozenset({PersonRole.STAFF}))
    await notifier.units.run(lambda unit: unit.people.save([staff]))
    await notifier.hear(*pledges(["anna", "ben"]), verdict(2))
    await notifier.plan()
    name, unheard = f"verdict-reached/{CAMPAIGN}", "verdict-reached/other"
    for complete in (False, True):
        found = await notifier.queries.totals_of([name, unheard])
        assert found[name] == await notifier.queries.totals(name) and found[name].people == 2
        assert found[unheard].people == 0
        others = await notifier.queries.role_totals([name, unheard])
        assert others[unheard] == []
        assert [(one.role, one.complete) for one in others[name]] == [(ToldAs.CREATOR, complete)]
        await settle(notifier)
