"""One suite for the stores: the fakes and the real ones keep the same promises."""

from datetime import timedelta

import pytest

from servicekit.errors import Conflict, DuplicateKey
from servicekit.mongo import Database
from services.updates.tests.conftest import NOW, UpdatesService
from updates.domain.project import AsOf, Project, placed
from updates.domain.update import (
    Audience,
    Content,
    Update,
    UpdateKind,
    UpdateState,
    UpdateText,
    Visibility,
)


def update(
    name: str,
    minutes: int = 0,
    state: UpdateState = UpdateState.PUBLISHED,
    visibility: Visibility = Visibility.PUBLIC,
) -> Update:
    text = UpdateText("fr", name, "Oui.")
    content = Content("creator-1", UpdateKind.PROGRESS_REPORT, visibility, (text,))
    at = NOW + timedelta(minutes=minutes)
    return Update("campaign-1", name, content, state, NOW, Audience(1, 1), at)


async def test_a_project_comes_back_and_is_guarded_by_its_version(
    service: UpdatesService,
) -> None:
    """What is saved is loaded equal; a save over somebody else's later one fails."""
    new = Project("campaign-1", as_of={"funding.pledges": AsOf(3, NOW)}, paid_stages={"1": 5})
    await service.units.run(lambda unit: unit.projects.save([new]))
    loaded = await service.queries.project("campaign-1")
    assert loaded is not None and loaded.as_of == new.as_of and loaded.paid_stages == {"1": 5}
    await service.units.run(lambda unit: unit.projects.save([placed(loaded, 7)]))
    with pytest.raises(Conflict):
        await service.units.run(lambda unit: unit.projects.save([placed(loaded, 7)]))
    found = await service.queries.project("campaign-1")
    assert found is not None and found.figures.raised == 7


async def test_an_update_cannot_be_inserted_twice(service: UpdatesService) -> None:
    """Two tabs that both saw no draft cannot both insert one."""
    await service.units.run(lambda unit: unit.updates.save(update("u1")))
    with pytest.raises((Conflict, DuplicateKey)):
        await service.units.run(lambda unit: unit.updates.save(update("u1")))


async def test_a_backer_joins_a_campaign_once(service: UpdatesService) -> None:
    """The guard of the count refuses the same person twice, and knows people per campaign."""
    await service.units.run(lambda unit: unit.backers.add([("c1", "anna", 1), ("c2", "anna", 1)]))
    asked = {("c1", "anna"), ("c1", "ben"), ("c2", "anna")}
    known = await service.units.run(lambda unit: unit.backers.known(asked))
    assert known == {("c1", "anna"): 1, ("c2", "anna"): 1}
    await service.units.run(lambda unit: unit.backers.hold({("c1", "anna"): 0}))
    known = await service.units.run(lambda unit: unit.backers.known(asked))
    assert known == {("c1", "anna"): 0, ("c2", "anna"): 1}
    assert await service.queries.backs("c1", "anna"), "who withdrew had backed it"
    with pytest.raises(DuplicateKey):
        await service.units.run(lambda unit: unit.backers.add([("c1", "anna", 9)]))


async def test_returns_are_known_until_they_are_removed(service: UpdatesService) -> None:
    """A refund that came back is forgotten."""
    await service.units.run(lambda unit: unit.returns.add(["a", "b"]))
    await service.units.run(lambda unit: unit.returns.remove(["a"]))
    assert await service.units.run(lambda unit: unit.returns.known(["a", "b"])) == {"b"}


async def test_pages_of_published_updates_are_whole_and_newest_first(
    service: UpdatesService,
) -> None:
    """Every published update is on exactly one page, also those of one instant; drafts on none."""
    made = [update(f"u{number}", number // 2) for number in range(7)]
    made.append(update("hidden", 99, UpdateState.DRAFT))
    for one in made:
        await service.units.run(lambda unit, one=one: unit.updates.save(one))
    names: list[str] = []
    before = None
    while page := await service.queries.published("campaign-1", before, 2, Visibility):
        names += [one.update_id for one in page]
        assert page[-1].published_at is not None
        before = (page[-1].published_at, page[-1].update_id)
    assert names == ["u6", "u5", "u4", "u3", "u2", "u1", "u0"]


async def test_a_page_holds_what_is_visible_and_is_still_full(service: UpdatesService) -> None:
    """What is left out takes no place on the page, so that its length betrays nothing."""
    for number in range(6):
        visibility = Visibility.BACKERS if number % 2 else Visibility.PUBLIC
        one = update(f"u{number}", number, visibility=visibility)
        await service.units.run(lambda unit, one=one: unit.updates.save(one))
    for visible, names in (
        ({Visibility.PUBLIC}, ["u4", "u2"]),
        (set(Visibility), ["u5", "u4"]),
    ):
        page = await service.queries.published("campaign-1", None, 2, visible)
        assert [one.update_id for one in page] == names


async def test_who_backs_what_is_known_per_campaign(service: UpdatesService) -> None:
    """Somebody who backs one campaign is nobody in another."""
    await service.units.run(lambda unit: unit.backers.add([("c1", "anna", 1)]))
    asked = [("c1", "anna"), ("c2", "anna"), ("c1", "ben")]
    assert [await service.queries.backs(*one) for one in asked] == [True, False, False]


async def test_a_page_reads_the_index_only_as_far_as_it_is_long(database: Database) -> None:
    """The list's query stands on its index, so its cost does not grow with the depth."""
    query = {"campaign_id": "campaign-1", "state": "published"}
    find = {"find": "updates", "filter": query, "sort": {"published_at": -1, "update_id": -1}}
    plan = await database.command("explain", find | {"limit": 2}, verbosity="queryPlanner")
    winning = str(plan["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in winning and "SORT'" not in winning
