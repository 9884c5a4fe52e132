"""What a page of a long list costs, by what MongoDB says of the queries that answering it sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import STAFF, Caller, backer, creator
from infra.servicekit.tests.costs import Cost, cost_of
from servicekit.cursors import cursor_of
from servicekit.mongo import Database, Document
from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_comments import comment, told
from services.updates.tests.test_handlers import CAMPAIGN
from services.updates.tests.test_stores import update
from updates.adapters.documents import update_document
from updates.adapters.mongo_comments import comment_document
from updates.domain.update import Visibility

PAGE = 50
# Beside the page: who asks, what the page hangs on, and what is of the same instant as its place.
BESIDE = 8
BULK = 20_000


async def fill(database: Database, collection: str, rows: Iterable[Document]) -> None:
    waiting: list[Document] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == BULK:
            await database.collection(collection).insert_many(waiting, ordered=False)
            waiting = []
    if waiting:
        await database.collection(collection).insert_many(waiting, ordered=False)


@dataclass
class Reader:
    """Somebody who reads pages of a list, and sees what each of them cost."""

    service: UpdatesService
    database: Database
    path: str
    caller: Caller | None

    async def page(self, cursor: str) -> tuple[list[dict[str, Any]], Cost]:
        """Return what stands on the page behind the cursor, and what it cost."""
        pages: list[list[dict[str, Any]]] = []

        async def read() -> None:
            async with client_of(api_of(self.service), self.caller) as client:
                query = {"limit": str(PAGE), "cursor": cursor}
                answer = await client.get(self.path, params=query)
            assert answer.status_code == 200, answer.text
            pages.append(answer.json()["items"])

        cost = await cost_of(self.database, read)
        return pages[0], cost


@pytest.mark.row("S20")
async def test_a_page_of_a_hundred_thousand_comments_reads_a_page(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """The newest and the oldest page cost the same; one that is counted off is told apart."""
    await told(mongodb_service)
    many = 100_000

    def at(number: int) -> Any:
        return NOW + timedelta(seconds=number // 3)

    made = (comment(f"{number:06}", written_at=at(number)) for number in range(many))
    await fill(database, "comments", (comment_document(one) for one in made))
    path = f"/campaigns/{CAMPAIGN}/updates/u1/comments"
    for caller in (None, STAFF):
        reader = Reader(mongodb_service, database, path, caller)
        for depth in (many, 99_001, 50_000, PAGE):
            cursor = "" if depth == many else cursor_of((at(depth), f"{depth:06}"))
            items, cost = await reader.page(cursor)
            expected = [f"{depth - place:06}" for place in range(1, PAGE + 1)]
            assert [one["comment_id"] for one in items] == expected
            assert PAGE <= cost.documents <= PAGE + BESIDE, (caller, depth, cost)
            assert cost.keys <= PAGE + BESIDE and not cost.sorted, (caller, depth, cost)
    counted_off = database.collection("comments").find().sort("written_at", -1).skip(50_000)
    offender = await cost_of(database, lambda: counted_off.limit(PAGE).to_list(None))
    assert offender.documents > 50_000 and offender.sorted


@pytest.mark.row("S1")
@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        (None, (Visibility.PUBLIC,)),
        (backer("anna"), (Visibility.PUBLIC, Visibility.BACKERS)),
        (creator("creator-1"), tuple(Visibility)),
    ],
    ids=("stranger", "backer", "creator"),
)
async def test_a_page_of_a_thousand_updates_reads_a_page(
    mongodb_service: UpdatesService,
    database: Database,
    caller: Caller | None,
    shown: tuple[Visibility, ...],
) -> None:
    """Of what is for others it reads what lies between, and nothing of what stands in front."""
    await told(mongodb_service)
    kinds = list(Visibility)

    def kind(number: int) -> Visibility:
        return kinds[number % len(kinds)]

    # Younger than the one that is there, three of each instant, each third of them for others.
    made = [update(f"{n:04}", 1 + n // 3, visibility=kind(n)) for n in range(1_000)]
    await fill(database, "updates", (update_document(one) for one in made))
    reader = Reader(mongodb_service, database, f"/campaigns/{CAMPAIGN}/updates", caller)
    between = PAGE * len(kinds) // len(shown)
    for depth in (1_000, 900, 500, 160):
        place = (NOW + timedelta(minutes=1 + depth // 3), f"{depth:04}")
        items, cost = await reader.page("" if depth == 1_000 else cursor_of(place))
        numbers = [n for n in reversed(range(depth)) if kind(n) in shown]
        assert [one["update_id"] for one in items] == [f"{n:04}" for n in numbers[:PAGE]]
        assert PAGE <= cost.documents <= between + BESIDE, (depth, cost)
        assert cost.keys <= between + BESIDE and not cost.sorted, (depth, cost)
