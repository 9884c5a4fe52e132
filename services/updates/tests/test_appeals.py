"""The staff's queue of appeals: what waits for another person's word, the longest in front."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF
from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_comments import comment, say, told
from services.updates.tests.test_handlers import CAMPAIGN
from updates.domain.errors import Refused
from updates.domain.hiding import Appeal, HidingReason, Ruling, Statement
from updates.domain.report import Thing
from updates.handlers.comment_hiding import appeal_comment, hide_comment, rule_on_comment
from updates.handlers.erasures import Erasure, forget_people
from updates.handlers.hiding import appeal_hiding, hide_update, rule_on_hiding
from updates.handlers.recover import Hid, hide_again
from updates.sweeps.appeals import MeasureAppeals

SAID = Statement(HidingReason.ABUSE, "It insults.", "staff-1", NOW)


async def appealed(service: UpdatesService, comments: int) -> None:
    """An update, and these comments of it an hour later each: all hidden, all appealed against."""
    await told(service)
    for number in range(1, comments + 1):
        await say(service, comment(f"c{number}"))
    await service.units.run(lambda unit: hide_update(unit, CAMPAIGN, "u1", SAID))
    for number in range(1, comments + 1):
        thing, at = Thing(CAMPAIGN, "u1", f"c{number}"), NOW + timedelta(hours=number)
        await service.units.run(lambda unit, thing=thing: hide_comment(unit, thing, SAID))
        made = Appeal("It does not.", "anna", at)
        await service.units.run(
            lambda unit, thing=thing, made=made: appeal_comment(unit, thing, made)
        )
    made = Appeal("It does not.", "creator-1", NOW)
    for _ in range(2):
        await service.units.run(lambda unit: appeal_hiding(unit, CAMPAIGN, "u1", made))


async def waiting(service: UpdatesService) -> list[str | None]:
    found = await service.appeals.appeals_waiting(None, 10)
    return [one.thing.comment_id for one in found]


async def test_what_is_appealed_waits_until_another_person_decides(
    service: UpdatesService,
) -> None:
    """The longest first; who hid it decides nothing, and what is decided has left the queue."""
    await appealed(service, 2)
    assert await waiting(service) == [None, "c1", "c2"]
    same = Ruling(upheld=True, words="It does.", by="staff-1", at=NOW)
    with pytest.raises(Refused) as refused:
        await service.units.run(lambda unit: rule_on_hiding(unit, CAMPAIGN, "u1", same))
    assert refused.value.reason == "same-person" and len(await waiting(service)) == 3
    other = Ruling(upheld=False, words="It does not.", by="staff-2", at=NOW)
    first = Thing(CAMPAIGN, "u1", "c1")
    for _ in range(2):
        await service.units.run(lambda unit: rule_on_hiding(unit, CAMPAIGN, "u1", other))
        await service.units.run(lambda unit: rule_on_comment(unit, first, other))
    assert await waiting(service) == ["c2"]


async def test_what_a_restored_backup_shows_again_waits_for_nobody(
    service: UpdatesService,
) -> None:
    """The topic says that it was granted after the backup: no ghost is left in the queue."""
    await appealed(service, 1)
    shown = Hid(CAMPAIGN, "u1", None, "staff-2", NOW + timedelta(days=1))
    await service.units.run(lambda unit: hide_again(unit, shown))
    assert await waiting(service) == ["c1"]


async def test_nobody_judges_words_that_are_forgotten(service: UpdatesService) -> None:
    """An erased writer's appeal leaves the queue with the words that it is about."""
    await appealed(service, 1)
    gone = Erasure("anna", NOW + timedelta(days=1))
    for _ in range(2):
        await service.units.run(lambda unit: forget_people(unit, [gone]))
    assert await waiting(service) == [None]


async def test_how_many_wait_and_since_when_is_measured(service: UpdatesService) -> None:
    """The alert reads the oldest one's time; with none it is 0."""
    names = "sosst_updates_appeals_open", "sosst_updates_appeal_oldest_timestamp_seconds"
    measure = MeasureAppeals(service.appeals)
    await measure(NOW)
    assert [REGISTRY.get_sample_value(one) for one in names] == [0, 0]
    await appealed(service, 1)
    await measure(NOW)
    assert [REGISTRY.get_sample_value(one) for one in names] == [2, NOW.timestamp()]


async def test_staff_read_the_queue_in_pages(service: UpdatesService) -> None:
    """Each names what is hidden and who hid it; a cursor that is not ours is refused."""
    await appealed(service, 3)
    async with client_of(api_of(service)) as http:
        seen: list[str | None] = []
        cursor: str | None = ""
        while cursor is not None:
            wanted = {"cursor": cursor, "limit": 3}
            answer = await http.get("/queues/appeals", params=wanted, headers=bearer(STAFF))
            assert answer.status_code == 200
            page = answer.json()
            assert {one["hidden_by"] for one in page["items"]} == {"staff-1"}
            seen += [one["comment_id"] for one in page["items"]]
            cursor = page["next_cursor"]
        assert seen == [None, "c1", "c2", "c3"]
        odd = await http.get("/queues/appeals", params={"cursor": "x"}, headers=bearer(STAFF))
        assert odd.status_code == 422
