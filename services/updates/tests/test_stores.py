"""One suite for the stores: the fakes and the real ones keep the same promises."""

from dataclasses import asdict, replace
from datetime import timedelta

import pytest

from infra.servicekit.tests.costs import cost_of
from servicekit.errors import Conflict, DuplicateKey
from servicekit.mongo import Database
from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.contents import content_of
from services.updates.tests.test_handlers import CONTENT
from services.updates.tests.test_surveys import FORM
from updates.adapters.document_ids import joined_id, plain_id
from updates.adapters.documents import update_document, update_from
from updates.adapters.mongo_surveys import survey_document, survey_from
from updates.domain.correction import Change, Revision
from updates.domain.kinds import ProgressReport, UpdateKind
from updates.domain.project import AsOf, Project, placed
from updates.domain.sight import EVERYTHING, STRANGER, Sight
from updates.domain.survey import Survey, SurveyState
from updates.domain.update import (
    Audience,
    Content,
    Schedule,
    Update,
    UpdateState,
    UpdateText,
    Visibility,
    draft,
)
from updates.ports.unit import Joined

pytestmark = pytest.mark.port


def update(
    name: str,
    minutes: int = 0,
    state: UpdateState = UpdateState.PUBLISHED,
    visibility: Visibility = Visibility.PUBLIC,
) -> Update:
    text = UpdateText("fr", name, "Oui.")
    content = Content("creator-1", ProgressReport(), visibility, (text,))
    at = NOW + timedelta(minutes=minutes)
    return Update("campaign-1", name, content, state, NOW, Audience(1, 1), at)


async def test_a_project_comes_back_and_is_guarded_by_its_version(
    service: UpdatesService,
) -> None:
    """What is saved is loaded equal; a save over somebody else's later one fails."""
    new = Project("campaign-1", as_of={"funding.pledges": AsOf(3, NOW)}, paid_stages={"1": 5})
    new = replace(new, team={"e.ve": frozenset({"editor"})})
    await service.units.run(lambda unit: unit.projects.save([new]))
    loaded = await service.queries.project("campaign-1")
    assert loaded is not None and loaded.team == new.team
    assert loaded.as_of == new.as_of and loaded.paid_stages == {"1": 5}
    await service.units.run(lambda unit: unit.projects.save([placed(loaded, 7)]))
    with pytest.raises(Conflict):
        await service.units.run(lambda unit: unit.projects.save([placed(loaded, 7)]))
    found = await service.queries.project("campaign-1")
    assert found is not None and found.figures.raised == 7


@pytest.mark.parametrize("kind", UpdateKind)
async def test_an_update_of_each_kind_comes_back_as_it_was(
    service: UpdatesService, kind: UpdateKind
) -> None:
    """Parts, sections, instants, days and what it resolves."""
    made = Update("campaign-1", "u1", content_of(kind, resolves=("u0",)), UpdateState.DRAFT, NOW)
    await service.units.run(lambda unit: unit.updates.save(made))
    assert await service.queries.update("campaign-1", "u1") == replace(made, version=1)


def test_an_update_from_before_there_were_kinds_is_a_progress_report() -> None:
    """A document without parts, sections and problems."""
    row = update_document(update("u1"))
    del row["parts"], row["resolves"], row["texts"][0]["sections"]
    assert update_from(row) == update("u1")


async def test_an_update_cannot_be_inserted_twice(service: UpdatesService) -> None:
    """Two tabs that both saw no draft cannot both insert one."""
    await service.units.run(lambda unit: unit.updates.save(update("u1")))
    with pytest.raises((Conflict, DuplicateKey)):
        await service.units.run(lambda unit: unit.updates.save(update("u1")))


async def test_a_backer_joins_a_campaign_once(service: UpdatesService) -> None:
    """The guard of the count refuses the same person twice, and knows people per campaign."""
    anna, elsewhere = ("c1", "anna"), ("c2", "anna")
    first = {anna: Joined(1, {"lamp": 1, "": 1}), elsewhere: Joined(1, {"": 1})}
    await service.units.run(lambda unit: unit.backers.add(first))
    asked = {anna, ("c1", "ben"), elsewhere}
    known = await service.units.run(lambda unit: unit.backers.known(asked))
    assert known == {anna: {"lamp": 1, "": 1}, elsewhere: {"": 1}}
    await service.units.run(lambda unit: unit.backers.hold({anna: {"lamp": 0, "": 0}}))
    known = await service.units.run(lambda unit: unit.backers.known(asked))
    assert known == {anna: {"lamp": 0, "": 0}, elsewhere: {"": 1}}
    assert await service.queries.rewards_of(*anna) == {"lamp"}, "who withdrew had chosen it"
    with pytest.raises(DuplicateKey):
        await service.units.run(lambda unit: unit.backers.add({anna: Joined(9, {"": 1})}))


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
    while page := await service.queries.published("campaign-1", before, 2, EVERYTHING):
        names += [one.update_id for one in page]
        assert page[-1].published_at is not None
        before = (page[-1].published_at, page[-1].update_id)
    assert names == ["u6", "u5", "u4", "u3", "u2", "u1", "u0"]


async def test_a_page_holds_what_is_visible_and_is_still_full(service: UpdatesService) -> None:
    """What is left out takes no place on the page, so that its length betrays nothing."""
    readers = [(Visibility.PUBLIC, ()), (Visibility.BACKERS, ()), (Visibility.REWARDS, ("lamp",))]
    for number in range(6):
        visibility, rewards = readers[number % 3]
        one = update(f"u{number}", number, visibility=visibility)
        one = replace(one, content=replace(one.content, rewards=rewards))
        await service.units.run(lambda unit, one=one: unit.updates.save(one))
    for sight, names in (
        (STRANGER, ["u3", "u0"]),
        (Sight(inside=True), ["u4", "u3"]),
        (Sight(inside=True, rewards=frozenset({"other"})), ["u4", "u3"]),
        (Sight(inside=True, rewards=frozenset({"lamp", "other"})), ["u5", "u4"]),
        (EVERYTHING, ["u5", "u4"]),
    ):
        page = await service.queries.published("campaign-1", None, 2, sight)
        assert [one.update_id for one in page] == names


async def test_who_backs_what_is_known_per_campaign(service: UpdatesService) -> None:
    """Somebody who backs one campaign is nobody in another."""
    anna = {("c1", "anna"): Joined(1, {"": 1})}
    await service.units.run(lambda unit: unit.backers.add(anna))
    asked = [("c1", "anna"), ("c2", "anna"), ("c1", "ben")]
    assert [await service.queries.rewards_of(*one) for one in asked] == [frozenset(), None, None]


async def test_what_was_said_before_is_kept_once_and_read_latest_first(
    service: UpdatesService,
) -> None:
    """A number is taken once; corrections may be read alone, or with the edits before them."""
    said = [
        Revision(
            "c1", "u1", n, update("u1").content, NOW, "creator-1", "why", n > 2, (Change.DATE,)
        )
        for n in range(1, 5)
    ]
    for one in said:
        await service.units.run(lambda unit, one=one: unit.revisions.add(one))
    with pytest.raises(DuplicateKey):
        await service.units.run(lambda unit: unit.revisions.add(said[0]))
    read = service.queries.revisions
    assert await read("c1", "u1", None, 3, corrections=False) == said[:0:-1]
    assert await read("c1", "u1", 2, 3, corrections=False) == said[:1]
    assert await read("c1", "u1", None, 9, corrections=True) == said[:1:-1]
    assert await read("c1", "u2", None, 9, corrections=False) == []


async def test_what_waits_is_listed_and_what_is_due_comes_first(service: UpdatesService) -> None:
    """Drafts and scheduled updates by pages, the youngest first; the sweep's list by its time."""
    for number, state in enumerate(UpdateState):
        one = replace(update(state.value, state=state), drafted_at=NOW + timedelta(hours=number))
        if state is not UpdateState.PUBLISHED:
            one = replace(one, published_at=None, audience=None)
        await service.units.run(lambda unit, one=one: unit.updates.save(one))
    for name, minutes in (("later", 2), ("sooner", 1)):
        at = NOW + timedelta(minutes=minutes)
        one = replace(update(name, state=UpdateState.SCHEDULED), schedule=Schedule(at, at))
        one = replace(one, campaign_id="campaign-2", published_at=None)
        await service.units.run(lambda unit, one=one: unit.updates.save(one))
    first = await service.queries.drafts("campaign-1", None, 1)
    assert [one.update_id for one in first] == ["scheduled"]
    behind = await service.queries.drafts("campaign-1", (first[0].drafted_at, "scheduled"), 9)
    assert [one.update_id for one in behind] == ["draft"]
    assert await service.queries.oldest_due_update() == NOW + timedelta(minutes=1)
    due = await service.queries.due_updates(NOW + timedelta(minutes=2), 9)
    assert due == [("campaign-2", "sooner"), ("campaign-2", "later")]
    assert await service.queries.due_updates(NOW + timedelta(minutes=2), 9, 1) == due[1:]
    assert await service.queries.due_updates(NOW, 9) == []
    assert await service.queries.overdue_updates(NOW + timedelta(minutes=1)) == 1


async def test_a_page_reads_the_index_only_as_far_as_it_is_long(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """Each list's query stands on its index, so its cost does not grow with the depth."""
    rows = []
    for number in range(300):
        one = update(f"p{number:03}", number)
        at = NOW + timedelta(minutes=number)
        draft = replace(one, update_id=f"d{number:03}", state=UpdateState.DRAFT, published_at=None)
        draft = replace(draft, drafted_at=at)
        waits = replace(draft, update_id=f"s{number:03}", state=UpdateState.SCHEDULED)
        for each in (one, draft, replace(waits, schedule=Schedule(at, at))):
            rows += [each, replace(each, campaign_id="campaign-2")]
    await database.collection("updates").insert_many([update_document(one) for one in rows])
    queries, place = mongodb_service.queries, NOW + timedelta(minutes=100)
    for reads, read in (
        (10, lambda: queries.published("campaign-1", None, 10, EVERYTHING)),
        (10, lambda: queries.published("campaign-1", (place, "p100"), 10, EVERYTHING)),
        (10, lambda: queries.drafts("campaign-1", None, 10)),
        (10, lambda: queries.drafts("campaign-1", (place, "s100"), 10)),
        (10, lambda: queries.due_updates(place, 10)),
        (1, queries.oldest_due_update),
    ):
        cost = await cost_of(database, read)
        # Behind a place, the one that stands there is looked at too.
        assert cost.returned == reads and reads <= cost.documents <= reads + 1, cost
        assert cost.keys == cost.documents and not cost.sorted, cost
    # How many are overdue says the index alone: one in each campaign, and the key behind them.
    assert await queries.overdue_updates(NOW) == 2
    overdue = await cost_of(database, lambda: queries.overdue_updates(NOW))
    assert overdue.documents <= 2 and overdue.keys <= 3 and not overdue.scanned, overdue


def test_stored_ids_keep_their_form() -> None:
    """Both forms of ids are as they were stored; only the later one tells any names apart."""
    assert plain_id("campaign-1", "auth0|1") == "campaign-1|auth0|1"
    assert joined_id("campaign-1", "a|b%") == "campaign-1|a%7Cb%25"
    assert joined_id("a|b", "c") != joined_id("a", "b|c")


def test_an_audience_is_read_by_the_release_before_and_behind() -> None:
    """The one before takes its fields by name and knows two; what it saves names none beside."""
    told = Audience(3, 2, 5)
    update = replace(draft(None, "campaign-1", "u1", CONTENT, NOW), audience=told)
    survey = Survey("campaign-1", "s1", "creator-1", FORM, SurveyState.OPEN, NOW, audience=told)
    for row, read, whole in (
        (update_document(update), update_from, update),
        (survey_document(survey), survey_from, survey),
    ):
        assert row["audience"] == {"pledges_sequence": 3, "count": 2}
        assert read(row) == whole
        saved_before = {name: value for name, value in row.items() if name != "campaign_sequence"}
        assert read(saved_before).audience == Audience(3, 2)
        # Of this release until now it had it in its place.
        assert read(saved_before | {"audience": asdict(told)}) == whole
