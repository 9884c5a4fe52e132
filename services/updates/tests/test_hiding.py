"""Hiding what is published: a statement, one appeal, another person; nothing is deleted."""

from dataclasses import replace

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, Caller, backer
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.test_handlers import CAMPAIGN, CONTENT, collected, publish, write
from services.updates.tests.test_http import BODY, UPDATE, client, known, problem
from services.updates.tests.test_recover import recover
from sosst_contracts import funding, updates
from sosst_contracts.testing import sample
from updates.consumer import PLEDGES
from updates.domain.correction import Correcting
from updates.domain.errors import Refused
from updates.domain.hiding import (
    TRANSITIONS,
    Appeal,
    Hiding,
    HidingReason,
    HidingState,
    Ruling,
    Statement,
    appeal,
    hide,
    move,
    rule,
)
from updates.domain.sight import EVERYTHING, STRANGER
from updates.handlers.correct import correct_update
from updates.handlers.hiding import appeal_hiding, hide_update, rule_on_hiding

__all__ = ["client", "known"]
SAID = Statement(HidingReason.PERSONAL_DATA, "It names a supplier's home.", "staff-1", NOW)
ASKED = Appeal("It is an office.", "creator-1", NOW)
LIFTED = Ruling(upheld=False, words="It is one.", by="staff-2", at=NOW)


@pytest.mark.parametrize("target", HidingState)
@pytest.mark.parametrize("state", HidingState)
def test_a_hiding_moves_by_the_table_alone(state: HidingState, target: HidingState) -> None:
    """Every pair is in the table or refused."""
    if target in TRANSITIONS[state]:
        assert move(Hiding(SAID, state), target).state is target
    else:
        with pytest.raises(Refused):
            move(Hiding(SAID, state), target)


def test_there_is_one_appeal_and_another_person_decides() -> None:
    """The same again is the same; other words, the same person and no appeal are refused."""
    hidden = hide((), SAID)
    assert hide(hidden, replace(SAID, reason=HidingReason.SPAM, by="staff-2")) == hidden
    appealed = appeal(hidden, ASKED)
    assert appeal(appealed, replace(ASKED, by="editor-1")) == appealed
    lifted = rule(appealed, LIFTED)
    assert rule(lifted, LIFTED) == lifted and lifted[-1].state is HidingState.LIFTED
    again = hide(lifted, replace(SAID, by="staff-3"))
    ruled = rule(appeal(again, ASKED), LIFTED)
    assert ruled[:-1] == appeal(again, ASKED)[:-1] == lifted, "what was decided before is kept"
    assert len(ruled) == 2 and ruled[-1].ruling == LIFTED
    upheld = rule(appealed, replace(LIFTED, upheld=True))
    for attempt, reason in (
        (lambda: appeal((), ASKED), "not-hidden"),
        (lambda: appeal(appealed, replace(ASKED, words="Please.")), "appealed-already"),
        (lambda: appeal(upheld, replace(ASKED, words="Please.")), "appealed-already"),
        (lambda: rule(hidden, LIFTED), "not-appealed"),
        (lambda: rule(appealed, replace(LIFTED, by="staff-1")), "same-person"),
        (lambda: rule(upheld, LIFTED), "ruled-already"),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.reason == reason


async def told(service: UpdatesService) -> None:
    await service.hear((sample(funding.CampaignLaunched), 1), collected(1, "anna"))
    await write(service, CONTENT)
    await publish(service)


async def test_what_is_hidden_is_told_once_and_listed_to_its_team_alone(
    service: UpdatesService,
) -> None:
    """By one word and without the statement; granted, it is read again, and told as no update."""
    await told(service)
    for said in (SAID, replace(SAID, by="staff-2")):
        await service.units.run(lambda unit, said=said: hide_update(unit, CAMPAIGN, "u1", said))
    assert await service.queries.published(CAMPAIGN, None, 9, STRANGER) == []
    (kept,) = await service.queries.published(CAMPAIGN, None, 9, EVERYTHING)
    assert kept.hidden and kept.hidings == (Hiding(SAID),)
    asked = Correcting(2, CONTENT, "mended", False, "creator-1")
    with pytest.raises(Refused, match="told to nobody"):
        await service.units.run(
            lambda unit: correct_update(unit, PLEDGES, CAMPAIGN, "u1", asked, NOW)
        )
    await service.units.run(lambda unit: appeal_hiding(unit, CAMPAIGN, "u1", ASKED))
    for _ in range(2):
        await service.units.run(lambda unit: rule_on_hiding(unit, CAMPAIGN, "u1", LIFTED))
    (shown,) = await service.queries.published(CAMPAIGN, None, 9, STRANGER)
    assert not shown.hidden and shown.hidings[0].ruling == LIFTED
    names = [type(event) for event in await service.published()]
    assert names == [updates.UpdatePublished, updates.UpdateHidden, updates.UpdateRestored]
    assert "supplier" not in str(await service.published())


async def test_hidings_come_back_from_the_topic() -> None:
    """Without the words; once, however often it is recovered."""
    lived, restored = memory_service(), memory_service()
    for service in (lived, restored):
        await told(service)
    await lived.units.run(lambda unit: hide_update(unit, CAMPAIGN, "u1", SAID))
    for line in ("hidden again", "known already"):
        assert any(line in one for one in await recover(restored, lived))
        found = await restored.queries.update(CAMPAIGN, "u1")
        assert found is not None and found.hidden and found.hidings[0].statement.facts == ""
    await lived.units.run(lambda unit: appeal_hiding(unit, CAMPAIGN, "u1", ASKED))
    await lived.units.run(lambda unit: rule_on_hiding(unit, CAMPAIGN, "u1", LIFTED))
    for _ in range(2):
        await recover(restored, lived)
        found = await restored.queries.update(CAMPAIGN, "u1")
        assert found is not None and not found.hidden and len(found.hidings) == 1


async def test_over_http_everybody_else_is_told_that_there_is_none(
    client: httpx.AsyncClient,
) -> None:
    """List, page, comments, revisions, project; its team reads on, with the statement."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    said = {"reason": "abuse", "facts": "An insult."}
    hidden = await client.put(f"{UPDATE}/hiding", json=said, headers=bearer(STAFF))
    assert hidden.json()["hidings"][0]["facts"] == "An insult."
    anna = bearer(backer("backer-1"))
    for path in (UPDATE, f"{UPDATE}/comments", f"{UPDATE}/revisions"):
        assert problem(await client.get(path, headers=anna))[0] == 404
        assert (await client.get(path)).status_code == 200
    for path, name in (
        ("/campaigns/campaign-1/updates", "items"),
        ("/campaigns/campaign-1", "updates"),
    ):
        assert (await client.get(path, headers=anna)).json()[name] == []
        assert len((await client.get(path)).json()[name]) == 1
    appeal = await client.put(f"{UPDATE}/hiding/appeal", json={"words": "It was a joke."})
    assert appeal.json()["hidings"][0]["state"] == "appealed"
    ruling = {"upheld": False, "words": "It was one."}
    same = await client.put(f"{UPDATE}/hiding/ruling", json=ruling, headers=bearer(STAFF))
    assert problem(same) == (409, "same-person")
    other = bearer(Caller("staff-2", ("staff",)))
    assert (await client.put(f"{UPDATE}/hiding/ruling", json=ruling, headers=other)).json()[
        "hidings"
    ] == []
    assert (await client.get(UPDATE, headers=anna)).status_code == 200
